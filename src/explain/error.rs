//! The errors of `explain`.

use crate::error::{Fault, faults};
use std::path::PathBuf;

/// Why a run cannot be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The release is not the one that the run was trained on.
    #[error("{path} has the plan {found}, the run was trained on a release with {needed}")]
    OtherRelease {
        /// The release given.
        path: PathBuf,
        /// The hash of its plan.
        found: String,
        /// The hash of the plan of the run's release.
        needed: String,
    },
    /// No threshold can be chosen.
    #[error(
        "{path} has images of one class only, so that no threshold can be chosen; give --threshold"
    )]
    OneClass {
        /// The predictions.
        path: PathBuf,
    },
    /// The run was trained on all images.
    #[error("{path} has no held-out fold: its network was trained on all images")]
    NothingHeldOut {
        /// The run.
        path: PathBuf,
    },
    /// The user interrupted the command.
    #[error("interrupted")]
    Stopped,
}
faults!(ExplainError);

impl ExplainError {
    /// Whether `fault` is an interruption.
    pub fn is_stop(fault: &Fault) -> bool {
        matches!(fault.cause(), Some(Self::Stopped))
    }
}
