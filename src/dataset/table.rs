//! Reads a dataset's table: from files to typed and checked records.
//!
//! In: `train.csv` or `test.csv`, or the files of `dataset.tables`, with our column names or names
//! that `dataset.columns` maps to them. Out: a [`Table`] of [`ImageRecord`]s in the files' order.
//! All errors in the tables are collected in [`Problems`], each with its file, line and column, so
//! that one run reports all of them.
//!
//! Only `patient_id` and `image_id` are required. Any other column may be absent; it is then `None`
//! in every row and listed in [`Table::absent`]. Empty, `NA`, `NaN`, `null` and `None` mean missing.

pub(crate) mod cell;
mod columns;
mod combine;
mod gather;
mod label;
mod made;
mod problem;
mod row;
mod sheet;
mod words;
mod workbook;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use csv::ByteRecord;
use sha2::{Digest, Sha256};

use self::combine::{Combined, CombinedRow as Row};
use self::row::Cells;
use super::template::Template;
use super::whereabouts;
use crate::config::{ConfigError, DatasetConfig, SeveralRows, TableConfig};
use crate::error::Fault;
use crate::record::{ImageRecord, Split};
use crate::store::{hex, sha256};

pub use columns::{Absent, check_mapping};
pub(super) use gather::DIFFER;
pub use label::Label;
pub use problem::{Problem, Problems, TableErrors};
pub use words::Words;

/// A table that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Which table it is.
    pub split: Split,
    /// Its path; that of the first file, if there are several.
    pub path: PathBuf,
    /// SHA-256 of the file, in hexadecimal; of the files one after the other, if there are several.
    pub sha256: String,
    /// Known columns that the table lacks.
    pub absent: Vec<Absent>,
    /// Columns that the configuration names and this table lacks: an error if every table lacks
    /// them.
    pub unmet: Vec<(String, Problem)>,
    /// The number of cells that are not understood and count as missing, by column.
    pub unknown: BTreeMap<String, usize>,
    /// Its rows, in the files' order.
    pub records: Vec<ImageRecord>,
    /// For each row, its cells of the columns that `dataset.path` names besides ours, and last that
    /// of `dataset.uid_column`; empty if there are none.
    pub cells: Vec<Vec<String>>,
}

/// The path of the table of `split`: the configured one, or the default.
pub fn path_of(split: Split, config: &DatasetConfig) -> PathBuf {
    let typed = match split {
        Split::Train => &config.train_csv,
        Split::Test => &config.test_csv,
    };
    match (typed, config.tables.first()) {
        (Some(typed), _) => typed.clone(),
        (None, Some(first)) => config.input.join(&first.file),
        (None, None) => config.input.join(format!("{}.csv", split.as_str())),
    }
}

/// Reads the table of `split`. Rows and columns that cannot be used are left out and reported in
/// `problems`; names of sites and machines are added to `words`.
///
/// # Errors
/// [`ConfigError`] for settings that cannot be, or if there is no such file, [`Fault::Io`] if it
/// cannot be read.
pub fn read(
    split: Split,
    config: &DatasetConfig,
    template: &Template,
    words: &mut Words,
    problems: &mut Problems,
) -> Result<Table, Fault> {
    let label = config.label.as_deref().map(Label::parse).transpose()?;
    let path = path_of(split, config);
    let mut table = Table {
        split,
        path: path.clone(),
        sha256: String::new(),
        absent: Vec::new(),
        unmet: Vec::new(),
        unknown: BTreeMap::new(),
        records: Vec::new(),
        cells: Vec::new(),
    };
    let explicit = match split {
        Split::Train => config.train_csv.is_some(),
        Split::Test => config.test_csv.is_some(),
    };
    let one = [TableConfig::default()];
    let (parts, files): (&[TableConfig], Vec<PathBuf>) = match config.tables.as_slice() {
        parts if parts.is_empty() || explicit => (&one, vec![path]),
        parts => (parts, parts.iter().map(|part| config.input.join(&part.file)).collect()),
    };
    let mut texts = Vec::new();
    for file in &files {
        match text(file, config)? {
            Ok(text) => texts.push(text),
            Err((line, problem)) => {
                problems.push(file, line, problem);
                return Ok(table);
            }
        }
    }
    table.sha256 = match texts.as_slice() {
        [only] => sha256(only),
        several => {
            let mut hash = Sha256::new();
            several.iter().for_each(|text| hash.update(text));
            hex(&hash.finalize())
        }
    };
    let encoding = sheet::encoding(&config.encoding)?;
    let mut sheets = Vec::new();
    for (file, text) in files.iter().zip(&texts) {
        match sheet::read(text, encoding) {
            Ok(sheet) if sheet.rows.is_empty() => {
                problems.push(file, sheet.header.0, Problem::NoRows);
                return Ok(table);
            }
            Ok(sheet) => sheets.push(sheet),
            Err((line, problem)) => {
                problems.push(file, line, problem);
                return Ok(table);
            }
        }
    }
    drop(texts);
    let sources = Sources { parts, files: &files };
    let (header, rows) = if let [_] = parts {
        let sheet = sheets.remove(0);
        let row = |(line, cells)| Row { table: 0, line, cells };
        (sheet.header, sheet.rows.into_iter().map(row).collect())
    } else {
        let mut combined = Combined::default();
        for (index, sheet) in sheets.into_iter().enumerate() {
            if let Err((line, problem)) = combined.add(index, sheet, &parts[index]) {
                problems.push(&files[index], line, problem);
                return Ok(table);
            }
        }
        ((1, ByteRecord::from(combined.header)), combined.rows)
    };
    fill(&mut table, &header, &rows, &sources, config, template, label.as_ref(), words, problems);
    if config.several_rows == SeveralRows::Gather {
        gather::gather(&mut table, problems);
    }
    Ok(table)
}

/// Reads a table that belongs to no files, such as one of predictions.
///
/// # Errors
/// As [`read`].
pub fn read_alone(
    split: Split,
    config: &DatasetConfig,
    problems: &mut Problems,
) -> Result<Table, Fault> {
    let template = Template::parse(&config.path)?;
    read(split, config, &template, &mut Words::default(), problems)
}

/// The files of a table.
struct Sources<'a> {
    parts: &'a [TableConfig],
    files: &'a [PathBuf],
}

/// The file, or the line and the problem of one that is no table, before it fills the memory.
fn text(path: &Path, config: &DatasetConfig) -> Result<Result<Vec<u8>, (u64, Problem)>, Fault> {
    match sheet::load(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Err(no_table(path, config).into()),
        other => other.map_err(Fault::io(path)),
    }
}

fn no_table(path: &Path, config: &DatasetConfig) -> ConfigError {
    let name = "name it with --set dataset.train_csv=FILE (or dataset.test_csv)";
    let remedy = match whereabouts::remedy(config) {
        Some(remedy) => remedy,
        None if !config.input.exists() => {
            format!("the folder {} does not exist", config.input.display())
        }
        None => name.to_owned(),
    };
    ConfigError::NoTable { path: path.into(), beside: whereabouts::beside(path), remedy }
}

/// Fills `table` with those of `rows` that are of its split.
#[allow(clippy::too_many_arguments)] // what a row is made of, each of another origin
fn fill(
    table: &mut Table,
    (header_line, header): &(u64, ByteRecord),
    rows: &[Row],
    sources: &Sources,
    config: &DatasetConfig,
    template: &Template,
    label: Option<&Label>,
    words: &mut Words,
    problems: &mut Problems,
) {
    let first = &sources.files[0];
    let Some(header) =
        columns::locate(header, config, template, label, first, *header_line, problems)
    else {
        return;
    };
    (table.absent, table.unmet) = (header.absent, header.unmet);
    for column in [columns::Column::SiteId, columns::Column::MachineId] {
        let Some(source) = header.columns.of(column) else { continue };
        let fits = |row: &&Row| row.cells.len() == header.columns.width;
        let text = |row: &Row| {
            let text = row::mapped(config, column.name(), source.text(&row.cells))?;
            Some(String::from_utf8_lossy(&text).into_owned())
        };
        words.learn(column.name(), rows.iter().filter(fits).filter_map(text).collect());
    }
    for row in rows {
        let mut cells = Cells {
            fields: &row.cells,
            columns: &header.columns,
            config,
            label,
            words,
            path: &sources.files[row.table],
            line: row.line,
            unknown: &mut table.unknown,
            told: Vec::new(),
            problems,
        };
        let split = match sources.parts[row.table].split {
            Some(split) => Some(split),
            None => cells.split(table.split),
        };
        if split != Some(table.split) {
            continue;
        }
        let Some(record) = cells.record(table.split) else { continue };
        if let Some(texts) = cells.of_path() {
            table.records.push(record);
            table.cells.extend((!texts.is_empty()).then_some(texts));
        }
    }
}

#[cfg(test)]
mod tests;
