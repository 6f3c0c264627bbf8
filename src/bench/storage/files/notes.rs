//! What has to be said beside the figures of a series.

use std::path::{Path, PathBuf};

use crate::bench::storage::measurement::Cache;
use crate::bench::storage::options::PlannedFile;
use crate::bench::storage::workers::Timed;

/// What the check of the cache found to be otherwise than `cache` says, or nothing.
pub fn check_cache(cache: Cache, cached: impl Iterator<Item = Option<f64>>) -> String {
    let shares: Vec<Option<f64>> = cached.collect();
    let most = shares.iter().flatten().copied().fold(0.0, f64::max);
    let least = shares.iter().flatten().copied().fold(1.0, f64::min);
    match cache {
        _ if shares.is_empty() => String::new(),
        _ if shares.iter().all(Option::is_none) => {
            "not checked: this file system does not count what it fetches".into()
        }
        Cache::Warm if least < 0.95 => {
            format!("only {:.0} % came from the page cache", 100.0 * least)
        }
        Cache::Cold | Cache::ClientCold | Cache::Direct if most > 0.05 => {
            let percent = 100.0 * most;
            format!("up to {percent:.0} % of the bytes came from the page cache all the same")
        }
        _ => String::new(),
    }
}

/// Files that could not be read or written.
#[derive(Debug, Default)]
pub struct Failures {
    count: usize,
    first: Option<(PathBuf, String)>,
}

impl Failures {
    /// Adds those of a loop over files.
    pub fn add<'f>(&mut self, timed: &Timed, file: impl Fn(usize) -> &'f PlannedFile) {
        self.count += timed.failures.len();
        if let (None, Some(failure)) = (&self.first, timed.failures.first()) {
            self.first = Some((file(failure.item).path.clone(), failure.error.to_string()));
        }
    }

    /// The first file.
    pub fn path(&self) -> &Path {
        self.first.as_ref().map_or(Path::new(""), |(path, _)| path)
    }

    /// How many there are, and the first; nothing if there are none.
    pub fn note(&self, verb: &str) -> String {
        self.first.as_ref().map_or_else(String::new, |(path, error)| {
            format!("{} could not be {verb}, the first: {}: {error}", self.count, path.display())
        })
    }
}
