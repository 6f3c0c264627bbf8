//! Scores a competition submission against the labels.
//!
//! In: a CSV file with `prediction_id,cancer`, one probability per breast; and the labels, as a
//! table with one row per image (as `train.csv`) or with `prediction_id,cancer`. Out: a [`Score`]:
//! pF1 and the other metrics by breast, with intervals from resampled patients. The submission
//! must have every breast of the labels exactly once, and no other breast.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use csv::ReaderBuilder;
use serde::Serialize;

use super::bootstrap::Bootstrap;
use super::choice::{self, Given};
use super::evaluation::Size;
use super::metric_set::{MetricName, MetricSet, Prepared};
use crate::config::{Config, DatasetConfig};
use crate::dataset::table::{self, Problems, cell};
use crate::error::{Fault, faults};
use crate::metrics::Grid;
use crate::predictions::{Items, Level};
use crate::record::Split;

/// The performance of a submission.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// The number of breasts.
    #[serde(flatten)]
    pub size: Size,
    /// The metrics by breast.
    pub metrics: MetricSet,
    /// The threshold, of 50, with the highest F1.
    pub best_f1_threshold: Option<f64>,
    /// The threshold given by the caller.
    pub threshold: Option<f64>,
    /// How the intervals were made.
    pub bootstrap: Bootstrap,
}

/// The metrics that need the submission and the labels only.
const NAMES: [MetricName; 12] = [
    MetricName::Pf1,
    MetricName::Auroc,
    MetricName::PartialAuroc,
    MetricName::Auprc,
    MetricName::BestF1,
    MetricName::BestF1Accuracy,
    MetricName::SensitivityAt90,
    MetricName::SensitivityAt95,
    MetricName::SensitivityAt99,
    MetricName::Brier,
    MetricName::Ece,
    MetricName::EceSameCount,
];

/// The metrics that need a threshold too.
const AT_THRESHOLD: [MetricName; 6] = [
    MetricName::F1,
    MetricName::Accuracy,
    MetricName::Sensitivity,
    MetricName::Specificity,
    MetricName::RecallRate,
    MetricName::Ppv,
];

/// A list of ids; a message shows the first five.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Some5(pub Vec<String>);

impl fmt::Display for Some5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0[..self.0.len().min(5)].join(", "))?;
        match self.0.len() {
            0..=5 => Ok(()),
            all => write!(f, " and {} more", all - 5),
        }
    }
}

/// What is wrong with a submission or its labels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmissionError {
    /// The file is not such a table.
    #[error("{}: {reason}", .path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// The problem.
        reason: String,
    },
    /// A value that cannot be read.
    #[error("{}:{line}: cancer is {found:?}, needs {needed}", .path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The value found.
        found: String,
        /// The values that are valid.
        needed: &'static str,
    },
    /// A breast with two rows.
    #[error("{}:{line}: prediction_id {id} is already in line {first}", .path.display())]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The breast.
        id: String,
        /// Its first line.
        first: u64,
    },
    /// Breasts without a prediction.
    #[error("{}: no row for {} of the {of} breasts of the labels: {ids}", .path.display(), .ids.0.len())]
    Missing {
        /// The submission.
        path: PathBuf,
        /// Number of breasts in the labels.
        of: usize,
        /// The missing ones.
        ids: Some5,
    },
    /// Predictions for breasts that have no label.
    #[error("{}: {} prediction_id without a label: {ids}", .path.display(), .ids.0.len())]
    Unknown {
        /// The submission.
        path: PathBuf,
        /// Those without a label.
        ids: Some5,
    },
    /// A breast with two different labels.
    #[error("{}:{line}: the label of {id} differs from that in line {first}", .path.display())]
    Contradiction {
        /// The labels.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The breast.
        id: String,
        /// Its first line.
        first: u64,
    },
}
faults!(SubmissionError);

/// Scores a submission; with a `threshold`, also the metrics that need one.
///
/// # Errors
/// [`Fault::Io`], [`TableErrors`](crate::dataset::table::TableErrors), [`SubmissionError`].
pub fn score(
    submission: &Path,
    labels: &Path,
    threshold: Option<f64>,
    bootstrap: &Bootstrap,
) -> Result<Score, Fault> {
    let labels = read_labels(labels)?;
    let items = pair(submission, &labels)?;
    let nothing = items.select(&[]);
    let decided = choice::locked(&items, &nothing, Given { threshold, logit_shift: 0.0 });
    let mut names = NAMES.to_vec();
    if threshold.is_some() {
        names.extend(AT_THRESHOLD);
    }
    let best = Grid::new(&items.probabilities, &items.labels)
        .and_then(|grid| grid.best_f1(&vec![1.0; items.len()]));
    Ok(Score {
        size: Size::of(&items),
        metrics: Prepared::new(&items, &decided).metrics(&names, bootstrap),
        best_f1_threshold: best.ok().map(|best| best.threshold),
        threshold,
        bootstrap: *bootstrap,
    })
}

/// A breast of the labels.
struct Labelled {
    patient: String,
    cancer: bool,
    line: u64,
}

fn read_labels(path: &Path) -> Result<BTreeMap<String, Labelled>, Fault> {
    let text = std::fs::read(path).map_err(Fault::io(path))?;
    let header = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let header = String::from_utf8_lossy(header);
    let by_image =
        header.split(',').any(|column| column.trim_matches(['"', '\r', ' ']) == "image_id");
    let rows = if by_image { by_image_rows(path)? } else { by_breast_rows(path)? };
    let mut breasts: BTreeMap<String, Labelled> = BTreeMap::new();
    for (id, row) in rows {
        match breasts.get(&id) {
            Some(first) if first.cancer != row.cancer => {
                let (path, line, first) = (path.into(), row.line, first.line);
                return Err(SubmissionError::Contradiction { path, line, id, first }.into());
            }
            Some(first) if !by_image => {
                let (path, line, first) = (path.into(), row.line, first.line);
                return Err(SubmissionError::Duplicate { path, line, id, first }.into());
            }
            Some(_) => {}
            None => {
                breasts.insert(id, row);
            }
        }
    }
    Ok(breasts)
}

/// Labels of a table with one row per image.
fn by_image_rows(path: &Path) -> Result<Vec<(String, Labelled)>, Fault> {
    let config = DatasetConfig { train_csv: Some(path.into()), ..Config::default().dataset };
    let mut problems = Problems::default();
    let table = table::read_alone(Split::Train, &config, &mut problems)?;
    problems.check()?;
    let row = |record: crate::record::ImageRecord| {
        let lacks = |column: &str| SubmissionError::Table {
            path: path.into(),
            reason: format!("line {} has no {column}", record.line),
        };
        let patient = record.patient_id.to_string();
        let cancer = record.cancer.ok_or_else(|| lacks("cancer"))?;
        let id = record.breast_id().ok_or_else(|| lacks("laterality"))?;
        Ok((id, Labelled { patient, cancer, line: record.line }))
    };
    table.records.into_iter().map(row).collect()
}

/// Labels with one row per breast. The patient is the part of the id before the last `_`.
fn by_breast_rows(path: &Path) -> Result<Vec<(String, Labelled)>, Fault> {
    let row = |(line, id, value): (u64, String, String)| {
        let cancer = cell::boolean(&value).map_err(|needed| SubmissionError::Value {
            path: path.into(),
            line,
            found: value.clone(),
            needed,
        })?;
        let patient = id.rsplit_once('_').map_or(id.as_str(), |(patient, _)| patient).to_owned();
        Ok((id, Labelled { patient, cancer, line }))
    };
    rows(path)?.into_iter().map(row).collect()
}

/// Line, `prediction_id` and `cancer` of every row.
fn rows(path: &Path) -> Result<Vec<(u64, String, String)>, Fault> {
    let text = std::fs::read(path).map_err(Fault::io(path))?;
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let wrong = |reason: String| SubmissionError::Table { path: path.into(), reason };
    let mut reader = ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
    let header = reader.headers().map_err(|e| wrong(e.to_string()))?.clone();
    let place = |name: &str| {
        header.iter().position(|column| column == name).ok_or_else(|| {
            let found = header.iter().collect::<Vec<_>>().join(", ");
            wrong(format!("no column {name}; the header has {found}"))
        })
    };
    let (id, cancer) = (place("prediction_id")?, place("cancer")?);
    let row = |row: Result<csv::StringRecord, csv::Error>| {
        let row = row.map_err(|e| wrong(e.to_string()))?;
        let line = row.position().map_or(0, csv::Position::line);
        Ok((line, row[id].to_owned(), row[cancer].to_owned()))
    };
    reader.records().map(row).collect()
}

/// Joins the submission with the labels, in the order of the labels' ids.
fn pair(path: &Path, labels: &BTreeMap<String, Labelled>) -> Result<Items, Fault> {
    let mut predicted: HashMap<String, (u64, f64)> = HashMap::new();
    for (line, id, value) in rows(path)? {
        let probability = value.parse().ok().filter(|p| (0.0..=1.0).contains(p));
        let Some(probability) = probability else {
            let needed = "a probability from 0 to 1";
            let path = path.into();
            return Err(SubmissionError::Value { path, line, found: value, needed }.into());
        };
        if let Some((first, _)) = predicted.get(&id) {
            let (path, first) = (path.into(), *first);
            return Err(SubmissionError::Duplicate { path, line, id, first }.into());
        }
        predicted.insert(id, (line, probability));
    }
    let missing: Vec<String> =
        labels.keys().filter(|id| !predicted.contains_key(*id)).cloned().collect();
    if !missing.is_empty() {
        let (path, of, ids) = (path.into(), labels.len(), Some5(missing));
        return Err(SubmissionError::Missing { path, of, ids }.into());
    }
    let mut unknown: Vec<(u64, String)> = predicted
        .iter()
        .filter(|(id, _)| !labels.contains_key(*id))
        .map(|(id, (line, _))| (*line, id.clone()))
        .collect();
    if !unknown.is_empty() {
        unknown.sort();
        let ids = Some5(unknown.into_iter().map(|(_, id)| id).collect());
        return Err(SubmissionError::Unknown { path: path.into(), ids }.into());
    }
    let mut patients: BTreeMap<&str, u32> = BTreeMap::new();
    for breast in labels.values() {
        let next = patients.len() as u32;
        patients.entry(&breast.patient).or_insert(next);
    }
    Ok(Items {
        level: Level::BreastMean,
        probabilities: labels.keys().map(|id| predicted[id].1).collect(),
        labels: labels.values().map(|breast| breast.cancer).collect(),
        patients: labels.values().map(|breast| patients[breast.patient.as_str()]).collect(),
        rows: (0..labels.len() as u32).map(|row| vec![row]).collect(),
    })
}

#[cfg(test)]
mod tests;
