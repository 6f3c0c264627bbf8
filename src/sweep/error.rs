//! Why a sweep cannot begin or go on.

use crate::error::faults;
use std::path::PathBuf;

/// Why a sweep cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// There is none.
    #[error("{path} holds no sweep (it has no sweep-settings.json)")]
    NoSweep {
        /// The folder.
        path: PathBuf,
    },
    /// It is of a later version of the tool.
    #[error("{path} has format version {found}, this tool reads up to {known}")]
    Newer {
        /// Its settings.
        path: PathBuf,
        /// The version it names.
        found: u64,
        /// The version known here.
        known: u32,
    },
    /// It was begun with other settings.
    #[error(
        "{path} holds a sweep with other settings:\n  {}\n\
         use those, or start another sweep in another folder with --output",
        differences.join("\n  ")
    )]
    Changed {
        /// The folder.
        path: PathBuf,
        /// What differs, a line each.
        differences: Vec<String>,
    },
    /// A run in the folder is not one of this sweep.
    #[error("{path} holds a run that is none of this sweep:\n  {}", differences.join("\n  "))]
    Foreign {
        /// The run.
        path: PathBuf,
        /// What differs, a line each.
        differences: Vec<String>,
    },
    /// Somebody took the claim of this process for dead.
    #[error(
        "{path}: no sign of life of this process reached the folder for minutes, and another one \
         has taken the run over"
    )]
    ClaimLost {
        /// The run.
        path: PathBuf,
    },
}
faults!(SweepError);
