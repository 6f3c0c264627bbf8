//! `evaluate` and `score` as a user runs them.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::common::needs::python;
use mammo_pipe::predictions;
use serde_json::Value;

fn mammo_pipe(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mammo-pipe")).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A table of predictions for patients of two breasts in three folds; the breast's number
/// decides what is said of it, and every ninth is a cancer that mostly scores high.
pub fn table(path: &Path) {
    let mut table = String::from(
        "site_id,patient_id,image_id,laterality,view,age,cancer,density,machine_id,fold,probability\n",
    );
    for patient in 0..120 {
        for (side, name) in ["L", "R"].iter().enumerate() {
            let breast = 2 * patient + side;
            let cancer = breast % 9 == 0;
            let noise = (breast * 37 % 101) as f64 / 101.0;
            for (image, view) in ["CC", "MLO"].iter().enumerate() {
                let p = 0.8 * noise * noise + if cancer { 0.15 } else { 0.0 } + 0.02 * image as f64;
                let (site, age, fold) = (1 + patient % 2, 38 + patient % 40, patient % 3);
                let number = 2 * breast + image;
                writeln!(
                    table,
                    "{site},{patient},{number},{name},{view},{age},{},,49,{fold},{p:.4}",
                    u8::from(cancer)
                )
                .unwrap();
            }
        }
    }
    std::fs::write(path, table).unwrap();
}

#[test]
fn predictions_alone_are_evaluated_printed_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("predictions.csv");
    table(&csv);
    let (csv, out) = (csv.to_str().unwrap(), folder.path().join("out"));
    let run = |out: &Path| {
        let out = out.to_str().unwrap();
        mammo_pipe(&["evaluate", csv, "--output", out, "--resamples", "100"])
    };
    let shown = run(&out);
    let printed = text(&shown.stdout);
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    for line in [
        "3 folds held out, each evaluated with the model that was not trained on it.",
        "Threshold and temperature: chosen on the other folds.",
        "F1 if all positive         0.2",
        "density not known",
        "site 2",
        "100 resamples of the patients",
    ] {
        assert!(printed.contains(line), "no {line:?} in\n{printed}");
    }

    let json = std::fs::read(out.join("evaluation.json")).unwrap();
    let json: Value = serde_json::from_slice(&json).unwrap();
    let breast = &json["parts"][0]["levels"][1];
    assert_eq!((&breast["level"], &breast["n"]), (&"breast_mean".into(), &240.into()));
    let auroc = &breast["metrics"]["auroc"];
    let [low, value, high] = [&auroc["interval"][0], &auroc["value"], &auroc["interval"][1]]
        .map(|value| value.as_f64().unwrap());
    assert!(low < value && value < high && value > 0.55, "{auroc}");
    assert_eq!(json["epoch"]["selected_on"], "unknown");

    // What was written is read as predictions again, and gives the same metrics.
    let again = folder.path().join("again");
    let rows = out.join("predictions.parquet");
    assert_eq!(predictions::read(&rows).unwrap().len(), 480);
    let args = ["evaluate", rows.to_str().unwrap(), "--json", "--resamples", "100", "--output"];
    let second = mammo_pipe(&[&args[..], &[again.to_str().unwrap()]].concat());
    assert_eq!(serde_json::from_slice::<Value>(&second.stdout).unwrap(), json);
    let names = std::fs::read_dir(&again).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.count(), 2, "nothing else is left in the folder");
}

#[test]
#[ignore = "needs MAMMO_PIPE_PYTHON"]
fn predictions_that_pandas_wrote_are_read_in_every_usual_compression() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("predictions.csv");
    table(&csv);
    let args = ["evaluate", csv.to_str().unwrap(), "--resamples", "0", "--output"];
    let ours = folder.path().to_str().unwrap();
    assert!(mammo_pipe(&[&args[..], &[ours]].concat()).status.success());
    let rows = folder.path().join("predictions.parquet");
    python("rewrite_predictions.py", &[rows.to_str().unwrap(), ours]);
    let expected = predictions::read(&rows).unwrap();
    // pandas writes snappy if it is not told otherwise.
    for codec in ["snappy", "gzip", "zstd", "lz4", "None"] {
        let path = folder.path().join(format!("{codec}.parquet"));
        assert_eq!(predictions::read(&path).unwrap(), expected, "{codec}");
    }
    let fault = predictions::read(&folder.path().join("brotli.parquet")).unwrap_err();
    let said = fault.to_string();
    assert!(said.contains("brotli.parquet") && said.contains("write it with zstd"), "{said}");
}

#[test]
fn an_evaluation_never_takes_the_place_of_predictions_that_it_did_not_make() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("predictions.csv");
    table(&csv);
    let theirs = folder.path().join("predictions.parquet");
    std::fs::write(&theirs, "of another program").unwrap();
    let out = folder.path().to_str().unwrap();
    let args = ["evaluate", csv.to_str().unwrap(), "--resamples", "0", "--output", out];
    let refused = mammo_pipe(&args);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("predictions.parquet is there already"));
    assert_eq!(std::fs::read(&theirs).unwrap(), b"of another program");
    assert!(!folder.path().join("evaluation.json").exists(), "nothing is half written");
    assert!(mammo_pipe(&[&args[..], &["--force"]].concat()).status.success());
    assert!(mammo_pipe(&args).status.success(), "both are ours now");
}

#[test]
fn a_submission_is_scored_and_what_is_wrong_with_it_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let labels = path("labels.csv");
    table(Path::new(&labels));
    let mut submission = String::from("prediction_id,cancer\n");
    for breast in 0..240 {
        let side = if breast % 2 == 0 { "L" } else { "R" };
        writeln!(submission, "{}_{side},1", breast / 2).unwrap();
    }
    std::fs::write(path("submission.csv"), &submission).unwrap();
    let scored = mammo_pipe(&["score", &path("submission.csv"), &labels, "--json"]);
    assert!(scored.status.success(), "{}", text(&scored.stderr));
    let json: Value = serde_json::from_slice(&scored.stdout).unwrap();
    // All ones score what predicting all positive does: 27 of 240 breasts.
    let all = 2.0 * 27.0 / (240.0 + 27.0);
    for value in [&json["metrics"]["pf1"]["value"], &json["all_positive_f1"]] {
        assert!((value.as_f64().unwrap() - all).abs() < 1e-12, "{value}");
    }
    let table = mammo_pipe(&["score", &path("submission.csv"), &labels, "--threshold", "0.5"]);
    assert!(text(&table.stdout).contains("F1, given threshold"), "{}", text(&table.stdout));

    std::fs::write(path("short.csv"), submission.replace("\n7_R,1\n", "\n")).unwrap();
    let refused = mammo_pipe(&["score", &path("short.csv"), &labels]);
    assert_eq!(refused.status.code(), Some(1));
    let message = text(&refused.stderr);
    assert!(message.contains("no row for 1 of the 240 breasts of the labels: 7_R"), "{message}");
}
