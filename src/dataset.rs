//! The table and the files, joined: what there is to do.

pub mod table;
pub mod folds;
pub mod synth;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::record::ImageRecord;

/// What a record is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
