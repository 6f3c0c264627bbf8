//! Reads the header: finds the known columns of a table.

use std::borrow::Cow;
use std::path::Path;

use csv::ByteRecord;
use serde::Serialize;

use super::made::Made;
use super::{Label, Problem, Problems};
use crate::config::{ConfigError, DatasetConfig, RowOf, distance};
use crate::dataset::template::Template;

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

impl Column {
    /// Our name of the column.
    pub fn name(self) -> &'static str {
        NAMES[self as usize]
    }
}

/// Where the text of a column is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In a cell.
    At(usize),
    /// In several cells.
    Made(Made),
}

impl Source {
    /// The text in a row.
    pub fn text<'a>(&self, row: &'a ByteRecord) -> Cow<'a, [u8]> {
        match self {
            Self::At(index) => Cow::Borrowed(&row[*index]),
            Self::Made(made) => Cow::Owned(made.of(row)),
        }
    }
}

/// The place of each column in a row.
#[derive(Debug)]
pub struct Columns {
    known: [Option<Source>; NAMES.len()],
    header: Vec<String>,
    /// The columns of `dataset.extra_columns`, in that order.
    pub extra: Vec<Option<usize>>,
    /// The columns that `dataset.path` names besides ours, in its order.
    pub in_path: Vec<Source>,
    /// The column of `dataset.uid_column`.
    pub uid: Option<Source>,
    /// The column of the split.
    pub split: Option<usize>,
    /// The column of `dataset.label`.
    pub label: Option<Source>,
    /// The columns of the dates of the exam and its outcome.
    pub dates: Option<(usize, usize)>,
    /// The columns of a lesion's box.
    pub boxes: Option<[usize; 4]>,
    /// The number of fields of a row.
    pub width: usize,
}

impl Columns {
    pub fn of(&self, column: Column) -> Option<&Source> {
        self.known[column as usize].as_ref()
    }

    /// The table's own name of a column, for messages.
    pub fn name(&self, index: usize) -> String {
        self.header[index].clone()
    }

    /// The same for a column that may be made of others.
    pub fn name_of(&self, source: &Source) -> String {
        match source {
            Source::At(index) => self.name(*index),
            Source::Made(made) => made.text.clone(),
        }
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
    template: &Template,
    label: Option<&Label>,
    path: &Path,
    line: u64,
    problems: &mut Problems,
) -> Option<Header> {
    let header: Vec<String> =
        header.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let typed = |ours: &'static str| config.columns.get(ours).map_or(ours, String::as_str);
    let place = |name: &str| header.iter().position(|column| column == name);
    let source = |name: &str| match Made::is_made(name) {
        true => Made::new(name, place).ok().map(Source::Made),
        false => place(name).map(Source::At),
    };
    let known = NAMES.map(|ours| source(typed(ours)));
    let extra: Vec<_> = config.extra_columns.iter().map(|name| place(name)).collect();

    let mut usable = true;
    let used = known.iter().flatten().filter_map(|source| match source {
        Source::At(index) => Some(index),
        Source::Made(_) => None,
    });
    for used in used.chain(extra.iter().flatten()) {
        let name = &header[*used];
        if header.iter().filter(|column| *column == name).count() > 1 {
            problems.push(path, line, Problem::ColumnTwice(name.clone()));
            usable = false;
        }
    }
    for column in REQUIRED {
        let ours = NAMES[column as usize];
        let in_name = match column {
            Column::PatientId => template.gives_patient(),
            _ => config.row_of != RowOf::Image,
        };
        if known[column as usize].is_none() && !in_name {
            problems.push(path, line, no_column(typed(ours), ours, &header));
            usable = false;
        }
    }
    let mut needed = |name: &str, setting: &str| {
        let found = source(name);
        if found.is_none() {
            let hint = format!("{setting} has it, the header has {}", header.join(", "));
            problems.push(path, line, Problem::NoColumn { name: name.to_owned(), hint });
            usable = false;
        }
        found
    };
    let in_path = template.columns().into_iter();
    let in_path: Vec<Source> =
        in_path.filter_map(|name| needed(&as_column(name), "dataset.path")).collect();
    let uid = config.uid_column.as_deref().and_then(|name| needed(name, "dataset.uid_column"));
    let at = |source| match source {
        Source::At(index) => Some(index),
        Source::Made(_) => None,
    };
    let split = config.split_column.as_deref();
    let split = split.and_then(|name| needed(name, "dataset.split_column")).and_then(at);
    let dates = config.outcome.as_ref().and_then(|outcome| {
        let exam = needed(&outcome.exam_date, "dataset.outcome").and_then(at)?;
        Some((exam, needed(&outcome.outcome_date, "dataset.outcome").and_then(at)?))
    });
    let boxes: Vec<usize> =
        config.boxes.iter().filter_map(|name| needed(name, "dataset.boxes").and_then(at)).collect();
    let boxes = <[usize; 4]>::try_from(boxes).ok();
    let label = label.and_then(|label| {
        let ours = NAMES.iter().position(|ours| *ours == label.column);
        match ours {
            Some(ours) => known[ours].clone(),
            None => needed(&label.column, "dataset.label"),
        }
    });
    if config.label.is_some() && known[Column::Cancer as usize].is_some() {
        problems.push(path, line, Problem::TwoLabels);
        usable = false;
    }
    let absent = NAMES.iter().zip(&known).filter(|(_, found)| found.is_none());
    let absent = absent
        .map(|(ours, _)| Absent { column: ours, nearest: nearest(typed(ours), &header) })
        .collect();
    let asked = config.columns.iter().map(|(ours, theirs)| (ours.as_str(), theirs));
    let asked = asked.chain(config.extra_columns.iter().map(|name| (name.as_str(), name)));
    let unmet = asked
        .filter(|(_, name)| source(name).is_none())
        .map(|(ours, name)| (name.clone(), no_column(name, ours, &header)))
        .collect();
    let width = header.len();
    let columns = Columns { known, header, extra, in_path, uid, split, label, dates, boxes, width };
    usable.then_some(Header { columns, absent, unmet })
}

/// `name` of the path's `{name}`, or the whole text in braces where a part of the cell is meant.
fn as_column(name: &str) -> String {
    match Made::takes_part(name) {
        true => format!("{{{name}}}"),
        false => name.to_owned(),
    }
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
    for name in config.values.keys() {
        let of_label = config.label.as_deref().and_then(|label| Label::parse(label).ok());
        let is_known = NAMES.contains(&name.as_str())
            || name == "split"
            || config.extra_columns.contains(name)
            || config
                .outcome
                .as_ref()
                .is_some_and(|o| o.exam_date == *name || o.outcome_date == *name)
            || of_label.is_some_and(|label| label.column == *name);
        if !is_known {
            let hint = match nearest(name, &NAMES) {
                Some(near) => format!("did you mean dataset.values.{near}?"),
                None => format!("known are split, the extra columns, {}", NAMES.join(", ")),
            };
            let key = format!("dataset.values.{name}");
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
