//! Checks a release against its manifest: every checksum, count and column.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path};

use rayon::prelude::*;
use serde::Serialize;

use super::error::ReleaseError;
use super::folder::ReleaseFolder;
use super::image;
use super::manifest::{Entry, Manifest};
use super::reader::ShardReader;
use super::release::read_manifest;
use super::table::{Row, Table};
use crate::error::Fault;
use crate::store;

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
    let table = Table::read(folder)?;
    let shards: Vec<&[Row]> = table.rows.chunk_by(|a, b| a.shard == b.shard).collect();
    let found: Vec<VerifiedSources> = shards
        .par_iter()
        .map(|rows| {
            let mut found = VerifiedSources::default();
            rows.iter().for_each(|row| source(input, row, &mut found));
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
fn source(input: &Path, row: &Row, found: &mut VerifiedSources) {
    let (path, id) = (&row.source_path, &row.record.image_id);
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

/// Reads the whole release in `folder`. Calls `done` with the number of rows after each shard.
///
/// Memory: one batch of rows per thread, whatever the release's size.
///
/// # Errors
/// A [`Fault`] if there is no manifest. A mismatch with the manifest is not a fault but a problem
/// in the result.
pub fn verify(folder: &Path, done: impl Fn(usize) + Sync) -> Result<Verified, Fault> {
    let manifest = read_manifest(folder)?;
    let mut problems = Vec::new();
    whole(folder, &manifest, &mut problems)?;
    let shards: Vec<(usize, u64, Vec<String>)> = manifest
        .shards
        .par_iter()
        .map(|entry| {
            let result = shard(folder, entry, &manifest.columns);
            done(entry.planned);
            result
        })
        .collect();
    let mut verified = Verified { shards: manifest.shards.len(), rows: 0, bytes: 0, problems };
    for (rows, bytes, problems) in shards {
        verified.rows += rows;
        verified.bytes += bytes;
        verified.problems.extend(problems);
    }
    Ok(verified)
}

/// Checks the release as a whole.
fn whole(folder: &Path, manifest: &Manifest, problems: &mut Vec<String>) -> Result<(), Fault> {
    let mut expect = |what: &str, found: String, needed: String| {
        if found != needed {
            problems.push(format!("{what} is {found}, the manifest says {needed}"));
        }
    };
    let quarantine = fs::read(ReleaseFolder::new(folder).quarantine()).unwrap_or_default();
    expect(
        "the SHA-256 of quarantine.csv",
        store::sha256(&quarantine),
        manifest.quarantine_sha256.clone(),
    );
    expect("the plan's SHA-256", manifest.plan.sha256(), manifest.plan_sha256.clone());
    let sum = |f: fn(&Entry) -> usize| manifest.shards.iter().map(f).sum::<usize>().to_string();
    expect("the sum of the shards' rows", sum(|e| e.rows), manifest.counts.written.to_string());
    expect("the sum of the shards' images", sum(|e| e.planned), manifest.plan.images.to_string());
    let rejected = sum(|e| e.rejected.len()).parse::<usize>().unwrap_or(0) + manifest.plan.strays;
    expect("the number rejected", rejected.to_string(), manifest.counts.rejected.to_string());
    if !manifest.counts.conserved() {
        problems.push(format!("the counts do not add up: {:?}", manifest.counts));
    }

    let named: BTreeSet<_> = manifest.shards.iter().filter_map(|e| e.file.clone()).collect();
    let shards = ReleaseFolder::new(folder).shards();
    for file in fs::read_dir(&shards).map_err(Fault::io(&shards))? {
        let name = file.map_err(Fault::io(&shards))?.file_name();
        let name = format!("shards/{}", name.to_string_lossy());
        if !named.contains(&name) {
            problems.push(format!("{name} is not in the manifest"));
        }
    }
    Ok(())
}

/// The number of matching rows, the bytes read, and the problems.
fn shard(folder: &Path, entry: &Entry, columns: &[(String, String)]) -> (usize, u64, Vec<String>) {
    let mut problems = Vec::new();
    let numbered = entry.rows + entry.rejected.len();
    if numbered != entry.planned {
        let (shard, planned) = (entry.shard, entry.planned);
        problems.push(format!("shard {shard} accounts for {numbered} images of {planned}"));
    }
    let Some(name) = &entry.file else { return (0, 0, problems) };
    let path = folder.join(name);
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
    match rows(&path, columns) {
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
fn rows(path: &Path, columns: &[(String, String)]) -> Result<(usize, Vec<String>), Fault> {
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
