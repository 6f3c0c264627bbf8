//! Reads a dataset's table: from CSV text to typed and checked records.
//!
//! In: `train.csv` or `test.csv`, with our column names or names that `dataset.columns` maps to
//! them. Out: a [`Table`] of [`ImageRecord`]s in the file's order. All errors in the tables are
//! collected in [`Problems`], each with its file, line and column, so that one run reports all of
//! them.
//!
//! Only `patient_id` and `image_id` are required. Any other column may be absent; it is then `None`
//! in every row and listed in [`Table::absent`]. A byte order mark, CRLF, quoted fields and blank
//! lines are accepted. Empty, `NA`, `NaN`, `null` and `None` mean missing.

pub(crate) mod cell;
mod columns;
mod problem;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use csv::{ByteRecord, ReaderBuilder, Trim};

use self::columns::{Column, Columns};
use crate::config::{ConfigError, DatasetConfig};
use crate::error::Fault;
use crate::record::{ImageRecord, Split};
use crate::store::sha256;

pub use columns::{Absent, check_mapping};
pub use problem::{Problem, Problems, TableErrors};

/// A table that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Which table it is.
    pub split: Split,
    /// Its path.
    pub path: PathBuf,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Known columns that the table lacks.
    pub absent: Vec<Absent>,
    /// Columns that the configuration names and this table lacks: an error if every table lacks
    /// them.
    pub unmet: Vec<(String, Problem)>,
    /// Its rows, in the file's order.
    pub records: Vec<ImageRecord>,
}

/// The path of the table of `split`: the configured one, or the default.
pub fn path_of(split: Split, config: &DatasetConfig) -> PathBuf {
    let typed = match split {
        Split::Train => &config.train_csv,
        Split::Test => &config.test_csv,
    };
    typed.clone().unwrap_or_else(|| config.input.join(format!("{}.csv", split.as_str())))
}

/// Reads the table of `split`. Rows and columns that cannot be used are left out and reported in
/// `problems`.
///
/// # Errors
/// [`ConfigError`] if there is no such file, [`Fault::Io`] if it cannot be read.
pub fn read(split: Split, config: &DatasetConfig, problems: &mut Problems) -> Result<Table, Fault> {
    let path = path_of(split, config);
    let text = match std::fs::read(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Err(no_table(split, &path).into()),
        other => other.map_err(Fault::io(&path))?,
    };
    let sha256 = sha256(&text);
    let mut table = Table { split, path, sha256, absent: vec![], unmet: vec![], records: vec![] };
    parse(&text, config, &mut table, problems);
    Ok(table)
}

fn no_table(split: Split, path: &Path) -> ConfigError {
    let key = match split {
        Split::Train => "dataset.train_csv",
        Split::Test => "dataset.test_csv",
    };
    ConfigError::Value {
        key,
        found: path.display().to_string(),
        needed: "a CSV file with patient_id and image_id; there is no file at this path",
    }
}

/// Fills `table` from its text.
fn parse(text: &[u8], config: &DatasetConfig, table: &mut Table, problems: &mut Problems) {
    let Table { split, path, absent, unmet, records, .. } = table;
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        return problems.push(path, 1, Problem::Utf16);
    }
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).from_reader(text);
    let mut lines = Lines { text, offset: 0, line: 1 };
    let mut fields = ByteRecord::new();
    let mut next = |fields: &mut ByteRecord| {
        let more = reader.read_byte_record(fields);
        let more = more.expect("bytes in memory can be read, and rows may differ in length");
        more.then(|| lines.at(fields.position().map_or(0, |p| p.byte() as usize)))
    };

    let Some(line) = next(&mut fields) else {
        return problems.push(path, 1, Problem::Empty);
    };
    let Some(header) = columns::locate(&fields, config, path, line, problems) else { return };
    (*absent, *unmet) = (header.absent, header.unmet);
    let mut rows = 0;
    while let Some(line) = next(&mut fields) {
        rows += 1;
        let mut cells = Cells { fields: &fields, columns: &header.columns, path, line, problems };
        records.extend(cells.record(*split));
    }
    if rows == 0 {
        problems.push(path, line, Problem::NoRows);
    }
}

/// The fields of one row, by column.
struct Cells<'a> {
    fields: &'a ByteRecord,
    columns: &'a Columns,
    path: &'a Path,
    line: u64,
    problems: &'a mut Problems,
}

impl Cells<'_> {
    fn record(&mut self, split: Split) -> Option<ImageRecord> {
        if self.fields.len() != self.columns.width {
            self.problem(Problem::Ragged {
                have: self.fields.len(),
                need: self.columns.width,
                breaks: self.fields.iter().any(|field| field.contains(&b'\n')),
            });
            return None;
        }
        let patient_id = self.required(Column::PatientId, cell::id);
        let image_id = self.required(Column::ImageId, cell::id);
        // The two required columns come last, so that every cell has been checked before they end
        // the row.
        Some(ImageRecord {
            split,
            line: self.line,
            site_id: self.get(Column::SiteId, cell::integer),
            laterality: self.get(Column::Laterality, cell::laterality),
            view: self.get(Column::View, cell::view),
            age: self.get(Column::Age, cell::age),
            cancer: self.get(Column::Cancer, cell::boolean),
            biopsy: self.get(Column::Biopsy, cell::boolean),
            invasive: self.get(Column::Invasive, cell::boolean),
            birads: self.get(Column::Birads, cell::birads),
            implant: self.get(Column::Implant, cell::boolean),
            density: self.get(Column::Density, cell::density),
            machine_id: self.get(Column::MachineId, cell::integer),
            difficult_negative_case: self.get(Column::DifficultNegativeCase, cell::boolean),
            prediction_id: self.get(Column::PredictionId, cell::text),
            extra: self.extra(),
            patient_id: patient_id?,
            image_id: image_id?,
        })
    }

    fn required<T>(&mut self, column: Column, parse: cell::Parse<T>) -> Option<T> {
        let index = self.columns.of(column)?;
        if cell::is_missing(&self.fields[index]) {
            self.problem(Problem::EmptyCell { column: self.columns.name(index) });
            return None;
        }
        self.get(column, parse)
    }

    fn get<T>(&mut self, column: Column, parse: cell::Parse<T>) -> Option<T> {
        let index = self.columns.of(column)?;
        let field = &self.fields[index];
        if cell::is_missing(field) {
            return None;
        }
        let parsed = std::str::from_utf8(field).map_err(|_| "UTF-8").and_then(parse);
        parsed
            .map_err(|needs| {
                let column = self.columns.name(index);
                self.problem(Problem::cell(column, field, needs));
            })
            .ok()
    }

    fn extra(&mut self) -> Vec<Option<String>> {
        let columns = self.columns;
        let text = |index: &Option<usize>| {
            let field = &self.fields[(*index)?];
            (!field.is_empty()).then(|| String::from_utf8_lossy(field).into_owned())
        };
        columns.extra.iter().map(text).collect()
    }

    fn problem(&mut self, problem: Problem) {
        self.problems.push(self.path, self.line, problem);
    }
}

/// Line numbers for ascending offsets. The CSV reader's own count cannot be used: with a blank line
/// before a record it gives that line's number.
struct Lines<'a> {
    text: &'a [u8],
    offset: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the first field at or after `offset`.
    fn at(&mut self, offset: usize) -> u64 {
        while let Some(&byte) = self.text.get(self.offset) {
            let ends_line = match byte {
                b'\n' => true,
                b'\r' => self.text.get(self.offset + 1) != Some(&b'\n'),
                _ if self.offset >= offset => break,
                _ => false,
            };
            self.line += u64::from(ends_line);
            self.offset += 1;
        }
        self.line
    }
}

#[cfg(test)]
mod tests;
