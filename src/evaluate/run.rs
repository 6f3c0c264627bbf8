//! The predictions of a training run, and which epoch's.
//!
//! In: the folder of a run, or a file of predictions alone. Out: [`Loaded`]: one prediction an
//! image, and who chose the epoch they are of. The best epoch of a fold is chosen on that fold,
//! and so flatters it; where a run kept what every epoch said
//! (`fold-<k>/epochs/epoch-<n>.parquet`), each fold is judged at the epoch that is best on the
//! others. What the networks say of the locked split stands beside it ([`locked`]).

use std::path::Path;

use serde::Serialize;

use super::Given;
use super::locked::{self, Spoke};
use crate::config::train::Metric;
use crate::error::Fault;
use crate::predictions::PredictionsError;
use crate::predictions::{self, Prediction};
use crate::train::TrainError;
use crate::train::checkpoint::Checkpoint;
use crate::train::folder::{FoldFolder, RunFolder};
use crate::train::run::{RunFacts, read_facts};
use crate::train::validate::Scores;

/// Who chose the epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(tag = "chosen_by", rename_all = "snake_case")]
pub enum Epoch {
    /// The other folds, for each fold anew, by the mean of a figure by breast.
    OtherFolds {
        /// Figure that it is the best at.
        metric: Metric,
        /// Fold and epoch, counted from 1.
        epochs: Vec<(u16, usize)>,
    },
    /// Each fold for itself, which flatters it.
    ItsOwnFold,
    /// Nobody: the networks are those of the last epoch, for nothing was held out.
    Last,
    /// A file of predictions does not tell.
    #[default]
    NotTold,
}

/// Predictions to judge.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// One an image.
    pub predictions: Vec<Prediction>,
    /// Which epoch's.
    pub epoch: Epoch,
    /// What is known beforehand.
    pub given: Given,
    /// Whose networks spoke of the locked split.
    pub spoke: Spoke,
}

/// Which epoch of a run to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The one that the other folds choose, if every epoch was kept; else the best of each.
    CrossFitted,
    /// The best of each fold, by itself: that of `best.safetensors`.
    Best,
}

/// Loads what is to be judged: a run's folder, or a file of predictions.
///
/// # Errors
/// [`PredictionsError`] for a run none of whose folds was judged yet; what reading gives.
pub fn load(path: &Path, which: Which) -> Result<Loaded, Fault> {
    if !path.exists() {
        return Err(TrainError::NoRun { path: path.into() }.into());
    }
    if !path.is_dir() {
        let predictions = predictions::read(path)?;
        let (given, spoke) = (Given::default(), Spoke::default());
        return Ok(Loaded { predictions, epoch: Epoch::NotTold, given, spoke });
    }
    let facts = read_facts(path)?;
    let folds: Vec<(u16, FoldFolder)> = facts
        .held_out
        .iter()
        .flatten()
        .map(|&fold| (fold, RunFolder::new(path).fold(Some(fold))))
        .filter(|(_, folder)| folder.validation().exists())
        .collect();
    let (locked, spoke) = locked::read(path, &facts)?;
    if folds.is_empty() && locked.is_empty() {
        let reason = "no fold of this run was judged yet (no fold-*/validation.parquet); let it \
                      go on, or see how far it is with runs"
            .into();
        return Err(PredictionsError { path: path.into(), reason }.into());
    }
    let metric = facts.train.early_stopping.metric;
    let crossed = match which {
        Which::CrossFitted => cross_fitted(&folds, metric)?,
        Which::Best => None,
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
    Ok(Loaded { predictions, epoch, given: Given { threshold: None, logit_shift }, spoke })
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

/// What the sampler added to the logits, a mean over the folds, in which it differs by a hair; 0
/// without weights that tell.
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
