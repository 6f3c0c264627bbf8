//! The sampler, which puts rows with cancer into every batch.
//!
//! About two rows in a hundred have cancer, so most batches of 16 have none. The sampler uses each
//! row without cancer once per epoch. It repeats rows with cancer so that every batch has at least
//! [`Sampling::positives_per_batch`] of them, and each is used at least
//! [`Sampling::oversample_positives`] times. All rows with cancer are used equally often, or differ
//! by one.
//!
//! A network trained in this way sees a higher prevalence than the natural one, and its
//! probabilities correspond to it. [`Prior`] has both; calibration subtracts [`Prior::logit_shift`]
//! from the logit (Saerens, Latinne and Decaestecker 2002; King and Zeng 2001).

use serde::{Deserialize, Serialize};

use crate::config::Sampling;

/// Why rows cannot be sampled with these settings.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SamplingError {
    /// There are no rows with cancer.
    #[error("the sampler needs rows with cancer; none of the {0} training rows has cancer")]
    NoPositives(usize),
    /// A batch would have no room for other rows.
    #[error(
        "positives_per_batch is {positives}, a batch of {batch} has room for at most {}",
        batch.saturating_sub(1)
    )]
    NoRoom {
        /// Rows with cancer per batch in the settings.
        positives: usize,
        /// Rows per batch.
        batch: usize,
    },
    /// The factor is out of range.
    #[error("oversample_positives is {0}, needs a number from 1 to 1000")]
    Factor(f64),
}

/// The prevalence: the share of rows with cancer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Prior {
    /// In the training rows.
    pub natural: f64,
    /// In the rows of an epoch, after sampling.
    pub sampled: f64,
}

impl Prior {
    /// The shift that the sampler causes in the logits. Subtract it to get probabilities at the
    /// natural prevalence.
    pub fn logit_shift(&self) -> f64 {
        let logit = |share: f64| (share / (1.0 - share)).ln();
        logit(self.sampled) - logit(self.natural)
    }
}

impl Sampling {
    /// Whether each row is used once per epoch.
    pub fn is_natural(&self) -> bool {
        self.positives_per_batch == 0 && self.oversample_positives == 1.0
    }

    /// Checks the settings for a number of rows with cancer (`positives`) and without (`others`),
    /// in batches of `batch`.
    ///
    /// # Errors
    /// [`SamplingError`].
    pub fn check(
        &self,
        positives: usize,
        others: usize,
        batch: usize,
    ) -> Result<(), SamplingError> {
        if !(1.0..=1000.0).contains(&self.oversample_positives) {
            return Err(SamplingError::Factor(self.oversample_positives));
        }
        if self.positives_per_batch >= batch {
            let positives = self.positives_per_batch;
            return Err(SamplingError::NoRoom { positives, batch });
        }
        if !self.is_natural() && positives == 0 {
            return Err(SamplingError::NoPositives(others));
        }
        Ok(())
    }

    /// Number of batches in an epoch. All are full: rows with cancer fill the space that the other
    /// rows leave.
    pub(super) fn batches(&self, positives: usize, others: usize, batch: usize) -> usize {
        let wanted = (self.oversample_positives * positives as f64).round() as usize;
        let by_factor = (others + wanted).div_ceil(batch);
        let by_batch = others.div_ceil(batch - self.positives_per_batch);
        by_factor.max(by_batch)
    }
}
