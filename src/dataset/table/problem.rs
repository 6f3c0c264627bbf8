//! What is wrong with a table, in words that lead to the cell.

use crate::error::faults;
use std::fmt;
use std::path::{Path, PathBuf};

/// How many problems are kept to be shown; the rest are counted.
const SHOWN: usize = 20;

/// One thing wrong with a table. Its file and line are told by [`TableErrors`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    /// Not even a header.
    #[error("no header")]
    Empty,
    /// A header alone.
    #[error("no rows")]
    NoRows,
    /// As spreadsheets save "Unicode text".
    #[error("UTF-16 text, needs UTF-8 (save it as \"CSV UTF-8\")")]
    Utf16,
    /// As spreadsheets save it where the comma is the decimal sign.
    #[error("separated by {0}, needs commas")]
    Separator(&'static str),
    /// A required column is absent.
    #[error("no column {name}; {hint}")]
    NoColumn {
        /// The column that is needed.
        name: String,
        /// The nearest one, or those that there are.
        hint: String,
    },
    /// Two columns of one name.
    #[error("column {0} stands twice in the header")]
    ColumnTwice(String),
    /// More or fewer fields than the header.
    #[error(
        "{have} {}, the header has {need}{}",
        if *.have == 1 { "field" } else { "fields" },
        if *.breaks { "; is a quote left open?" } else { "" }
    )]
    Ragged {
        /// Fields of the row.
        have: usize,
        /// Fields of the header.
        need: usize,
        /// Whether a field goes on over a line's end.
        breaks: bool,
    },
    /// A required cell is empty.
    #[error("{column} is empty")]
    EmptyCell {
        /// The table's name of the column.
        column: String,
    },
    /// A cell that cannot be read.
    #[error("{column} is {found:?}, needs {needs}")]
    Cell {
        /// The table's name of the column.
        column: String,
        /// The cell, cut short.
        found: String,
        /// What could be read.
        needs: &'static str,
    },
    /// An image that another row has already.
    #[error("image_id {image_id} is in {} line {first_line} already", .first_path.display())]
    Duplicate {
        /// The image.
        image_id: String,
        /// Table of the first row.
        first_path: PathBuf,
        /// Line of the first row.
        first_line: u64,
    },
    /// A file that another row has already.
    #[error("its file {relative} is also that of {} line {first_line}", .first_path.display())]
    SameFile {
        /// The file that both rows lead to.
        relative: String,
        /// Table of the first row.
        first_path: PathBuf,
        /// Line of the first row.
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
        Self::Cell { column, found: short, needs }
    }
}

/// Gathers problems while tables are read.
#[derive(Debug, Default)]
pub struct Problems {
    first: Vec<(PathBuf, u64, Problem)>,
    count: usize,
}

impl Problems {
    /// Adds one, at a line of a table.
    pub fn push(&mut self, path: &Path, line: u64, problem: Problem) {
        self.count += 1;
        if self.first.len() < SHOWN {
            self.first.push((path.to_owned(), line, problem));
        }
    }

    /// Ends the gathering.
    ///
    /// # Errors
    /// All that was gathered, if anything was.
    pub fn check(self) -> Result<(), TableErrors> {
        match self.count {
            0 => Ok(()),
            count => Err(TableErrors { first: self.first, count }),
        }
    }
}

/// Everything that is wrong with the tables.
#[derive(Debug)]
pub struct TableErrors {
    /// Table, line and problem of the first ones.
    pub first: Vec<(PathBuf, u64, Problem)>,
    /// How many there are in all.
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
        Ok(())
    }
}

impl std::error::Error for TableErrors {}
