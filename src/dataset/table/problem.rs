//! The errors that a table can have, each with the place of the cell.

use crate::error::faults;
use std::fmt;
use std::path::{Path, PathBuf};

/// The number of problems that are listed; further ones are only counted.
const SHOWN: usize = 20;

/// What helps against values that are not understood.
const ADVICE: &str = "dataset.values says what words mean, such as {implant: {YES: 1}}; \
                      dataset.unknown_values=null counts such cells as missing";

/// One error in a table. [`TableErrors`] adds its file and line.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    /// The file is empty.
    #[error("no header")]
    Empty,
    /// The table has a header and no rows.
    #[error("no rows")]
    NoRows,
    /// A line that no table has.
    #[error("the line has more than {most} bytes: this is no table")]
    LongLine {
        /// The limit.
        most: usize,
    },
    /// A file that is too large to be held in memory.
    #[error("the file has {found} bytes, needs at most {most}")]
    LargeFile {
        /// Its size.
        found: u64,
        /// The limit.
        most: u64,
    },
    /// An XLSX file that cannot be read.
    #[error("no workbook of this format can be read: {0}")]
    Workbook(String),
    /// A table with labels, and a condition for them in the settings.
    #[error("the table has the column cancer, so dataset.label must be null")]
    TwoLabels,
    /// A required column is absent.
    #[error("no column {name}; {hint}")]
    NoColumn {
        /// The column that is needed.
        name: String,
        /// The most similar column, or the columns that the table has.
        hint: String,
    },
    /// Two columns with the same name.
    #[error("column {0} occurs twice in the header")]
    ColumnTwice(String),
    /// A row with more or fewer fields than the header.
    #[error(
        "{have} {}, the header has {need}{}",
        if *.have == 1 { "field" } else { "fields" },
        if *.breaks { "; is a quote not closed?" } else { "" }
    )]
    Ragged {
        /// Fields of the row.
        have: usize,
        /// Fields of the header.
        need: usize,
        /// Whether a field continues on the next line.
        breaks: bool,
    },
    /// A required cell is empty.
    #[error("{column} is empty")]
    EmptyCell {
        /// The table's name of the column.
        column: String,
    },
    /// A cell that cannot be parsed.
    #[error("{column} is {found:?}, needs {needs}")]
    Cell {
        /// The table's name of the column.
        column: String,
        /// The cell, shortened.
        found: String,
        /// What the cell should contain.
        needs: &'static str,
        /// Whether it is a value, which `dataset.values` can map, and no identifier or path.
        is_value: bool,
    },
    /// An image that occurs in an earlier row.
    #[error("image_id {image_id} occurs already in {}, line {first_line}", .first_path.display())]
    Duplicate {
        /// The image.
        image_id: String,
        /// The table of the first row.
        first_path: PathBuf,
        /// The line of the first row.
        first_line: u64,
    },
    /// Rows that cannot be gathered, because they are of two images.
    #[error(
        "image_id {image_id} is also in line {first_line}, for another patient or another file"
    )]
    OtherImage {
        /// The identifier of both.
        image_id: String,
        /// The line of the first row.
        first_line: u64,
    },
    /// A file that belongs to an earlier row.
    #[error("its file {relative} belongs already to {}, line {first_line}", .first_path.display())]
    SameFile {
        /// The file of both rows.
        relative: String,
        /// The table of the first row.
        first_path: PathBuf,
        /// The line of the first row.
        first_line: u64,
    },
}

impl Problem {
    pub(super) fn cell(column: String, found: &[u8], needs: &'static str) -> Self {
        let found = String::from_utf8_lossy(found);
        let mut short: String = found.chars().take(40).collect();
        if short.len() < found.len() {
            short.push('…');
        }
        Self::Cell { column, found: short, needs, is_value: false }
    }

    /// The same for a value.
    pub(super) fn value(column: String, found: &[u8], needs: &'static str) -> Self {
        let mut problem = Self::cell(column, found, needs);
        if let Self::Cell { is_value, .. } = &mut problem {
            *is_value = true;
        }
        problem
    }
}

/// Collects problems while tables are read.
#[derive(Debug, Default)]
pub struct Problems {
    first: Vec<(PathBuf, u64, Problem)>,
    count: usize,
}

impl Problems {
    /// Adds a problem at a line of a table.
    pub fn push(&mut self, path: &Path, line: u64, problem: Problem) {
        self.count += 1;
        if self.first.len() < SHOWN {
            self.first.push((path.to_owned(), line, problem));
        }
    }

    /// Ends the collection.
    ///
    /// # Errors
    /// All problems, if there are any.
    pub fn check(self) -> Result<(), TableErrors> {
        match self.count {
            0 => Ok(()),
            count => Err(TableErrors { first: self.first, count }),
        }
    }
}

/// All errors in the tables.
#[derive(Debug)]
pub struct TableErrors {
    /// Table, line and problem of the first ones.
    pub first: Vec<(PathBuf, u64, Problem)>,
    /// The number of all problems.
    pub count: usize,
}
faults!(TableErrors);

impl fmt::Display for TableErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.first.len();
        match self.count {
            1 => {}
            all if all == shown => writeln!(f, "{all} errors in the table:")?,
            all => writeln!(f, "{all} errors in the table, the first {shown}:")?,
        }
        let indent = if self.count == 1 { "" } else { "  " };
        for (i, (path, line, problem)) in self.first.iter().enumerate() {
            let end = if i + 1 == shown { "" } else { "\n" };
            write!(f, "{indent}{}:{line}: {problem}{end}", path.display())?;
        }
        let is_value = |(_, _, problem): &(PathBuf, u64, Problem)| {
            matches!(problem, Problem::Cell { is_value: true, .. })
        };
        if self.first.iter().any(is_value) {
            write!(f, "\n{ADVICE}")?;
        }
        Ok(())
    }
}

impl std::error::Error for TableErrors {}
