//! Compares the files of the dataset with those that a release was begun with.
//!
//! In: the plan, whose paths and sizes are those of the release, and what earlier runs finished.
//! Out: nothing, or the refusal with the names of the files that have changed. A file whose time
//! alone differs is hashed, and compared with the hash that its row in a shard has.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;

use super::Control;
use super::plan::Plan;
use super::read::retry::retried;
use crate::dataset::Job;
use crate::dataset::listing::File;
use crate::error::Fault;
use crate::shard::manifest::Entry;
use crate::shard::reader::ShardReader;
use crate::shard::release::Release;
use crate::shard::sources::{Source, Sources};
use crate::shard::{ReleaseError, ReleaseFolder, cells::Cells};
use crate::store;

/// What is known of a file whose time has changed.
enum Made {
    /// A row was made of it when it had this SHA-256.
    Row(String),
    /// It was rejected.
    Rejected,
    /// Nothing yet, or a row that was made of a part of it.
    Nothing,
}

/// What the user accepts about files that nothing was made of.
#[derive(Clone, Copy)]
struct Accepts {
    /// Any new time.
    new_times: bool,
    /// A new time of a rejected file, which is made again anyway.
    rejected_again: bool,
}

/// Refuses files that have changed since the release was begun.
///
/// # Errors
/// [`ReleaseError::SourcesChanged`] with their names; [`Fault::Io`] if a file cannot be hashed;
/// [`ReleaseError::Shard`].
pub fn check(
    plan: &Plan,
    release: &Release,
    finished: &BTreeMap<usize, Entry>,
    control: &Control,
) -> Result<(), Fault> {
    let folder = ReleaseFolder::new(release.folder());
    let Some(mut known) = Sources::read(&folder) else { return Ok(()) };
    let is_touched = |file: &&File| {
        known.0.get(&file.relative).is_some_and(|source| source.modified != file.modified)
    };
    let touched: Vec<&File> = plan.joined.listing.iter().filter(is_touched).collect();
    if touched.is_empty() {
        return Ok(());
    }
    let made = made(plan, &folder, finished, &touched)?;
    let accepts =
        Accepts { new_times: control.accept_new_times, rejected_again: control.retry_rejected };
    let compared: Vec<Option<(&str, &str)>> = touched
        .par_iter()
        .map(|file| {
            let (made, source) = (made.get(file.relative.as_str()), &known.0[&file.relative]);
            let problem = compare(plan, accepts, file, made, source)?;
            Ok(problem.map(|problem| (file.relative.as_str(), problem)))
        })
        .collect::<Result<_, Fault>>()?;
    let problems: Vec<(&str, &str)> = compared.into_iter().flatten().collect();
    if !problems.is_empty() {
        let paths: Vec<&str> = problems.iter().map(|(path, _)| *path).collect();
        known.refuse(&folder, &plan.config.dataset.input, &paths)?;
        return Err(ReleaseError::sources_changed(release.folder(), &problems).into());
    }
    for file in touched {
        if let Some(source) = known.0.get_mut(&file.relative) {
            (source.modified, source.refused) = (file.modified, None);
        }
    }
    known.write(&folder)
}

/// What was made of the files in `touched`. A file that is no image of the plan has no part in it.
fn made<'p>(
    plan: &'p Plan,
    folder: &ReleaseFolder,
    finished: &BTreeMap<usize, Entry>,
    touched: &[&File],
) -> Result<HashMap<&'p str, Made>, Fault> {
    let touched: BTreeSet<&str> = touched.iter().map(|file| file.relative.as_str()).collect();
    let jobs = plan.joined.jobs.iter().enumerate();
    let jobs = jobs.filter(|(_, job)| touched.contains(job.relative.as_str()));
    let jobs: Vec<(usize, &Job)> = jobs.collect();
    let shards: BTreeSet<usize> = jobs.iter().map(|(i, _)| i / plan.config.shard.rows).collect();
    let entries: Vec<&Entry> = shards.iter().filter_map(|shard| finished.get(shard)).collect();
    let rows: Vec<Vec<(String, String)>> =
        entries.par_iter().map(|entry| hashes(folder, entry)).collect::<Result<_, Fault>>()?;
    let mut rows: HashMap<String, String> = rows.into_iter().flatten().collect();
    let rejected: BTreeSet<&str> =
        entries.iter().flat_map(|entry| &entry.rejected).map(|row| row.path.as_str()).collect();
    let made = |(_, job): (usize, &'p Job)| match rows.remove(&job.name) {
        Some(sha256) => (job.relative.as_str(), Made::Row(sha256)),
        None if rejected.contains(job.name.as_str()) => (job.relative.as_str(), Made::Rejected),
        None => (job.relative.as_str(), Made::Nothing),
    };
    Ok(jobs.into_iter().map(made).collect())
}

/// Path and SHA-256 of the sources of a shard, where the whole source was read.
fn hashes(folder: &ReleaseFolder, entry: &Entry) -> Result<Vec<(String, String)>, Fault> {
    let Some(file) = &entry.file else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let columns = ["source_path", "source_sha256"];
    for batch in ShardReader::open(&folder.file(file), Some(&columns))? {
        let batch = batch?;
        let cells = Cells(&batch);
        let row = |i| Some((cells.text(columns[0], i)?, cells.text(columns[1], i)?));
        found.extend((0..batch.num_rows()).filter_map(row));
    }
    Ok(found)
}

/// Why the file is refused, if it is.
fn compare(
    plan: &Plan,
    accepts: Accepts,
    file: &File,
    made: Option<&Made>,
    source: &Source,
) -> Result<Option<&'static str>, Fault> {
    let path = plan.config.dataset.input.join(&file.relative);
    let hash = || {
        let hash = || Ok(store::hash_file(&path)?.1);
        retried(plan.config.limits.retries, &path, std::thread::sleep, hash)
            .map_err(|error| Fault::io(&path)(std::io::Error::other(error)))
    };
    Ok(match (made, &source.refused) {
        (None, _) => None,
        (Some(Made::Row(sha256)), _) => (hash()? != *sha256).then_some("has another content"),
        _ if accepts.new_times => None,
        (Some(Made::Rejected), _) if accepts.rejected_again => None,
        // It was put back.
        (_, Some(refused)) if hash()? != *refused => None,
        _ => Some(
            "was modified, and no image was made of it before to compare it with; \
             --accept-new-times takes it as it is",
        ),
    })
}
