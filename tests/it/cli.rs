//! The program as it is typed: exit codes, what it says, and what it survives.

use crate::common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::release::{assert_sound, content, dataset};
use mammo_pipe::synth::{Damage, SynthSpec};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_mammo-pipe"))
}

/// `preprocess` of `data` to `release` with small images.
fn preprocess(data: &Path, release: &Path) -> Command {
    let mut command = program();
    command.arg("preprocess").arg("--input").arg(data).arg("--output").arg(release);
    command.args(["--workers", "2", "--set", "resize.height=96", "--set", "resize.width=64"]);
    command.args(["--set", "shard.rows=8"]);
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn make(folder: &Path, patients: usize, damage: Vec<(Damage, usize)>) -> PathBuf {
    let data = folder.join("data");
    dataset(&data, &SynthSpec { patients, test_patients: 1, damage, ..SynthSpec::default() });
    data
}

#[test]
fn a_clean_run_ends_in_0_and_a_sound_release() {
    let folder = tempfile::tempdir().unwrap();
    let (data, release) = (make(folder.path(), 3, vec![]), folder.path().join("release"));
    let output = preprocess(&data, &release).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let output = program().arg("verify").arg(&release).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("sound"), "{}", said(&output));
}

#[test]
fn a_quarantined_image_ends_in_3_and_is_told_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let data = make(folder.path(), 3, vec![(Damage::Html, 1)]);
    let output = preprocess(&data, &folder.path().join("release")).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("a web page"), "{}", said(&output));
    assert!(!said(&output).contains("DOCTYPE"), "bytes of a file are in no message");
}

#[test]
fn missing_files_end_in_3_unless_they_are_expected() {
    let folder = tempfile::tempdir().unwrap();
    let data = make(folder.path(), 3, vec![(Damage::MissingFile, 1)]);
    let release = folder.path().join("release");
    let output = preprocess(&data, &release).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let expected = ["--set", "dataset.allow_missing=true"];
    let output = preprocess(&data, &release).args(expected).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn a_fault_ends_in_1_and_a_wrong_command_line_in_2() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere");
    let output = preprocess(&nowhere, &folder.path().join("release")).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("nowhere"), "{}", said(&output));
    let output = program().args(["preprocess", "--set", "roi.margn=1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("did you mean roi.margin?"), "{}", said(&output));
    assert_eq!(program().arg("preproces").output().unwrap().status.code(), Some(2));
}

#[test]
fn a_dry_run_writes_nothing_and_estimates_from_real_work() {
    let folder = tempfile::tempdir().unwrap();
    let (data, release) = (make(folder.path(), 4, vec![]), folder.path().join("release"));
    let output = preprocess(&data, &release).args(["--dry-run", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(plan["sampled"], plan["counts"]["rows"], "few images: all of them");
    assert!(plan["seconds"].as_f64().unwrap() > 0.0 && plan["release_bytes"].as_u64().unwrap() > 0);
    assert!(!release.exists());
}

#[test]
fn another_plan_is_refused_and_written_beside_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let (data, release) = (make(folder.path(), 3, vec![]), folder.path().join("release"));
    assert!(preprocess(&data, &release).output().unwrap().status.success());
    let before = content(&release);
    let changed = ["--set", "roi.margin=0.2"];
    let output = preprocess(&data, &release).args(changed).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("roi.margin: was 0.01, is 0.2"), "{}", said(&output));
    let output = preprocess(&data, &release).args(changed).arg("--new-release").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(content(&release), before);
    let beside = |e: &fs::DirEntry| e.file_name().to_string_lossy().starts_with("release-");
    let made = fs::read_dir(folder.path()).unwrap().map(Result::unwrap).find(beside).unwrap();
    assert_sound(&made.path());
}

#[test]
fn verify_names_a_flipped_byte_and_a_lost_shard() {
    let folder = tempfile::tempdir().unwrap();
    let (data, release) = (make(folder.path(), 4, vec![]), folder.path().join("release"));
    let command = |release: &Path| {
        let mut command = preprocess(&data, release);
        // Not compressed, so that the flipped byte is a pixel and decodes.
        command.args(["--set", "shard.compression=none"]);
        command
    };
    assert!(command(&release).output().unwrap().status.success());
    let name = content(&release).into_keys().find(|name| name.starts_with("shards/")).unwrap();
    let path = release.join(&name);
    let mut bytes = fs::read(&path).unwrap();
    let half = bytes.len() / 2;
    bytes[half] ^= 1;
    fs::write(&path, bytes).unwrap();
    let output = program().arg("verify").arg(&release).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("do not match their checksum"), "{}", said(&output));
    assert!(said(&output).contains("SHA-256"), "{}", said(&output));
    fs::remove_file(&path).unwrap();
    let output = program().arg("verify").arg(&release).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains(&name), "{}", said(&output));
}

#[test]
fn a_reader_that_leaves_early_is_no_crash() {
    let folder = tempfile::tempdir().unwrap();
    let (data, release) = (make(folder.path(), 3, vec![]), folder.path().join("release"));
    let mut child =
        preprocess(&data, &release).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_sound(&release);
}

/// Sends `signal` to the program once its release has `entries` shards.
#[cfg(unix)]
fn signal_after(child: &mut std::process::Child, release: &Path, entries: usize, signal: &str) {
    let begun = Instant::now();
    while fs::read_dir(release.join("manifest")).map_or(0, Iterator::count) < entries {
        assert!(begun.elapsed() < Duration::from_secs(300), "no shard in five minutes");
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(2));
    }
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_in_130_and_a_rerun_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (data, release) = (make(folder.path(), 30, vec![]), folder.path().join("release"));
    let slow = ["--set", "shard.level=19"];
    let mut child = preprocess(&data, &release).args(slow).stdout(Stdio::null()).spawn().unwrap();
    signal_after(&mut child, &release, 2, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let finished = fs::read_dir(release.join("manifest")).unwrap().count();
    assert!(finished >= 2 && !release.join("manifest.json").exists());
    assert_eq!(preprocess(&data, &release).args(slow).status().unwrap().code(), Some(0));
    assert_sound(&release);
}

#[cfg(unix)]
#[test]
fn a_closed_terminal_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (data, release) = (make(folder.path(), 12, vec![]), folder.path().join("release"));
    let mut child = preprocess(&data, &release).stdout(Stdio::null()).spawn().unwrap();
    signal_after(&mut child, &release, 1, "-HUP");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_sound(&release);
}

#[test]
fn a_detached_run_says_how_to_follow_it_and_finishes() {
    let folder = tempfile::tempdir().unwrap();
    let (data, release) = (make(folder.path(), 3, vec![]), folder.path().join("release"));
    let output = preprocess(&data, &release).arg("--detach").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("tail -f"), "{}", said(&output));
    let begun = Instant::now();
    while !release.join("manifest.json").exists() {
        assert!(begun.elapsed() < Duration::from_secs(300), "not finished in five minutes");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_sound(&release);
}
