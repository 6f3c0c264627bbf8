//! What identifies a person in a file is in no output: texts are planted in every attribute of
//! PS3.15's confidentiality profile and around it, in sound, damaged and other files, and searched
//! for in everything that the program writes and says.

mod files;
mod planted;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dicom_dictionary_std::tags;
use mammo_pipe::explain::gradcam::Method;
use mammo_pipe::explain::secondary_capture::{self, Derivation};
use mammo_pipe::image::Plane;
use mammo_pipe::preprocess::read::{COPIED, Origin};
use mammo_pipe::shard::table::Table;
use mammo_pipe::synth::{Size, SynthSpec};
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use self::planted::{Search, word};
use crate::common::release::dataset;

/// What the program said and wrote.
struct Outputs {
    search: Search,
    folder: tempfile::TempDir,
    /// What was found where.
    found: BTreeSet<String>,
}

impl Outputs {
    fn look(&mut self, place: &str, bytes: &[u8]) {
        let found = self.search.found(bytes);
        self.found.extend(found.into_iter().map(|text| format!("{place}: {text}")));
    }

    /// Runs a command, and looks into what it says.
    #[track_caller]
    fn run(&mut self, codes: &[i32], arguments: &[&str]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mammo-pipe"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        self.look(&format!("{arguments:?} says"), &[&output.stdout[..], &output.stderr].concat());
        let code = output.status.code().unwrap();
        assert!(codes.contains(&code), "{arguments:?} ends in {code}: {said}");
    }

    /// Looks into every file below, and into the columns of tables.
    fn look_below(&mut self, name: &str) {
        let mut left = vec![self.folder.path().join(name)];
        while let Some(path) = left.pop() {
            if path.is_dir() {
                left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            // The file that stays where the dataset is.
            if path.ends_with("sources.jsonl") {
                continue;
            }
            let place = path.strip_prefix(self.folder.path()).unwrap().display().to_string();
            self.look(&place, place.as_bytes());
            self.look(&place, &fs::read(&path).unwrap());
            if path.extension().is_some_and(|extension| extension == "parquet") {
                let text = table_as_text(&path);
                self.look(&place, text.as_bytes());
            }
        }
    }
}

/// Every row of a Parquet file.
fn table_as_text(path: &Path) -> String {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let rows = reader.get_row_iter(None).unwrap();
    rows.map(|row| format!("{}\n", row.unwrap())).collect()
}

/// The paths of a dataset's images, in order.
fn images(folder: &Path) -> Vec<PathBuf> {
    let below = |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut images: Vec<_> = below(&folder.join("train_images"))
        .flat_map(|patient| below(&patient).collect::<Vec<_>>())
        .collect();
    images.sort();
    images
}

#[test]
fn the_profile_has_the_attributes_that_name_a_patient() {
    let tags: BTreeSet<u32> = planted::profile().iter().map(|planted| planted.tag).collect();
    assert!(tags.len() > 600, "{}", tags.len());
    for tag in [0x0010_0010, 0x0010_0020, 0x0010_0030, 0x0008_0050, 0x0008_0080, 0x0020_000D] {
        assert!(tags.contains(&tag), "{tag:08X}");
    }
}

#[test]
fn planted_texts_are_found_by_the_search() {
    let search = Search::new();
    for planted in planted::profile().iter().filter(|planted| planted.vr != "AS") {
        assert!(!search.found(planted.value.as_bytes()).is_empty(), "{planted:?}");
        assert!(!search.found(planted.word.to_lowercase().as_bytes()).is_empty(), "{planted:?}");
    }
    assert_eq!(search.found(b"zq 1.2.826.0.1.1 19310116 zqaaaasaaabk"), BTreeSet::new());
}

#[test]
fn no_identifier_of_a_file_is_in_any_output() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let files = files::files();
    let spec = SynthSpec {
        patients: files.len() / 3,
        size: Size::Tiny,
        prevalence: 0.4,
        ..SynthSpec::default()
    };
    dataset(&data, &spec);
    let places = images(&data);
    assert!(places.len() > files.len(), "{} for {}", places.len(), files.len());
    fs::create_dir(folder.path().join("pictures")).unwrap();
    for ((_, bytes), place) in files.iter().zip(&places) {
        fs::write(place, bytes).unwrap();
    }
    let mut outputs = Outputs { search: Search::new(), folder, found: BTreeSet::new() };
    let small = ["--set", "resize.height=96", "--set", "resize.width=64"];
    let any = ["--set", "limits.max_rejected_share=1"];
    let dry_run = ["preprocess", "--input", "data", "--output", "release", "--dry-run"];
    let preprocess = ["preprocess", "--input", "data", "--output", "release"];
    let again =
        ["preprocess", "--input", "data", "--output", "release", "--retry-rejected", "--json"];
    outputs.run(&[3], &["inspect", "data"]);
    outputs.run(&[3], &["inspect", "data", "--json"]);
    outputs.run(&[3], &["inspect", "data/train_images"]);
    outputs.run(&[0, 3], &[&dry_run[..], &small, &any].concat());
    outputs.run(&[3], &[&preprocess[..], &small, &any].concat());
    outputs.run(&[3], &[&again[..], &small, &any].concat());
    outputs.run(&[0], &["verify", "release"]);
    outputs.run(&[0], &["verify", "release", "--json", "--sources", "data"]);
    outputs.run(&[0], &["report", "release"]);
    for (index, ((kind, _), place)) in files.iter().zip(&places).enumerate() {
        let place = place.to_str().unwrap();
        let picture = format!("pictures/{index}.png");
        outputs.run(&[0, 1], &["render", place, &picture, "--json"]);
        if index % 10 == 0 || kind.starts_with("0028") {
            outputs.run(&[0, 1], &["render", place, &picture, "--force"]);
        }
    }
    // Without a table, patients are keyed hashes, and series are left out by their description.
    fs::write(outputs.folder.path().join("key"), "a key of this test").unwrap();
    let no_table =
        ["preprocess", "--no-table", "--input", "data/train_images", "--output", "untold"];
    let header = ["--set", "dataset.patient_from=header", "--set", "dataset.patient_key=key"];
    let leave_out = ["--set", "dataset.leave_out=[Scout]", "--set", "folds.count=2"];
    outputs.run(&[3], &[&no_table[..], &header, &leave_out, &small, &any].concat());
    outputs.run(&[0], &["verify", "untold"]);

    // A network, its maps, its predictions and its pages.
    let network = ["--set", "train.model.variant=b0", "--set", "train.batch=16"];
    let short = ["--set", "train.epochs=1", "--init", "random", "--fold", "0", "--name", "run"];
    let train = ["train", "release", "--runs", "runs"];
    outputs.run(&[0], &[&train[..], &network, &short].concat());
    let predict = ["predict", "runs/run", "data", "--split", "train", "--output", "predicted.csv"];
    outputs.run(&[3], &predict);
    outputs.run(
        &[0],
        &["explain", "runs/run", "--dataset", "data", "--count", "4", "--output", "maps"],
    );
    outputs.run(&[0], &["evaluate", "runs/run"]);
    outputs.run(&[0], &["report", "runs/run"]);
    for written in ["release", "pictures", "untold", "runs", "maps", "predicted.csv"] {
        outputs.look_below(written);
    }
    assert!(outputs.folder.path().join("predicted.csv").exists());
    assert!(outputs.folder.path().join("maps/explain.json").exists());
    assert!(outputs.folder.path().join("untold/manifest.json").exists());
    assert!(outputs.folder.path().join("release/report.html").exists());
    assert!(outputs.folder.path().join("pictures/0.png").exists());
    assert_eq!(outputs.found, BTreeSet::new());
}

#[test]
fn names_of_files_and_folders_are_in_no_release_that_keeps_no_paths() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let name = |patient: usize, image: usize| {
        format!("data/{} {patient}/{}_{image}.dcm", word(0x0010_0010), word(0x0010_0020))
    };
    for patient in 0..4 {
        fs::create_dir_all(at(&name(patient, 0)).parent().unwrap()).unwrap();
        for image in 0..4 {
            let bytes = files::of_patient(patient, image);
            let length = if patient + image == 6 { 300 } else { bytes.len() };
            fs::write(at(&name(patient, image)), &bytes[..length]).unwrap();
        }
    }
    fs::write(at("key"), "a key of this test").unwrap();
    let first = at(&name(0, 0));
    let mut outputs = Outputs { search: Search::new(), folder, found: BTreeSet::new() };
    let preprocess = ["preprocess", "--no-table", "--input", "data", "--output", "release"];
    let header = ["--set", "dataset.patient_from=header", "--set", "dataset.keep_paths=false"];
    let small = ["--set", "resize.height=96", "--set", "resize.width=64", "--set", "folds.count=2"];
    let key = ["--set", "dataset.patient_key=key"];
    let whole = [&preprocess[..], &header, &small, &key].concat();
    // A hash without a key can be guessed.
    let with_table = ["preprocess", "--input", "data", "--output", "other"];
    outputs.run(&[1], &[&with_table[..], &header[2..]].concat());
    outputs.run(&[3], &whole);
    // A new time alone: the content is compared, by the name of its row.
    let file = File::options().write(true).open(first).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    outputs.run(&[3], &whole);
    outputs.run(&[3], &[&whole[..], &["--retry-rejected", "--json"]].concat());
    outputs.run(&[0], &["verify", "release"]);
    outputs.run(&[0], &["verify", "release", "--sources", "data"]);
    outputs.run(&[0], &["report", "release", "--dataset", "data"]);
    outputs.look_below("release");
    assert_eq!(outputs.found, BTreeSet::new());
    let rows = Table::read(&outputs.folder.path().join("release")).unwrap().rows;
    assert_eq!(rows.len(), 15);
    let is_hash = |path: &str| path.len() == 32 && path.bytes().all(|b| b.is_ascii_hexdigit());
    assert!(rows.iter().all(|row| is_hash(&row.source_path)));
    let sources = fs::read(outputs.folder.path().join("release/sources.jsonl")).unwrap();
    assert_eq!(outputs.search.found(&sources).len(), 2, "the paths are beside the release alone");
}

/// It is a DICOM file of the same study, so it repeats patient and study, and the source's UID.
#[test]
fn a_secondary_capture_repeats_patient_and_study_alone() {
    let search = Search::new();
    let image = Plane::new(24, 40, vec![[0; 3]; 24 * 40]);
    let derivation = Derivation { run: "r", fold: 0, layer: "blocks.5", method: Method::LayerCam };
    let mut written = 0;
    for (kind, bytes) in files::files() {
        let Ok(origin) = Origin::read(&bytes.into()) else { continue };
        written += 1;
        let capture = secondary_capture::file(&origin, &image, &derivation);
        let object = dicom_object::from_reader(capture.as_slice()).unwrap();
        for element in &*object {
            let tag = element.header().tag;
            let named = COPIED.iter().any(|(copied, _)| *copied == tag)
                || tag == tags::SOURCE_IMAGE_SEQUENCE;
            if !named {
                let text = format!("{element:?}");
                assert_eq!(search.found(text.as_bytes()), BTreeSet::new(), "{kind}: {tag}");
            }
        }
    }
    assert!(written > 20, "{written}");
}
