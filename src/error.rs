//! Whose fault is it?
//!
//! Could another file succeed? Then it is a [`Reject`]: the file is quarantined and the run
//! goes on. Otherwise it is a [`Fault`]: the run stops, with nothing half-written.

use std::path::PathBuf;

use crate::preprocess::decode::DecodeError;
use crate::preprocess::read::ReadError;
use crate::preprocess::roi::RoiError;
use crate::preprocess::window::WindowError;

/// Why one file is set aside.
#[derive(Debug, thiserror::Error)]
pub enum Reject {
    /// It is no readable DICOM image.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its pixel data cannot be decoded.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Its grey scale cannot be computed.
    #[error(transparent)]
    Window(#[from] WindowError),
    /// No region can be cut.
    #[error(transparent)]
    Roi(#[from] RoiError),
    /// The stage panicked, which is a bug; its worker goes on from a pristine clone.
    #[error("panicked: {0}")]
    Panicked(String),
}

/// Why a run stops.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The configuration cannot run.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// The system refused a file operation.
    #[error("{path}: {source}")]
    Io {
        /// What it was about.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Fault {
    /// Adds the path to an input/output error, for `map_err`.
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
