//! Reads again the file that a row of the release was made from, to draw a map on the whole frame.
//!
//! In: a row, and the folder of the dataset. Out: the whole frame in grey levels, and the attributes
//! that a secondary capture needs. The file must be byte for byte the one that the release was made
//! from, if the release has its hash.

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
use crate::shard::sources::Places;
use crate::shard::table::Row;
use crate::store::hex;

/// Why a source cannot be drawn on.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It is not there, or has no study.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It has changed since the release was made.
    #[error("the file's SHA-256 is {found}, the release was made from {needed}")]
    Changed {
        /// Hash of the file.
        found: String,
        /// Hash in the release.
        needed: String,
    },
    /// A step of preprocessing rejects it now.
    #[error(transparent)]
    Rejected(#[from] Reject),
}

/// A source that was read again.
pub struct Source {
    /// The whole frame over the full range.
    pub windowed: Plane<u16>,
    /// The attributes that a secondary capture refers to or copies.
    pub origin: Origin,
}

/// Reads the file of `row` below `dataset`, where `places` tells; `config` has the settings of the release.
///
/// # Errors
/// [`SourceError`].
pub fn read(
    row: &Row,
    dataset: &Path,
    places: &Places,
    config: &Config,
    memory: &Memory,
) -> Result<Source, SourceError> {
    let relative = places.path_of(&row.source_path).to_owned();
    let path = dataset.join(&relative);
    let bytes = std::fs::read(&path).map_err(ReadError::Io)?;
    if let Some(needed) = row.source_sha256.clone() {
        let found = hex(&Sha256::digest(&bytes));
        if found != needed {
            return Err(SourceError::Changed { found, needed });
        }
    }
    let length = bytes.len() as u64;
    let origin = Origin::read(&bytes.into())?;
    let job = Job {
        record: row.record.clone(),
        role: row.role,
        relative,
        name: row.source_path.clone(),
        path,
        bytes: length,
    };
    // The geometry is the row's; here every pixel is wanted.
    let mut config = config.clone();
    config.decode.precision = Precision::Exact;
    config.decode.reduce = 0;
    let windowed = steps(job, &Arc::new(config), memory)?.windowed;
    Ok(Source { windowed, origin })
}
