//! Divides the rows into training, held-out and locked rows, and checks that no patient is in two.

use std::collections::HashSet;

use serde_json::Value;

use super::TrainError;
use crate::config::Config;
use crate::config::train::Folds;
use crate::dataset::Role;
use crate::dataset::folds::FoldsError;
use crate::error::Fault;
use crate::shard::table::{Row, Table};

/// Refuses a ratio of negatives that would have no effect, because the folds are those of the
/// release. `release` is the plan's settings.
///
/// # Errors
/// [`TrainError::Ratio`].
pub fn check_ratio(config: &Config, release: &Value) -> Result<(), TrainError> {
    let wanted = config.folds.negatives_per_positive;
    let released = release["folds"]["negatives_per_positive"].as_f64();
    let is_reassigned = config.train.folds == Folds::Reassign;
    match wanted.filter(|_| !is_reassigned && wanted != released) {
        Some(found) => Err(TrainError::Ratio { found, released }),
        None => Ok(()),
    }
}

/// Rows of a table, as indices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Training rows.
    pub train: Vec<usize>,
    /// Held-out rows; empty if no fold is held out.
    pub held_out: Vec<usize>,
    /// Rows of the locked split, which is in no fold. No choice may depend on them.
    pub locked: Vec<usize>,
}

impl Split {
    /// The split that holds out `fold`, or no fold. Rows with another role (left out, or of the
    /// test table) are in no part.
    ///
    /// # Errors
    /// [`TrainError::NoFold`]; [`TrainError::NothingToLearn`] if a class is missing;
    /// [`FoldsError::Divided`] if a patient is in the training rows and in another part.
    pub fn new(table: &Table, fold: Option<u16>) -> Result<Self, Fault> {
        let folds = table.folds();
        if let Some(found) = fold.filter(|fold| !folds.contains(fold)) {
            return Err(TrainError::NoFold { found, folds }.into());
        }
        let rows = || table.rows.iter().enumerate().filter(|(_, row)| row.fold().is_some());
        let (held_out, train): (Vec<_>, Vec<_>) = rows().partition(|(_, row)| {
            // If no fold is held out, no row has the fold `None`.
            row.fold() == fold
        });
        let indices = |rows: Vec<(usize, _)>| rows.into_iter().map(|(index, _)| index).collect();
        let is_locked = |(_, row): &(usize, &Row)| row.role == Role::Locked;
        let locked = table.rows.iter().enumerate().filter(is_locked).collect();
        let split =
            Self { train: indices(train), held_out: indices(held_out), locked: indices(locked) };
        split.assert_disjoint(table, fold)?;
        let images = split.train.len();
        let labelled = |label| {
            split.train.iter().filter(|row| table.rows[**row].record.cancer == label).count()
        };
        let (positives, unlabelled) = (labelled(Some(true)), labelled(None));
        if positives == 0 || positives + unlabelled == images {
            return Err(TrainError::NothingToLearn { images, positives, unlabelled }.into());
        }
        Ok(split)
    }

    fn assert_disjoint(&self, table: &Table, fold: Option<u16>) -> Result<(), FoldsError> {
        let patient = |row: &usize| table.rows[*row].record.patient_id.as_str();
        let trained: HashSet<&str> = self.train.iter().map(patient).collect();
        let held_out = fold.map_or("none".into(), |fold| format!("fold {fold}"));
        for (rows, second) in
            [(&self.held_out, held_out), (&self.locked, "the locked split".into())]
        {
            if let Some(patient_id) = rows.iter().map(patient).find(|id| trained.contains(id)) {
                return Err(FoldsError::Divided {
                    patient_id: patient_id.to_owned(),
                    first: "the training rows".into(),
                    second,
                });
            }
        }
        Ok(())
    }
}
