//! `bench storage` on a storage whose latency is known, because every open and read sleeps.

use crate::common;

use std::path::Path;
use std::process::Command;

use common::release::dataset;
use mammo_pipe::synth::{Size, SynthSpec};
use serde_json::Value;

/// Median of an open in microseconds, and the standard deviation of its logarithm.
const OPEN: (f64, f64) = (40_000.0, 0.3);

/// Time of a read in microseconds. The files are smaller than one read.
const READ: f64 = 10_000.0;

/// A standard normal number is less than this with probability 0.99.
const Z99: f64 = 2.3263;

/// Compiles `tests/storage/slow.c`, which sleeps in `open` and `pread`.
fn compile(folder: &Path) -> std::path::PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storage/slow.c");
    let library = folder.join("slow.so");
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(source).arg("-lm");
    let done = command.output().expect("cc, which building the program needs too");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    library
}

#[test]
#[cfg(target_os = "linux")]
fn injected_latencies_are_measured_within_a_tenth() {
    let folder = tempfile::tempdir().unwrap();
    // In memory, so that no real disk adds to the times.
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let data = memory.path().join("data");
    dataset(&data, &SynthSpec { patients: 15, size: Size::Tiny, ..SynthSpec::default() });
    let mut command = Command::new(env!("CARGO_BIN_EXE_mammo-pipe"));
    command.args(["bench", "storage", "--quick", "--threads", "32", "--json"]).arg(&data);
    command
        .env("XDG_CACHE_HOME", folder.path())
        .env("LD_PRELOAD", compile(folder.path()))
        .env("SLOW_UNDER", &data)
        .env("SLOW_OPEN", format!("{},{}", OPEN.0, OPEN.1))
        .env("SLOW_PREAD", format!("{READ},0"));
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let found: Value = serde_json::from_slice(&done.stdout).unwrap();
    let found = found.get("measurement").unwrap_or(&found);
    let series = found["files"].as_array().unwrap();
    // Warm reads have too few items for a 99th percentile.
    let of = |quantile: &str| -> Vec<f64> {
        let timed = series.iter().filter(|series| series["cache"] != "warm");
        let points = timed.flat_map(|series| series["points"].as_array().unwrap());
        let mut times: Vec<f64> =
            points.map(|point| point["latency"][quantile].as_f64().unwrap()).collect();
        times.sort_by(f64::total_cmp);
        times
    };
    let (p50, p99) = (of("p50"), of("p99"));
    assert!(p50.len() >= 2, "{series:?}");
    let expected = |z: f64| (OPEN.0 * (OPEN.1 * z).exp() + READ) / 1e3;
    let near = |found: f64, expected: f64| (found / expected - 1.0).abs() < 0.1;
    let middle = |times: &[f64]| times[times.len() / 2];
    assert!(near(middle(&p50), expected(0.0)), "{p50:?} for {}", expected(0.0));
    assert!(near(middle(&p99), expected(Z99)), "{p99:?} for {}", expected(Z99));
}
