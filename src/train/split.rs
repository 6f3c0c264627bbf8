//! Which rows are trained on and which are held out, with proof that no patient is both.

use std::collections::HashSet;

use super::TrainError;
use crate::dataset::folds::FoldsError;
use crate::error::Fault;
use crate::shard::table::Table;

/// Rows of a table, as indices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Trained on.
    pub train: Vec<usize>,
    /// Held out; empty if all are trained on.
    pub held_out: Vec<usize>,
}

impl Split {
    /// Holds out `fold`, or nothing. Rows of no fold (locked, left out, test) are in neither
    /// part.
    ///
    /// # Errors
    /// [`TrainError::NoFold`]; [`TrainError::NothingToLearn`] if one of the classes is missing;
    /// [`FoldsError::Divided`] if a patient is on both sides.
    pub fn new(table: &Table, fold: Option<u16>) -> Result<Self, Fault> {
        let folds = table.folds();
        if let Some(found) = fold.filter(|fold| !folds.contains(fold)) {
            return Err(TrainError::NoFold { found, folds }.into());
        }
        let rows = || table.rows.iter().enumerate().filter(|(_, row)| row.fold().is_some());
        let (held_out, train): (Vec<_>, Vec<_>) = rows().partition(|(_, row)| {
            // Without a fold held out, `None` is the fold of no row.
            row.fold() == fold
        });
        let indices = |rows: Vec<(usize, _)>| rows.into_iter().map(|(index, _)| index).collect();
        let split = Self { train: indices(train), held_out: indices(held_out) };
        split.assert_disjoint(table, fold)?;
        let cancer = |row: &&usize| table.rows[**row].record.cancer == Some(true);
        let positives = split.train.iter().filter(cancer).count();
        if positives == 0 || positives == split.train.len() {
            return Err(TrainError::NothingToLearn { images: split.train.len(), positives }.into());
        }
        Ok(split)
    }

    fn assert_disjoint(&self, table: &Table, fold: Option<u16>) -> Result<(), FoldsError> {
        let patient = |row: &usize| table.rows[*row].record.patient_id.as_str();
        let trained: HashSet<&str> = self.train.iter().map(patient).collect();
        match self.held_out.iter().map(patient).find(|patient| trained.contains(patient)) {
            None => Ok(()),
            Some(patient_id) => Err(FoldsError::Divided {
                patient_id: patient_id.to_owned(),
                first: "the rows trained on".into(),
                second: fold.map_or("none".into(), |fold| format!("fold {fold}")),
            }),
        }
    }
}
