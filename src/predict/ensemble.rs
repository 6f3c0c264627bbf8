//! Several networks, and both ways round of an image, as one opinion.
//!
//! In: [`Input`]s one by one. Out: a [`Prediction`] each, in the same order. Probabilities are
//! averaged, over networks and flips alike; the logit is that of the average.

use std::collections::HashMap;

use super::batch::Batch;
use super::{Input, Prediction};
use crate::error::Fault;
use crate::model::network::Network;
use crate::predictions::{logit, sigmoid};
use crate::record::ImageRecord;

/// Which ways round an image is shown to a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flips {
    /// As it is.
    None,
    /// As it is, and mirrored left to right.
    Mirrored,
}

/// A network, and the fold that it was not trained on.
pub struct Member {
    /// The network, its averaged weights in place if it is to speak with them.
    pub network: Network,
    /// The fold; `None` if it was trained on all.
    pub fold: Option<u16>,
}

/// Networks that wait for a batch.
pub struct Ensemble {
    members: Vec<Member>,
    flips: Flips,
    batch: usize,
    /// Patients that the run was trained on, and the fold that held each out.
    known: HashMap<String, u16>,
    waiting: Vec<Input>,
    done: Vec<Prediction>,
    unheard: Vec<ImageRecord>,
}

/// What an ensemble has to say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Opinion {
    /// In the order of the images.
    pub predictions: Vec<Prediction>,
    /// Images that every one of the networks was trained on, and therefore none spoke of.
    pub unheard: Vec<ImageRecord>,
}

impl Ensemble {
    /// Waits for `batch` images before it asks the networks; `known` has the patients of the
    /// run's folds, each with the fold that held her out.
    pub fn new(
        members: Vec<Member>,
        flips: Flips,
        batch: usize,
        known: HashMap<String, u16>,
    ) -> Self {
        let (waiting, done, unheard) = (Vec::new(), Vec::new(), Vec::new());
        Self { members, flips, batch: batch.max(1), known, waiting, done, unheard }
    }

    /// Takes an image.
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn push(&mut self, input: Input) -> Result<(), Fault> {
        self.waiting.push(input);
        if self.waiting.len() == self.batch { self.ask() } else { Ok(()) }
    }

    /// What all images came to.
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn finish(mut self) -> Result<Opinion, Fault> {
        self.ask()?;
        Ok(Opinion { predictions: self.done, unheard: self.unheard })
    }

    fn ask(&mut self) -> Result<(), Fault> {
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
                self.unheard.push(record);
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
