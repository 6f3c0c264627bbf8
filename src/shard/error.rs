//! Why a release cannot be read, begun or gone on with.

use std::path::PathBuf;

use crate::error::{Fault, faults};

/// Why a release cannot be read, begun or gone on with.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The release was begun under another plan.
    #[error(
        "{path} holds a release made otherwise:\n  {}\n\
         go back to that, write to another folder, or pass --new-release",
        differences.join("\n  ")
    )]
    PlanChanged {
        /// The release.
        path: PathBuf,
        /// What differs, a line each.
        differences: Vec<String>,
    },
    /// The output folder is in use for something else.
    #[error("{path} is not empty and holds no release; give an empty or new folder")]
    NotARelease {
        /// The folder.
        path: PathBuf,
    },
    /// Another run writes the release.
    #[error("{path}: another run is writing this release; wait for it or stop it")]
    Locked {
        /// The release.
        path: PathBuf,
    },
    /// There is no complete release.
    #[error(
        "{path} has no manifest.json: {}",
        if *started {
            "the release is not finished; run preprocess again to go on"
        } else {
            "it is no release"
        }
    )]
    NoManifest {
        /// The folder.
        path: PathBuf,
        /// Whether a run was begun there.
        started: bool,
    },
    /// The release is of a later version of the tool.
    #[error("{path} has format version {found}, this tool reads up to {known}")]
    NewerRelease {
        /// Its manifest.
        path: PathBuf,
        /// The version it names.
        found: u32,
        /// The version known here.
        known: u32,
    },
    /// A shard cannot be read or written.
    #[error("{path}: {reason}")]
    Shard {
        /// The shard.
        path: PathBuf,
        /// What the format's library said.
        reason: String,
    },
    /// A row of a shard is not what was written.
    #[error("{path}: row {row}, image {image_id}: {reason}")]
    Row {
        /// The shard.
        path: PathBuf,
        /// Which of its rows, from 0.
        row: usize,
        /// The image.
        image_id: String,
        /// What is wrong with it.
        reason: String,
    },
}
faults!(ReleaseError);

impl ReleaseError {
    /// Whether `fault` says that a release has no manifest, because it is not finished, say.
    pub fn is_no_manifest(fault: &Fault) -> bool {
        matches!(fault.cause(), Some(Self::NoManifest { .. }))
    }
}
