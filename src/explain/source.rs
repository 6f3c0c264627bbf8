//! Rereads the file that a row of the release was made from, to draw on all of it.
//!
//! In: a row, and the folder of the dataset. Out: the whole frame in grey levels, and what a
//! secondary capture has to know of it. The file must be the one that the release was made
//! from, byte for byte, as far as the release knows its hash.

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::config::{Config, Precision};
use crate::dataset::Job;
use crate::image::Plane;
use crate::preprocess::Reject;
use crate::preprocess::memory::Memory;
use crate::preprocess::read::{Origin, ReadError};
use crate::preprocess::steps::steps;
use crate::shard::table::Row;
use crate::store::hex;

/// Why a source cannot be drawn on.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It is not there, or has no study to file into.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It has changed since the release was made.
    #[error("the file's SHA-256 is {found}, the release was made from {needed}")]
    Changed {
        /// Of the file.
        found: String,
        /// In the release.
        needed: String,
    },
    /// It no longer goes through the pipeline.
    #[error(transparent)]
    Rejected(#[from] Reject),
}

/// A source that was read again.
pub struct Source {
    /// The whole frame over the full range.
    pub windowed: Plane<u16>,
    /// What it is to others.
    pub origin: Origin,
}

/// Reads the file of `row` below `dataset`; `config` is what the release was made with.
///
/// # Errors
/// [`SourceError`].
pub fn read(
    row: &Row,
    dataset: &Path,
    config: &Config,
    memory: &Memory,
) -> Result<Source, SourceError> {
    let path = dataset.join(&row.source_path);
    let bytes = std::fs::read(&path).map_err(ReadError::Io)?;
    if let Some(needed) = row.source_sha256.clone() {
        let found = hex(&Sha256::digest(&bytes));
        if found != needed {
            return Err(SourceError::Changed { found, needed });
        }
    }
    let origin = Origin::read(&bytes.into())?;
    let job = Job {
        record: row.record.clone(),
        role: row.role,
        relative: row.source_path.clone(),
        path,
        bytes: 0,
    };
    // The geometry is the row's; here every pixel is wanted.
    let mut config = config.clone();
    config.decode.precision = Precision::Exact;
    config.decode.reduce = 0;
    let windowed = steps(job, &Arc::new(config), memory)?.windowed;
    Ok(Source { windowed, origin })
}
