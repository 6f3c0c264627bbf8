//! The `train.sampling` section: how often images with cancer are used.

use serde::{Deserialize, Serialize};

/// The `sampling` settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// Least number of rows with cancer in every batch. 0: no such rule.
    pub positives_per_batch: usize,
    /// Least number of times that each row with cancer is used in an epoch. 1: as often as the
    /// others.
    pub oversample_positives: f64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { positives_per_batch: 0, oversample_positives: 1.0 }
    }
}
