//! Each dataset that has a preset, as it is published, from `inspect` to `train`.
//!
//! `synth --shape NAME` writes small datasets with the names, tables and words of the sets.

use crate::common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::release::{dataset, run};
use mammo_pipe::config::{self, Config, TrainConfig, WindowMode};
use mammo_pipe::dataset::{Job, Role};
use mammo_pipe::flow::Stop;
use mammo_pipe::inspect::{inspect, tables_present};
use mammo_pipe::model::{Device, Variant};
use mammo_pipe::preprocess::decode::{Decoder, Want};
use mammo_pipe::preprocess::look;
use mammo_pipe::preprocess::plan::Plan;
use mammo_pipe::preprocess::read::open;
use mammo_pipe::record::{Density, Laterality, View};
use mammo_pipe::shard::table::Table;
use mammo_pipe::synth::{Shape, Size, SynthSpec};
use mammo_pipe::train::run::{self, Run, RunFacts};
use mammo_pipe::train::setup::Setup;
use mammo_pipe::train::{Control, End, train};

/// The dataset of a shape in `folder`, and the settings with its preset and `more`.
fn shaped(folder: &Path, shape: Shape, more: &[&str]) -> Config {
    let data = folder.join("data");
    let spec = SynthSpec {
        shape,
        patients: 8,
        test_patients: 2,
        prevalence: 0.4,
        size: Size::Tiny,
        ..SynthSpec::default()
    };
    dataset(&data, &spec);
    let mut overrides = vec![format!("dataset.preset={}", shape.as_str())];
    overrides.extend(more.iter().map(|text| text.to_string()));
    overrides.extend(["resize.height=64", "resize.width=32", "folds.count=2"].map(String::from));
    let mut config = config::load(None, &overrides).unwrap();
    (config.dataset.input, config.output) = (data, folder.join("release"));
    config
}

/// Inspects, preprocesses and trains; returns the release's rows.
fn to_a_network(config: &Config) -> Arc<Table> {
    let split = tables_present(config).unwrap();
    assert_eq!(split, config.dataset.split);
    let survey = inspect(config, true, None, |_, _| {}).unwrap();
    let counts = survey.counts.unwrap();
    assert_eq!((counts.missing, counts.strays), (0, 0), "{:?} {:?}", survey.missing, survey.strays);
    assert_eq!(survey.disagreements.count, 0, "{:?}", survey.disagreements);

    let summary = run(config, 2).unwrap();
    assert_eq!((summary.counts.rejected, summary.counts.missing), (0, 0), "{summary:?}");
    let table = Arc::new(Table::read(&config.output).unwrap());

    let mut small = TrainConfig { epochs: 1, batch: 4, augment: None, ..TrainConfig::default() };
    small.model.variant = Variant::B0;
    let facts = RunFacts {
        format_version: run::FORMAT_VERSION,
        tool: "test".into(),
        program_sha256: String::new(),
        release: config.output.clone(),
        release_plan_sha256: String::new(),
        manifest_sha256: String::new(),
        preprocessing: table.plan.settings.clone(),
        train: small.clone(),
        folds: None,
        held_out: vec![Some(0)],
        init: None,
    };
    let run = Run::create(&config.output.with_file_name("run"), facts).unwrap();
    let setup = Setup { train: small, device: Device::Cpu, init: None, loader_threads: 1 };
    let control = Control {
        stop: Stop::default(),
        on_event: &|_| {},
        on_message: &|_| {},
        on_prediction: &|_, _| {},
    };
    assert_eq!(train(&run, &table, &setup, &control).unwrap(), End::Finished);
    table
}

/// The hints that a dataset gets with its preset.
fn hints(config: &Config) -> Vec<String> {
    let plan = Plan::new(config.clone()).unwrap();
    plan.joined.hints.iter().map(|hint| hint.to_string()).collect()
}

#[test]
fn vindr_mammo_has_words_for_numbers_boxes_as_rows_and_its_own_split() {
    let folder = tempfile::tempdir().unwrap();
    let unlabelled = shaped(folder.path(), Shape::VindrMammo, &[]);
    let told = hints(&unlabelled);
    assert!(told.iter().any(|hint| hint.contains("dataset.label='BIRADS >= 4'")), "{told:?}");

    let config = shaped(folder.path(), Shape::VindrMammo, &["dataset.label=BIRADS >= 4"]);
    let table = to_a_network(&config);
    let rows = &table.rows;
    assert!(rows.iter().any(|row| row.role == Role::Test));
    assert!(rows.iter().all(|row| (1..=5).contains(&row.record.birads.unwrap())));
    assert!(rows.iter().all(|r| r.record.cancer == Some(r.record.birads >= Some(4))));
    assert!(rows.iter().all(|row| row.record.density.is_some() && row.record.view.is_some()));
    assert_eq!(table.plan.settings["dataset"]["label"], "BIRADS >= 4");
    let plan = Plan::new(config).unwrap();
    let records = plan.joined.jobs.iter().map(|job| &job.record);
    let boxed = records.clone().filter(|record| !record.boxes.is_empty()).count();
    assert!(boxed > 0 && boxed < plan.joined.jobs.len());
    let found = "['Mass', 'Skin Retraction']";
    assert!(records.clone().any(|r| r.extra[0].as_deref().is_some_and(|e| e.contains(found))));
}

#[test]
fn inbreast_has_semicolons_and_its_patients_in_the_file_s_names() {
    let folder = tempfile::tempdir().unwrap();
    let config = shaped(folder.path(), Shape::Inbreast, &["dataset.label=BIRADS in [4, 5, 6]"]);
    let table = to_a_network(&config);
    let patients: std::collections::HashSet<_> =
        table.rows.iter().map(|row| row.record.patient_id.as_str()).collect();
    assert_eq!(patients.len(), 10);
    assert!(patients.iter().all(|patient| patient.len() == 16), "{patients:?}");
    assert!(table.rows.iter().any(|row| row.record.birads == Some(4)), "4a, 4b and 4c are 4");
    assert!(table.rows.iter().any(|row| row.record.density == Some(Density::B)));
}

#[test]
fn cbis_ddsm_has_four_tables_paths_of_which_one_folder_holds_and_crops() {
    let folder = tempfile::tempdir().unwrap();
    let config = shaped(folder.path(), Shape::CbisDdsm, &[]);
    assert_eq!(hints(&config), [""; 0]);
    let table = to_a_network(&config);
    let plan = Plan::new(config).unwrap();
    assert_eq!(plan.joined.left_out, 2 * table.rows.len(), "a crop and a mask each");
    let cancer = |label| table.rows.iter().filter(|row| row.record.cancer == label).count();
    assert!(cancer(Some(true)) > 0 && cancer(Some(false)) > 0 && cancer(None) == 0);
    assert!(table.rows.iter().any(|row| row.role == Role::Test));
    assert!(table.rows.iter().all(|row| row.record.density.is_some()));
    let extra = |text: &str| table.rows.iter().any(|r| r.record.extra[0].as_deref() == Some(text));
    assert!(extra("mass") && extra("calcification"));
}

#[test]
fn files_of_cbis_ddsm_under_other_names_are_found_by_the_uid_of_their_series() {
    let folder = tempfile::tempdir().unwrap();
    let by_folder = shaped(folder.path(), Shape::CbisDdsm, &[]);
    let uid = "dataset.uid_column={image file path|folder}";
    let mut by_uid = config::load(
        None,
        &["dataset.preset=cbis-ddsm", "dataset.path=**/*.dcm", uid].map(String::from),
    )
    .unwrap();
    by_uid.dataset.input = by_folder.dataset.input.clone();
    let contents = |config: &Config| -> BTreeMap<String, Vec<u8>> {
        let joined = Plan::new(config.clone()).unwrap().joined;
        assert_eq!((joined.missing.len(), joined.strays.len(), joined.hints.len()), (0, 0, 0));
        assert_eq!(joined.left_out, 2 * joined.jobs.len());
        let image =
            |job: &Job| (job.record.image_id.to_string(), std::fs::read(&job.path).unwrap());
        joined.jobs.iter().map(image).collect()
    };
    let of_folders = contents(&by_folder);
    assert!(of_folders.len() > 20);
    assert_eq!(contents(&by_uid), of_folders);

    // Names that say nothing.
    let old = by_uid.dataset.input.join("CBIS-DDSM");
    let mut files = Vec::new();
    files_below(&old, &mut files);
    for (number, file) in files.iter().enumerate() {
        std::fs::rename(file, by_uid.dataset.input.join(format!("{number}.dcm"))).unwrap();
    }
    std::fs::remove_dir_all(&old).unwrap();
    assert_eq!(contents(&by_uid), of_folders);
    let joined = Plan::new(by_folder).unwrap().joined;
    assert_eq!((joined.jobs.len(), joined.missing.len()), (0, of_folders.len()));

    // A second copy: which is the image cannot be told.
    std::fs::copy(by_uid.dataset.input.join("0.dcm"), by_uid.dataset.input.join("copy.dcm"))
        .unwrap();
    let joined = Plan::new(by_uid.clone()).unwrap().joined;
    assert_eq!((joined.jobs.len(), joined.missing.len()), (of_folders.len() - 1, 1));
    let missing = &joined.missing[0].relative;
    assert!(missing.starts_with("**/*.dcm (1.3.6.1.4.1.9590."), "{missing}");
    let hint = joined.hints[0].to_string();
    assert!(hint.contains("several have the UID"), "{hint}");

    by_uid.dataset.row_of = config::RowOf::Breast;
    let refused = Plan::new(by_uid).unwrap_err().to_string();
    assert!(refused.contains("dataset.uid_column"), "{refused}");
}

/// All files below a folder.
fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files_below(&path, found),
            false => found.push(path),
        }
    }
    found.sort();
}

#[test]
fn embed_joins_images_and_findings_and_takes_pathology_within_a_year() {
    let folder = tempfile::tempdir().unwrap();
    let config = shaped(folder.path(), Shape::Embed, &[]);
    let table = to_a_network(&config);
    let truth: Vec<_> =
        table.rows.iter().map(|row| (row.record.cancer, row.record.birads)).collect();
    // Synthetic cancers are BI-RADS 4 or 5; what was cancer years later is BI-RADS 3.
    assert!(truth.iter().any(|(cancer, _)| *cancer == Some(true)));
    assert!(truth.iter().all(|(c, b)| (*c == Some(true)) == (*b >= Some(4))), "{truth:?}");
    assert!(truth.iter().any(|(cancer, _)| cancer.is_none()), "no pathology, no label");
    let image = &table.rows[0].record;
    assert!(image.image_id.as_str().starts_with("1.2.844."), "{}", image.image_id);
}

#[test]
fn cmmd_has_a_workbook_with_a_row_per_breast_and_side_and_view_in_the_header() {
    let folder = tempfile::tempdir().unwrap();
    let config = shaped(folder.path(), Shape::Cmmd, &[]);
    assert_eq!(hints(&config), [""; 0]);
    let table = to_a_network(&config);
    assert_eq!(table.plan.settings["dataset"]["row_of"], "breast");
    assert!(table.rows.len() >= 40);
    let side = |side| table.rows.iter().filter(|r| r.record.laterality == Some(side)).count();
    assert!(side(Laterality::Left) > 0 && side(Laterality::Right) > 0);
    assert!(table.rows.iter().any(|row| row.record.view == Some(View::Mlo)));
    assert!(table.rows.iter().any(|row| row.record.cancer == Some(true)));
}

#[test]
fn without_a_table_patients_are_hashes_under_a_key_that_stays_outside() {
    let folder = tempfile::tempdir().unwrap();
    let more = ["dataset.preset=rsna", "dataset.no_table=true", "dataset.patient_from=header"];
    let mut config = shaped(folder.path(), Shape::Rsna, &more);
    let told = Plan::new(config.clone()).unwrap_err().to_string();
    assert!(told.contains("dataset.patient_key is null, needs a file with a secret key"), "{told}");

    let ids = |config: &Config| -> Vec<(String, String)> {
        let plan = Plan::new(config.clone()).unwrap();
        let id = |job: &mammo_pipe::dataset::Job| {
            (job.record.patient_id.to_string(), job.record.image_id.to_string())
        };
        plan.joined.jobs.iter().map(id).collect()
    };
    let key = folder.path().join("key");
    std::fs::write(&key, "0123456789abcdef0123456789abcdef\n").unwrap();
    config.dataset.patient_key = Some(key.clone());
    let first = ids(&config);
    let patients: std::collections::HashSet<_> = first.iter().map(|(patient, _)| patient).collect();
    assert_eq!(patients.len(), 10, "8 of the training table and 2 of the test table");
    assert!(patients.iter().all(|patient| patient.len() == 32));
    std::fs::write(&key, "another key of enough bytes").unwrap();
    assert!(ids(&config).iter().all(|id| !first.contains(id)));
    let summary = run(&config, 2).unwrap();
    assert_eq!(summary.counts.rejected, 0);
    let settings = Table::read(&config.output).unwrap().plan.settings["dataset"].to_string();
    assert!(!settings.contains("patient_key"), "{settings}");
}

/// The PNG copies of a dataset that circulate: 16 bits, the breast bright, no header.
#[test]
fn pictures_in_place_of_dicom_files_give_the_same_breasts() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = shaped(folder.path(), Shape::Rsna, &["dataset.split=both"]);
    run(&config, 2).unwrap();
    let of_files = Table::read(&config.output).unwrap();
    let mut decoder = Decoder::default();
    for row in &of_files.rows {
        let file = config.dataset.input.join(&row.source_path);
        let bytes = std::fs::read(&file).unwrap();
        let (header, data) = open(bytes.into(), 100_000_000).unwrap();
        let stored = decoder.decode(&header, &data, &Want::default()).unwrap();
        let bright = look::linear(&stored, &header);
        let picture = std::fs::File::create(file.with_extension("png")).unwrap();
        let mut encoder = png::Encoder::new(picture, bright.width() as u32, bright.height() as u32);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Sixteen);
        let words: Vec<u8> = bright.pixels().iter().flat_map(|value| value.to_be_bytes()).collect();
        encoder.write_header().unwrap().write_image_data(&words).unwrap();
        std::fs::remove_file(file).unwrap();
    }
    config.output = folder.path().join("of-pictures");
    // Stored values that fill a small part of 16 bits are flat without it, which their flag says.
    config.window.mode = WindowMode::Percentile;
    config.dataset.path = "{split}_images/{patient_id}/{image_id}.png".into();
    let of_pictures = to_a_network(&config);
    assert_eq!(of_files.rows.len(), of_pictures.rows.len());
    for (file, picture) in of_files.rows.iter().zip(&of_pictures.rows) {
        assert_eq!(file.record.image_id, picture.record.image_id);
        assert!(picture.flags.is_empty(), "{:?}", picture.flags);
        let (a, b) = (file.breast, picture.breast);
        let off = [a.left.abs_diff(b.left), a.top.abs_diff(b.top), a.right().abs_diff(b.right())];
        assert!(off.iter().all(|off| *off <= 2), "{a:?} {b:?}");
    }
}

#[test]
fn a_dataset_without_its_preset_or_from_another_folder_is_told_what_would_find_its_table() {
    const SHAPES: [Shape; 5] =
        [Shape::VindrMammo, Shape::Embed, Shape::CbisDdsm, Shape::Inbreast, Shape::Cmmd];
    for shape in SHAPES {
        let folder = tempfile::tempdir().unwrap();
        let config = shaped(folder.path(), shape, &[]);
        let preset = format!("--set dataset.preset={}", shape.as_str());
        let told = |input: PathBuf, overrides: &[String]| {
            let mut config = config::load(None, overrides).unwrap();
            config.dataset.input = input.clone();
            let hints = inspect(&config, false, Some(1), |_, _| {}).unwrap().hints;
            let fault = Plan::new(config).unwrap_err().to_string();
            assert!(hints.iter().any(|hint| fault.contains(&hint.remedy)), "{hints:?}: {fault}");
            assert!(fault.contains("there is no table"), "{fault}");
            fault
        };
        let data = config.dataset.input;
        let without = told(data.clone(), &[]);
        assert!(without.contains(&preset), "{without}");
        let above = told(folder.path().into(), &[format!("dataset.preset={}", shape.as_str())]);
        assert!(above.contains("data: give that folder") && !above.contains(&preset), "{above}");
        let both = told(folder.path().into(), &[]);
        assert!(both.contains("data: give that folder") && both.contains(&preset), "{both}");
        let images = std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path());
        let images = images.filter(|path| path.is_dir()).max().unwrap();
        let below = told(images, &[]);
        assert!(below.contains("data: give that folder"), "{below}");
    }
}
