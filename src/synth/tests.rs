//! What a generated dataset promises.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::table::Breast;
use super::*;
use crate::preprocess::decode::{Decoder, Want};
use crate::preprocess::read;
use crate::record::{Laterality, View};

fn tiny(spec: SynthSpec) -> SynthSpec {
    SynthSpec { size: Size::Tiny, ..spec }
}

/// Every file below a folder by its path, with its bytes.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    all
}

fn made(spec: &SynthSpec) -> (tempfile::TempDir, Summary) {
    let folder = tempfile::tempdir().unwrap();
    let summary = generate(spec, folder.path(), || {}).unwrap();
    (folder, summary)
}

fn relative(folder: &tempfile::TempDir) -> BTreeMap<PathBuf, Vec<u8>> {
    let strip = |path: PathBuf| path.strip_prefix(folder.path()).unwrap().to_owned();
    contents(folder.path()).into_iter().map(|(path, bytes)| (strip(path), bytes)).collect()
}

#[test]
fn a_seed_gives_the_same_bytes_on_one_thread_and_on_five() {
    let spec = tiny(SynthSpec { patients: 12, workers: 1, ..SynthSpec::default() });
    let (one, summary) = made(&spec);
    let (five, _) = made(&SynthSpec { workers: 5, ..spec.clone() });
    let (other, _) = made(&SynthSpec { seed: 43, ..spec });
    assert_eq!(relative(&one), relative(&five));
    assert_ne!(relative(&one), relative(&other));
    assert_eq!(relative(&one).len(), summary.images + 4);
}

#[test]
fn every_lossless_coding_gives_the_stored_values_back() {
    for id in [21, 29, 93, 216] {
        let mut spec = PhantomSpec::example(Layout::Label, View::Mlo, Laterality::Right, id as u64);
        spec.machine = machines::Machine::of(id).unwrap();
        spec.divisor = 16;
        let phantom = phantom(&spec);
        for coding in Coding::ALL {
            let bytes = DicomFile::new(&spec, &phantom, coding, 1, 2).to_bytes();
            let (header, data) = read::open(Bytes::from(bytes), 1 << 24).unwrap();
            let decoded = Decoder::default().decode(&header, &data, &Want::default()).unwrap();
            let name = coding.as_str();
            assert_eq!(header.display.padding.is_some(), phantom.tone.padding.is_some(), "{name}");
            if coding.lossless() {
                assert!(decoded.pixels == phantom.pixels, "{name} on machine {id}");
            } else {
                let shift = coding.depth(12).1;
                let apart = |(a, b): (&u16, &u16)| f64::from((a << shift).abs_diff(*b));
                let pairs = decoded.pixels.pixels().iter().zip(phantom.pixels.pixels());
                let mean = pairs.map(apart).sum::<f64>() / decoded.pixels.pixels().len() as f64;
                assert!(mean < 40.0, "{name} on machine {id}: {mean} apart");
            }
        }
    }
}

#[test]
fn all_images_of_a_breast_share_its_label_and_the_labels_keep_the_real_rules() {
    let spec = SynthSpec { patients: 6000, test_patients: 0, ..SynthSpec::default() };
    let patients = super::patients(&spec);
    let breasts: Vec<(&Patient, &Breast)> =
        patients.iter().flat_map(|p| p.breasts.iter().map(move |b| (p, b))).collect();
    for (patient, breast) in &breasts {
        let site = patient.machine.site;
        let called_back = breast.birads == Some(0);
        assert!(!breast.cancer || (breast.biopsy && !breast.difficult_negative));
        assert!(!breast.invasive || breast.cancer);
        assert!(breast.birads.is_none_or(|birads| birads == 0) || !breast.cancer);
        assert!(!(breast.birads.is_some_and(|birads| birads > 0) && breast.biopsy));
        let benign = !breast.cancer && (breast.biopsy || called_back);
        assert_eq!(breast.difficult_negative, benign);
        assert!(site == 1 || (!patient.density_known && !patient.implant));
        assert!((2..=9).contains(&breast.images.len()));
        for view in [View::Cc, View::Mlo] {
            assert!(breast.images.iter().any(|image| image.view == view));
        }
    }
    let share = |count: usize, of: usize| count as f64 / of as f64;
    let count = |f: &dyn Fn(&(&Patient, &Breast)) -> bool| breasts.iter().filter(|b| f(b)).count();
    let near = |found: f64, real: f64, within: f64| {
        assert!((found - real).abs() < within, "{found}, really {real}");
    };
    // The real figures: 54,706 rows of train.csv, by breast.
    near(share(count(&|b| b.1.cancer), breasts.len()), NATURAL_PREVALENCE, 0.0006);
    near(share(count(&|b| b.0.machine.site == 1), breasts.len()), 0.488, 0.03);
    near(share(count(&|b| b.1.birads.is_none()), breasts.len()), 0.555, 0.03);
    near(share(count(&|b| b.1.difficult_negative), breasts.len()), 0.138, 0.02);
    near(share(count(&|b| b.1.biopsy), breasts.len()), 0.051, 0.01);
    let images: usize = breasts.iter().map(|b| b.1.images.len()).sum();
    near(share(images, breasts.len()), 2.296, 0.05);
    let cancers = count(&|b| b.1.cancer);
    near(share(count(&|b| b.1.invasive), cancers), 0.71, 0.1);
    let ages: Vec<f64> = patients.iter().filter_map(|p| p.age).map(f64::from).collect();
    near(ages.iter().sum::<f64>() / ages.len() as f64, 58.64, 0.7);
    assert!(ages.len() < patients.len() || patients.len() < 3000);
}

#[test]
fn a_raised_prevalence_is_met_within_one_patient() {
    for (patients, prevalence) in [(50, 0.3), (200, 0.05), (31, 0.1)] {
        let spec = SynthSpec { patients, prevalence, test_patients: 0, ..SynthSpec::default() };
        let made = super::patients(&spec);
        let cancers = made.iter().flat_map(|p| &p.breasts).filter(|b| b.cancer).count() as f64;
        let wanted = prevalence * 2.0 * patients as f64;
        assert!((cancers - wanted).abs() <= 2.5, "{cancers} of {wanted}");
    }
}

#[test]
fn no_id_stands_twice() {
    let patients = super::patients(&SynthSpec { patients: 3000, ..SynthSpec::default() });
    let mut seen = HashMap::new();
    for patient in &patients {
        *seen.entry(patient.id).or_insert(0) += 1;
        for image in patient.breasts.iter().flat_map(|breast| &breast.images) {
            *seen.entry(image.id).or_insert(0) += 1;
        }
    }
    assert!(seen.values().all(|&times| times == 1));
}

#[test]
fn the_tissue_lies_on_the_side_of_the_chest_wall_and_in_its_box() {
    for (i, layout) in Layout::ALL.into_iter().enumerate() {
        for (view, laterality) in [(View::Cc, Laterality::Left), (View::Mlo, Laterality::Right)] {
            let spec = PhantomSpec::example(layout, view, laterality, i as u64);
            let phantom = phantom(&spec);
            let (width, height) = (phantom.tissue.width(), phantom.tissue.height());
            let share = |columns: std::ops::Range<usize>| {
                phantom
                    .tissue
                    .rows()
                    .map(|row| row[columns.clone()].iter().filter(|&&t| t).count())
                    .sum::<usize>()
            };
            let (left, right) = (share(0..width / 2), share(width / 2..width));
            assert_eq!(left > right, laterality == Laterality::Left, "{layout:?}");
            let covered = (left + right) as f64 / (width * height) as f64;
            match layout {
                Layout::SmallBreast => assert!(covered < 0.13, "{covered}"),
                Layout::FillingBreast => assert!(covered > 0.5, "{covered}"),
                _ => assert!((0.04..0.8).contains(&covered), "{layout:?} {covered}"),
            }
            let b = phantom.breast;
            for (y, row) in phantom.tissue.rows().enumerate() {
                for (x, &tissue) in row.iter().enumerate() {
                    let inside =
                        (b.left..b.right()).contains(&x) && (b.top..b.bottom()).contains(&y);
                    assert!(inside || !tissue, "{layout:?} at {x}, {y}");
                }
            }
        }
    }
}

#[test]
fn a_mass_is_brighter_than_what_surrounds_it() {
    for seed in 0..12 {
        let mut spec = PhantomSpec::example(Layout::NoisyAir, View::Cc, Laterality::Left, seed);
        let mut random = Random::new(seed);
        spec.findings = lesion::findings(true, false, &mut random);
        let with = phantom(&spec);
        spec.findings.clear();
        let without = phantom(&spec);
        let place = with.findings[0].1;
        let mean = |phantom: &Phantom| {
            let rows = (place.top..place.bottom()).map(|y| phantom.pixels.row(y));
            let sum: f64 =
                rows.flat_map(|row| &row[place.left..place.right()]).map(|&v| f64::from(v)).sum();
            sum / place.area() as f64
        };
        let (with, without) = (mean(&with), mean(&without));
        assert!(with > without + 40.0, "{with} {without}");
    }
}

#[test]
fn damage_is_done_where_the_truth_says_so() {
    let damage = Damage::ALL.map(|damage| (damage, 1)).to_vec();
    let (folder, summary) = made(&tiny(SynthSpec { patients: 10, damage, ..SynthSpec::default() }));
    assert_eq!(summary.damaged, Damage::ALL.len());
    let truth = fs::read_to_string(folder.path().join("truth.csv")).unwrap();
    let rows = fs::read_to_string(folder.path().join("train.csv")).unwrap();
    for damage in Damage::ALL {
        let line = truth.lines().find(|line| line.ends_with(&format!(",{}", damage.as_str())));
        let cells: Vec<&str> = line.unwrap().split(',').collect();
        let path = folder.path().join(format!("train_images/{}/{}.dcm", cells[1], cells[2]));
        assert_eq!(path.exists(), damage != Damage::MissingFile, "{damage:?}");
        let times = rows.matches(&format!(",{},", cells[2])).count();
        let wanted = match damage {
            Damage::NoRow => 0,
            Damage::DuplicateRow => 2,
            _ => 1,
        };
        assert_eq!(times, wanted, "{damage:?}");
        let unseen = matches!(
            damage,
            // What decodes all the same, or is broken only as a codestream.
            Damage::BitFlip
                | Damage::WrongRows
                | Damage::Truncated
                | Damage::LargerCodestream
                | Damage::SmallerCodestream
                | Damage::HugeCodestream
        );
        if damage.of_the_file() && !unseen {
            let bytes = Bytes::from(fs::read(path).unwrap());
            assert!(read::open(bytes, 1 << 24).is_err(), "{damage:?} was not noticed");
        }
    }
}

#[test]
fn a_folder_with_something_else_in_it_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.tex"), "years of work").unwrap();
    let spec = tiny(SynthSpec { patients: 1, ..SynthSpec::default() });
    let fault = generate(&spec, folder.path(), || {}).unwrap_err();
    assert!(fault.to_string().contains("is not empty"), "{fault}");
    assert_eq!(contents(folder.path()).len(), 1);
    // What synth itself made is replaced.
    let (own, first) = made(&spec);
    assert_eq!(generate(&spec, own.path(), || {}).unwrap(), first);
}
