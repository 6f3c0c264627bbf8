//! Why a measurement of storage stops.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::faults;
use crate::number::size;

/// An error that ends `bench storage`. Everything that it made is removed first.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A file operation failed.
    #[error("{path}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// There is not enough free space for the files of the measurement.
    #[error(
        "{path} has {} free, and the measurement needs {} and leaves {} free; free some space, \
         or measure less with --quick",
        size(*.free), size(*.need), size(*.margin)
    )]
    NoRoom {
        /// The folder.
        path: PathBuf,
        /// Free bytes.
        free: u64,
        /// Bytes that the measurement writes.
        need: u64,
        /// Bytes that stay free.
        margin: u64,
    },
    /// The folder for made files lies in a dataset or a release.
    #[error(
        "{path} lies in the data at {data}, where nothing is written; give another folder with \
         --scratch"
    )]
    InData {
        /// The folder.
        path: PathBuf,
        /// The folder of the dataset or release.
        data: PathBuf,
    },
    /// The folder for made files holds images, or a table beside folders.
    #[error("{path} looks like a dataset; give --scratch DIR for the files that are made")]
    LooksLikeData {
        /// The folder.
        path: PathBuf,
    },
    /// A file where a folder is needed.
    #[error("{path} is not a folder; name the folder that is to be measured")]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// No file could be read or written.
    #[error("none of {count} tries succeeded, the first at {path}")]
    AllFailed {
        /// Number of tries.
        count: usize,
        /// The first file.
        path: PathBuf,
        /// Its error.
        source: io::Error,
    },
    /// The list of the dataset's files is empty.
    #[error("{path} has no files to read")]
    NoFiles {
        /// The folder.
        path: PathBuf,
    },
    /// A number of threads that cannot be run.
    #[error("{found} threads cannot be measured; give numbers from 1 to {most}")]
    Threads {
        /// The number.
        found: usize,
        /// The largest number.
        most: usize,
    },
    /// A stop was requested.
    #[error("interrupted; the files that were made are removed")]
    Interrupted,
}
faults!(StorageError);

impl StorageError {
    /// Adds the path to an input/output error, for `map_err`.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { path, source }
    }
}
