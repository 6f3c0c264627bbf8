//! Errors of preprocessing: why one file is rejected, and why a whole run stops.

use std::path::PathBuf;

use super::decode::DecodeError;
use super::read::ReadError;
use super::roi::RoiError;
use super::window::WindowError;
use crate::error::faults;
use crate::flow::Panicked;

/// Why one file gives no image: it is rejected, or, by a fault of the machine, unreached.
#[derive(Debug, thiserror::Error)]
pub enum Reject {
    /// It is not a readable DICOM image.
    #[error(transparent)]
    Read(ReadError),
    /// The machine could not read it, which says nothing about the file. Its shard stays open, and
    /// the next run tries again.
    #[error(transparent)]
    Unreached(ReadError),
    /// Its pixel data cannot be decoded.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Its grey scale cannot be computed.
    #[error(transparent)]
    Window(#[from] WindowError),
    /// No region can be cut.
    #[error(transparent)]
    Roi(#[from] RoiError),
    /// It alone needs more memory than there is.
    #[error("needs {need} bytes of memory to decode, limits.memory_mb leaves {have}")]
    Memory {
        /// The bytes that it needs.
        need: usize,
        /// The bytes for all images that are decoded at once.
        have: usize,
    },
    /// The stage panicked, which is a bug; its worker continues with a fresh clone.
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

impl From<ReadError> for Reject {
    fn from(error: ReadError) -> Self {
        if error.is_of_the_machine() { Self::Unreached(error) } else { Self::Read(error) }
    }
}

/// Why preprocessing stops.
#[derive(Debug, thiserror::Error)]
pub enum PreprocessError {
    /// The pipeline rejects the one file that was asked for.
    #[error("{path}")]
    Rejected {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: Reject,
    },
    /// The memory does not suffice for a single image.
    #[error("limits.memory_mb is {found_mb}, these settings and threads need {needed_mb}")]
    TooLittleMemory {
        /// The MiB that would suffice.
        needed_mb: usize,
        /// The MiB that were given.
        found_mb: usize,
    },
    /// Many files in a row cannot be read, so the machine is at fault and not the files.
    #[error(
        "{in_a_row} files in a row cannot be read, the last one {path}: {last}; see whether {mount} is \
         mounted and answers, then run the same command again: finished shards stay"
    )]
    Unreachable {
        /// Their number.
        in_a_row: usize,
        /// The last one.
        path: PathBuf,
        /// Why it cannot be read.
        last: String,
        /// Where its file system is mounted, or the folder of the dataset if that is not known.
        mount: PathBuf,
    },
    /// Most images are rejected, so a setting or the disk is the likely cause.
    #[error(
        "{rejected} of the first {seen} images are rejected, the last one by {last}; \
         see quarantine.csv, or raise limits.max_rejected_share"
    )]
    TooManyRejected {
        /// The number of rejected images so far.
        rejected: usize,
        /// The number of images so far.
        seen: usize,
        /// Stage and reason of the last rejection.
        last: String,
    },
}
faults!(PreprocessError);
