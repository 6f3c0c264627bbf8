//! The dataset: the rows of its tables, joined with its image files.
//!
//! In: `train.csv` and `test.csv` (or tables whose columns are mapped to theirs), and a folder of
//! images. Out: [`Joined`], which holds every row and every file exactly once: a row with its file
//! is a [`Job`], a row without a file is [`Missing`], a file without a row is a [`Stray`]. An error
//! in the tables or the settings is a [`Fault`](crate::error::Fault) before the first image is
//! opened.
//!
//! The jobs are sorted by split, patient and image; digits in ids compare as numbers. Their order
//! and the [`Role`] of each image depend on the tables alone: a file that is added later changes
//! neither.

pub mod table;
pub mod template;
pub mod listing;
pub mod whereabouts;
mod tolerance;
mod files;
mod breasts;
mod no_table;
pub mod hints;
pub mod join;
pub mod folds;
mod inside;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use self::folds::{Audit, FoldsError};
use self::hints::Hint;
use crate::config::FoldsConfig;
use crate::record::{Id, ImageRecord, Laterality, Split, View};

pub(crate) use inside::real;
pub use inside::{InsideImages, refuse_inside};
pub use join::{join, join_with_headers};

/// What a file's header tells of its place in a dataset.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FileFacts {
    /// The side.
    pub laterality: Option<Laterality>,
    /// The projection.
    pub view: Option<View>,
    /// Series Description.
    pub series_description: Option<String>,
    /// SOP Instance UID and Series Instance UID, to be compared with the table.
    pub uids: Vec<String>,
    /// A keyed hash of Patient ID, if there is a key.
    pub patient: Option<String>,
    /// A keyed hash of SOP Instance UID, if there is a key.
    pub instance: Option<String>,
}

/// What an image is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Held out in this fold, used for training in the others.
    Fold(u16),
    /// In the locked split, for a final test.
    Locked,
    /// A negative that `folds.negatives_per_positive` drops.
    LeftOut,
    /// A row of the test table, which has no label.
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

/// One image to process. The plan is the sorted list of all jobs, complete before the first image
/// is read.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The row of the table.
    pub record: ImageRecord,
    /// What the image is used for.
    pub role: Role,
    /// The file's path below `dataset.input`, with `/` between components.
    pub relative: String,
    /// What the release names the file: `relative`, or a keyed hash of it.
    pub name: String,
    /// The file's path.
    pub path: PathBuf,
    /// The file's size in bytes when the folder was listed.
    pub bytes: u64,
}

/// A row without a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Missing {
    /// The row of the table.
    pub record: ImageRecord,
    /// What the image would be used for.
    pub role: Role,
    /// The path below `dataset.input` at which the file is expected.
    pub relative: String,
}

/// A file without a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Stray {
    /// The file's path below `dataset.input`.
    pub relative: String,
    /// The file's size in bytes when the folder was listed.
    pub bytes: u64,
    /// Why no row belongs to the file.
    pub reason: StrayReason,
}

/// Why a file has no row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StrayReason {
    /// The table has no row for this image.
    #[error("no row in the table")]
    NoRow,
    /// Without a table: neither the path nor the header gives a patient.
    #[error("no patient: {}", if *.in_header {
        "the header has no Patient ID or no SOP Instance UID"
    } else {
        "the path has not the form of dataset.path"
    })]
    NoPatient {
        /// Whether the header should give it.
        in_header: bool,
    },
    /// Two files would be one image: neither is taken.
    #[error("its image_id, {image_id}, is also that of {other}")]
    SameId {
        /// The identifier of both.
        image_id: Id,
        /// The path of another file with it, below `dataset.input`.
        other: String,
    },
    /// The table expects this image at another path, and there is no file at that path.
    #[error("its row, line {line} of the {} table, expects it at {expected}", .split.as_str())]
    Misplaced {
        /// The table that the row is in.
        split: Split,
        /// The line number of the row.
        line: u64,
        /// The expected path below `dataset.input`.
        expected: String,
    },
}

/// A table that was joined with the files.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableSummary {
    /// Which table it is.
    pub split: Split,
    /// The table's path.
    #[serde(skip)]
    pub path: PathBuf,
    /// The number of rows.
    pub rows: usize,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Known columns that the table lacks; they are `None` in every record.
    pub absent: Vec<table::Absent>,
    /// The number of cells that are not understood and count as missing, by column.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unknown: BTreeMap<String, usize>,
}

/// All rows and files, each exactly once.
#[derive(Debug, Clone, PartialEq)]
pub struct Joined {
    /// Rows with their file, in the release's order.
    pub jobs: Vec<Job>,
    /// Rows without a file, in the same order.
    pub missing: Vec<Missing>,
    /// Files without a row, by path.
    pub strays: Vec<Stray>,
    /// The number of files that are no images but what copying left behind
    /// ([`listing::is_junk`]).
    pub ignored: usize,
    /// The number of files without a row whose series is one of `dataset.leave_out`.
    pub left_out: usize,
    /// Near misses, each with the setting that helps.
    pub hints: Vec<Hint>,
    /// The numbers of sites and machines that have names.
    pub words: table::Words,
    /// The tables.
    pub tables: Vec<TableSummary>,
    /// SHA-256 of the text with one line `split sha256` per table.
    pub table_sha256: String,
    /// All listed files, sorted by path.
    pub listing: Vec<listing::File>,
    /// SHA-256 of the text with one line `bytes relative` per listed file, sorted by path.
    pub listing_sha256: String,
}

impl Joined {
    /// The number of rows and files of each kind.
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

    /// The patients, prevalence and machines of each fold, after a check that no patient is in two
    /// folds.
    ///
    /// # Errors
    /// [`FoldsError::Divided`] for a patient in two groups.
    pub fn audit(&self, config: &FoldsConfig) -> Result<Audit, FoldsError> {
        let roles: Vec<Role> = self.jobs.iter().map(|job| job.role).collect();
        folds::audit(self.jobs.iter().map(|job| (&job.record).into()), &roles, config)
    }

    /// The sum of all jobs' file sizes, in bytes.
    pub fn bytes(&self) -> u64 {
        self.jobs.iter().map(|job| job.bytes).sum()
    }
}

/// Numbers of rows and files. `listed = jobs + missing + strays`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows and files together; a row and its file count as one.
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
