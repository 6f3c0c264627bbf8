//! What the program prints when it is used wrongly, word for word: some ninety command lines that a
//! new user may type. To be read by eye: does each message say what was found, what was needed and
//! what to do?
//!
//! The lines are run by `sh`, as they would be typed, in one folder per group. The texts lie in
//! `snapshots/wrong-usage-*.snap`; `INSTA_UPDATE=always cargo test --test it wrong_usage` writes them
//! again.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use insta::assert_snapshot;

use crate::common::run::run_on;
use crate::snapshots::{ANY_RUN, but_for};

/// Lines of a message that are shown; a list of all settings or of all flags is cut.
const LINES: usize = 12;

/// Runs `line` in a shell, and describes what it prints and how it ends.
fn typed(folder: &Path, line: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_mammo-pipe"));
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", program.parent().unwrap().display()))
        .env("HOME", folder)
        .env("COLUMNS", "100")
        .env("MAMMO_PIPE_PROGRESS_SECONDS", "100000")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let mut said = format!("$ {line}\n");
    for (stream, bytes) in [("", output.stdout), ("(standard error)\n", output.stderr)] {
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        if !lines.is_empty() {
            said += stream;
            said += &lines[..lines.len().min(LINES)].join("\n");
            said += if lines.len() > LINES { "\n[...]\n" } else { "\n" };
        }
    }
    let home = folder.to_str().unwrap();
    said.replace(home, "[folder]") + &format!("(exit code {})\n\n", output.status.code().unwrap())
}

/// A dataset, its release, and a run that has predictions but no network.
fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let made = typed(
        path,
        "mammo-pipe synth data --patients 12 --seed 3 --prevalence 0.4 --size tiny --quiet && \
         mammo-pipe preprocess --input data --output release --quiet --no-report \
         --set resize.height=64 --set resize.width=32 --set folds.count=2",
    );
    assert!(made.contains("(exit code 0)"), "{made}");
    drop(run_on(&path.join("release"), &path.join("runs/told")));
    let image = typed(path, "ls data/train_images/*/*.dcm | head -1");
    let image = image.lines().nth(1).unwrap();
    fs::copy(path.join(image), path.join("image.dcm")).unwrap();
    fs::copy(path.join(image), path.join("other.dcm")).unwrap();
    for name in ["notes.txt", "notes.csv", "notes.png", "empty.csv", "empty.dcm"] {
        let text = if name.starts_with("empty") { "" } else { "my notes\n" };
        fs::write(path.join(name), text).unwrap();
    }
    fs::create_dir(path.join("thesis")).unwrap();
    fs::write(path.join("thesis/thesis.tex"), "").unwrap();
    folder
}

fn check(name: &str, lines: &[&str]) {
    let folder = workplace();
    let said: String = lines.iter().map(|line| typed(folder.path(), line)).collect();
    but_for(&ANY_RUN, || assert_snapshot!(format!("wrong-usage-{name}"), said));
    for name in ["notes.txt", "notes.csv", "notes.png"] {
        let text = fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(text, "my notes\n", "{name} was changed");
    }
    assert!(!folder.path().join("~").exists(), "a folder named ~ was made");
}

#[test]
fn typing_errors() {
    check(
        "typing-errors",
        &[
            "mammo-pipe",
            "mammo-pipe preproces",
            "mammo-pipe preprocess --inptu data",
            "mammo-pipe preprocess --input data --workers 0",
            "mammo-pipe preprocess --input data --workers two",
            "mammo-pipe preprocess --input data --split validation",
            "mammo-pipe preprocess --input data --set roi.margn=1",
            "mammo-pipe preprocess --input data --set margin=0.1",
            "mammo-pipe preprocess --input data --set roi.margin",
            "mammo-pipe preprocess --input data --set roi.margin=wide",
            "mammo-pipe preprocess --input data --set roi.margin=-1",
            "mammo-pipe preprocess --input data --set window.bits=12",
            "mammo-pipe inspect data --sample 0",
            "mammo-pipe synth new --damage burned",
            "mammo-pipe synth new --size huge",
            "mammo-pipe train release --fold first",
            "mammo-pipe train release --fold 9",
            "mammo-pipe train release --device gpu",
            "mammo-pipe train release --set train.model.variant=b9",
            "mammo-pipe train release --set train.batch=0",
            "mammo-pipe train release --resume runs/told",
            "mammo-pipe train release --release elsewhere",
            "mammo-pipe evaluate runs/told --threshold 2",
            "mammo-pipe explain runs/told --method cam",
            "mammo-pipe explain runs/told --fold 7",
            "mammo-pipe predict runs/told release --fold 1,x",
            "mammo-pipe predict runs/told release --fold 7",
            "mammo-pipe sweep release --auxiliary-weights 2",
            "mammo-pipe runs --sort size",
            "mammo-pipe bench trian",
        ],
    );
}

#[test]
fn what_is_not_there() {
    check(
        "not-there",
        &[
            "mammo-pipe inspect nowhere",
            "mammo-pipe preprocess --input nowhere --output new",
            "mammo-pipe preprocess --input data --csv nowhere.csv --output new",
            "mammo-pipe preprocess --config nowhere.yaml",
            "mammo-pipe verify nowhere",
            "mammo-pipe verify data",
            "mammo-pipe train nowhere",
            "mammo-pipe train data",
            "mammo-pipe train release --init nowhere.safetensors --name new; ls runs",
            "mammo-pipe train release --fold 9 --detach --name new; ls runs",
            "mammo-pipe train --resume nowhere",
            "mv release moved; mammo-pipe train --resume runs/told; mv moved release",
            "mammo-pipe sweep nowhere",
            "mammo-pipe sweep --show nowhere",
            "mammo-pipe runs nowhere",
            "mkdir empty; cd empty; mammo-pipe runs",
            "mammo-pipe runs --rm runs/nowhere",
            "mammo-pipe evaluate nowhere",
            "mammo-pipe explain nowhere",
            "mammo-pipe explain release",
            "mammo-pipe explain runs/told",
            "mammo-pipe predict nowhere data",
            "mammo-pipe predict runs/told nowhere",
            "mammo-pipe report nowhere",
            "mammo-pipe report data",
            "mammo-pipe report runs/told nowhere",
            "mammo-pipe score nowhere.csv labels.csv",
            "mammo-pipe render nowhere.dcm new.png",
            "mammo-pipe bench roi data --labels nowhere",
        ],
    );
}

#[test]
fn what_cannot_be_read() {
    check(
        "cannot-be-read",
        &[
            "mammo-pipe inspect notes.txt",
            "mammo-pipe render data new.png",
            "mammo-pipe render empty.dcm new.png",
            "mammo-pipe render data/train.csv new.png",
            "mammo-pipe preprocess --input data --csv empty.csv --output new",
            "mammo-pipe preprocess --input data --csv notes.csv --output new",
            "mammo-pipe preprocess --config data",
            "echo 'roi: [' > bad.yaml; mammo-pipe preprocess --config bad.yaml",
            "echo 'roi: {margn: 1}' > bad.yaml; mammo-pipe preprocess --config bad.yaml",
            "mammo-pipe evaluate notes.csv",
            "cp notes.txt bad.parquet; mammo-pipe evaluate bad.parquet",
            "mammo-pipe score notes.csv data/train.csv",
            "mammo-pipe train release --init notes.txt --name new; ls runs",
            "mkdir runs/bad; echo '{' > runs/bad/run.json; mammo-pipe runs; rm -r runs/bad",
            "echo '{' > release/manifest.json; mammo-pipe verify release",
        ],
    );
}

#[test]
fn outputs_in_a_wrong_place() {
    check(
        "outputs",
        &[
            "mammo-pipe synth thesis",
            "mammo-pipe synth notes.txt",
            "mammo-pipe preprocess --input data --output notes.txt",
            "mammo-pipe preprocess --input data --output thesis",
            "mammo-pipe preprocess --input data --output data/train_images/release",
            "mammo-pipe preprocess --input data --output release --set roi.margin=0.2 --detach",
            "mammo-pipe train release --name told",
            "mammo-pipe train release --runs . --name thesis",
            "mammo-pipe train release --runs notes.txt",
            "mammo-pipe sweep release --output thesis --dry-run",
            "mammo-pipe evaluate runs/told --output result.json",
            "mammo-pipe evaluate runs/told --force",
            "mammo-pipe predict runs/told release --output answer.txt",
            "mammo-pipe predict runs/told release --output notes.csv",
            "mammo-pipe predict runs/told release --output nowhere/answer.csv",
            "mammo-pipe predict runs/told data --output data/train_images/answer.csv",
            "mammo-pipe predict runs/told data --output - --json",
            "mammo-pipe render image.dcm",
            "mammo-pipe render image.dcm picture.jpg",
            "mammo-pipe render image.dcm notes.png",
            "mammo-pipe render image.dcm nowhere/picture.png",
            "mammo-pipe render image.dcm other.dcm picture.png",
            "mammo-pipe render image.dcm thesis/../image.dcm pictures/",
            "mammo-pipe report runs/told --output page.html",
            "mammo-pipe report runs/told runs/told --output page.txt",
            "mammo-pipe runs --rm runs/told; mammo-pipe runs --rm thesis",
        ],
    );
}

#[test]
fn odd_paths_full_disks_closed_pipes_and_poor_terminals() {
    check(
        "odd-places",
        &[
            "mammo-pipe synth --patients 1 --size tiny --output=~/z",
            "mammo-pipe synth '~/z' --patients 1 --size tiny --quiet; ls z/train.csv",
            "mammo-pipe synth 'my data' --patients 1 --size tiny --quiet",
            "mammo-pipe synth ./-x --patients 1 --size tiny --quiet",
            "mammo-pipe inspect -- -y",
            "mammo-pipe inspect ''",
            "mammo-pipe verify release > /dev/full",
            "mammo-pipe verify release --json > /dev/full",
            "mammo-pipe --help > /dev/full",
            "mammo-pipe --version > /dev/full",
            "mammo-pipe render image.dcm - > /dev/full",
            "mammo-pipe verify nowhere 2> /dev/full",
            "mammo-pipe inspect data | head -1",
            "mammo-pipe render image.dcm - | head -c 8 | od -c",
            "COLUMNS=40 mammo-pipe verify --help",
            "TERM=dumb NO_COLOR=1 mammo-pipe verify release",
        ],
    );
}
