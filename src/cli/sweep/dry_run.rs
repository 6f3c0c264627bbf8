//! `mammo-pipe sweep --dry-run`: what it would take, from a few steps.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use super::super::progress::print;
use crate::error::Fault;
use crate::metrics::all_positive_f1;
use crate::number::{duration, size};
use crate::preprocess::estimate::free;
use crate::shard::table::Table;
use crate::sweep::settings::{Settings, Weight};
use crate::train::estimate::estimate;
use crate::train::run::{State, read_status};
use crate::train::setup::Setup;

/// Prints what the sweep would take; writes nothing.
///
/// # Errors
/// A [`Fault`] of what the runs themselves would fault at.
pub(super) fn show(
    folder: &Path,
    settings: &Settings,
    weights: &[Weight],
    table: &Arc<Table>,
    setup: &Setup,
    as_json: bool,
) -> Result<ExitCode, Fault> {
    let mut left = Vec::new();
    for &weight in weights {
        let status = read_status(&folder.join(weight.folder()))?;
        if status.is_none_or(|status| status.state != State::Finished) {
            left.push(weight);
        }
    }
    let folds = &settings.run.held_out;
    // The last one has the auxiliary heads too, if any has.
    let train = settings.of(*weights.last().expect("clap takes no empty list")).train;
    let setup = Setup { train, ..setup.clone() };
    let found = estimate(table, &setup, folds.first().copied().flatten())?;
    let images = table.rows.iter().filter(|row| row.fold().is_some());
    let (all, positives) = images.fold((0_usize, 0_usize), |(all, positives), row| {
        (all + 1, positives + usize::from(row.record.cancer == Some(true)))
    });
    let prevalence = positives as f64 / all.max(1) as f64;
    let of_all = folds.len() * left.len();
    let (seconds, disk) = (found.seconds * of_all as f64, found.disk * of_all as u64);
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
        "  runs        {} of {} to do, {} folds each: {of_all} networks, {} on {}",
        left.len(),
        weights.len(),
        folds.len(),
        train.model.variant,
        setup.device
    ));
    print(&format!(
        "  images      {all} in the folds, {:.2} % with cancer; calling all positive has F1 {:.4}",
        100.0 * prevalence,
        all_positive_f1(prevalence)
    ));
    print(&format!(
        "  steps       {} an epoch, {} epochs, {:.2} s a step",
        found.steps, train.epochs, found.step_seconds
    ));
    print(&format!(
        "  time        {} at most for one process, {} a run{}",
        duration(seconds),
        duration(found.seconds * folds.len() as f64),
        found.memory.map_or(String::new(), |m| format!("; {} of memory", size(m)))
    ));
    let free = free.map_or(String::new(), |free| format!(" ({} free there)", size(free)));
    print(&format!("  disk        {}{free}", size(disk)));
    print("  nothing was written; run it without --dry-run to start");
    Ok(ExitCode::SUCCESS)
}
