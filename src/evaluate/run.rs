//! Reads the predictions of a training run, and selects the epoch.
//!
//! In: the folder of a run, or a file of predictions alone. Out: [`Loaded`]: one prediction per
//! image, and how the epoch was selected. The best epoch of a fold is selected on that fold, so
//! its metrics are optimistic. If a run kept the predictions of every epoch
//! (`fold-<k>/epochs/epoch-<n>.parquet`), each fold is evaluated at the epoch that is best on the
//! other folds. The predictions for the locked split come from [`locked`].

use std::path::Path;

use serde::Serialize;

use super::Given;
use super::locked::{self, LockedNetworks};
use crate::config::train::Metric;
use crate::error::Fault;
use crate::predictions::PredictionsError;
use crate::predictions::{self, Prediction};
use crate::train::TrainError;
use crate::train::checkpoint::Checkpoint;
use crate::train::folder::{FoldFolder, RunFolder};
use crate::train::run::{RunFacts, read_facts};
use crate::train::validate::Scores;

/// How the epoch was selected.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(tag = "selected_on", rename_all = "snake_case")]
pub enum Epoch {
    /// For each fold, on the other folds, by the mean of a metric by breast.
    OtherFolds {
        /// The metric that was maximised.
        metric: Metric,
        /// Fold and epoch, counted from 1.
        epochs: Vec<(u16, usize)>,
    },
    /// For each fold, on the fold itself, which is optimistic.
    ItsOwnFold,
    /// The last epoch, because no fold was held out.
    Last,
    /// A file of predictions does not say.
    #[default]
    Unknown,
}

/// Predictions to evaluate.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// One per image.
    pub predictions: Vec<Prediction>,
    /// How their epoch was selected.
    pub epoch: Epoch,
    /// Values known before the evaluation.
    pub given: Given,
    /// The networks evaluated on the locked split.
    pub locked_networks: LockedNetworks,
}

/// How the epoch of a run is to be selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochRule {
    /// For each fold the best epoch on the other folds, if every epoch was kept; else as `Best`.
    CrossFitted,
    /// For each fold the best epoch on the fold itself: that of `best.safetensors`.
    Best,
}

/// Loads predictions to evaluate: those of a run's folder, or of a file.
///
/// # Errors
/// [`PredictionsError`] for a run without any evaluated fold; those of reading.
pub fn load(path: &Path, which: EpochRule) -> Result<Loaded, Fault> {
    if !path.exists() {
        return Err(TrainError::NoRun { path: path.into() }.into());
    }
    if !path.is_dir() {
        let predictions = predictions::read(path)?;
        let (given, locked_networks) = (Given::default(), LockedNetworks::default());
        return Ok(Loaded { predictions, epoch: Epoch::Unknown, given, locked_networks });
    }
    let facts = read_facts(path)?;
    let folds: Vec<(u16, FoldFolder)> = facts
        .held_out
        .iter()
        .flatten()
        .map(|&fold| (fold, RunFolder::new(path).fold(Some(fold))))
        .filter(|(_, folder)| folder.validation().exists())
        .collect();
    let (locked, locked_networks) = locked::read(path, &facts)?;
    if folds.is_empty() && locked.is_empty() {
        let reason = "no fold of this run was evaluated yet (no fold-*/validation.parquet); let \
                      the run go on, or see its progress with mammo-pipe runs"
            .into();
        return Err(PredictionsError { path: path.into(), reason }.into());
    }
    let metric = facts.train.early_stopping.metric;
    let crossed = match which {
        EpochRule::CrossFitted => cross_fitted(&folds, metric)?,
        EpochRule::Best => None,
    };
    let (mut predictions, epoch) = match crossed {
        Some((predictions, epochs)) => (predictions, Epoch::OtherFolds { metric, epochs }),
        None => {
            let of = |(_, folder): &(u16, FoldFolder)| predictions::read(&folder.validation());
            let all = folds.iter().map(of).collect::<Result<Vec<_>, Fault>>()?;
            let epoch = if folds.is_empty() { Epoch::Last } else { Epoch::ItsOwnFold };
            (all.into_iter().flatten().collect(), epoch)
        }
    };
    predictions.extend(locked);
    let logit_shift = logit_shift(path, &facts)? + facts.train.loss.positive_weight.ln();
    Ok(Loaded {
        predictions,
        epoch,
        given: Given { threshold: None, logit_shift },
        locked_networks,
    })
}

/// The predictions of every fold at the epoch that is best on the others, and those epochs;
/// `None` unless there are several folds and all kept some epoch in common.
#[allow(clippy::type_complexity)]
fn cross_fitted(
    folds: &[(u16, FoldFolder)],
    metric: Metric,
) -> Result<Option<(Vec<Prediction>, Vec<(u16, usize)>)>, Fault> {
    let kept =
        |folder: &FoldFolder| (1..).take_while(|&epoch| folder.epoch(epoch).exists()).count();
    // A fold that stopped early has no later epochs, and what some lack is not chosen.
    let common = folds.iter().map(|(_, folder)| kept(folder)).min().unwrap_or(0);
    if folds.len() < 2 || common == 0 {
        return Ok(None);
    }
    let mut figures = vec![Vec::with_capacity(common); folds.len()];
    for (figures, (_, folder)) in figures.iter_mut().zip(folds) {
        for epoch in 1..=common {
            let predictions = predictions::read(&folder.epoch(epoch))?;
            figures.push(Scores::of(&predictions).metric(metric));
        }
    }
    let mut chosen = Vec::new();
    let mut predictions = Vec::new();
    for (place, (fold, folder)) in folds.iter().enumerate() {
        let others: Vec<&[Option<f64>]> =
            (0..folds.len()).filter(|other| *other != place).map(|i| &figures[i][..]).collect();
        let Some(best) = best_epoch(&others, common) else { return Ok(None) };
        let epoch = best + 1;
        predictions.extend(predictions::read(&folder.epoch(epoch))?);
        chosen.push((*fold, epoch));
    }
    Ok(Some((predictions, chosen)))
}

/// The index, from 0, of the first epoch with the highest mean over the folds in which the figure
/// is defined, among epochs where it is in as many folds as in any.
fn best_epoch(folds: &[&[Option<f64>]], epochs: usize) -> Option<usize> {
    let mean = |epoch: usize| {
        let defined: Vec<f64> = folds.iter().filter_map(|fold| fold[epoch]).collect();
        (defined.len(), defined.iter().sum::<f64>() / defined.len() as f64)
    };
    let most = (0..epochs).map(|epoch| mean(epoch).0).max().filter(|most| *most > 0)?;
    let means = (0..epochs).map(|epoch| (epoch, mean(epoch))).filter(|(_, (n, _))| *n == most);
    let best = means.reduce(|best, next| if next.1.1 > best.1.1 { next } else { best });
    best.map(|(epoch, _)| epoch)
}

/// The shift that the sampler added to the logits: the mean over the folds, between which it
/// differs slightly; 0 if no checkpoint records it.
fn logit_shift(run: &Path, facts: &RunFacts) -> Result<f64, Fault> {
    let mut shifts = Vec::new();
    for fold in &facts.held_out {
        let path = RunFolder::new(run).fold(*fold).best();
        if path.exists() {
            let prior = Checkpoint::read(&path)?.facts.prior;
            shifts.push(prior.map_or(0.0, |prior| prior.logit_shift()));
        }
    }
    Ok(shifts.iter().sum::<f64>() / shifts.len().max(1) as f64)
}

#[cfg(test)]
mod tests;
