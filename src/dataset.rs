//! The table and the files, joined: what there is to do.
//!
//! In: `train.csv` and `test.csv` (or tables whose columns are mapped to theirs) and a folder
//! of images. Out: [`Joined`], which holds every row and every file exactly once: a row with
//! its file is a [`Job`], a row without one is [`Missing`], a file without a row is a
//! [`Stray`]. Whatever is wrong with the tables or the settings is a [`Fault`](crate::error::Fault), before the
//! first image is opened.
//!
//! The order of the jobs is the release's: split, patient, image, numbers by value. It is a
//! function of the tables alone, and so is each image's [`Role`]; files that come later change
//! neither.

pub mod table;
pub mod template;
pub mod listing;
pub mod join;
pub mod folds;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use self::folds::{Audit, FoldsError};
use crate::config::FoldsConfig;
use crate::record::{ImageRecord, Split};

pub use join::join;

/// What a record is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Held out in this fold, trained on in the others.
    Fold(u16),
    /// Set aside for a last test.
    Locked,
    /// A negative beyond `folds.negatives_per_positive`.
    LeftOut,
    /// A row of the test table, whose label is not given.
    Test,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fold(fold) => write!(f, "fold {fold}"),
            Self::Locked => f.write_str("locked"),
            Self::LeftOut => f.write_str("left out"),
            Self::Test => f.write_str("test"),
        }
    }
}

/// One image to process. The plan is the sorted list of them, fixed before the first byte
/// is read.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// What the table says.
    pub record: ImageRecord,
    /// What it is for.
    pub role: Role,
    /// The file, below `dataset.input`, with `/` between components.
    pub relative: String,
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes when it was listed.
    pub bytes: u64,
}

/// A row without a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Missing {
    /// What the table says.
    pub record: ImageRecord,
    /// What it is for.
    pub role: Role,
    /// Where its file should be, below `dataset.input`.
    pub relative: String,
}

/// A file without a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Stray {
    /// The file, below `dataset.input`.
    pub relative: String,
    /// Its size in bytes when it was listed.
    pub bytes: u64,
    /// Why it cannot be processed.
    pub reason: StrayReason,
}

/// Why a file has no row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StrayReason {
    /// The table knows nothing of it.
    #[error("no row in the table")]
    NoRow,
    /// The table has this image in another place, where there is none.
    #[error("its row, line {line} of the {} table, expects it at {expected}", .split.as_str())]
    Misplaced {
        /// Which table the row stands in.
        split: Split,
        /// Line of the row.
        line: u64,
        /// Where the file should be, below `dataset.input`.
        expected: String,
    },
}

/// A table as it went into the join.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableSummary {
    /// Which one it is.
    pub split: Split,
    /// Where it was read from.
    #[serde(skip)]
    pub path: PathBuf,
    /// Its rows.
    pub rows: usize,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// Known columns that it lacks, which are `None` in every record.
    pub absent: Vec<table::Absent>,
}

/// Every row and every file, once.
#[derive(Debug, Clone, PartialEq)]
pub struct Joined {
    /// Rows with their file, in the release's order.
    pub jobs: Vec<Job>,
    /// Rows without a file, in the same order.
    pub missing: Vec<Missing>,
    /// Files without a row, by path.
    pub strays: Vec<Stray>,
    /// The tables read.
    pub tables: Vec<TableSummary>,
    /// SHA-256 over a line `split sha256` for each table.
    pub table_sha256: String,
    /// SHA-256 over a line `bytes relative` for each file that was listed, sorted by path.
    pub listing_sha256: String,
}

impl Joined {
    /// How many of each.
    pub fn counts(&self) -> Counts {
        let (jobs, missing, strays) = (self.jobs.len(), self.missing.len(), self.strays.len());
        Counts {
            listed: jobs + missing + strays,
            rows: jobs + missing,
            files: jobs + strays,
            jobs,
            missing,
            strays,
        }
    }

    /// The folds as the jobs fill them, after proving that no patient is in two.
    ///
    /// # Errors
    /// [`FoldsError::Divided`] for a patient in two groups.
    pub fn audit(&self, config: &FoldsConfig) -> Result<Audit, FoldsError> {
        let roles: Vec<Role> = self.jobs.iter().map(|job| job.role).collect();
        folds::audit(self.jobs.iter().map(|job| (&job.record).into()), &roles, config)
    }

    /// Bytes of all jobs' files.
    pub fn bytes(&self) -> u64 {
        self.jobs.iter().map(|job| job.bytes).sum()
    }
}

/// How many rows and files there are. `listed = jobs + missing + strays`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows and files, joined ones counted once.
    pub listed: usize,
    /// Rows of the tables.
    pub rows: usize,
    /// Files found.
    pub files: usize,
    /// Rows with a file.
    pub jobs: usize,
    /// Rows without a file.
    pub missing: usize,
    /// Files without a row.
    pub strays: usize,
}
