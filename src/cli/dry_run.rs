//! `mammo-pipe preprocess --dry-run`: prints the plan with an estimate of time and space.

use std::process::ExitCode;

use serde_json::json;

use super::progress::{Activity, print};
use crate::bench::storage::kept::{Kept, now};
use crate::bench::storage::measurement::{Measurement, Order};
use crate::bench::storage::verdict::{at_threads, storage, time, whole_files};
use crate::config::{Reading, ShardFormat};
use crate::error::Fault;
use crate::number::{duration, of, size};
use crate::preprocess::estimate::{Estimate, estimate};
use crate::preprocess::plan::Plan;

/// Prints what a run of `plan` would do. Writes no file.
///
/// # Errors
/// A [`Fault`] if none of the sampled images can be processed.
pub fn show(
    plan: &Plan,
    workers: usize,
    readers: usize,
    as_json: bool,
    quiet: bool,
) -> Result<ExitCode, Fault> {
    let shown = Activity::new("processing a few images for the estimate", quiet);
    let Estimate { sampled, rejected, seconds, left_bytes, bytes, finished, free } =
        estimate(plan, workers, readers)?;
    drop(shown);
    let decode = &plan.config.decode;
    // Whole files were measured; a run that reads less of each is not limited by that.
    let reads_whole = decode.read == Reading::Whole || decode.reduce == 0;
    let kept = Kept::of_user().filter(|_| reads_whole);
    let kept = kept.and_then(|kept| kept.find(&plan.config.dataset.input, now()));
    let allowed = kept.and_then(|measured| Allowed::new(&measured, readers, left_bytes));
    // Reading and decoding go on at the same time, so the slower of the two decides.
    let processing = seconds;
    let seconds = allowed.as_ref().map_or(processing, |allowed| processing.max(allowed.seconds));
    let counts = plan.joined.counts();
    if as_json {
        let value = json!({
            "counts": counts, "bytes": plan.facts.bytes, "shards": plan.shards(),
            "shards_finished": finished, "sampled": sampled, "sample_rejected": rejected,
            "seconds": seconds, "storage": allowed.as_ref().map(Allowed::json),
            "release_bytes": bytes, "free_bytes": free, "folds": plan.audit,
            "ignored": plan.joined.ignored, "hints": plan.joined.hints,
        });
        print(&value.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let config = &plan.config;
    let preset = config.dataset.preset;
    let format = match config.shard.format {
        ShardFormat::Parquet => "parquet",
        ShardFormat::Tensor => "tensor",
    };
    print(&format!("plan for {}", config.output.display()));
    print(&format!(
        "  dataset   {}: {} rows, {} files ({}); {} rows without a file, {} files without a row",
        config.dataset.input.display(),
        counts.rows,
        counts.files,
        size(plan.facts.bytes),
        counts.missing,
        counts.strays
    ));
    if plan.joined.ignored > 0 {
        print(&format!(
            "            {} files ignored (._*, .DS_Store, unfinished downloads and the like)",
            plan.joined.ignored
        ));
    }
    if plan.joined.left_out > 0 {
        print(&format!(
            "            {} files left out by their series ({})",
            plan.joined.left_out,
            config.dataset.leave_out.join(", ")
        ));
    }
    if !preset.text().is_empty() {
        print(&format!("  preset    {}", preset.as_str()));
        for line in preset.text().lines() {
            print(&format!("    {line}"));
        }
    }
    if let Some(label) = &config.dataset.label {
        print(&format!("  label     a proxy, not pathology: {label}"));
    }
    for hint in &plan.joined.hints {
        print(&format!("  hint      {hint}"));
    }
    print(&format!(
        "  output    {}x{}, {} bits, {format}, {} shards of up to {} images ({finished} finished)",
        config.resize.height,
        config.resize.width,
        config.window.bits,
        plan.shards(),
        config.shard.rows
    ));
    for group in &plan.audit.groups {
        let share = group
            .prevalence
            .images
            .map_or("no labels".to_owned(), |p| format!("{:.2} % with cancer", 100.0 * p));
        print(&format!(
            "  {:<9} {} patients, {} images, {share}",
            group.role.to_string(),
            group.all.patients,
            group.all.images
        ));
    }
    print(&format!(
        "  threads   {workers} decoding, {readers} reading; {} MiB",
        config.limits.memory_mb
    ));
    if sampled == 0 {
        print("  estimate  there is no file to estimate from");
        return Ok(ExitCode::SUCCESS);
    }
    let free = free.map_or(String::new(), |free| format!(" ({} free there)", size(free)));
    print(&format!(
        "  estimate  {} and {}{free}, from {sampled} images, {rejected} of them rejected",
        duration(seconds),
        size(bytes)
    ));
    if let Some(allowed) = &allowed {
        allowed.print(processing);
    }
    print("  nothing was written; to start, run the command without --dry-run");
    Ok(ExitCode::SUCCESS)
}

/// What storage allows, by a measurement of `bench storage` that is at hand.
struct Allowed {
    /// Days since the measurement.
    days: u64,
    /// What the caches held.
    cache: &'static str,
    /// Bytes per second with the readers of this run.
    bytes_per_second: f64,
    /// Seconds for reading what is left.
    seconds: f64,
    /// Readers.
    readers: usize,
    /// Readers at the knee, and bytes per second there.
    knee: (usize, f64),
}

impl Allowed {
    fn new(measured: &Measurement, readers: usize, left_bytes: u64) -> Option<Self> {
        let series = whole_files(measured, Order::Plan)?;
        // The size of a file changes no rate in bytes.
        let limit = storage(measured, Order::Plan, 1.0)?;
        let bytes_per_second = at_threads(series, readers)?;
        Some(Self {
            days: now().saturating_sub(measured.started) / 86_400,
            cache: limit.cache.name(),
            bytes_per_second,
            seconds: left_bytes as f64 / bytes_per_second,
            readers,
            knee: (limit.knee.threads, limit.knee.rate),
        })
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "days": self.days, "cache": self.cache, "readers": self.readers,
            "bytes_per_second": self.bytes_per_second, "seconds": self.seconds,
            "knee_readers": self.knee.0, "knee_bytes_per_second": self.knee.1,
        })
    }

    /// Says it beside the time that the sampled images need.
    fn print(&self, processing: f64) {
        let age = match self.days {
            0 => "today".to_owned(),
            days => format!("{} ago", of(days as usize, "day")),
        };
        let is_limit = self.seconds > processing;
        let limit = if is_limit { "storage is the limit" } else { "storage is not the limit" };
        print(&format!(
            "  storage   {} at {}/s with {} ({}, measured {age}): {limit}",
            time(self.seconds),
            size(self.bytes_per_second as u64),
            of(self.readers, "reader"),
            self.cache
        ));
        let (readers, rate) = self.knee;
        if is_limit && readers > self.readers && rate > 1.05 * self.bytes_per_second {
            print(&format!("            --readers {readers} reads {}/s", size(rate as u64)));
        }
    }
}
