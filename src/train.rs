//! Training: a release of shards becomes a model.
//!
//! In: the rows of a release, a configuration, a device. Out: the folder of a run ([`run`]):
//! the best network of each fold, its predictions of the images held out and, in the end, of the
//! locked split, and the log.
//!
//! The loop stands whole in `Fold::train`. What it computes is a function of configuration,
//! release and seed alone: a run that was killed goes on from its last state, and ends with the
//! same numbers as one that was not.

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
use self::state::{EpochFigures, Exact, Progress};
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
    /// It was asked to stop; what was done is saved.
    Stopped,
}

/// What whoever watches is told after every step and epoch.
#[derive(Debug)]
pub struct Seen<'a> {
    /// What just happened.
    pub line: &'a Line,
    /// How far the run is.
    pub status: &'a Status,
}

/// Who may stop a run and who watches it.
pub struct Control<'a> {
    /// Asks the run to finish its step and save.
    pub stop: Stop,
    /// Told after every step and epoch.
    pub seen: &'a dyn Fn(&Seen<'_>),
    /// Told what else there is to know, a line each time.
    pub tell: &'a dyn Fn(&str),
}

/// Trains the folds of `run` one after the other, each from where it was left.
///
/// # Errors
/// A [`Fault`]; what was saved before stays.
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
    /// Builds the network and gives it the state it was left in, if it was.
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
        let to_judge = |rows: &[usize]| match rows {
            [] => Ok(None),
            rows => setup.held_out_loader(table, rows).map(Some),
        };
        let (held_out, locked) = (to_judge(&split.held_out)?, to_judge(&split.locked)?);
        let heads = setup.heads(split.train.iter().map(|&row| &table.rows[row].record));
        let facts = setup.facts(table, &heads, fold, loader.order().prior());
        let mut network = setup.network(heads)?;
        let saved = folder.state();
        let progress = if saved.exists() {
            state::restore(&saved, &mut network)?
        } else {
            if let Some(report) = setup.initialise(&mut network)? {
                (control.tell)(&report.to_string());
            }
            Progress::new()
        };
        Ok(Self { table, setup, folder, network, progress, loader, held_out, locked, facts })
    }

    /// The loop.
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
                    self.save()?;
                    saved = Instant::now();
                }
            }
            drop(batches);
            // The next epoch's first batches are made while this one is judged.
            let is_last = self.progress.epoch + 1 == config.epochs;
            ahead = (!is_last).then(|| self.loader.epoch(epoch + 1, 0));
            let Some(line) = self.judge(watch)? else { return self.stop(&mut log) };
            watch.epoch(&mut log, line, &self.progress)?;
            self.save()?;
            saved = Instant::now();
        }
        self.judge_locked(watch)
    }

    /// Asks the best network about the locked split, now that it chooses nothing any more.
    fn judge_locked(self, watch: &Watch<'_>) -> Result<End, Fault> {
        let Self { table, setup, folder, locked: Some(loader), network, .. } = self else {
            return Ok(End::Finished);
        };
        let path = folder.locked();
        if path.exists() {
            return Ok(End::Finished);
        }
        // Before the best one takes as much memory again.
        drop(network);
        let best = Checkpoint::read(&folder.best())?;
        let mut best = best.network(setup.device)?;
        let Some(predictions) = ask(&mut best, &loader, table, watch)? else {
            return Ok(End::Stopped);
        };
        predictions::write(folder.path(), &path, &predictions)?;
        Ok(End::Finished)
    }

    /// Optimizer steps of an epoch; batches too few for another step are left out.
    fn steps_of_an_epoch(&self) -> usize {
        (self.loader.batches() / self.setup.train.accumulate).max(1)
    }

    /// Adds the gradient of a batch, the `number`th of its step.
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

    /// Steps along the gradient; gives its length before clipping.
    fn update(&mut self, learning_rate: f64, loss: f64) -> Result<f64, Fault> {
        let config = &self.setup.train;
        let step = self.progress.step;
        let sum = self.network.gradient_norm()?;
        if !loss.is_finite() || !sum.is_finite() {
            return Err(TrainError::NotFinite { step, loss, gradient: sum }.into());
        }
        self.network.update(&optimizer::update(config, learning_rate, sum, step))?;
        Ok(sum / config.accumulate as f64)
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

    /// Ends an epoch: validates, keeps the best, decides whether to go on. `None` if it was
    /// asked to stop before it was through.
    fn judge(&mut self, watch: &Watch<'_>) -> Result<Option<EpochLine>, Fault> {
        let began = Instant::now();
        self.exchange_average()?;
        let predictions = self.predict(watch)?;
        let line = predictions.map(|found| self.keep(&found, began)).transpose()?;
        self.exchange_average()?;
        Ok(line)
    }

    /// With the moving average in the weights' place, if there is one: counts the epoch, and
    /// writes the weights if they are the best so far.
    fn keep(&mut self, predictions: &[Prediction], began: Instant) -> Result<EpochLine, Fault> {
        let config = &self.setup.train;
        let scores = (!predictions.is_empty()).then(|| Scores::of(predictions));
        let loss = self.progress.loss_sum.0 / self.progress.position as f64;
        let metric = config.early_stopping.metric;
        self.progress.history.push(EpochFigures {
            loss: Exact(loss),
            validation_loss: scores.as_ref().and_then(|s| s.loss).map(Exact),
            metric: scores.as_ref().and_then(|s| s.metric(metric)).map(Exact),
        });
        let epoch = self.progress.epoch;
        self.progress.epoch += 1;
        self.progress.position = 0;
        self.progress.loss_sum = Exact(0.0);
        // Where no epoch can be judged, the last is as good as any.
        let best = self.progress.best().is_none_or(|(best, _)| best == epoch);
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

    fn exchange_average(&mut self) -> Result<(), Fault> {
        if self.setup.train.ema_decay.is_some() {
            self.network.swap_ema()?;
        }
        Ok(())
    }

    /// What the network says of the images held out; `None` if it was asked to stop.
    fn predict(&mut self, watch: &Watch<'_>) -> Result<Option<Vec<Prediction>>, Fault> {
        match &self.held_out {
            None => Ok(Some(Vec::new())),
            Some(loader) => ask(&mut self.network, loader, self.table, watch),
        }
    }

    fn save(&self) -> Result<(), Fault> {
        state::save(self.folder.path(), &self.folder.state(), &self.progress, &self.network)
    }

    fn stop(&self, log: &mut Log) -> Result<End, Fault> {
        log.flush()?;
        self.save()?;
        Ok(End::Stopped)
    }
}

/// What a network says of the images of a loader; `None` if it was asked to stop.
fn ask(
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

/// A mean of what is known.
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
