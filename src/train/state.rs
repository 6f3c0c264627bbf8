//! The saved state of a run, from which it resumes as if it had never stopped.
//!
//! One file, written in one step. It holds the weights, statistics, optimizer moments and averages
//! of the network, and the progress of the run. Random numbers need no state, because they are
//! drawn from the seed and the step.

use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::TrainError;
use super::folder::FoldFolder;
use super::tensors::{self, Named};
use crate::error::{Fault, chain};
use crate::model::network::Network;
use crate::model::{Backbone, Buffer};
use crate::number::of;

/// The progress of a fold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Version of the tool; another version may compute different numbers.
    pub tool: String,
    /// Epochs done, which is also the index of the current epoch, from 0.
    pub epoch: usize,
    /// Optimizer steps done in this epoch.
    pub position: usize,
    /// Optimizer steps done in all.
    pub step: u64,
    /// Sum of this epoch's losses so far.
    pub loss_sum: Exact,
    /// Metrics of the epochs done; the best epoch and early stopping depend on them.
    pub history: Vec<EpochMetrics>,
    /// Whether training is finished.
    pub finished: bool,
}

/// Metrics of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// Mean training loss of its steps.
    pub loss: Exact,
    /// Cancer loss on the held-out fold, if there is one.
    pub validation_loss: Option<Exact>,
    /// The metric that selects the best epoch.
    pub metric: Option<Exact>,
}

/// A number that JSON stores without any loss, as its bits.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Exact(pub f64);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0.to_bits())
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(f64::from_bits).map(Self)
    }
}

impl Progress {
    /// The progress before the first step.
    pub fn new() -> Self {
        Self {
            tool: env!("CARGO_PKG_VERSION").into(),
            epoch: 0,
            position: 0,
            step: 0,
            loss_sum: Exact(0.0),
            history: Vec::new(),
            finished: false,
        }
    }

    /// The epoch with the highest metric (the first of equals), as an index from 0, and its metric.
    pub fn best(&self) -> Option<(usize, f64)> {
        let validated = self.history.iter().enumerate();
        let validated = validated.filter_map(|(epoch, metrics)| Some((epoch, metrics.metric?.0)));
        validated.reduce(|best, next| if next.1 > best.1 { next } else { best })
    }

    /// Epochs since the best one.
    pub fn stale(&self) -> usize {
        self.best().map_or(0, |(best, _)| self.history.len() - 1 - best)
    }

    /// Whether the network overfits: in both of the last two epochs, the training loss is lower and
    /// the validation loss higher than in the epoch with the lowest validation loss. A single such
    /// epoch may be chance.
    pub fn overfits(&self) -> bool {
        let held_out = |metrics: &EpochMetrics| metrics.validation_loss.map(|loss| loss.0);
        let validated =
            self.history.iter().filter_map(|metrics| Some((metrics, held_out(metrics)?)));
        let Some((lowest, loss)) = validated.min_by(|a, b| a.1.total_cmp(&b.1)) else {
            return false;
        };
        let [.., before, last] = self.history.as_slice() else { return false };
        [before, last].iter().all(|metrics| {
            held_out(metrics).is_some_and(|held_out| held_out > loss)
                && metrics.loss.0 < lowest.loss.0
        })
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

const BUFFERS: [(Buffer, &str); 6] = [
    (Buffer::Parameters, "parameters"),
    (Buffer::Statistics, "statistics"),
    (Buffer::FirstMoment, "first_moment"),
    (Buffer::SecondMoment, "second_moment"),
    (Buffer::EmaParameters, "averaged_parameters"),
    (Buffer::EmaStatistics, "averaged_statistics"),
];

/// Saves the state of a fold in one step, and keeps the one before. Call it between two optimizer
/// steps: the gradient is not saved.
///
/// # Errors
/// [`Fault::Io`]; [`ModelError`](crate::model::ModelError) if the device fails.
pub fn save(folder: &FoldFolder, progress: &Progress, network: &Network) -> Result<(), Fault> {
    let mut named = Vec::new();
    for (buffer, name) in BUFFERS {
        let backbone = network.backbone.read(buffer)?;
        named.push(Named {
            name: format!("backbone.{name}"),
            shape: vec![backbone.len()],
            values: backbone.into(),
        });
        let heads = network.heads.read(buffer);
        named.push(Named {
            name: format!("heads.{name}"),
            shape: vec![heads.len()],
            values: heads.into(),
        });
    }
    let path = folder.state();
    if path.exists() {
        // If the program is killed between the two, the run resumes from the previous state.
        let previous = folder.previous_state();
        std::fs::rename(&path, &previous).map_err(Fault::io(previous))?;
    }
    tensors::write(folder.path(), &path, progress, &named)
}

/// Restores the state of a fold into `network`: the last one that was saved, or the one before if
/// that is damaged or was lost, which it tells `say`. `None` if none was saved.
///
/// # Errors
/// What is wrong with the last state, if neither can be used.
pub fn resume(
    folder: &FoldFolder,
    network: &mut Network,
    say: &dyn Fn(&str),
) -> Result<Option<Progress>, Fault> {
    let (last, previous) = (folder.state(), folder.previous_state());
    if !last.exists() && !previous.exists() {
        return Ok(None);
    }
    let why = match restore(&last, network) {
        Ok(progress) => return Ok(Some(progress)),
        Err(fault) if is_damage(&fault) => fault,
        Err(fault) => return Err(fault),
    };
    match restore(&previous, network) {
        Ok(progress) => {
            say(&format!(
                "{}: going on from the state before, {}",
                chain(&why),
                of(progress.step as usize, "step")
            ));
            Ok(Some(progress))
        }
        Err(_) => Err(why),
    }
}

/// Whether a state was not read because its file is damaged or gone, and not because it is another
/// tool's or cannot be reached.
fn is_damage(fault: &Fault) -> bool {
    match fault {
        Fault::Io { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
        fault => matches!(fault.cause(), Some(TrainError::Checkpoint { .. })),
    }
}

/// Restores a state that [`save`] wrote.
///
/// # Errors
/// [`Fault::Io`]; [`TrainError::Checkpoint`] if the file is not a state, or not as it was written;
/// [`TrainError::OtherVersion`]; [`ModelError`](crate::model::ModelError) if it is one of another network.
fn restore(path: &Path, network: &mut Network) -> Result<Progress, Fault> {
    let (progress, tensors): (Progress, _) = tensors::read(path)?;
    let wrong = |reason: String| TrainError::Checkpoint { path: path.into(), reason };
    if progress.tool != env!("CARGO_PKG_VERSION") {
        return Err(TrainError::OtherVersion { path: path.into(), found: progress.tool }.into());
    }
    for (buffer, name) in BUFFERS {
        let values = |part: &str| {
            let name = format!("{part}.{name}");
            let tensor = tensors.get(&name).ok_or_else(|| wrong(format!("has no {name}")));
            tensor.map(|(_, values)| values)
        };
        network.backbone.write(buffer, values("backbone")?)?;
        network.heads.write(buffer, values("heads")?)?;
    }
    Ok(progress)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(epochs: &[(f64, f64, Option<f64>)]) -> Progress {
        let history = epochs.iter().map(|&(loss, held_out, metric)| EpochMetrics {
            loss: Exact(loss),
            validation_loss: Some(Exact(held_out)),
            metric: metric.map(Exact),
        });
        Progress { history: history.collect(), ..Progress::new() }
    }

    #[test]
    fn the_best_epoch_is_the_first_with_the_highest_metric() {
        let run = progress(&[(1.0, 1.0, Some(0.6)), (1.0, 1.0, Some(0.8)), (1.0, 1.0, Some(0.8))]);
        assert_eq!((run.best(), run.stale()), (Some((1, 0.8)), 1));
        assert_eq!(progress(&[(1.0, 1.0, None)]).best(), None, "undefined is not zero");
    }

    #[test]
    fn a_run_overfits_when_training_loss_falls_and_validation_loss_rises_for_two_epochs() {
        let mut epochs = vec![(0.7, 0.7, None), (0.5, 0.6, None)];
        assert!(!progress(&epochs).overfits());
        epochs.push((0.4, 0.65, None));
        assert!(!progress(&epochs).overfits(), "once may be chance");
        epochs.push((0.3, 0.64, None));
        assert!(progress(&epochs).overfits());
        // Both losses rise: noise, or a learning rate that is too high.
        assert!(!progress(&[(0.5, 0.6, None), (0.6, 0.65, None), (0.6, 0.7, None)]).overfits());
        assert!(!progress(&[]).overfits());
    }

    #[test]
    fn a_number_is_read_back_bit_for_bit() {
        for value in [0.1 + 0.2, f64::MIN_POSITIVE / 3.0, -0.0] {
            let text = serde_json::to_string(&Exact(value)).unwrap();
            let back: Exact = serde_json::from_str(&text).unwrap();
            assert_eq!(back.0.to_bits(), value.to_bits());
        }
    }
}
