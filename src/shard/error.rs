//! Errors of reading, starting or continuing a release.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use crate::error::{Fault, faults};

/// Why a release cannot be read, started or continued.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The folder holds a release of another plan.
    #[error(
        "{path} holds a release made with other settings:\n  {}\n\
         use those settings, write to another folder, or pass --new-release",
        differences.join("\n  ")
    )]
    PlanChanged {
        /// The folder of the release.
        path: PathBuf,
        /// The differences, one per line.
        differences: Vec<String>,
    },
    /// Files of the dataset are not those that the release was begun with.
    #[error(
        "{path} was begun with other files:\n  {}\n\
         put them back, or write to another folder",
        files.join("\n  ")
    )]
    SourcesChanged {
        /// The folder of the release.
        path: PathBuf,
        /// The first of the files, each with what has changed.
        files: Vec<String>,
    },
    /// The output folder holds other files.
    #[error("{path} is not empty and holds no release; give an empty or a new folder")]
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
    #[error("{path} {}", if *started {
        match *unreached {
            0 => "has no manifest.json: the release is not finished; run preprocess again to \
                  continue".to_owned(),
            1 => "has no manifest.json: the release is not finished, because a file cannot be read \
                  (unreached.csv names it); run preprocess again once it can".to_owned(),
            n => format!("has no manifest.json: the release is not finished, because {n} files \
                          cannot be read (unreached.csv names them); run preprocess again once they \
                          can"),
        }
    } else if path.exists() {
        "has no manifest.json: it is not a release; give the folder that preprocess wrote".to_owned()
    } else {
        "does not exist; give the folder that preprocess wrote".to_owned()
    })]
    NoManifest {
        /// The folder.
        path: PathBuf,
        /// Whether a run was started there.
        started: bool,
        /// The number of files that the last run could not read.
        unreached: usize,
    },
    /// The release was written by a later version of the tool.
    #[error("{path} has format version {found}, this tool reads up to {known}")]
    NewerRelease {
        /// Its manifest.
        path: PathBuf,
        /// The version in the manifest.
        found: u32,
        /// The latest version that this tool knows.
        known: u32,
    },
    /// A shard cannot be read or written.
    #[error("{path}: {reason}")]
    Shard {
        /// The shard.
        path: PathBuf,
        /// What the library of the file format reported.
        reason: String,
    },
    /// A row of a shard is damaged.
    #[error("{path}: row {row}, image {image_id}: {reason}")]
    Row {
        /// The shard.
        path: PathBuf,
        /// The row's number, from 0.
        row: usize,
        /// The image.
        image_id: String,
        /// What is wrong with it.
        reason: String,
    },
}
faults!(ReleaseError);

impl ReleaseError {
    /// The error for files that have changed: the path of each, and what has changed.
    pub fn sources_changed(folder: &Path, changes: &[(impl Display, impl Display)]) -> Self {
        Self::SourcesChanged { path: folder.into(), files: first_of(changes) }
    }

    /// Whether `fault` says that a release has no manifest, for example because it is not finished.
    pub fn is_no_manifest(fault: &Fault) -> bool {
        matches!(fault.cause(), Some(Self::NoManifest { .. }))
    }
}

/// The first of the files that have changed, one per line, and how many more there are.
pub(super) fn first_of(changes: &[(impl Display, impl Display)]) -> Vec<String> {
    const SHOWN: usize = 10;
    let lines = changes.iter().take(SHOWN).map(|(path, what)| format!("{path} {what}"));
    let more = changes.len().saturating_sub(SHOWN);
    lines.chain((more > 0).then(|| format!("and {more} more"))).collect()
}
