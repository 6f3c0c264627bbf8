//! What a new user meets in the first hour: nothing of theirs is overwritten, nothing is guessed, no
//! job is silent, and no failed start leaves anything behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use mammo_pipe::train::run::read_facts;
use serde_json::Value;

use crate::common::run::run_on;

const SMALL: [&str; 6] =
    ["--set", "resize.height=64", "--set", "resize.width=32", "--set", "folds.count=2"];

const TINY_NETWORK: [&str; 6] =
    ["--set", "train.model.variant=b0", "--set", "train.batch=8", "--set", "train.epochs=1"];

fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mammo-pipe"));
    command.args(arguments).current_dir(folder).env("HOME", folder).stdin(Stdio::null());
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    program(folder, arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}{}", out(output), err(output));
}

/// A folder with a dataset and its release.
fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let synth = ["synth", "data", "--patients", "12", "--seed", "3", "--prevalence", "0.4"];
    assert_code(&run(folder.path(), &synth), 0);
    let preprocess = ["preprocess", "--input", "data", "--output", "release", "--no-report"];
    assert_code(&run(folder.path(), &[&preprocess[..], &SMALL].concat()), 0);
    folder
}

fn images(folder: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| {
        let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths
    };
    entries(&folder.join("data/train_images")).iter().flat_map(|patient| entries(patient)).collect()
}

#[test]
fn a_tilde_in_a_settings_file_and_after_an_equals_sign_is_the_home_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert_code(&run(path, &["synth", "data", "--patients", "6", "--size", "tiny"]), 0);
    let yaml = "output: ~/one\ndataset: {input: ~/data}\nfolds: {count: 2}\n";
    fs::write(path.join("settings.yaml"), yaml).unwrap();
    assert_code(&run(path, &["preprocess", "-c", "settings.yaml", "--no-report"]), 0);
    let more = ["preprocess", "-c", "settings.yaml", "--output=~/two", "--no-report"];
    assert_code(&run(path, &more), 0);
    let set = ["preprocess", "-c", "settings.yaml", "--set", "output=~/three", "--no-report"];
    assert_code(&run(path, &set), 0);
    for name in ["one", "two", "three"] {
        assert!(path.join(name).join("manifest.json").exists(), "{name}");
    }
    assert!(!path.join("~").exists());
}

#[test]
fn several_pictures_go_to_a_folder_and_one_to_standard_output() {
    let folder = workplace();
    let path = folder.path();
    let files = images(path);
    let [a, b] = [&files[0], &files[1]].map(|file| file.to_str().unwrap());
    assert_code(&run(path, &["render", a, b, "pictures/"]), 0);
    for file in [a, b] {
        let name = Path::new(file).with_extension("png");
        assert!(path.join("pictures").join(name.file_name().unwrap()).exists());
    }
    let printed = run(path, &["render", a, "-"]);
    assert_code(&printed, 0);
    assert!(printed.stdout.starts_with(b"\x89PNG\r\n"), "the picture and nothing else");
    assert!(err(&printed).contains("window:"), "{}", err(&printed));
    let named = Path::new(a).with_extension("png");
    let named = fs::read(path.join("pictures").join(named.file_name().unwrap())).unwrap();
    assert_eq!(printed.stdout, named);
}

#[test]
fn progress_is_told_with_json_too_and_only_on_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert_code(&run(path, &["synth", "data", "--patients", "12", "--seed", "3"]), 0);
    let often = |arguments: &[&str]| {
        let mut command = program(path, arguments);
        command.env("MAMMO_PIPE_PROGRESS_SECONDS", "0.01").output().unwrap()
    };
    let preprocess = ["preprocess", "--input", "data", "--output", "release", "--json"];
    let output = often(&[&preprocess[..], &SMALL].concat());
    assert_code(&output, 0);
    let _: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(err(&output).contains(" images/s"), "{}", err(&output));
    assert!(err(&output).contains("writing report.html: "), "{}", err(&output));
    let dry = often(&[&preprocess[..5], &["--dry-run", "--json"], &SMALL].concat());
    let _: Value = serde_json::from_slice(&dry.stdout).unwrap();
    assert!(err(&dry).contains("for the estimate: "), "{}", err(&dry));

    drop(run_on(&path.join("release"), &path.join("runs/told")));
    let output = often(&["evaluate", "runs/told", "--json"]);
    let _: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(err(&output).contains("computing metrics and intervals: "), "{}", err(&output));
    let output = often(&["report", "runs/told"]);
    assert!(err(&output).contains("writing the report of runs/told: "), "{}", err(&output));
    let output = often(&["report", "runs/told", "--quiet"]);
    assert_eq!(err(&output), "");
}

#[cfg(unix)]
#[test]
fn the_first_ctrl_c_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert_code(&run(path, &["synth", "data", "--patients", "30"]), 0);
    let mut command = program(path, &["preprocess", "--input", "data", "--output", "release"]);
    let child = command.args(["--set", "shard.rows=4", "--set", "shard.level=19"]);
    let child = child.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = std::time::Instant::now();
    while fs::read_dir(path.join("release/manifest")).map_or(0, Iterator::count) < 1 {
        assert!(begun.elapsed().as_secs() < 300, "no shard in five minutes");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_code(&output, 130);
    let told = err(&output);
    assert!(told.contains("Ctrl-C: finishing the images in work"), "{told}");
    assert!(told.contains("a second one exits at once"), "{told}");
}

#[test]
fn a_start_that_fails_leaves_no_run_in_the_foreground_and_the_background() {
    let folder = workplace();
    let path = folder.path();
    for wrong in [["--fold", "9"], ["--init", "nowhere.safetensors"]] {
        for how in [&[][..], &["--detach"]] {
            let train = ["train", "release", "--name", "first"];
            let output = run(path, &[&train[..], &TINY_NETWORK, &wrong, how].concat());
            assert_code(&output, 1);
            assert!(!path.join("runs/first").exists(), "{wrong:?} {how:?}");
        }
    }
    let taken = ["preprocess", "--input", "data", "--output", "data", "--detach"];
    assert_code(&run(path, &taken), 1);
    assert!(!path.join("data/run.log").exists() && !path.join("data/preprocess.log").exists());
}

#[test]
fn a_run_is_listed_by_its_folds_resumed_on_a_moved_release_and_removed() {
    let folder = workplace();
    let path = folder.path();
    drop(run_on(&path.join("release"), &path.join("runs/told")));
    let listed = out(&run(path, &["runs"]));
    assert!(
        listed.contains("by fold: fold 0: 1.0000, fold 1: ") && listed.contains("; mean "),
        "{listed}"
    );
    let line = out(&run(path, &["runs", "--json"]));
    let line: Value = serde_json::from_str(line.trim()).unwrap();
    assert_eq!(line["folds"].as_array().unwrap().len(), 2);
    assert!(line["folds"][1]["best"].as_f64().is_some() && line["mean"].as_f64().is_some());

    fs::rename(path.join("release"), path.join("moved")).unwrap();
    let output = run(path, &["train", "--resume", "runs/told"]);
    assert_code(&output, 1);
    assert!(err(&output).contains("--resume runs/told --release DIR"), "{}", err(&output));
    // The run's network is the default one, too large to train in a test: its estimate of the release
    // is what is checked, and the start is stopped by a device that is not there.
    let moved = ["train", "--resume", "runs/told", "--release", "moved", "--device", "cuda:99"];
    assert_code(&run(path, &moved), 1);
    let now = read_facts(&path.join("runs/told")).unwrap().release;
    assert_eq!(now, path.canonicalize().unwrap().join("moved"));

    assert_code(&run(path, &["runs", "--rm", "runs/told"]), 0);
    assert!(!path.join("runs/told").exists());
    assert_code(&run(path, &["runs"]), 0);
}

#[test]
fn the_runs_of_a_folder_that_is_not_there_yet_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["runs"]);
    assert_code(&output, 0);
    assert!(out(&output).contains("mammo-pipe train RELEASE"), "{}", out(&output));
    assert_code(&run(folder.path(), &["runs", "elsewhere"]), 1);
}

#[test]
fn a_submission_goes_to_standard_output_alone() {
    let folder = workplace();
    let path = folder.path();
    let train = ["train", "release", "--name", "first", "--quiet"];
    assert_code(&run(path, &[&train[..], &TINY_NETWORK].concat()), 0);
    let output = run(path, &["predict", "runs/first", "release", "--output", "-", "--quiet"]);
    assert!(out(&output).starts_with("prediction_id,cancer\n"), "{}", out(&output));
    assert!(out(&output).lines().all(|line| line.split(',').count() == 2), "{}", out(&output));
    assert!(!path.join("-").exists() && !path.join("-.parquet").exists());
    // It has a network now, so it is not removed by accident.
    let output = run(path, &["runs", "--rm", "runs/first"]);
    assert_code(&output, 1);
    assert!(err(&output).contains("--force"), "{}", err(&output));
    assert_code(&run(path, &["runs", "--rm", "runs/first", "--force"]), 0);
}

#[test]
fn the_demo_says_what_it_made_and_what_to_type_next() {
    let folder = tempfile::tempdir().unwrap();
    let demo = ["demo", "my demo", "--patients", "12", "--no-train"];
    let output = run(folder.path(), &demo);
    assert_code(&output, 0);
    let told = out(&output);
    for needed in [
        "$ mammo-pipe verify 'my demo/release'",
        "The demo took ",
        "my demo/release/report.html",
        "mammo-pipe inspect DATA",
    ] {
        assert!(told.contains(needed), "{needed} is not in\n{told}");
    }
}
