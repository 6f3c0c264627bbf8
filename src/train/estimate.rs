//! What a run will take, from a few of its own steps.

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

/// Steps that are timed, after one that is not.
const TIMED: usize = 2;

/// What one fold of a run will take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// Images trained on, as they are in the table.
    pub images: usize,
    /// Those with cancer.
    pub positives: usize,
    /// Images held out.
    pub held_out: usize,
    /// Trained numbers, of the backbone and of the heads.
    pub parameters: (usize, usize),
    /// Optimizer steps of an epoch.
    pub steps: usize,
    /// Seconds of an optimizer step.
    pub step_seconds: f64,
    /// Seconds of all epochs, validation included.
    pub seconds: f64,
    /// The most memory that this program had, in bytes, where the system tells it.
    pub memory: Option<u64>,
    /// What it leaves on the disk, in bytes: weights twice and the state; logs and predictions
    /// are small beside them.
    pub disk: u64,
}

/// Takes a few steps with the fold's own images, and writes nothing.
///
/// # Errors
/// A [`Fault`] of what the run itself would fault at.
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
    let mut taken = 0;
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
        // The first one brings everything in.
        if number > 0 || loader.batches() == 1 {
            seconds += began.elapsed().as_secs_f64();
            taken += 1;
        }
    }
    let batch_seconds = seconds / taken.max(1) as f64;
    let mut judging = 0.0;
    if !split.held_out.is_empty() {
        let loader = setup.held_out_loader(table, &split.held_out)?;
        if let Some(batch) = loader.epoch(0, 0).next().transpose()? {
            let began = Instant::now();
            network.logits(&batch.images(), &records(&batch.rows))?;
            judging = began.elapsed().as_secs_f64() * loader.batches() as f64;
        }
    }
    let steps = (loader.batches() / config.accumulate).max(1);
    let step_seconds = batch_seconds * config.accumulate as f64;
    let count = |entries: &[crate::model::Entry]| entries.last().map_or(0, |e| e.range.end);
    let parameters = (count(&network.backbone.layout().parameters), count(network.heads.layout()));
    // The state has the weights and what the optimizer keeps of each; the average is one more.
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
        seconds: config.epochs as f64 * (steps as f64 * step_seconds + judging),
        memory: memory::peak(),
    })
}
