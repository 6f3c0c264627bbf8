//! `mammo-pipe inspect` on generated datasets, whole and damaged.

use crate::common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::dicom_file::DicomFile;
use mammo_pipe::synth::{self, Damage, Size, SynthSpec};
use serde_json::Value as Json;

fn inspect(dataset: &Path, flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mammo-pipe"))
        .arg("inspect")
        .arg(dataset)
        .args(flags)
        .output()
        .unwrap()
}

fn survey(dataset: &Path, flags: &[&str]) -> (Json, i32) {
    let output = inspect(dataset, &[flags, &["--json"]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let survey = serde_json::from_str(&text).unwrap_or_else(|e| {
        panic!("{e}: {text}{}", String::from_utf8_lossy(&output.stderr));
    });
    (survey, output.status.code().unwrap())
}

fn synth(patients: usize, damage: Vec<(Damage, usize)>) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let spec =
        SynthSpec { patients, test_patients: 1, size: Size::Tiny, damage, ..SynthSpec::default() };
    synth::generate(&spec, root.path(), || ()).unwrap();
    root
}

/// How often `value` occurs in `attribute`.
fn files(survey: &Json, attribute: &str, value: &str) -> u64 {
    let attributes = survey["attributes"].as_array().unwrap();
    let found = attributes.iter().find(|a| a["name"] == attribute).unwrap();
    let values = found["values"].as_array().unwrap();
    values.iter().find(|v| v["value"] == value).map_or(0, |v| v["files"].as_u64().unwrap())
}

#[test]
fn a_whole_dataset_is_counted_and_clean() {
    let root = synth(6, vec![]);
    let (survey, code) = survey(root.path(), &[]);
    assert_eq!(code, 0);
    let files_in_all = survey["files"].as_u64().unwrap();
    assert_eq!(survey["headers"], files_in_all);
    assert_eq!(survey["counts"]["jobs"], files_in_all);
    assert_eq!(survey["tables"][0]["patients"], 6);
    assert_eq!(survey["tables"][1]["split"], "test");
    let bright = files(&survey, "photometric", "MONOCHROME1");
    assert_eq!(bright + files(&survey, "photometric", "MONOCHROME2"), files_in_all);
    let of_machines = survey["machines"].as_array().unwrap().iter().map(|m| m["files"].as_u64());
    assert_eq!(of_machines.sum::<Option<u64>>(), Some(files_in_all));
    let text = String::from_utf8(inspect(root.path(), &[]).stdout).unwrap();
    assert!(text.ends_with("No problems found in the table or the files.\n"), "{text}");
}

#[test]
fn what_is_wrong_is_listed_and_ends_with_code_3() {
    let damage = [
        Damage::Empty,
        Damage::Html,
        Damage::NoPixelData,
        Damage::NoRows,
        Damage::Frames,
        Damage::Colour,
        Damage::NoRow,
        Damage::MissingFile,
    ];
    let root = synth(8, damage.map(|kind| (kind, 1)).to_vec());
    let (survey, code) = survey(root.path(), &[]);
    assert_eq!(code, 3);
    let counts = ["missing", "strays", "unreadable", "unsupported", "multi_frame", "disagreements"]
        .map(|kind| survey[kind]["count"].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 4, 1, 1, 0]);
    assert_eq!(survey["multi_frame"]["first"][0]["what"], "3 frames");
    let reasons = survey["unreadable"]["first"].to_string();
    assert!(reasons.contains("the file is empty"), "{reasons}");
    assert!(reasons.contains("Rows is missing"), "{reasons}");
}

#[test]
fn a_table_that_contradicts_a_header_is_told_with_its_line() {
    let root = synth(3, vec![]);
    let path = root.path().join("train.csv");
    let table = fs::read_to_string(&path).unwrap();
    let lines: Vec<String> = table.lines().map(str::to_owned).collect();
    let wrong = match lines[4].contains(",L,") {
        true => lines[4].replace(",L,", ",R,"),
        false => lines[4].replace(",R,", ",L,"),
    };
    fs::write(&path, table.replace(&lines[4], &wrong)).unwrap();
    let (survey, code) = survey(root.path(), &[]);
    assert_eq!((code, &survey["disagreements"]["count"]), (3, &1.into()));
    let what = survey["disagreements"]["first"][0]["what"].as_str().unwrap();
    assert!(what.contains("in line 5 of the train table"), "{what}");
}

#[test]
fn a_folder_without_a_table_is_counted_too() {
    let root = tempfile::tempdir().unwrap();
    let mut image = DicomFile::grey(2, 3, &[0; 6]);
    image.text(0x0008_0070, "LO", "ACME");
    for name in ["a.dcm", "deep/er/b.dcm", "no_extension"] {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, image.bytes()).unwrap();
    }
    fs::write(root.path().join("readme.txt"), "not an image").unwrap();
    let (clean, code) = survey(root.path(), &[]);
    assert_eq!((code, &clean["headers"], &clean["other_files"]), (0, &3.into(), &1.into()));
    assert_eq!(files(&clean, "rows x columns", "2 x 3"), 3);
    assert_eq!(files(&clean, "model", "ACME"), 3);

    fs::write(root.path().join("deep/c.dcm"), "not an image either").unwrap();
    let (dirty, code) = survey(root.path(), &[]);
    assert_eq!((code, &dirty["unreadable"]["count"]), (3, &1.into()));
}

#[test]
fn what_is_unusual_and_read_all_the_same_is_counted_by_its_code() {
    let root = tempfile::tempdir().unwrap();
    for (name, width) in [("a.dcm", "0"), ("b.dcm", "0"), ("c.dcm", "4096")] {
        let mut image = DicomFile::grey(2, 3, &[0; 6]);
        image.text(0x0028_1050, "DS", "0").text(0x0028_1051, "DS", width);
        image.text(0x0028_0030, "DS", "0\\0");
        fs::write(root.path().join(name), image.bytes()).unwrap();
    }
    let (survey, code) = survey(root.path(), &[]);
    assert_eq!(code, 0);
    let notes = serde_json::json!({"spacing_unusable": 3, "window_unusable": 2});
    assert_eq!(survey["notes"], notes);
    let text = String::from_utf8(inspect(root.path(), &[]).stdout).unwrap();
    assert!(
        text.contains("window_unusable") && text.contains("the next source was taken"),
        "{text}"
    );
}

#[test]
fn a_sample_is_the_same_each_time_and_says_what_it_is_of() {
    let root = synth(6, vec![]);
    let (one, _) = survey(root.path(), &["--sample", "5"]);
    let (two, _) = survey(root.path(), &["--sample", "5"]);
    assert_eq!(one, two);
    assert_eq!(one["headers"], 5);
    let text = inspect(root.path(), &["--sample", "5"]).stdout;
    let expected = format!("Headers of 5 of {} files", one["files"]);
    assert!(String::from_utf8(text).unwrap().contains(&expected));
}

#[test]
fn no_name_from_a_header_is_told() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("a.dcm"), DicomFile::grey(2, 3, &[0; 6]).bytes()).unwrap();
    for flags in [&["--json"][..], &[]] {
        let text = String::from_utf8(inspect(root.path(), flags).stdout).unwrap();
        assert!(text.contains("MONOCHROME2") && !text.contains("SECRET"), "{text}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_a_fault() {
    let output = inspect("no/such/folder".as_ref(), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("no/such/folder"));
}
