//! What the program says, word for word: help, text output, the model card.
//!
//! The texts lie in `snapshots/`. After a change of words, `INSTA_UPDATE=always cargo test --test
//! it snapshots` writes them again, and the diff of the commit is what a reader will see. Times,
//! rates and memory are taken out, and of what a network learnt every number: it differs by the
//! processor's vector width in the last digits.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::CommandFactory;
use insta::{Settings, assert_snapshot};
use mammo_pipe::cli::Cli;
use mammo_pipe::evaluate::Bootstrap;
use mammo_pipe::report;

use crate::common::run::{facts, predictions_of, run_of_two_folds, run_that_said};
use crate::evaluate::table;

/// What may differ from run to run: a pattern, and what stands for it.
pub const ANY_RUN: [(&str, &str); 6] = [
    // How far it is, every ten seconds.
    (r"(?m)^(step )?\d+ of \d+( images)?, .* images/s, .*\n", ""),
    (r"\d+(\.\d+)? (images|MB)/s", "[rate]"),
    (r"(\d+ h )?(\d+ min )?\d+(\.\d+)? s\b", "[time]"),
    (r"\d+(\.\d+)? [kMGT]?B (of memory|free)", "[size] $2"),
    // The last digits of what is not rounded differ by the system's logarithm.
    (r"(\d\.\d{6})\d{6,}", "$1"),
    // Hashes of settings and listings, which any new setting changes.
    (r"\b[0-9a-f]{64}\b", "[sha256]"),
];

/// The same for what a network learnt: any number, and which images it is right and wrong about.
const LEARNT: [(&str, &str); 3] = [
    (r"(?m)(^  (true|false|hard)_(positive|negative) .*\n)+", "  [images]\n"),
    (r"\d+ (images at threshold|maps)", "[count] $1"),
    (r"-?\d+\.\d+(e-?\d+)?", "[number]"),
];

/// Compares what `check` is given with its text, but for these patterns.
pub fn but_for(patterns: &[(&str, &str)], check: impl FnOnce()) {
    let mut settings = Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (pattern, stands_for) in patterns {
        settings.add_filter(pattern, *stands_for);
    }
    settings.bind(check);
}

/// What a command line leaves on a terminal of 100 columns: standard output, then standard error.
fn shown(folder: &Path, line: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_mammo-pipe"))
        .args(line.split(' '))
        .current_dir(folder)
        .env("COLUMNS", "100")
        // No line on a slow machine that a fast one does not print.
        .env("MAMMO_PIPE_PROGRESS_SECONDS", "100000")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    let mut shown = format!("$ mammo-pipe {line}\n{out}");
    if !err.is_empty() {
        shown += &format!("(standard error)\n{err}");
    }
    match output.status.code().unwrap() {
        0 => shown,
        code => shown + &format!("(exit code {code})\n"),
    }
}

fn names(command: &clap::Command, before: &[String]) -> Vec<Vec<String>> {
    let mut names = vec![before.to_vec()];
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        names.extend(self::names(below, &[before, &[below.get_name().to_owned()]].concat()));
    }
    names
}

#[test]
fn the_help_of_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let names = names(&Cli::command(), &[]);
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        let line = [&name[..], &["--help".to_owned()]].concat().join(" ");
        let help = shown(folder.path(), &line);
        let name = [&["help".to_owned()], &name[..]].concat().join("-");
        but_for(&[], || assert_snapshot!(name, help));
    }
}

#[test]
fn a_dataset_a_release_and_what_is_wrong_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut said = String::new();
    let mut run = |line: &str| said += &(shown(folder.path(), line) + "\n");
    run("synth data --patients 6 --seed 3 --prevalence 0.3 --damage html --damage missing-file");
    run("inspect data");
    let small = "--set resize.height=96 --set resize.width=64 --set folds.count=2";
    run(&format!("preprocess --input data --output release --workers 2 {small}"));
    run("verify release");
    run(&format!("preprocess --input data --output release --set roi.margin=0.2 {small}"));
    run("preprocess --input data --output release --set roi.margn=0.2");
    run("preprocess --input nowhere --output release");
    run("report release");
    but_for(&ANY_RUN, || assert_snapshot!("dataset-and-release", said));
}

#[test]
fn a_picture_of_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("data/train_images");
    shown(folder.path(), "synth data --patients 1 --seed 3");
    let first = |folder: &Path| {
        let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths.swap_remove(0)
    };
    let file = first(&first(&files));
    let file = file.strip_prefix(folder.path()).unwrap().display();
    let said = shown(folder.path(), &format!("render {file} picture.png"));
    but_for(&ANY_RUN, || assert_snapshot!("render", said));
}

#[test]
fn a_training_run_and_what_is_made_of_it() {
    let folder = tempfile::tempdir().unwrap();
    shown(folder.path(), "synth data --patients 12 --seed 3 --prevalence 0.4");
    let small = "--set resize.height=64 --set resize.width=32 --set folds.count=2";
    shown(folder.path(), &format!("preprocess --input data --output release --quiet {small}"));
    let mut said = String::new();
    let mut run = |line: &str| said += &(shown(folder.path(), line) + "\n");
    let settings = "--set train.model.variant=b0 --set train.batch=8 --set train.epochs=1";
    run(&format!("train release --dry-run {settings}"));
    run(&format!("train release --name first --fold all {settings}"));
    run("runs");
    run("explain runs/first --dataset data --count 1");
    run("predict runs/first data --output submission.csv");
    run(&format!("sweep release --dry-run {settings}"));
    let patterns: Vec<_> = ANY_RUN.into_iter().chain(LEARNT).collect();
    but_for(&patterns, || assert_snapshot!("training", said));
}

#[test]
fn an_evaluation_a_score_and_a_comparison() {
    let folder = tempfile::tempdir().unwrap();
    table(&folder.path().join("predictions.csv"));
    let submission: String = (0..120)
        .flat_map(|patient| ["L", "R"].map(|side| format!("{patient}_{side},1\n")))
        .collect();
    let submission = format!("prediction_id,cancer\n{submission}");
    fs::write(folder.path().join("submission.csv"), submission).unwrap();
    let predictions = |noise| [predictions_of(0, noise), predictions_of(1, noise)];
    drop(run_that_said(&folder.path().join("clear"), facts(), predictions(0)));
    let mut other = facts();
    other.train.auxiliary.weight = 0.4;
    drop(run_that_said(&folder.path().join("muddled"), other, predictions(3)));

    let mut said = String::new();
    let mut run = |line: &str| said += &(shown(folder.path(), line) + "\n");
    run("evaluate predictions.csv --resamples 50");
    run("score submission.csv predictions.csv");
    run("report clear muddled");
    but_for(&ANY_RUN, || assert_snapshot!("evaluation", said));
}

#[test]
fn a_model_card() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_of_two_folds(&folder.path().join("first"));
    let few = Bootstrap { resamples: 50, seed: 1, confidence: 0.95 };
    let written = report::run::write(run.folder(), &few).unwrap();
    let card = fs::read_to_string(written.model_card).unwrap();
    let card = card.replace(folder.path().to_str().unwrap(), "[folder]");
    but_for(&ANY_RUN, || assert_snapshot!("model-card", card));
}
