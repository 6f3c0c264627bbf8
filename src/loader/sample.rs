//! How often rows with cancer come: the sampler that puts some into every batch.
//!
//! Two rows of a hundred have cancer, so most batches of 16 hold none. The sampler lets each
//! row without cancer come once an epoch, as always, and rows with cancer so often that every
//! batch has at least [`Sampling::positives_per_batch`] and each comes at least
//! [`Sampling::oversample_positives`] times; all of them come equally often, to within one.
//!
//! A network trained so sees another share of cancer than there is, and its probabilities are
//! of that share. [`Prior`] says both; [`Prior::logit_shift`] is what calibration takes off the
//! logit (Saerens, Latinne and Decaestecker 2002; King and Zeng 2001).

use serde::{Deserialize, Serialize};

use crate::config::Sampling;

/// Why rows cannot be sampled as asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SamplingError {
    /// None to sample.
    #[error("the sampler needs rows with cancer, the {0} rows to train on have none")]
    NoPositives(usize),
    /// No room for others.
    #[error(
        "positives_per_batch is {positives}, a batch of {batch} has room for at most {}",
        batch.saturating_sub(1)
    )]
    NoRoom {
        /// What was asked for.
        positives: usize,
        /// Rows of a batch.
        batch: usize,
    },
    /// Fewer than there are.
    #[error("oversample_positives is {0}, needs a number from 1 to 1000")]
    Factor(f64),
}

/// The share of rows with cancer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Prior {
    /// Among the rows trained on.
    pub natural: f64,
    /// Among the rows of an epoch.
    pub sampled: f64,
}

impl Prior {
    /// What the sampler adds to the logit of a network that fits its epochs: take it off for
    /// probabilities at the natural share.
    pub fn logit_shift(&self) -> f64 {
        let logit = |share: f64| (share / (1.0 - share)).ln();
        logit(self.sampled) - logit(self.natural)
    }
}

impl Sampling {
    /// Whether rows come as they are, each once.
    pub fn is_natural(&self) -> bool {
        self.positives_per_batch == 0 && self.oversample_positives == 1.0
    }

    /// Whether rows of which `positives` have cancer and `others` have not can be sampled so,
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

    /// Batches of an epoch, all of them full: what the rows without cancer leave free is
    /// filled with rows that have it.
    pub(super) fn batches(&self, positives: usize, others: usize, batch: usize) -> usize {
        let wanted = (self.oversample_positives * positives as f64).round() as usize;
        let by_factor = (others + wanted).div_ceil(batch);
        let by_batch = others.div_ceil(batch - self.positives_per_batch);
        by_factor.max(by_batch)
    }
}
