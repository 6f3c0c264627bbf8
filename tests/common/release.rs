//! Runs the pipeline in the process of the test, and reads what it left.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use mammo_pipe::config::{Config, Precision};
use mammo_pipe::error::Fault;
use mammo_pipe::flow::{Meters, Stop};
use mammo_pipe::preprocess::plan::Plan;
use mammo_pipe::preprocess::sink::Summary;
use mammo_pipe::preprocess::{self, Control};
use mammo_pipe::shard::release::read_manifest;
use mammo_pipe::synth::{self, SynthSpec};

/// A dataset of phantoms in `folder`.
pub fn dataset(folder: &Path, spec: &SynthSpec) {
    synth::generate(spec, folder, || {}).unwrap();
}

/// Settings for small images and several shards.
pub fn config(dataset: &Path, release: &Path) -> Config {
    let mut config = Config { output: release.into(), ..Config::default() };
    config.dataset.input = dataset.into();
    config.decode.precision = Precision::Exact;
    (config.resize.height, config.resize.width) = (96, 64);
    config.shard.rows = 8;
    config
}

/// Plans and runs, and holds the counts to the conservation of images.
pub fn run(config: &Config, workers: usize) -> Result<Summary, Fault> {
    run_until(config, workers, usize::MAX)
}

/// The same, stopped from outside after `images` of them.
pub fn run_until(config: &Config, workers: usize, images: usize) -> Result<Summary, Fault> {
    let stop = Stop::default();
    let seen = std::sync::atomic::AtomicUsize::new(0);
    let control = Control {
        workers,
        readers: workers,
        retry_rejected: false,
        give_up_unreached: false,
        accept_new_times: false,
        stop: stop.clone(),
        meters: Arc::new(Meters::default()),
        seen: &|_, _| {
            if seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1 >= images {
                stop.raise();
            }
        },
    };
    let summary = preprocess::run(&Plan::new(config.clone())?, &control)?;
    assert!(summary.counts.conserved(), "{:?}", summary.counts);
    Ok(summary)
}

/// Every file of a release but its report and lock, with its content.
pub fn content(release: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for folder in ["", "shards", "manifest"] {
        for entry in std::fs::read_dir(release.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(release).unwrap().to_string_lossy().into_owned();
            if path.is_file()
                && !["report.html", ".lock", "run.log", "sources.jsonl"].contains(&name.as_str())
            {
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// Fails unless the release is sound and every row is there once.
pub fn assert_sound(release: &Path) {
    let verified = mammo_pipe::shard::verify::verify(release, |_| {}).unwrap();
    assert_eq!(verified.problems, Vec::<String>::new());
    assert_eq!(verified.rows, read_manifest(release).unwrap().counts.written);
}
