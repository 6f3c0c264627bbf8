//! Reads predictions from CSV, for example those of other models.
//!
//! The header names the columns of the Parquet file; `patient_id`, `image_id` and `probability`
//! (or `logit`) are required, all others are optional. A row without `role` and `fold` belongs to
//! the locked split.

use std::path::Path;

use super::{Prediction, PredictionsError, sigmoid};
use crate::config::{Config, DatasetConfig};
use crate::dataset::Role;
use crate::dataset::table::{self, Problems};
use crate::error::Fault;
use crate::record::Split;

/// The columns of a table of predictions that the dataset's table does not have.
const FURTHER: [&str; 4] = ["role", "fold", "logit", "probability"];

/// Reads a table of predictions.
///
/// # Errors
/// [`Fault::Io`]; [`TableErrors`] for problems of the dataset's columns; [`PredictionsError`] for
/// the first problem of the others.
pub(super) fn read(path: &Path) -> Result<Vec<Prediction>, Fault> {
    let config = DatasetConfig {
        train_csv: Some(path.into()),
        extra_columns: FURTHER.map(str::to_owned).to_vec(),
        ..Config::default().dataset
    };
    let mut problems = Problems::default();
    let table = table::read_alone(Split::Train, &config, &mut problems)?;
    problems.check()?;
    let wrong = |reason: String| Fault::from(PredictionsError { path: path.into(), reason });
    let rows = table.records.into_iter().map(|mut record| {
        let line = record.line;
        let cells = std::mem::take(&mut record.extra);
        let (role, logit, probability) =
            parse(&cells).map_err(|problem| wrong(format!("line {line}: {problem}")))?;
        Ok(Prediction { record, role, logit, probability })
    });
    rows.collect()
}

/// Role, logit and probability of the cells of [`FURTHER`].
fn parse(cells: &[Option<String>]) -> Result<(Role, f64, f64), String> {
    let cell = |i: usize| cells[i].as_deref();
    let number = |i: usize| match cell(i).map(str::parse::<f64>) {
        None => Ok(None),
        Some(Ok(number)) if number.is_finite() => Ok(Some(number)),
        Some(_) => Err(format!("{} is {:?}, not a finite number", FURTHER[i], cell(i))),
    };
    let role = match (cell(0), cell(1)) {
        (None | Some("fold"), Some(fold)) => {
            // pandas writes an integer column with missing values as floats.
            let number = fold.strip_suffix(".0").unwrap_or(fold).parse();
            Role::Fold(number.map_err(|_| format!("fold is {fold:?}, not 0 to 65535"))?)
        }
        (None | Some("locked"), None) => Role::Locked,
        (Some("left_out"), None) => Role::LeftOut,
        (Some("test"), None) => Role::Test,
        (role, fold) => {
            let (role, fold) = (role.unwrap_or_default(), fold.unwrap_or_default());
            return Err(format!(
                "role {role:?} with fold {fold:?}; fold has a number, locked, left_out and test \
                 have none"
            ));
        }
    };
    let (logit, probability) = match (number(2)?, number(3)?) {
        (_, Some(p)) if !(0.0..=1.0).contains(&p) => {
            return Err(format!("probability is {p}, not 0 to 1"));
        }
        (Some(logit), Some(probability)) => (logit, probability),
        (Some(logit), None) => (logit, sigmoid(logit)),
        (None, Some(p)) => (super::logit(p), p),
        (None, None) => return Err("has neither probability nor logit".into()),
    };
    Ok((role, logit, probability))
}
