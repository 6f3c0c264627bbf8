//! Killed at any moment, a run goes on and ends in the same bytes.

use crate::common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use proptest::prelude::*;

use common::release::{assert_sound, config, content, dataset, run, run_until};
use mammo_pipe::preprocess::plan::Plan;
use mammo_pipe::shard::ReleaseError;
use mammo_pipe::synth::SynthSpec;

fn make(folder: &Path) -> std::path::PathBuf {
    let data = folder.join("data");
    dataset(&data, &SynthSpec { patients: 16, test_patients: 1, ..SynthSpec::default() });
    data
}

#[test]
fn a_run_that_is_stopped_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let data = make(folder.path());
    let whole = config(&data, &folder.path().join("whole"));
    let all = run(&whole, 2).unwrap().counts;
    assert!(all.written > 40);

    let parts = config(&data, &folder.path().join("parts"));
    let mut runs = 0;
    loop {
        let summary = run_until(&parts, 2, 17).unwrap();
        runs += 1;
        if summary.complete() {
            break;
        }
        assert!(!parts.output.join("manifest.json").exists(), "complete only when it is");
        assert!(summary.counts.unreached > 0);
        assert!(runs < 50, "every run must get on");
    }
    assert!(runs > 1);
    assert_eq!(content(&whole.output), content(&parts.output));
    assert_sound(&parts.output);
}

/// The real program, killed without warning at 20 moments spread over its run.
#[test]
fn twenty_kills_leave_the_same_release_as_none() {
    let folder = tempfile::tempdir().unwrap();
    let data = make(folder.path());
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let start = |release: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mammo-pipe"));
        command
            .arg("preprocess")
            .arg("--input")
            .arg(&data)
            .arg("--output")
            .arg(release)
            .args(["--workers", "2", "--quiet", "--set", "shard.rows=4"])
            .stdout(Stdio::null());
        command.spawn().unwrap()
    };
    let begun = std::time::Instant::now();
    assert!(start(&whole).wait().unwrap().success());
    let time = begun.elapsed();

    let mut finished = Vec::new();
    for kill in 0..20u32 {
        let mut child = start(&killed);
        // A step that is no fraction of the run, so that the moments differ.
        std::thread::sleep(
            Duration::from_millis(3) + time.mul_f64(f64::from(kill * 7 % 20) / 25.0),
        );
        child.kill().unwrap();
        child.wait().unwrap();
        let entries = fs::read_dir(killed.join("manifest")).map_or(0, Iterator::count);
        assert!(finished.last().is_none_or(|&before| entries >= before), "a shard was lost");
        finished.push(entries);
        for entry in fs::read_dir(killed.join("shards")).into_iter().flatten() {
            assert!(entry.unwrap().metadata().unwrap().len() > 0, "a shard is half-written");
        }
    }
    assert!(start(&killed).wait().unwrap().success());
    assert_eq!(content(&whole), content(&killed), "shards finished at each kill: {finished:?}");
    assert_sound(&killed);
}

#[test]
fn another_setting_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let data = make(folder.path());
    let mut config = config(&data, &folder.path().join("release"));
    run_until(&config, 2, 10).unwrap();
    config.roi.margin = 0.05;
    let fault = run(&config, 2).unwrap_err();
    let Some(ReleaseError::PlanChanged { differences, .. }) = fault.cause() else {
        panic!("{fault}")
    };
    assert_eq!(differences, &["roi.margin: was 0.01, is 0.05"]);
}

#[test]
fn a_file_that_changed_its_size_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let data = make(folder.path());
    let config = config(&data, &folder.path().join("release"));
    run_until(&config, 2, 10).unwrap();
    let job = Plan::new(config.clone()).unwrap().joined.jobs.pop().unwrap();
    let mut bytes = fs::read(&job.path).unwrap();
    bytes.push(0);
    fs::write(&job.path, bytes).unwrap();
    let fault = run(&config, 2).unwrap_err().to_string();
    assert!(fault.contains(&format!("{} had ", job.relative)), "{fault}");
}

#[test]
fn a_lost_shard_file_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = make(folder.path());
    let config = config(&data, &folder.path().join("release"));
    run(&config, 2).unwrap();
    let before = content(&config.output);
    let lost = before.keys().find(|name| name.starts_with("shards/")).unwrap();
    fs::remove_file(config.output.join(lost)).unwrap();
    let summary = run(&config, 2).unwrap();
    assert_eq!(summary.processed, 8, "one shard alone");
    assert_eq!(content(&config.output), before);
}

#[test]
fn a_folder_with_other_things_is_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let data = make(folder.path());
    let other = folder.path().join("thesis");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("chapter1.tex"), "x").unwrap();
    let fault = run(&config(&data, &other), 2).unwrap_err();
    assert!(matches!(fault.cause(), Some(ReleaseError::NotARelease { .. })), "{fault}");
    assert_eq!(fs::read_dir(&other).unwrap().count(), 1);
}

#[test]
fn two_runs_do_not_write_one_release_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = make(folder.path());
    let config = config(&data, &folder.path().join("release"));
    let plan = Plan::new(config.clone()).unwrap();
    let open =
        mammo_pipe::shard::release::Release::open(&config.output, &plan.facts, plan.listed())
            .unwrap();
    let fault = run(&config, 2).unwrap_err();
    assert!(matches!(fault.cause(), Some(ReleaseError::Locked { .. })), "{fault}");
    drop(open);
    run(&config, 2).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(12) })]

    #[test]
    fn any_legal_fraction_as_a_setting_makes_a_release_that_verifies_and_can_be_rerun(
        margin in 0.0_f64..0.5,
        black in 0.0_f64..50.0,
        white in 50.0_f64..100.0,
        locked in 0.0_f64..0.5,
    ) {
        verifies_and_can_be_rerun(margin, [black, white], locked);
    }
}

/// serde_json without `float_roundtrip` reads this margin one bit off.
#[test]
fn a_fraction_of_17_digits_as_a_setting_makes_a_release_that_verifies() {
    verifies_and_can_be_rerun(0.39427020962578635, [0.1, 99.9], 0.1);
}

fn verifies_and_can_be_rerun(margin: f64, percentiles: [f64; 2], locked_share: f64) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    dataset(&data, &SynthSpec { patients: 2, test_patients: 1, ..SynthSpec::default() });
    let mut config = config(&data, &folder.path().join("release"));
    config.roi.margin = margin;
    config.window.percentiles = percentiles;
    config.folds.locked_share = locked_share;
    run(&config, 2).unwrap();
    assert_sound(&config.output);
    let before = content(&config.output);
    assert_eq!(run(&config, 2).unwrap().processed, 0, "nothing is made again");
    assert_eq!(content(&config.output), before);
}
