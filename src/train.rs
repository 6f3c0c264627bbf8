//! Trains a network on a release.
//!
//! In: the rows of a release, the settings, a device. Out: the folder of a run ([`run`]): the log,
//! the best network of each fold, and its predictions for the held-out images. At the end, also
//! its predictions for the locked split.
//!
//! The training loop is `Fold::train`. Its results depend only on settings, release and seed. A
//! run that was killed resumes from its last saved state and ends with the same numbers as a run
//! that was not killed.

pub mod checkpoint;
pub mod epochs;
mod error;
pub mod estimate;
pub mod folder;
pub mod log;
mod network;
pub mod loss;
pub mod objective;
pub mod optimizer;
pub mod run;
pub mod schedule;
pub mod setup;
pub mod split;
pub mod state;
pub mod tensorboard;
mod tensors;
pub mod validate;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

pub use error::TrainError;

use self::checkpoint::Checkpoint;
use self::log::{EpochLine, Line, Log, StepLine};
use self::objective::Parts;
use self::run::{Run, State, Status};
use self::schedule::Schedule;
use self::setup::Setup;
use self::split::Split;
use self::state::{EpochMetrics, Exact, Progress};
use self::validate::Scores;
use self::watch::Watch;
use crate::error::Fault;
use crate::flow::Stop;
use crate::loader::{Batch, Loader};
use crate::model::network::Network;
use crate::predictions::{self, Prediction, sigmoid};
use crate::random::Random;
use crate::record::ImageRecord;
use crate::shard::table::Table;
use epochs::keep_epoch;
use folder::FoldFolder;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All folds are done.
    Finished,
    /// The run was asked to stop; its state is saved.
    Stopped,
}

/// What is reported after every step and epoch.
#[derive(Debug)]
pub struct Event<'a> {
    /// The log line of the step or epoch.
    pub line: &'a Line,
    /// The progress of the run.
    pub status: &'a Status,
}

/// How the caller stops a run and receives its reports.
pub struct Control<'a> {
    /// Asks the run to finish its step and save.
    pub stop: Stop,
    /// Called after every step and epoch.
    pub on_event: &'a dyn Fn(&Event<'_>),
    /// Called with each further message, one line each.
    pub on_message: &'a dyn Fn(&str),
    /// Called during validation and the predictions for the locked split, with the number of images
    /// done and of all.
    pub on_prediction: &'a dyn Fn(usize, usize),
}

/// Checks that a run can start: every fold has what it needs, and the network can be built on its
/// device with its initial weights. Writes nothing.
///
/// # Errors
/// The [`Fault`] that the run would end with.
pub fn check(table: &Table, setup: &Setup, held_out: &[Option<u16>]) -> Result<(), Fault> {
    let splits = held_out.iter().map(|fold| Split::new(table, *fold));
    let splits = splits.collect::<Result<Vec<_>, _>>()?;
    if let Some(split) = splits.first() {
        let heads = setup.heads(split.train.iter().map(|&row| &table.rows[row].record));
        setup.initialise(&mut setup.network(heads)?)?;
    }
    Ok(())
}

/// Trains the folds of `run` one after the other. Each fold resumes from its saved state, if there
/// is one.
///
/// # Errors
/// A [`Fault`]; saved states stay.
pub fn train(
    run: &Run,
    table: &Arc<Table>,
    setup: &Setup,
    control: &Control<'_>,
) -> Result<End, Fault> {
    let mut watch = Watch::new(run, setup, control);
    let mut folds = || {
        for (number, fold) in run.facts.held_out.iter().enumerate() {
            watch.fold(*fold, number);
            if Fold::open(run, table, setup, *fold, control)?.train(&mut watch)? == End::Stopped {
                return Ok(End::Stopped);
            }
        }
        Ok(End::Finished)
    };
    let end = folds();
    watch.end(match &end {
        Ok(End::Finished) => State::Finished,
        Ok(End::Stopped) => State::Stopped,
        Err(_) => State::Failed,
    })?;
    end
}

/// One fold in training.
struct Fold<'a> {
    table: &'a Arc<Table>,
    setup: &'a Setup,
    folder: FoldFolder,
    network: Network,
    progress: Progress,
    loader: Loader,
    held_out: Option<Loader>,
    locked: Option<Loader>,
    facts: checkpoint::Facts,
}

impl<'a> Fold<'a> {
    /// Builds the network and restores its saved state, if there is one.
    fn open(
        run: &Run,
        table: &'a Arc<Table>,
        setup: &'a Setup,
        fold: Option<u16>,
        control: &Control<'_>,
    ) -> Result<Self, Fault> {
        let split = Split::new(table, fold)?;
        let folder = run.fold(fold)?;
        let loader = setup.loader(table, &split.train)?;
        let evaluation_loader = |rows: &[usize]| match rows {
            [] => Ok(None),
            rows => setup.held_out_loader(table, rows).map(Some),
        };
        let (held_out, locked) =
            (evaluation_loader(&split.held_out)?, evaluation_loader(&split.locked)?);
        let heads = setup.heads(split.train.iter().map(|&row| &table.rows[row].record));
        let facts = setup.facts(table, &heads, fold, loader.order().prior());
        let mut network = setup.network(heads)?;
        let progress = match state::resume(&folder, &mut network, control.on_message)? {
            Some(progress) => {
                epochs::check(&folder, progress.epoch, held_out.is_some())?;
                progress
            }
            None => {
                if let Some(report) = setup.initialise(&mut network)? {
                    (control.on_message)(&report.to_string());
                }
                Progress::new()
            }
        };
        Ok(Self { table, setup, folder, network, progress, loader, held_out, locked, facts })
    }

    /// The training loop.
    fn train(mut self, watch: &mut Watch<'_>) -> Result<End, Fault> {
        let config = &self.setup.train;
        let steps = self.steps_of_an_epoch();
        let rate = config.optimizer.learning_rate;
        let schedule = Schedule::new(&config.schedule, rate, steps as u64, config.epochs as u64);
        let mut log = Log::open(&self.folder, self.progress.epoch, self.progress.step)?;
        let mut saved = Instant::now();
        watch.begin(&self.progress, steps);
        let mut ahead = None;

        while !self.progress.finished {
            let epoch = self.progress.epoch as u64;
            let position = self.progress.position * config.accumulate * config.batch;
            let mut batches = ahead.take().unwrap_or_else(|| self.loader.epoch(epoch, position));
            while self.progress.position < steps {
                if watch.stop() {
                    return self.stop(&mut log);
                }
                let began = Instant::now();
                let mut sum = Sum::default();
                for _ in 0..config.accumulate {
                    let batch = batches.next().expect("an epoch has batches for all its steps")?;
                    let parts = self.forward_and_backward(&batch, sum.batches)?;
                    sum.add(&batch, parts);
                }
                let learning_rate = schedule.rate(self.progress.step);
                let gradient_norm = self.update(learning_rate, sum.loss())?;
                let line = self.line(&sum, learning_rate, gradient_norm, began);
                self.progress.position += 1;
                self.progress.step += 1;
                self.progress.loss_sum.0 += line.loss;
                watch.step(&mut log, line)?;
                if saved.elapsed().as_secs_f64() >= 60.0 * config.save_minutes {
                    self.save(&mut log)?;
                    saved = Instant::now();
                }
            }
            drop(batches);
            // The loader prepares the next epoch's first batches during validation.
            let is_last = self.progress.epoch + 1 == config.epochs;
            ahead = (!is_last).then(|| self.loader.epoch(epoch + 1, 0));
            let Some(line) = self.validate(watch)? else { return self.stop(&mut log) };
            watch.epoch(&mut log, line, &self.progress)?;
            self.save(&mut log)?;
            saved = Instant::now();
        }
        self.predict_locked(watch)
    }

    /// Writes the best network's predictions for the locked split. This comes last, so the locked
    /// split can influence no choice.
    fn predict_locked(self, watch: &Watch<'_>) -> Result<End, Fault> {
        let Self { table, setup, folder, locked: Some(loader), network, .. } = self else {
            return Ok(End::Finished);
        };
        let path = folder.locked();
        if path.exists() {
            return Ok(End::Finished);
        }
        // Frees its memory before the best network is loaded.
        drop(network);
        let best = Checkpoint::read(&folder.best())?;
        let mut best = best.network(setup.device)?;
        let Some(predictions) = predict(&mut best, &loader, table, watch)? else {
            return Ok(End::Stopped);
        };
        predictions::write(folder.path(), &path, &predictions)?;
        Ok(End::Finished)
    }

    /// Optimizer steps of an epoch. Batches at the end that do not fill a step are left out.
    fn steps_of_an_epoch(&self) -> usize {
        (self.loader.batches() / self.setup.train.accumulate).max(1)
    }

    /// Adds the gradient of a batch. `number` counts the batches of the step, from 0.
    fn forward_and_backward(&mut self, batch: &Batch, number: usize) -> Result<Parts, Fault> {
        let rows: Vec<&ImageRecord> =
            batch.rows.iter().map(|&row| &self.table.rows[row].record).collect();
        let seed = Random::seed_of(self.setup.train.seed, self.progress.step);
        let seed = Random::seed_of(seed, number as u64);
        let outputs = self.network.train(&batch.images(), &rows, seed)?;
        let targets = &self.facts.heads.targets;
        let (loss, parts) = objective::total(&self.setup.train, targets, &outputs, &rows)?;
        self.network.backward(&outputs, &loss)?;
        Ok(parts)
    }

    /// Makes an optimizer step. Returns the norm of the gradient before clipping.
    fn update(&mut self, learning_rate: f64, loss: f64) -> Result<f64, Fault> {
        let config = &self.setup.train;
        let step = self.progress.step;
        // Of the sum of the gradients over the accumulated batches.
        let norm = self.network.gradient_norm()?;
        if !loss.is_finite() || !norm.is_finite() {
            return Err(TrainError::NotFinite { step, loss, gradient: norm }.into());
        }
        self.network.update(&optimizer::update(config, learning_rate, norm, step))?;
        Ok(norm / config.accumulate as f64)
    }

    fn line(&self, sum: &Sum, learning_rate: f64, gradient_norm: f64, began: Instant) -> StepLine {
        let names = self.facts.heads.targets.iter().map(|target| target.column.as_str());
        let auxiliary = names.zip(&sum.auxiliary);
        let seconds = began.elapsed().as_secs_f64();
        StepLine {
            epoch: self.progress.epoch + 1,
            step: self.progress.step,
            images: sum.images,
            loss: sum.loss(),
            cancer: sum.cancer.mean(),
            auxiliary: auxiliary.filter_map(|(name, m)| Some((name.into(), m.mean()?))).collect(),
            learning_rate,
            gradient_norm,
            data_wait: sum.waited,
            seconds,
            images_per_second: sum.images as f64 / seconds.max(1e-9),
        }
    }

    /// Ends an epoch: validates the network, saves the best weights, decides whether to continue.
    /// `None` if the run was asked to stop during validation.
    fn validate(&mut self, watch: &Watch<'_>) -> Result<Option<EpochLine>, Fault> {
        let began = Instant::now();
        self.swap_ema()?;
        let predictions = self.predict_held_out(watch)?;
        let line = predictions.map(|found| self.end_epoch(&found, began)).transpose()?;
        self.swap_ema()?;
        Ok(line)
    }

    /// Counts the epoch and writes its weights; also as the best ones, if they are the best so far.
    /// The network must hold the averaged weights, if there is an average.
    fn end_epoch(
        &mut self,
        predictions: &[Prediction],
        began: Instant,
    ) -> Result<EpochLine, Fault> {
        let config = &self.setup.train;
        let scores = (!predictions.is_empty()).then(|| Scores::of(predictions));
        let loss = self.progress.loss_sum.0 / self.progress.position as f64;
        let metric = config.early_stopping.metric;
        self.progress.history.push(EpochMetrics {
            loss: Exact(loss),
            validation_loss: scores.as_ref().and_then(|s| s.loss).map(Exact),
            metric: scores.as_ref().and_then(|s| s.metric(metric)).map(Exact),
        });
        let index = self.progress.epoch;
        self.progress.epoch += 1;
        let epoch = self.progress.epoch;
        self.progress.position = 0;
        self.progress.loss_sum = Exact(0.0);
        // Without a metric, the last epoch counts as the best.
        let best = self.progress.best().is_none_or(|(best, _)| best == index);
        let stale = config.early_stopping.patience.is_some_and(|p| self.progress.stale() >= p);
        self.progress.finished = stale || self.progress.epoch == config.epochs;

        self.facts.epoch = self.progress.epoch;
        self.facts.step = self.progress.step;
        self.facts.validation.clone_from(&scores);
        let weights = |path: PathBuf| {
            checkpoint::write(self.folder.path(), &path, &self.facts, &self.network)
        };
        weights(self.folder.last())?;
        if !predictions.is_empty() {
            keep_epoch(&self.folder, epoch, predictions)?;
        }
        if best {
            weights(self.folder.best())?;
            if !predictions.is_empty() {
                let path = self.folder.validation();
                predictions::write(self.folder.path(), &path, predictions)?;
            }
        }
        Ok(EpochLine {
            epoch,
            step: self.progress.step,
            loss,
            validation: scores,
            best,
            overfitting: self.progress.overfits(),
            seconds: began.elapsed().as_secs_f64(),
        })
    }

    fn swap_ema(&mut self) -> Result<(), Fault> {
        if self.setup.train.ema_decay.is_some() {
            self.network.swap_ema()?;
        }
        Ok(())
    }

    /// Predictions for the held-out images; `None` if the run was asked to stop.
    fn predict_held_out(&mut self, watch: &Watch<'_>) -> Result<Option<Vec<Prediction>>, Fault> {
        match &self.held_out {
            None => Ok(Some(Vec::new())),
            Some(loader) => predict(&mut self.network, loader, self.table, watch),
        }
    }

    /// Saves the state. The log's lines up to it are on the disk first.
    fn save(&self, log: &mut Log) -> Result<(), Fault> {
        log.flush()?;
        state::save(&self.folder, &self.progress, &self.network)
    }

    fn stop(&self, log: &mut Log) -> Result<End, Fault> {
        self.save(log)?;
        Ok(End::Stopped)
    }
}

/// Predictions of a network for the images of a loader; `None` if the run was asked to stop.
fn predict(
    network: &mut Network,
    loader: &Loader,
    table: &Table,
    watch: &Watch<'_>,
) -> Result<Option<Vec<Prediction>>, Fault> {
    let mut predictions = Vec::new();
    for batch in loader.epoch(0, 0) {
        if watch.stop() {
            return Ok(None);
        }
        let batch = batch?;
        watch.predicted(predictions.len(), loader.images());
        let rows: Vec<_> = batch.rows.iter().map(|&row| &table.rows[row]).collect();
        let records: Vec<_> = rows.iter().map(|row| &row.record).collect();
        let logits = network.logits(&batch.images(), &records)?;
        predictions.extend(rows.iter().zip(logits).map(|(row, logit)| Prediction {
            record: row.record.clone(),
            role: row.role,
            logit,
            probability: sigmoid(logit),
        }));
    }
    Ok(Some(predictions))
}

/// Means over the batches of a step.
#[derive(Debug, Default)]
struct Sum {
    batches: usize,
    images: usize,
    waited: f64,
    total: Mean,
    cancer: Mean,
    auxiliary: Vec<Mean>,
}

impl Sum {
    fn add(&mut self, batch: &Batch, parts: Parts) {
        self.batches += 1;
        self.images += batch.len();
        self.waited += batch.waited;
        self.total.add(Some(parts.total));
        self.cancer.add(parts.cancer);
        self.auxiliary.resize_with(parts.auxiliary.len(), Mean::default);
        self.auxiliary.iter_mut().zip(parts.auxiliary).for_each(|(mean, loss)| mean.add(loss));
    }

    fn loss(&self) -> f64 {
        self.total.mean().unwrap_or(f64::NAN)
    }
}

/// A mean over the values that are not missing.
#[derive(Debug, Default)]
struct Mean {
    sum: f64,
    count: usize,
}

impl Mean {
    fn add(&mut self, value: Option<f64>) {
        self.sum += value.unwrap_or_default();
        self.count += usize::from(value.is_some());
    }

    fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}
