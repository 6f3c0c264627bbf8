//! Why a sweep cannot start or continue.

use crate::error::faults;
use std::path::PathBuf;

/// Why a sweep cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The folder holds no sweep.
    #[error("{path} holds no sweep (it has no sweep-settings.json)")]
    NoSweep {
        /// The folder.
        path: PathBuf,
    },
    /// The sweep is of a later version of the tool.
    #[error("{path} has format version {found}, this tool reads up to {known}")]
    Newer {
        /// The settings file.
        path: PathBuf,
        /// The version found.
        found: u64,
        /// The highest version that this tool reads.
        known: u32,
    },
    /// The sweep was started with other settings.
    #[error(
        "{path} holds a sweep with other settings:\n  {}\n\
         use those, or start another sweep in another folder with --output",
        differences.join("\n  ")
    )]
    Changed {
        /// The folder.
        path: PathBuf,
        /// The settings that differ, one line each.
        differences: Vec<String>,
    },
    /// A run in the folder does not belong to this sweep.
    #[error("{path} holds a run that does not belong to this sweep:\n  {}", differences.join("\n  "))]
    Foreign {
        /// The run.
        path: PathBuf,
        /// The settings that differ, one line each.
        differences: Vec<String>,
    },
    /// Another process took over the claim of this process.
    #[error(
        "{path}: no heartbeat of this process reached the folder for minutes, and another process \
         has taken over the run"
    )]
    ClaimLost {
        /// The run.
        path: PathBuf,
    },
}
faults!(SweepError);
