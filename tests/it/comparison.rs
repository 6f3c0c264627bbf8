//! Runs side by side, as the command compares them.

use crate::common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::browser::{Seen, open_in_browser};
use common::run::{facts, predictions_of, run_that_said};
use mammo_pipe::evaluate::compare::{CompareError, NotComparable, Run, compare};
use mammo_pipe::evaluate::metric_set::MetricName;
use mammo_pipe::evaluate::run::{EpochRule, load};
use mammo_pipe::evaluate::{Bootstrap, Given};
use mammo_pipe::report::comparison::Compared;
use serde_json::Value;

const FEW: Bootstrap = Bootstrap { resamples: 50, seed: 1, confidence: 0.95 };

/// Run `clear`, and run `muddled` of the same images with other settings and noise.
fn two_runs(folder: &Path) {
    let said = |noise| [predictions_of(0, noise), predictions_of(1, noise)];
    run_that_said(&folder.join("clear"), facts(), said(0));
    let mut other = facts();
    other.train.auxiliary.weight = 0.4;
    run_that_said(&folder.join("muddled"), other, said(3));
}

fn report(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mammo-pipe"));
    command.current_dir(folder).arg("report").args(arguments).output().unwrap()
}

#[test]
fn the_command_tells_in_json_text_and_on_a_page_what_compare_finds() {
    let folder = tempfile::tempdir().unwrap();
    two_runs(folder.path());
    let output = report(folder.path(), &["clear", "muddled", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();

    let [clear, muddled] = ["clear", "muddled"]
        .map(|name| load(&folder.path().join(name), EpochRule::CrossFitted).unwrap().predictions);
    let run = |predictions| Run { predictions, given: Given::default() };
    let expected = compare(run(&clear), run(&muddled), &Bootstrap::default()).unwrap();
    let breast = &expected.parts[0].levels[1];
    let auroc = breast.differences.get(MetricName::Auroc).unwrap();
    let found = &json["comparisons"][0]["parts"][0]["levels"][1];
    assert_eq!(found["level"], "breast_mean");
    let difference = &found["differences"]["auroc"]["difference"];
    let near = |found: &Value, expected: Option<f64>| {
        let (found, expected) = (found.as_f64().unwrap(), expected.unwrap());
        assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{found} {expected}");
    };
    near(&difference["value"], auroc.difference.value);
    near(&found["delong"]["p_value"], breast.delong.unwrap().p_value);
    assert!(auroc.difference.value < Some(0.0), "noise makes no network better: {auroc:?}");

    let differing: Vec<&str> =
        json["differing"].as_array().unwrap().iter().map(|s| s["key"].as_str().unwrap()).collect();
    assert_eq!(differing, ["train.auxiliary.weight"]);

    let output = report(folder.path(), &["clear", "muddled"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let (value, [low, high]) =
        (auroc.difference.value.unwrap(), auroc.difference.interval.unwrap());
    let told = format!("{value:+.3} [{low:+.3}, {high:+.3}]");
    assert!(text.contains(&told) && text.contains("train.auxiliary.weight: 0.1, 0.4"), "{text}");

    let path = folder.path().join("clear/compared-with-muddled.html");
    let page = fs::read_to_string(&path).unwrap();
    assert!(page.contains(&told) && page.contains("clear has the higher AUROC"));
    assert_eq!(page.matches("class=\"area s1\"").count(), 2, "the second run has its bands");
}

#[test]
#[ignore = "needs chromium"]
fn a_browser_shows_the_page_without_a_request_or_a_console_message() {
    let folder = tempfile::tempdir().unwrap();
    two_runs(folder.path());
    assert!(report(folder.path(), &["clear", "muddled"]).status.success());
    let seen = open_in_browser(&folder.path().join("clear/compared-with-muddled.html"));
    let title = "clear and muddled".to_owned();
    assert_eq!(seen, Seen { console: Vec::new(), requests: BTreeSet::new(), title });
}

#[test]
fn a_page_never_takes_the_place_of_another_file() {
    let folder = tempfile::tempdir().unwrap();
    two_runs(folder.path());
    let page = folder.path().join("notes.html");
    fs::write(&page, "my notes").unwrap();
    let to_notes = ["clear", "muddled", "--output", "notes.html"];
    let refused = report(folder.path(), &to_notes);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("notes.html is there already"));
    assert_eq!(fs::read(&page).unwrap(), b"my notes");
    let wrong_ending = report(folder.path(), &["clear", "muddled", "--output", "notes.txt"]);
    assert_eq!(wrong_ending.status.code(), Some(2));
    assert!(report(folder.path(), &[&to_notes[..], &["--force"]].concat()).status.success());
    assert!(report(folder.path(), &to_notes).status.success(), "the page is ours now");
}

#[test]
fn runs_evaluated_on_other_images_or_with_other_labels_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    two_runs(folder.path());
    let of = |names: [&str; 3]| {
        let folders = names.map(|name| folder.path().join(name));
        Compared::of(&folders, &FEW).map(|_| ())
    };
    let mut fewer = [predictions_of(0, 0), predictions_of(1, 0)];
    fewer[1].truncate(30);
    run_that_said(&folder.path().join("fewer"), facts(), fewer);
    let fault = of(["clear", "muddled", "fewer"]).unwrap_err();
    match fault.cause() {
        Some(NotComparable {
            first,
            second,
            source: CompareError::Images { only_first: 10, only_second: 0, both: 70, .. },
        }) => assert!(first.ends_with("clear") && second.ends_with("fewer"), "{second:?}"),
        _ => panic!("{fault}"),
    }
    let mut relabelled = [predictions_of(0, 0), predictions_of(1, 0)];
    relabelled[0][5].record.cancer = Some(true);
    run_that_said(&folder.path().join("relabelled"), facts(), relabelled);
    let refused = of(["clear", "muddled", "relabelled"]).unwrap_err();
    let is_label =
        matches!(refused.cause(), Some(NotComparable { source: CompareError::Label { .. }, .. }));
    assert!(is_label && refused.to_string().contains("relabelled: image"), "{refused}");
}
