//! `mammo-pipe preprocess --dry-run`: prints the plan with an estimate of time and space.

use std::process::ExitCode;

use serde_json::json;

use super::progress::print;
use crate::config::ShardFormat;
use crate::error::Fault;
use crate::number::{duration, size};
use crate::preprocess::estimate::{Estimate, estimate};
use crate::preprocess::plan::Plan;

/// Prints what a run of `plan` would do. Writes no file.
///
/// # Errors
/// A [`Fault`] if none of the sampled images can be processed.
pub fn show(plan: &Plan, workers: usize, readers: usize, as_json: bool) -> Result<ExitCode, Fault> {
    let Estimate { sampled, rejected, seconds, bytes, finished, free } =
        estimate(plan, workers, readers)?;
    let counts = plan.joined.counts();
    if as_json {
        let value = json!({
            "counts": counts, "bytes": plan.facts.bytes, "shards": plan.shards(),
            "shards_finished": finished, "sampled": sampled, "sample_rejected": rejected,
            "seconds": seconds, "release_bytes": bytes, "free_bytes": free, "folds": plan.audit,
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
    print("  nothing was written; to start, run the command without --dry-run");
    Ok(ExitCode::SUCCESS)
}
