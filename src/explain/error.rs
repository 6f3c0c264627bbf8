//! Why a run cannot be explained.

use crate::error::{Fault, faults};
use std::path::PathBuf;

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// Another release.
    #[error("{path} has the plan {found}, the run was trained on a release with {needed}")]
    OtherRelease {
        /// The release given.
        path: PathBuf,
        /// Its plan's hash.
        found: String,
        /// That of the run's.
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
    /// A run that was trained on all images.
    #[error("{path} held nothing out: there is no image that its network was not trained on")]
    NothingHeldOut {
        /// The run.
        path: PathBuf,
    },
    /// Nobody waits for the end.
    #[error("interrupted")]
    Stopped,
}
faults!(ExplainError);

impl ExplainError {
    /// Whether `fault` says no more than that the work was interrupted.
    pub fn is_stop(fault: &Fault) -> bool {
        matches!(fault.cause(), Some(Self::Stopped))
    }
}
