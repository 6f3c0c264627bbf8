//! Reads the header: finds the known columns of a table.

use std::path::Path;

use csv::ByteRecord;
use serde::Serialize;

use super::{Problem, Problems};
use crate::config::{ConfigError, DatasetConfig, distance};

/// The columns that become fields of an image's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    SiteId,
    PatientId,
    ImageId,
    Laterality,
    View,
    Age,
    Cancer,
    Biopsy,
    Invasive,
    Birads,
    Implant,
    Density,
    MachineId,
    DifficultNegativeCase,
    PredictionId,
}

/// In the order of [`Column`].
const NAMES: [&str; 15] = [
    "site_id",
    "patient_id",
    "image_id",
    "laterality",
    "view",
    "age",
    "cancer",
    "biopsy",
    "invasive",
    "BIRADS",
    "implant",
    "density",
    "machine_id",
    "difficult_negative_case",
    "prediction_id",
];

const REQUIRED: [Column; 2] = [Column::PatientId, Column::ImageId];

/// A known column that a table lacks; it is `None` in every row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Absent {
    /// The name that this program uses.
    pub column: &'static str,
    /// A column of the table with a similar name, as a suggestion for `dataset.columns`.
    pub nearest: Option<String>,
}

/// The index of each column in a row.
#[derive(Debug)]
pub struct Columns {
    known: [Option<usize>; NAMES.len()],
    header: Vec<String>,
    /// The columns of `dataset.extra_columns`, in that order.
    pub extra: Vec<Option<usize>>,
    /// The number of fields of a row.
    pub width: usize,
}

impl Columns {
    pub fn of(&self, column: Column) -> Option<usize> {
        self.known[column as usize]
    }

    /// The table's own name of a column, for messages.
    pub fn name(&self, index: usize) -> String {
        self.header[index].clone()
    }
}

/// The content of a header.
pub struct Header {
    pub columns: Columns,
    pub absent: Vec<Absent>,
    /// Columns that the configuration names and this table lacks, each with a message.
    pub unmet: Vec<(String, Problem)>,
}

/// Finds the columns in a table's header. Returns `None`, with the reason in `problems`, if rows
/// cannot be read with this header.
pub fn locate(
    header: &ByteRecord,
    config: &DatasetConfig,
    path: &Path,
    line: u64,
    problems: &mut Problems,
) -> Option<Header> {
    let header: Vec<String> =
        header.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    if let [only] = header.as_slice() {
        for (separator, plural) in [(';', "semicolons"), ('\t', "tabs"), ('|', "bars")] {
            if only.contains(separator) {
                problems.push(path, line, Problem::Separator(plural));
                return None;
            }
        }
    }
    let typed = |ours: &'static str| config.columns.get(ours).map_or(ours, String::as_str);
    let place = |name: &str| header.iter().position(|column| column == name);
    let known = NAMES.map(|ours| place(typed(ours)));
    let extra: Vec<_> = config.extra_columns.iter().map(|name| place(name)).collect();

    let mut usable = true;
    for used in known.iter().chain(&extra).flatten() {
        let name = &header[*used];
        if header.iter().filter(|column| *column == name).count() > 1 {
            problems.push(path, line, Problem::ColumnTwice(name.clone()));
            usable = false;
        }
    }
    for column in REQUIRED {
        let ours = NAMES[column as usize];
        if known[column as usize].is_none() {
            problems.push(path, line, no_column(typed(ours), ours, &header));
            usable = false;
        }
    }
    let absent = NAMES.iter().zip(&known).filter(|(_, found)| found.is_none());
    let absent = absent
        .map(|(ours, _)| Absent { column: ours, nearest: nearest(typed(ours), &header) })
        .collect();
    let asked = config.columns.iter().map(|(ours, theirs)| (ours.as_str(), theirs));
    let asked = asked.chain(config.extra_columns.iter().map(|name| (name.as_str(), name)));
    let unmet = asked
        .filter(|(_, name)| place(name).is_none())
        .map(|(ours, name)| (name.clone(), no_column(name, ours, &header)))
        .collect();
    let width = header.len();
    usable.then_some(Header { columns: Columns { known, header, extra, width }, absent, unmet })
}

fn no_column(name: &str, ours: &str, header: &[String]) -> Problem {
    let hint = match nearest(name, header) {
        Some(near) => format!("did you mean {near}? (dataset.columns: {{{ours}: {near}}})"),
        None => format!("the header has {}", header.join(", ")),
    };
    Problem::NoColumn { name: name.to_owned(), hint }
}

/// Refuses settings in `dataset.columns` and `dataset.extra_columns` that no table could satisfy.
///
/// # Errors
/// The first name that is unknown or occurs twice.
pub fn check_mapping(config: &DatasetConfig) -> Result<(), ConfigError> {
    for ours in config.columns.keys() {
        if !NAMES.contains(&ours.as_str()) {
            let hint = match nearest(ours, &NAMES) {
                Some(near) => format!("did you mean dataset.columns.{near}?"),
                None => format!("the known columns are {}", NAMES.join(", ")),
            };
            let key = format!("dataset.columns.{ours}");
            return Err(ConfigError::UnknownKey { origin: "configuration".into(), key, hint });
        }
    }
    for (i, name) in config.extra_columns.iter().enumerate() {
        if NAMES.contains(&name.as_str()) || config.extra_columns[..i].contains(name) {
            return Err(ConfigError::Value {
                key: "dataset.extra_columns",
                found: format!("[{}]", config.extra_columns.join(", ")),
                needed: "names other than the known columns, each once",
            });
        }
    }
    Ok(())
}

/// The known name that is most similar to `name`, ignoring upper and lower case.
fn nearest(name: &str, among: &[impl AsRef<str>]) -> Option<String> {
    let far = |other: &str| distance(&other.to_ascii_lowercase(), &name.to_ascii_lowercase());
    let slip = |other: &&str| !NAMES.contains(other) || !NAMES.contains(&name);
    let near = among.iter().map(AsRef::as_ref).filter(slip).min_by_key(|other| far(other))?;
    (far(near) <= name.len() / 3).then(|| near.to_owned())
}
