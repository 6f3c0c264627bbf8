//! The report's experiment as it is run: killed, interrupted, shared, and looked at.

use crate::common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use common::browser::{Seen, open_in_browser};
use common::release::{config, dataset, run};
use mammo_pipe::sweep::Weight;
use mammo_pipe::synth::SynthSpec;
use mammo_pipe::train::folder::FoldFolder;
use mammo_pipe::train::log;
use serde_json::Value;

/// A release of 64x32 images in two folds, of which a third has cancer.
fn release(folder: &Path) -> PathBuf {
    let data = folder.join("data");
    let spec = SynthSpec { patients: 8, test_patients: 1, prevalence: 0.4, ..SynthSpec::default() };
    dataset(&data, &spec);
    let mut config = config(&data, &folder.join("release"));
    (config.resize.height, config.resize.width, config.folds.count) = (64, 32, 2);
    run(&config, 2).unwrap();
    config.output
}

/// The sweep as it is typed: the smallest network, a few steps a fold.
fn sweep(release: &Path, out: &Path, further: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mammo-pipe"));
    command.arg("sweep").arg(release).arg("--output").arg(out).args(further);
    for setting in ["train.model.variant=b0", "train.batch=8", "train.epochs=1"] {
        command.args(["--set", setting]);
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Waits until a fold has begun.
fn wait_for(fold: &Path, child: &mut Child) {
    wait_until(|| fold.exists(), child);
}

/// Waits until a fold has logged a step.
fn wait_for_a_step(fold: &Path, child: &mut Child) {
    wait_until(|| log::read(&FoldFolder::new(fold)).is_ok_and(|lines| !lines.is_empty()), child);
}

fn wait_until(reached: impl Fn() -> bool, child: &mut Child) {
    while !reached() {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Every file below `folder` but its locks, with the time of its last change.
fn files(folder: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            false if path.file_name().unwrap() != ".lock" => {
                files.insert(path.clone(), path.metadata().unwrap().modified().unwrap());
            }
            false => {}
        }
    }
    files
}

/// Who had each run, one after the other.
fn holders(out: &Path, run: &str) -> Vec<u64> {
    let path = |number: usize| out.join("claims").join(format!("{run}.{number}"));
    let claims = (1..).map(path).take_while(|path| path.exists());
    let process = |path: PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let holder: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        holder["process"].as_u64().unwrap()
    };
    claims.map(process).collect()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[cfg(unix)]
#[test]
fn killed_interrupted_and_shared_a_sweep_trains_every_weight_once_and_shows_all() {
    let folder = tempfile::tempdir().unwrap();
    let (release, out) = (release(folder.path()), folder.path().join("x"));
    let run = |name: &str| out.join(name);
    let runs: Vec<String> = Weight::of_the_report().iter().map(|w| w.folder()).collect();
    assert_eq!(runs.len(), 11);

    // Killed after the first step of the first run, then as the second run gets to its second fold.
    let first_step = (run("cnn-only").join("fold-0"), wait_for_a_step as fn(&Path, &mut Child));
    let second_fold = (run("w-0.1").join("fold-1"), wait_for as fn(&Path, &mut Child));
    for (fold, wait) in [first_step, second_fold] {
        let mut child = sweep(&release, &out, &[]).spawn().unwrap();
        wait(&fold, &mut child);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let first = files(&run("cnn-only"));
    assert!(first.keys().any(|path| path.ends_with("report.html")), "it is finished");

    // Interrupted, it says so, and shows what there is.
    let mut child = sweep(&release, &out, &[]).spawn().unwrap();
    wait_for_a_step(&run("w-0.2").join("fold-0"), &mut child);
    let interrupted = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(interrupted.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(75), "{}", said(&output));
    assert!(said(&output).contains("is gone; taking over its run"), "{}", said(&output));
    let page = fs::read_to_string(out.join("sweep.html")).unwrap();
    assert!(page.contains("2 of 11 runs are finished") && page.contains("stopped, saved"));

    // Two at once share what is left.
    let both = [0, 1].map(|_| sweep(&release, &out, &[]).spawn().unwrap());
    let processes = both.each_ref().map(|child| u64::from(child.id()));
    for output in both.map(|child| child.wait_with_output().unwrap()) {
        assert!(output.status.success(), "{}", said(&output));
    }
    let mut shared = BTreeSet::new();
    for (place, name) in runs.iter().enumerate() {
        let holders = holders(&out, name);
        assert_eq!(holders.len(), if place < 3 { 2 } else { 1 }, "{name}: {holders:?}");
        shared.extend(holders.last().filter(|_| place > 2));
    }
    assert_eq!(shared, BTreeSet::from(processes), "each took some");
    assert_eq!(files(&run("cnn-only")), first, "what was finished is not touched again");

    // Everything is done: nothing is trained, and the table is there.
    let before: Vec<_> = runs.iter().map(|name| files(&run(name))).collect();
    let output = sweep(&release, &out, &["--json"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let after: Vec<_> = runs.iter().map(|name| files(&run(name))).collect();
    assert_eq!(before, after);
    let results: Value = serde_json::from_slice(&output.stdout).unwrap();
    let written = fs::read(out.join("sweep.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), results);
    for level in [0, 1] {
        let rows = results["levels"][level]["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 11);
        assert!(rows[0]["weight"].is_null() && rows[10]["weight"] == 1.0);
        assert!(rows.iter().all(|row| row["size"]["all_positive_f1"].is_f64()));
    }
    // Each weight made a network of its own.
    let networks = runs.iter().map(|name| fs::read(run(name).join("fold-0/best.safetensors")));
    let networks: BTreeSet<Vec<u8>> = networks.map(Result::unwrap).collect();
    assert_eq!(networks.len(), 11);

    other_settings_are_refused(&release, &out);
    the_page_holds_all_rows(&out);
}

fn other_settings_are_refused(release: &Path, out: &Path) {
    for (further, difference) in [
        (["--set", "train.batch=4"], "train.batch: was 8, is 4"),
        (["--negatives-per-positive", "1"], "folds: was null, is "),
        (["--init", "elsewhere"], "elsewhere is neither a file nor a repository of the hub"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mammo-pipe"));
        let typed = ["--set", "train.model.variant=b0", "--set", "train.batch=8"];
        command.arg("sweep").arg(release).arg("--output").arg(out).args(typed);
        let output = command.args(["--set", "train.epochs=1"]).args(further).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains(difference), "{}", said(&output));
    }
}

fn the_page_holds_all_rows(out: &Path) {
    let program = || Command::new(env!("CARGO_BIN_EXE_mammo-pipe"));
    let output = program().arg("report").arg(out).output().unwrap();
    let path = out.join("sweep.html");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), path.to_str().unwrap());
    let page = fs::read_to_string(&path).unwrap();
    assert!(page.contains("All 11 runs are finished."));
    let shown = program().args(["sweep", "--show"]).arg(out).output().unwrap();
    let shown = said(&shown);
    for weight in Weight::of_the_report() {
        let row = format!("<td data-column=\"Weight\"><div>{weight}</div></td>");
        // Best fold and all folds, each by breast and by image, and fold by fold.
        assert_eq!(page.matches(&row).count(), 5, "{weight}");
        assert!(page.contains(&format!("href=\"{}/report.html\"", weight.folder())));
        let line = match weight.of_auxiliary() {
            None => "\nCNN only ".to_owned(),
            Some(weight) => format!("\n{weight:.1} "),
        };
        assert_eq!(shown.matches(&line).count(), 2, "{shown}");
    }
}

#[test]
#[ignore = "needs chromium"]
fn a_browser_shows_the_page_without_a_request_or_a_console_message() {
    let folder = tempfile::tempdir().unwrap();
    let (release, out) = (release(folder.path()), folder.path().join("x"));
    let output = sweep(&release, &out, &["--auxiliary-weights", "cnn,0.3"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let seen = open_in_browser(&out.join("sweep.html"));
    let title = "Sweep x".to_owned();
    assert_eq!(seen, Seen { console: Vec::new(), requests: BTreeSet::new(), title });
}

#[test]
fn a_dry_run_tells_what_fewer_negatives_leave_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (release, out) = (release(folder.path()), folder.path().join("x"));
    let ask = |further: &[&str]| -> Value {
        let output = sweep(&release, &out, further).args(["--dry-run", "--json"]).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let all = ask(&[]);
    assert_eq!((all["left"].as_array().unwrap().len(), &all["folds"]), (11, &2.into()));
    assert!(all["seconds"].as_f64() > Some(0.0) && all["disk_bytes"].as_u64() > Some(1 << 30));
    // By patient: every positive patient stays, with her images of the healthy side.
    let few = ask(&["--negatives-per-positive", "0.1", "--auxiliary-weights", "cnn,0.3"]);
    assert_eq!(few["left"], serde_json::json!([0.0, 0.3]));
    assert_eq!(few["folds"], 2, "the release's own folds, reassigned");
    assert_eq!(few["positives"], all["positives"]);
    assert!(few["images"].as_u64() < all["images"].as_u64(), "{few}");
    assert!(!out.exists());

    // The ratio by itself would change nothing, which is said rather than done.
    let output = sweep(&release, &out, &["--set", "folds.negatives_per_positive=0.1"]).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("unless train.folds=reassign"), "{}", said(&output));
}
