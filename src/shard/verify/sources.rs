//! Compares the sources of a release with those that it was made of.

use std::path::{Component, Path};

use rayon::prelude::*;
use serde::Serialize;

use crate::error::Fault;
use crate::shard::sources::Places;
use crate::shard::table::{Row, Table};
use crate::store;

/// The result of the check of the sources.
#[derive(Debug, Default, Serialize)]
pub struct VerifiedSources {
    /// Files that have the content that the release was made of.
    pub same: usize,
    /// Rows without the hash of their source, because a part of it was read only.
    pub without_hash: usize,
    /// Every file that has another content or cannot be read, one line each.
    pub problems: Vec<String>,
}

/// Hashes the source of every row of the release in `folder`, in the dataset in `input`. Calls `done`
/// after each shard with the number of its rows.
///
/// # Errors
/// A [`Fault`] if there is no manifest, or a shard cannot be read.
pub fn sources(
    folder: &Path,
    input: &Path,
    done: impl Fn(usize) + Sync,
) -> Result<VerifiedSources, Fault> {
    let (table, places) = (Table::read(folder)?, Places::of(folder));
    let shards: Vec<&[Row]> = table.rows.chunk_by(|a, b| a.shard == b.shard).collect();
    let found: Vec<VerifiedSources> = shards
        .par_iter()
        .map(|rows| {
            let mut found = VerifiedSources::default();
            rows.iter().for_each(|row| source(input, &places, row, &mut found));
            done(rows.len());
            found
        })
        .collect();
    Ok(found.into_iter().fold(VerifiedSources::default(), |mut all, part| {
        all.same += part.same;
        all.without_hash += part.without_hash;
        all.problems.extend(part.problems);
        all
    }))
}

/// Compares the source of one row.
fn source(input: &Path, places: &Places, row: &Row, found: &mut VerifiedSources) {
    let (path, id) = (places.path_of(&row.source_path), &row.record.image_id);
    let Some(needed) = &row.source_sha256 else {
        found.without_hash += 1;
        return;
    };
    // A release may come from elsewhere.
    let is_inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    match is_inside.then(|| store::hash_file(&input.join(path))) {
        None => found.problems.push(format!("image {id}: its source is not below the dataset")),
        Some(Err(error)) => found.problems.push(format!("{path}: {error}")),
        Some(Ok((_, sha256))) if sha256 != *needed => {
            found
                .problems
                .push(format!("{path} has SHA-256 {sha256}, image {id} was made of {needed}"));
        }
        Some(Ok(_)) => found.same += 1,
    }
}
