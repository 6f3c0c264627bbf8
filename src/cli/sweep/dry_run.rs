//! `mammo-pipe sweep --dry-run`: estimates time, memory and disk space from a few steps.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use super::super::progress::{Activity, print};
use crate::error::Fault;
use crate::metrics::all_positive_f1;
use crate::number::{duration, size};
use crate::preprocess::estimate::free;
use crate::shard::table::Table;
use crate::sweep::settings::{Settings, Weight};
use crate::train::estimate::estimate;
use crate::train::run::{State, read_status};
use crate::train::setup::Setup;

/// Prints the estimate; writes nothing.
///
/// # Errors
/// The [`Fault`] that the runs themselves would end with.
pub(super) fn show(
    folder: &Path,
    settings: &Settings,
    weights: &[Weight],
    table: &Arc<Table>,
    setup: &Setup,
    as_json: bool,
    quiet: bool,
) -> Result<ExitCode, Fault> {
    let mut left = Vec::new();
    for &weight in weights {
        let status = read_status(&folder.join(weight.folder()))?;
        if status.is_none_or(|status| status.state != State::Finished) {
            left.push(weight);
        }
    }
    let folds = &settings.run.held_out;
    // The last weight is the largest, so its run has auxiliary heads if any run has.
    let train = settings.of(*weights.last().expect("clap takes no empty list")).train;
    let setup = Setup { train, ..setup.clone() };
    let shown = Activity::new("timing a few steps", quiet);
    let found = estimate(table, &setup, folds.first().copied().flatten())?;
    drop(shown);
    let images = table.rows.iter().filter(|row| row.fold().is_some());
    let (all, positives) = images.fold((0_usize, 0_usize), |(all, positives), row| {
        (all + 1, positives + usize::from(row.record.cancer == Some(true)))
    });
    let prevalence = positives as f64 / all.max(1) as f64;
    let networks = folds.len() * left.len();
    let (seconds, disk) = (found.seconds * networks as f64, found.disk * networks as u64);
    let free = free(folder);
    if as_json {
        let value = json!({
            "folder": folder, "weights": weights, "left": left, "folds": folds.len(),
            "fold": found, "images": all, "positives": positives, "seconds": seconds,
            "disk_bytes": disk, "free_bytes": free, "device": setup.device.to_string(),
        });
        print(&value.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let train = &setup.train;
    print(&format!("sweep in {}", folder.display()));
    print(&format!(
        "  runs        {} of {} left, {} folds each: {networks} networks, {} on {}",
        left.len(),
        weights.len(),
        folds.len(),
        train.model.variant,
        setup.device
    ));
    print(&format!(
        "  images      {all} in the folds, {:.2} % with cancer; F1 of calling all positive {:.4}",
        100.0 * prevalence,
        all_positive_f1(prevalence)
    ));
    print(&format!(
        "  steps       {} per epoch, {} epochs, {:.2} s per step",
        found.steps, train.epochs, found.step_seconds
    ));
    print(&format!(
        "  time        {} at most for one process, {} per run{}",
        duration(seconds),
        duration(found.seconds * folds.len() as f64),
        found.memory.map_or(String::new(), |m| format!("; {} of memory", size(m)))
    ));
    let free = free.map_or(String::new(), |free| format!(" ({} free there)", size(free)));
    print(&format!("  disk        {}{free}", size(disk)));
    print("  nothing was written; to start, run the command without --dry-run");
    Ok(ExitCode::SUCCESS)
}
