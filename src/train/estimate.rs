//! Estimates the time, memory and disk space of a run from a few of its steps.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::objective;
use super::optimizer;
use super::setup::Setup;
use super::split::Split;
use crate::config::train::OptimizerKind;
use crate::error::Fault;
use crate::model::Backbone;
use crate::preprocess::memory;
use crate::record::ImageRecord;
use crate::shard::table::Table;

/// Timed steps; one untimed step comes before them.
const TIMED: usize = 2;

/// The estimate for one fold of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// Training images, before sampling.
    pub images: usize,
    /// Training images with cancer.
    pub positives: usize,
    /// Held-out images.
    pub held_out: usize,
    /// Number of parameters of the backbone and of the heads.
    pub parameters: (usize, usize),
    /// Optimizer steps of an epoch.
    pub steps: usize,
    /// Seconds of an optimizer step.
    pub step_seconds: f64,
    /// Seconds of all epochs, validation included.
    pub seconds: f64,
    /// Peak memory of this process in bytes; `None` where the system does not report it.
    pub memory: Option<u64>,
    /// Disk space in bytes: two weights files and the saved state. Logs and predictions are small
    /// in comparison.
    pub disk: u64,
}

/// Trains a few steps on the fold's own images. Writes nothing.
///
/// # Errors
/// The [`Fault`] that the run itself would end with.
pub fn estimate(table: &Arc<Table>, setup: &Setup, fold: Option<u16>) -> Result<Estimate, Fault> {
    let config = &setup.train;
    let split = Split::new(table, fold)?;
    let loader = setup.loader(table, &split.train)?;
    let records = |rows: &[usize]| -> Vec<&ImageRecord> {
        rows.iter().map(|&row| &table.rows[row].record).collect()
    };
    let train = records(&split.train);
    let mut network = setup.network(setup.heads(train.iter().copied()))?;
    let mut seconds = 0.0;
    let mut timed = 0;
    for (number, batch) in loader.epoch(0, 0).take(TIMED + 1).enumerate() {
        let batch = batch?;
        let rows = records(&batch.rows);
        let began = Instant::now();
        let outputs = network.train(&batch.images(), &rows, number as u64)?;
        let targets = network.heads.spec().targets.clone();
        let (loss, _) = objective::total(config, &targets, &outputs, &rows)?;
        network.backward(&outputs, &loss)?;
        let norm = network.gradient_norm()?;
        network.update(&optimizer::update(config, 0.0, norm, number as u64))?;
        // The first step is slower: it reads files and allocates memory.
        if number > 0 || loader.batches() == 1 {
            seconds += began.elapsed().as_secs_f64();
            timed += 1;
        }
    }
    let batch_seconds = seconds / timed.max(1) as f64;
    let mut validation = 0.0;
    if !split.held_out.is_empty() {
        let loader = setup.held_out_loader(table, &split.held_out)?;
        if let Some(batch) = loader.epoch(0, 0).next().transpose()? {
            let began = Instant::now();
            network.logits(&batch.images(), &records(&batch.rows))?;
            validation = began.elapsed().as_secs_f64() * loader.batches() as f64;
        }
    }
    let steps = (loader.batches() / config.accumulate).max(1);
    let step_seconds = batch_seconds * config.accumulate as f64;
    let count = |entries: &[crate::model::Entry]| entries.last().map_or(0, |e| e.range.end);
    let parameters = (count(&network.backbone.layout().parameters), count(network.heads.layout()));
    // The state holds the weights, the optimizer's moments and, if used, the average.
    let moments = match config.optimizer.kind {
        OptimizerKind::Adamw => 2,
        OptimizerKind::Sgd => 1,
    };
    let numbers = 2 + 1 + moments + usize::from(config.ema_decay.is_some());
    Ok(Estimate {
        images: split.train.len(),
        positives: train.iter().filter(|record| record.cancer == Some(true)).count(),
        held_out: split.held_out.len(),
        parameters,
        disk: ((parameters.0 + parameters.1) * numbers * size_of::<f32>()) as u64,
        steps,
        step_seconds,
        seconds: config.epochs as f64 * (steps as f64 * step_seconds + validation),
        memory: memory::peak(),
    })
}
