//! `mammo-pipe bench storage` as it is typed: its result, and what it leaves behind, which is
//! nothing.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::SystemTime;

use mammo_pipe::bench::storage::Measurement;
use mammo_pipe::bench::storage::measurement::{Cache, Order};
use mammo_pipe::bench::storage::verdict::{Bottleneck, DatasetSize, RSNA, Verdict};
use mammo_pipe::synth::{Size, SynthSpec};
use serde::Deserialize;

use crate::common::release::dataset;
use crate::common::sized;

/// What `--json` prints.
#[derive(Deserialize)]
struct Printed {
    measurement: Measurement,
    verdict: Verdict,
}

/// `bench storage` of `path`, which keeps its measurement in `home`.
fn bench(path: &Path, home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mammo-pipe"));
    command.args(["bench", "storage"]).arg(path);
    command.env("XDG_CACHE_HOME", home.join("cache")).stdin(Stdio::null());
    command
}

/// The same with `--quick`, with one and two threads.
fn bench_of_two(path: &Path, home: &Path) -> Command {
    let mut command = bench(path, home);
    command.args(["--quick", "--threads", "1,2"]);
    command
}

fn printed(output: &Output) -> Printed {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Every path below `folder`, with its size and the time of its last change.
fn listing(folder: &Path) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let facts = fs::symlink_metadata(&path).unwrap();
        if facts.is_dir() {
            found.extend(listing(&path));
        }
        found.insert(path, (facts.len(), facts.modified().unwrap()));
    }
    let own = fs::metadata(folder).unwrap();
    found.insert(folder.to_owned(), (own.len(), own.modified().unwrap()));
    found
}

fn small_dataset(folder: &Path, patients: usize) -> PathBuf {
    let data = folder.join("data");
    let spec = SynthSpec { patients, test_patients: 1, size: Size::Tiny, ..SynthSpec::default() };
    dataset(&data, &spec);
    data
}

#[test]
fn an_empty_folder_is_measured_with_made_files_and_is_empty_afterwards() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("mount");
    fs::create_dir(&folder).unwrap();
    let page = home.path().join("page.html");
    let output = bench_of_two(&folder, home.path())
        .args(["--json", "--step-ms", "50", "--batch", "8", "--page"])
        .arg(&page)
        .output()
        .unwrap();
    let Printed { measurement, verdict } = printed(&output);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);

    assert_eq!(measurement.path, fs::canonicalize(&folder).unwrap());
    assert!(!measurement.data.own && measurement.data.measured_files > 0);
    let whole = |order| measurement.files.iter().find(|series| series.order == order).unwrap();
    for order in [Order::Plan, Order::Shuffled] {
        let threads: Vec<usize> = whole(order).points.iter().map(|p| p.threads).collect();
        assert_eq!(threads, [1, 2]);
    }
    for point in measurement.files.iter().flat_map(|series| &series.points) {
        // Where storage is so slow that no file was finished, there are no times.
        let Some(latency) = point.latency else {
            assert!(point.items < point.threads as f64, "{point:?}");
            continue;
        };
        assert!(0.0 < latency.p50 && latency.p50 <= latency.p95, "{point:?}");
        assert!(latency.p95 <= latency.p99 && latency.p99 <= latency.max, "{point:?}");
        assert!(point.first_done <= point.seconds, "{point:?}");
        // Each thread reads one item at a time.
        let most = point.threads as f64 * point.seconds * 1e3 * 1.02;
        assert!(point.items * latency.p50 / 2.0 <= most, "{point:?}");
    }
    let mut points = measurement.files.iter().flat_map(|series| &series.points);
    assert!(points.any(|point| point.latency.is_some()));
    assert!(measurement.decode.len() >= 2 && measurement.decode.iter().all(|rate| !rate.own));

    assert_eq!(verdict.dataset, RSNA);
    let (storage, cpu) = (verdict.storage.unwrap(), verdict.cpu.unwrap());
    let here = verdict.here.unwrap();
    let decoded = measurement.system.cores * cpu.images_per_core_second;
    let lower = decoded.min(storage.images_per_second);
    assert!((here.images_per_second / lower - 1.0).abs() < 1e-9);
    assert_eq!(here.bottleneck == Bottleneck::Cpu, decoded <= storage.images_per_second);
    assert!((here.seconds * lower / RSNA.files as f64 - 1.0).abs() < 1e-9);
    assert!(verdict.training.iter().all(|row| row.utilisation.len() == 1));
    assert_eq!(verdict.training[0].utilisation[0].needed, 160.0);

    let page = fs::read_to_string(page).unwrap();
    let kept = mammo_pipe::report::page::data(&page, "measurement").unwrap();
    assert_eq!(serde_json::from_str::<Measurement>(kept).unwrap(), measurement);
}

#[test]
fn a_dataset_is_read_and_not_written_and_a_dry_run_knows_its_storage() {
    let home = tempfile::tempdir().unwrap();
    let data = small_dataset(home.path(), 6);
    let before = listing(&data);
    let Printed { measurement, verdict } =
        printed(&bench(&data, home.path()).args(["--quick", "--json"]).output().unwrap());
    assert_eq!(listing(&data), before);
    assert!(measurement.data.own);
    assert_eq!(verdict.dataset, DatasetSize::of(&measurement));
    assert!(verdict.dataset.own && verdict.dataset.files == measurement.data.files);
    assert!(measurement.shards.iter().all(|series| series.points.is_empty()));
    assert!(!measurement.notes.is_empty(), "it says that shards were not measured");
    assert!(measurement.decode.iter().all(|rate| rate.own && rate.cpu_ms > 0.0));

    let dry_run = |json: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_mammo-pipe"))
            .args(["preprocess", "--dry-run", "--readers", "2", json, "--input"])
            .arg(&data)
            .arg("--output")
            .arg(home.path().join("release"))
            .env("XDG_CACHE_HOME", home.path().join("cache"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).unwrap()
    };
    let plan: serde_json::Value = serde_json::from_str(&dry_run("--json")).unwrap();
    let seconds = |value: &serde_json::Value| value["seconds"].as_f64().unwrap();
    assert!(seconds(&plan["storage"]) > 0.0);
    assert!(seconds(&plan) >= seconds(&plan["storage"]));
    assert!(dry_run("--quiet").contains("2 readers (cold") || measurement.system.network);
}

#[test]
fn with_scratch_the_shards_of_a_dataset_s_storage_are_measured_too() {
    let home = tempfile::tempdir().unwrap();
    let data = small_dataset(home.path(), 6);
    let scratch = home.path().join("scratch");
    fs::create_dir(&scratch).unwrap();
    let before = listing(&data);
    let output = bench_of_two(&data, home.path()).arg("--scratch").arg(&scratch).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(listing(&data), before);
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
    assert!(!home.path().join("cache").exists(), "--threads was given, so it is not kept");
    assert!(text.contains("write shard"), "{text}");
    assert!(text.contains("bottleneck") || text.contains("about equally fast"), "{text}");
    // Paths of this machine may be longer.
    let home = home.path().to_string_lossy().into_owned();
    let long = |line: &&str| line.chars().count() > 80 && !line.contains(&home);
    assert_eq!(text.lines().find(long), None);

    let inside = data.join("train_images");
    let output = bench(&data, &scratch).arg("--scratch").arg(inside).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing is written"));
    assert_eq!(listing(&data), before);
}

/// Lines of progress at which a run is interrupted.
const MOMENTS: [&str; 10] = [
    "making files",
    "writing shards",
    "reading shards: one page",
    "names: create",
    "waiting",
    "names: list",
    "whole files, plan order",
    "prefixes",
    "reading shards: row group",
    "drawing phantoms",
];

#[test]
fn an_interrupted_run_ends_in_130_or_75_and_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("mount");
    fs::create_dir(&folder).unwrap();
    let signals = [("-INT", 130), ("-TERM", 75)].into_iter().cycle();
    for (moment, (signal, code)) in MOMENTS[..sized(4, 10)].iter().zip(signals) {
        let mut child = bench(&folder, home.path())
            .arg("--quick")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.starts_with(moment)), "no line begins with {moment}");
        let id = child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        let rest: Vec<String> = lines.collect();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{moment}: {rest:?}");
        assert!(rest.iter().any(|line| line.contains("interrupted")), "{moment}: {rest:?}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "after {moment}");
    }
    assert!(!home.path().join("cache").exists(), "an unfinished measurement is not kept");
}

#[test]
fn a_page_of_somebody_else_s_a_missing_folder_and_a_run_without_steps_are_refused_at_once() {
    let home = tempfile::tempdir().unwrap();
    let page = home.path().join("mine.html");
    fs::write(&page, "my notes").unwrap();
    let said = |command: &mut Command| {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let refused = said(bench(home.path(), home.path()).arg("--page").arg(&page));
    assert!(refused.contains("--force"), "{refused}");
    assert_eq!(fs::read_to_string(&page).unwrap(), "my notes");
    let refused = said(&mut bench(&home.path().join("nowhere"), home.path()));
    assert!(refused.contains("nowhere"), "{refused}");
    let refused = said(bench(home.path(), home.path()).arg("--run").arg(home.path()));
    assert!(refused.contains("0 training steps"), "{refused}");
    let refused = said(bench(&page, home.path()).arg("--quiet"));
    assert!(refused.contains("not a folder"), "{refused}");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs to mount a file system (unshare, of util-linux)"]
fn without_room_it_refuses_before_it_makes_a_file() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("mount");
    fs::create_dir(&folder).unwrap();
    // The last word is the number of files that are left.
    let script = "mount -t tmpfs -o size=64m none \"$1\" && \"$2\" bench storage --quick \"$1\"; \
                  echo code $?; ls -A \"$1\" | wc -l";
    let mut shell = Command::new("unshare");
    shell.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]).arg(&folder);
    shell.arg(env!("CARGO_BIN_EXE_mammo-pipe")).env("XDG_CACHE_HOME", home.path());
    let output = crate::common::needs::run(&mut shell, "util-linux");
    let [said, told] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["code", "1", "0"], "{told}");
    assert!(told.contains("free") && told.contains("needs"), "{told}");
}

/// Files of one folder, slowed down by `tests/storage/slow.c` before each open.
#[cfg(target_os = "linux")]
#[test]
fn times_of_a_slow_storage_are_right_within_10_percent() {
    let home = tempfile::tempdir().unwrap();
    let data = small_dataset(home.path(), 40);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storage/slow.c");
    let library = home.path().join("slow.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(source).arg("-lm");
    let built = crate::common::needs::run(&mut compiler, "gcc");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    // The median and the deviation of the logarithm: the 99th percentile is exp(0.4 * 2.3263)
    // times the median.
    let (median, sigma) = (30.0, 0.4_f64);
    let expected = [median, median * (sigma * 2.3263).exp()];
    // Other programs may take the cores meanwhile, so it may take several measurements.
    let mut measured = Vec::new();
    let is_found = (0..5).any(|_| {
        let output = bench(&data, home.path())
            .args(["--json", "--threads", "64"])
            .env("LD_PRELOAD", &library)
            .env("SLOW_UNDER", fs::canonicalize(&data).unwrap())
            .env("SLOW_OPEN", format!("{},{sigma}", 1e3 * median))
            .output()
            .unwrap();
        let measurement = printed(&output).measurement;
        // Warm, so that the times of this machine's own disk are no part of it.
        let warm = measurement.files.iter().find(|series| series.cache == Cache::Warm).unwrap();
        let point = warm.points[0].clone();
        let latency = point.latency.unwrap();
        let found = [latency.p50, latency.p99];
        let is_right = |(found, expected): (f64, f64)| (found / expected - 1.0).abs() < 0.1;
        let is_found = point.items > 300.0 && found.into_iter().zip(expected).all(is_right);
        measured.push(point);
        is_found
    });
    assert!(is_found, "p50 and p99 are {expected:?} ms: {measured:?}");
}
