//! Surveys a dataset from its headers alone.
//!
//! In: a folder of DICOM files, with or without tables. Out: a [`Survey`]: counts of all
//! attributes' values, by machine, and every disagreement between the table and the files. No pixel
//! is read, and no identifier of a patient is kept.
//!
//! With a table, its rows and `dataset.path` tell which files to read. Without one, every file in
//! the folder is read. A file that is not DICOM, and whose name does not claim it, is only counted.

mod describe;
mod machine;
mod survey;

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use crate::config::{Config, SplitChoice};
use crate::dataset::hints::Hint;
use crate::dataset::listing::Listing;
use crate::dataset::template::Template;
use crate::dataset::{self, Joined, listing, table, whereabouts};
use crate::error::{Fault, chain};
use crate::flow::threads;
use crate::preprocess::plan::headers;
use crate::preprocess::read::{self, Header, ReadError};
use crate::record::{ImageRecord, Split};

pub use describe::NOT_GIVEN;
pub use machine::{Format, Machine};
pub use survey::{Attribute, Finding, Findings, Survey, TableFacts, Value};

/// Files that are open at once. Reading headers is mostly waiting, above all on a network file
/// system.
const THREADS: usize = 16;

/// The number of files between two progress reports.
const CHUNK: usize = 256;

/// A file to read.
struct Item {
    relative: String,
    path: PathBuf,
    bytes: u64,
    record: Option<ImageRecord>,
}

/// The tables that exist.
pub fn tables_present(config: &Config) -> Option<SplitChoice> {
    let there = |split| table::path_of(split, &config.dataset).is_file();
    if !config.dataset.tables.is_empty() {
        return there(Split::Train).then_some(config.dataset.split);
    }
    match (there(Split::Train), there(Split::Test)) {
        (true, true) => Some(SplitChoice::Both),
        (true, false) => Some(SplitChoice::Train),
        (false, true) => Some(SplitChoice::Test),
        (false, false) => None,
    }
}

/// Reads the headers of the dataset, or of `sample` of its files, chosen by their names. Without
/// `has_table`, every file in the folder counts. `progress` is called for each file with the number
/// of all files and whether this one's header could be read.
///
/// # Errors
/// A [`Fault`] for wrong tables and unreadable folders. An unreadable file is a finding.
pub fn inspect(
    config: &Config,
    has_table: bool,
    sample: Option<usize>,
    mut progress: impl FnMut(usize, bool),
) -> Result<Survey, Fault> {
    let input = &config.dataset.input;
    let (mut survey, mut items) = if has_table {
        let headers = headers(config)?;
        let facts = |path: &Path| headers(path).ok();
        let joined = dataset::join_with_headers(&config.dataset, &config.folds, &facts)?;
        (Survey::of_join(input, &joined), items(joined, config))
    } else {
        let Listing { files, ignored } = listing::list(input, &[String::new()], None)?;
        let item = |file: listing::File| Item {
            path: input.join(&file.relative),
            relative: file.relative,
            bytes: file.bytes,
            record: None,
        };
        let mut survey = Survey::of_folder(input);
        survey.ignored = ignored;
        survey.hints.extend(whereabouts::remedy(&config.dataset).map(|remedy| Hint {
            found: "there is no table where the settings look".into(),
            remedy,
        }));
        (survey, files.into_iter().map(item).collect())
    };
    survey.files = items.len();
    survey.bytes = items.iter().map(|item| item.bytes).sum();
    if let Some(sample) = sample {
        items = draw(items, sample);
    }

    let extension = Template::parse(&config.dataset.path)?.extension().map(str::to_owned);
    let claims_dicom = |name: &str| listing::has_extension(name, extension.as_deref());
    let pool = threads::pool(THREADS)?;
    for chunk in items.chunks(CHUNK) {
        let headers: Vec<Result<Header, ReadError>> =
            pool.install(|| chunk.par_iter().map(|item| read::header(&item.path)).collect());
        for (item, header) in chunk.iter().zip(headers) {
            progress(items.len(), header.is_ok());
            match header {
                Ok(header) => survey.add(item, &header, config.decode.max_pixels),
                Err(ReadError::NotDicom { .. } | ReadError::Empty)
                    if !has_table && !claims_dicom(&item.relative) =>
                {
                    survey.other_files += 1;
                }
                Err(error) => survey.unreadable.push(&item.relative, chain(&error)),
            }
        }
    }
    survey.finish();
    Ok(survey)
}

fn items(joined: Joined, config: &Config) -> Vec<Item> {
    let job = |job: dataset::Job| Item {
        relative: job.relative,
        path: job.path,
        bytes: job.bytes,
        record: Some(job.record),
    };
    let stray = |stray: dataset::Stray| Item {
        path: config.dataset.input.join(&stray.relative),
        relative: stray.relative,
        bytes: stray.bytes,
        record: None,
    };
    joined.jobs.into_iter().map(job).chain(joined.strays.into_iter().map(stray)).collect()
}

/// `count` of the items, in their order; the same ones each time.
fn draw(items: Vec<Item>, count: usize) -> Vec<Item> {
    let mut hashes: Vec<u64> = items.iter().map(|i| xxh3_64(i.relative.as_bytes())).collect();
    hashes.sort_unstable();
    match hashes.get(count) {
        Some(limit) => {
            items.into_iter().filter(|i| xxh3_64(i.relative.as_bytes()) < *limit).collect()
        }
        None => items,
    }
}
