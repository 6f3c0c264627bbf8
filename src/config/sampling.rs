//! The `train.sampling` section: how often images with cancer come.

use serde::{Deserialize, Serialize};

/// The `sampling` settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// Rows with cancer in every batch, at least. 0: as they come.
    pub positives_per_batch: usize,
    /// Times that a row with cancer comes in an epoch, at least. 1: as the others.
    pub oversample_positives: f64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { positives_per_batch: 0, oversample_positives: 1.0 }
    }
}
