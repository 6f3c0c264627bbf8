//! Checks a release against its manifest: every file, checksum, count and column, and makes again
//! what the manifest says of rows, labels and folds.

mod files;
mod rows;
mod sources;

use std::fs;
use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;

use super::error::ReleaseError;
use super::image;
use super::manifest::Entry;
use super::reader::ShardReader;
use super::release::read_manifest;
use crate::error::Fault;
use crate::store;

pub use sources::{VerifiedSources, sources};

/// The result of the check.
#[derive(Debug, Serialize)]
pub struct Verified {
    /// Shards in the manifest.
    pub shards: usize,
    /// Rows whose pixels match their checksum.
    pub rows: usize,
    /// Bytes read.
    pub bytes: u64,
    /// Everything that does not match, one line each; empty for a sound release.
    pub problems: Vec<String>,
}

/// Reads the whole release in `folder`. Calls `done` with the number of rows after each shard.
///
/// Memory: one batch of rows per thread, whatever the release's size.
///
/// # Errors
/// A [`Fault`] if there is no manifest. A mismatch with the manifest is not a fault but a problem
/// in the result.
pub fn verify(folder: &Path, done: impl Fn(usize) + Sync) -> Result<Verified, Fault> {
    let manifest = read_manifest(folder)?;
    let problems = files::check(folder, &manifest)?;
    let shards: Vec<(usize, u64, Vec<String>)> = manifest
        .shards
        .par_iter()
        .map(|entry| {
            let result = shard(folder, entry, &manifest.columns);
            // What was read, not what the manifest says.
            done(result.0);
            result
        })
        .collect();
    let mut verified = Verified { shards: manifest.shards.len(), rows: 0, bytes: 0, problems };
    for (rows, bytes, problems) in shards {
        verified.rows += rows;
        verified.bytes += bytes;
        verified.problems.extend(problems);
    }
    // What cannot be read has been told.
    if verified.problems.is_empty() {
        verified.problems.extend(rows::check(folder, &manifest));
    }
    Ok(verified)
}

/// The number of matching rows, the bytes read, and the problems.
fn shard(folder: &Path, entry: &Entry, columns: &[(String, String)]) -> (usize, u64, Vec<String>) {
    let mut problems = Vec::new();
    let Some(name) = &entry.file else { return (0, 0, problems) };
    let path = folder.join(name);
    // A link could lead anywhere, and a pipe would be read for ever.
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return (0, 0, vec![format!("{name} is not a regular file")]),
        Err(e) => return (0, 0, vec![format!("{name}: {e}")]),
    }
    let (bytes, sha256) = match store::hash_file(&path) {
        Ok(found) => found,
        Err(e) => return (0, 0, vec![format!("{name}: {e}")]),
    };
    if (bytes, &sha256) != (entry.bytes, &entry.sha256) {
        problems.push(format!(
            "{name} has {bytes} bytes and SHA-256 {sha256}, the manifest says {} and {}",
            entry.bytes, entry.sha256
        ));
    }
    match pixels(&path, columns) {
        Ok((good, bad)) => {
            problems.extend(
                bad.iter().map(|id| {
                    format!("{name}: the pixels of image {id} do not match their checksum")
                }),
            );
            let found = good + bad.len();
            if found != entry.rows {
                problems.push(format!("{name} has {found} rows, the manifest says {}", entry.rows));
            }
            (good, bytes, problems)
        }
        Err(fault) => {
            problems.push(fault.to_string());
            (0, bytes, problems)
        }
    }
}

/// The number of rows that match, and the image ids of those that do not.
fn pixels(path: &Path, columns: &[(String, String)]) -> Result<(usize, Vec<String>), Fault> {
    let found = image::columns(&ShardReader::open(path, None)?.schema());
    if found != columns {
        let reason = "its columns are not those of the manifest".into();
        return Err(ReleaseError::Shard { path: path.into(), reason }.into());
    }
    let (mut good, mut bad) = (0, Vec::new());
    for batch in ShardReader::open(path, Some(&["image_id", "image", "checksum"]))? {
        let batch = batch?;
        let rows = image::Rows::of(&batch)
            .map_err(|reason| ReleaseError::Shard { path: path.into(), reason })?;
        for row in 0..batch.num_rows() {
            if rows.matches(row) {
                good += 1;
            } else {
                bad.push(rows.image_id(row).to_owned());
            }
        }
    }
    Ok((good, bad))
}
