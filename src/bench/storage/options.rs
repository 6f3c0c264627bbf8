//! What `bench storage` is asked to measure, and how long each part may take.
//!
//! In: the flags. Out: [`Options`], and from them a [`Budget`] of seconds and bytes. With `Quick`
//! everything takes about half a minute, by default about two minutes. `Full` makes data of five
//! times the memory, as MLPerf Storage asks; of a dataset it reads for 15 s with each number of
//! threads.

use std::path::PathBuf;

use super::error::StorageError;
use super::measurement::Effort;

/// What is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The folder.
    pub path: PathBuf,
    /// Where files may be written, if not in `path`. For a dataset, nothing is written without it.
    pub scratch: Option<PathBuf>,
    /// How much is measured.
    pub effort: Effort,
    /// Numbers of threads. `None`: 1, 2, 4 and so on up to 64, or until more threads give no more.
    pub threads: Option<Vec<usize>>,
    /// Seed of the random order and of the content of made files.
    pub seed: u64,
    /// The share of each file that `decode.read: prefix` reads, 0 to 1. With one level left out it
    /// is 0.28 in JPEG 2000 mammograms (`docs/decoding.md`).
    pub prefix_share: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            path: PathBuf::from("."),
            scratch: None,
            effort: Effort::Default,
            threads: None,
            seed: 0,
            prefix_share: 0.28,
        }
    }
}

/// One file of a dataset, for a list in the order of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedFile {
    /// Its path.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The most threads that are measured.
pub const MOST_THREADS: usize = 1024;

/// A bound on one timed loop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Seconds after which no more is read.
    pub seconds: f64,
    /// Bytes after which no further item is taken.
    pub bytes: u64,
}

/// Seconds and bytes of every part.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// Numbers of threads for files and shards, rising.
    pub threads: Vec<usize>,
    /// Whether larger numbers are left out once more threads give no more.
    pub early_stop: bool,
    /// Numbers of threads for operations on names, rising.
    pub metadata_threads: Vec<usize>,
    /// Limits of one number of threads with cold or direct reads of whole files.
    pub files: Limits,
    /// Limits of one number of threads with warm reads.
    pub warm: Limits,
    /// Limits of one number of threads with prefixes, pages or row groups.
    pub parts: Limits,
    /// Seconds of one operation on names with one number of threads.
    pub metadata_seconds: f64,
    /// Files that are made where there is no dataset. Making them ends at either limit.
    pub made: Limits,
    /// Shards that are written at most, in all and with each number of threads.
    pub shards: Limits,
    /// Largest size of one shard in bytes.
    pub shard_bytes: u64,
    /// Whether the order by inode and warm pages are measured.
    pub all_patterns: bool,
}

impl Options {
    /// The budget on a machine with `memory` bytes.
    ///
    /// # Errors
    /// [`StorageError::Threads`] for 0 or more than [`MOST_THREADS`].
    pub fn budget(&self, memory: u64) -> Result<Budget, StorageError> {
        let mut threads = match &self.threads {
            Some(threads) => threads.clone(),
            None if self.effort == Effort::Quick => vec![1, 2, 4, 8, 16],
            None => vec![1, 2, 4, 8, 16, 32, 64],
        };
        threads.sort_unstable();
        threads.dedup();
        if let Some(&found) = threads.iter().find(|&&n| n == 0 || n > MOST_THREADS) {
            return Err(StorageError::Threads { found, most: MOST_THREADS });
        }
        let limits = |seconds, bytes| Limits { seconds, bytes };
        let metadata_threads = match &self.threads {
            Some(_) => threads.clone(),
            None if self.effort == Effort::Quick => vec![1, 16],
            None => vec![1, 4, 16, 64],
        };
        let base = Budget {
            threads,
            early_stop: self.threads.is_none(),
            metadata_threads,
            files: limits(1.6, 8 << 30),
            warm: limits(0.4, 4 << 30),
            parts: limits(0.8, 2 << 30),
            metadata_seconds: 0.5,
            made: limits(15.0, 4 << 30),
            shards: limits(3.0, 2 << 30),
            shard_bytes: 256 << 20,
            all_patterns: true,
        };
        Ok(match self.effort {
            Effort::Quick => Budget {
                files: limits(0.6, 3 << 30),
                warm: limits(0.2, 1 << 30),
                parts: limits(0.25, 1 << 30),
                metadata_seconds: 0.15,
                made: limits(3.0, 1 << 30),
                shards: limits(0.8, 384 << 20),
                shard_bytes: 64 << 20,
                all_patterns: false,
                ..base
            },
            Effort::Default => base,
            Effort::Full => Budget {
                files: limits(15.0, 64 << 30),
                warm: limits(2.0, 16 << 30),
                parts: limits(4.0, 8 << 30),
                metadata_seconds: 3.0,
                made: limits(f64::INFINITY, memory.saturating_mul(5)),
                shards: limits(15.0, 8 << 30),
                ..base
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_were_given_are_all_measured_in_rising_order() {
        let options = Options { threads: Some(vec![8, 1, 8]), ..Options::default() };
        let budget = options.budget(1 << 30).unwrap();
        assert_eq!((budget.threads, budget.early_stop), (vec![1, 8], false));
        let options = Options { threads: Some(vec![0]), ..Options::default() };
        assert!(matches!(options.budget(1), Err(StorageError::Threads { found: 0, .. })));
    }

    #[test]
    fn full_makes_five_times_the_memory() {
        let options = Options { effort: Effort::Full, ..Options::default() };
        assert_eq!(options.budget(7).unwrap().made.bytes, 35);
    }
}
