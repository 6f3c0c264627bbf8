//! An ensemble of networks, with test-time augmentation by flips.
//!
//! In: [`Input`]s one by one. Out: one [`Prediction`] each, in the same order. Probabilities are
//! averaged over networks and flips; the logit is that of the mean.

use std::collections::HashMap;

use super::batch::Batch;
use super::{Input, Prediction};
use crate::error::Fault;
use crate::model::network::Network;
use crate::predictions::{logit, sigmoid};
use crate::record::ImageRecord;

/// The flips of test-time augmentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flips {
    /// The image as it is.
    None,
    /// The image as it is, and mirrored left to right.
    Mirrored,
}

/// A network, and the fold that it was not trained on.
pub struct Member {
    /// The network, with its averaged weights (EMA) if it uses them.
    pub network: Network,
    /// The fold; `None` if it was trained on all patients.
    pub fold: Option<u16>,
}

/// Networks whose predictions are averaged, batch by batch.
pub struct Ensemble {
    members: Vec<Member>,
    flips: Flips,
    batch: usize,
    /// Patients that the run was trained on, and the fold that held each out.
    known: HashMap<String, u16>,
    waiting: Vec<Input>,
    done: Vec<Prediction>,
    trained_on: Vec<ImageRecord>,
}

/// The predictions of an ensemble.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EnsembleOutput {
    /// In the order of the images.
    pub predictions: Vec<Prediction>,
    /// Images whose patient every network was trained on; they have no prediction.
    pub trained_on: Vec<ImageRecord>,
}

impl Ensemble {
    /// Runs the networks on batches of `batch` images; `known` has the patients of the run's folds,
    /// each with the fold that held her out.
    pub fn new(
        members: Vec<Member>,
        flips: Flips,
        batch: usize,
        known: HashMap<String, u16>,
    ) -> Self {
        let (waiting, done, trained_on) = (Vec::new(), Vec::new(), Vec::new());
        Self { members, flips, batch: batch.max(1), known, waiting, done, trained_on }
    }

    /// Adds an image.
    ///
    /// # Errors
    /// [`ModelError`](crate::model::ModelError).
    pub fn push(&mut self, input: Input) -> Result<(), Fault> {
        self.waiting.push(input);
        if self.waiting.len() == self.batch { self.predict() } else { Ok(()) }
    }

    /// The predictions of all images.
    ///
    /// # Errors
    /// [`ModelError`](crate::model::ModelError).
    pub fn finish(mut self) -> Result<EnsembleOutput, Fault> {
        self.predict()?;
        Ok(EnsembleOutput { predictions: self.done, trained_on: self.trained_on })
    }

    fn predict(&mut self) -> Result<(), Fault> {
        let inputs = std::mem::take(&mut self.waiting);
        let mut sums = vec![(0.0_f64, 0_u32); inputs.len()];
        for member in &mut self.members {
            let held_out = |input: &Input| self.known.get(input.record.patient_id.as_str());
            let may: Vec<usize> = (0..inputs.len())
                .filter(|&i| held_out(&inputs[i]).is_none_or(|&fold| Some(fold) == member.fold))
                .collect();
            if may.is_empty() {
                continue;
            }
            let chosen: Vec<&Input> = may.iter().map(|&i| &inputs[i]).collect();
            let rows: Vec<&ImageRecord> = chosen.iter().map(|input| &input.record).collect();
            for mirrored in [false, true] {
                if mirrored && self.flips == Flips::None {
                    continue;
                }
                let batch = Batch::of(&chosen, mirrored);
                let logits = member.network.logits(&batch.images(), &rows)?;
                for (&i, logit) in may.iter().zip(logits) {
                    sums[i].0 += sigmoid(logit);
                    sums[i].1 += 1;
                }
            }
        }
        for (Input { record, role, .. }, (sum, count)) in inputs.into_iter().zip(sums) {
            if count == 0 {
                self.trained_on.push(record);
                continue;
            }
            let probability = sum / f64::from(count);
            self.done.push(Prediction { record, role, logit: logit(probability), probability });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
