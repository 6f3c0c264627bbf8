//! Nothing is lost, nothing counted twice, and timing decides nothing.

use crate::common;

use std::fs;

use common::release::{assert_sound, config, content, dataset, run};
use mammo_pipe::config::SplitChoice;
use mammo_pipe::preprocess::PreprocessError;
use mammo_pipe::shard::release::read_manifest;
use mammo_pipe::synth::{Damage, SynthSpec};

fn spec() -> SynthSpec {
    SynthSpec { patients: 12, test_patients: 2, ..SynthSpec::default() }
}

#[test]
fn a_release_is_the_same_byte_for_byte_for_1_2_and_7_workers() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    dataset(&data, &SynthSpec { damage: vec![(Damage::Truncated, 3)], ..spec() });
    let releases = [1, 2, 7].map(|workers| {
        let release = folder.path().join(format!("release-{workers}"));
        let mut config = config(&data, &release);
        config.dataset.split = SplitChoice::Both;
        let summary = run(&config, workers).unwrap();
        assert_eq!(summary.counts.rejected, 3);
        assert!(summary.shards > 3, "several shards, so that order matters");
        assert_sound(&release);
        content(&release)
    });
    assert_eq!(releases[0], releases[1]);
    assert_eq!(releases[0], releases[2]);
}

#[test]
fn a_row_without_a_file_is_missing_and_a_file_without_a_row_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let (data, release) = (folder.path().join("data"), folder.path().join("release"));
    let damage = vec![(Damage::MissingFile, 2), (Damage::NoRow, 1)];
    dataset(&data, &SynthSpec { damage, ..spec() });
    let counts = run(&config(&data, &release), 2).unwrap().counts;
    assert_eq!((counts.missing, counts.rejected), (2, 1));
    let quarantine = fs::read_to_string(release.join("quarantine.csv")).unwrap();
    let reasons: Vec<_> = quarantine.lines().filter(|l| l.contains(",list,")).collect();
    assert_eq!(reasons.len(), 3, "{quarantine}");
    assert_sound(&release);
}

#[test]
fn every_kind_of_damage_is_set_aside_and_the_others_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let (data, release) = (folder.path().join("data"), folder.path().join("release"));
    let kinds: Vec<Damage> = Damage::ALL
        .into_iter()
        .filter(|kind| !matches!(kind, Damage::DuplicateRow | Damage::BitFlip))
        .collect();
    let damage = kinds.iter().map(|&kind| (kind, 1)).collect();
    dataset(&data, &SynthSpec { damage, ..spec() });
    let counts = run(&config(&data, &release), 2).unwrap().counts;
    let set_aside = counts.rejected + counts.missing;
    assert_eq!(set_aside, kinds.len(), "{}", quarantine(&release));
    assert_eq!(counts.written + set_aside, counts.listed);
    assert_sound(&release);
}

fn quarantine(release: &std::path::Path) -> String {
    fs::read_to_string(release.join("quarantine.csv")).unwrap()
}

#[test]
fn an_image_that_needs_more_than_the_memory_there_is_is_rejected_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (data, release) = (folder.path().join("data"), folder.path().join("release"));
    dataset(&data, &SynthSpec { patients: 1, test_patients: 1, ..spec() });
    let mut config = config(&data, &release);
    config.limits.memory_mb = 128;
    let one = fs::read_dir(data.join("train_images")).unwrap().next().unwrap().unwrap();
    let image = fs::read_dir(one.path()).unwrap().next().unwrap().unwrap().path();
    fs::write(
        &image,
        common::dicom_file::DicomFile::grey(6000, 6000, &vec![7; 36_000_000]).bytes(),
    )
    .unwrap();
    let summary = run(&config, 2).unwrap();
    assert_eq!(summary.counts.rejected, 1);
    assert!(quarantine(&release).contains("bytes of memory"), "{}", quarantine(&release));
}

#[test]
fn a_dataset_that_is_rejected_throughout_stops_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let (data, release) = (folder.path().join("data"), folder.path().join("release"));
    dataset(&data, &SynthSpec { patients: 70, test_patients: 1, ..spec() });
    for patient in fs::read_dir(data.join("train_images")).unwrap() {
        for image in fs::read_dir(patient.unwrap().path()).unwrap() {
            fs::write(image.unwrap().path(), "<html>").unwrap();
        }
    }
    let fault = run(&config(&data, &release), 2).unwrap_err();
    assert!(
        matches!(fault.cause(), Some(PreprocessError::TooManyRejected { seen: 200, .. })),
        "{fault}"
    );
}

#[test]
fn a_release_without_a_single_image_is_whole_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (data, release) = (folder.path().join("data"), folder.path().join("release"));
    dataset(&data, &SynthSpec { patients: 1, test_patients: 1, ..spec() });
    for patient in fs::read_dir(data.join("train_images")).unwrap() {
        for image in fs::read_dir(patient.unwrap().path()).unwrap() {
            fs::write(image.unwrap().path(), "").unwrap();
        }
    }
    let counts = run(&config(&data, &release), 2).unwrap().counts;
    assert_eq!((counts.written, counts.rejected), (0, counts.listed));
    assert_eq!(read_manifest(&release).unwrap().shards[0].file, None);
    assert_sound(&release);
}
