//! Why a file is set aside, and why a whole run stops.

use std::path::PathBuf;

use super::decode::DecodeError;
use super::read::ReadError;
use super::roi::RoiError;
use super::window::WindowError;
use crate::error::faults;
use crate::flow::Panicked;

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
    /// It alone is too large for the memory there is.
    #[error("needs {need} bytes of memory to decode, limits.memory_mb leaves {have}")]
    Memory {
        /// What it takes.
        need: usize,
        /// What is there for all images being decoded.
        have: usize,
    },
    /// The stage panicked, which is a bug; its worker goes on from a pristine clone.
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

/// Why preprocessing stops.
#[derive(Debug, thiserror::Error)]
pub enum PreprocessError {
    /// The one file that was asked for is one that the pipeline sets aside.
    #[error("{path}")]
    Rejected {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Reject,
    },
    /// The memory does not do for a single image.
    #[error("limits.memory_mb is {found_mb}, these settings and threads need {needed_mb}")]
    TooLittleMemory {
        /// What would do.
        needed_mb: usize,
        /// What was given.
        found_mb: usize,
    },
    /// Most images are rejected: it is not the images.
    #[error(
        "{rejected} of the first {seen} images are rejected, the last one by {last}; \
         see quarantine.csv, or raise limits.max_rejected_share"
    )]
    TooManyRejected {
        /// Rejected so far.
        rejected: usize,
        /// Seen so far.
        seen: usize,
        /// Stage and reason of the last.
        last: String,
    },
}
faults!(PreprocessError);
