//! The networks of a run, and the patients that each of them was trained on.

use std::collections::HashMap;
use std::path::Path;

use super::ensemble::Member;
use crate::error::Fault;
use crate::model::Device;
use crate::model::network::Network;
use crate::predictions;
use crate::shard::ReleaseFolder;
use crate::shard::table::Table;
use crate::train::checkpoint::Checkpoint;
use crate::train::folder::RunFolder;
use crate::train::run::RunFacts;

/// The network of a checkpoint, ready for inference.
///
/// # Errors
/// Those of [`Checkpoint::read`] and [`Checkpoint::network`].
pub fn read(path: &Path, device: Device) -> Result<Network, Fault> {
    Checkpoint::read(path)?.network(device)
}

/// The best network of each of `folds` (`None`: the network trained on all patients).
///
/// # Errors
/// Those of [`read`].
pub fn members(run: &Path, folds: &[Option<u16>], device: Device) -> Result<Vec<Member>, Fault> {
    let member = |&fold: &Option<u16>| {
        let network = read(&RunFolder::new(run).fold(fold).best(), device)?;
        Ok(Member { network, fold })
    };
    folds.iter().map(member).collect()
}

/// `table` with the roles that the run assigned to its rows.
///
/// # Errors
/// [`FoldsError`](crate::dataset::folds::FoldsError).
pub fn with_folds(table: Table, facts: &RunFacts) -> Result<Table, Fault> {
    match &facts.folds {
        Some(folds) => table.with_folds(folds),
        None => Ok(table),
    }
}

/// Patients that a run's networks were trained on, each with the fold that held her out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The fold of each patient.
    pub patients: HashMap<String, u16>,
    /// The data that it was read from.
    pub from: KnownFrom,
}

/// The data that the patients of a run are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownFrom {
    /// The release that it was trained on: all of them.
    Release,
    /// The predictions for the held-out folds: without the release only these patients are known.
    Validation,
}

/// The patients of the folds of the run in `run`.
///
/// # Errors
/// Those of reading the run's release, or its predictions if the release is no longer there.
pub fn known(run: &Path, facts: &RunFacts) -> Result<Known, Fault> {
    if ReleaseFolder::new(&facts.release).is_complete() {
        let table = Table::read(&facts.release)?;
        if table.plan_sha256 == facts.release_plan_sha256 {
            let rows = with_folds(table, facts)?.rows;
            let patient = |row: &crate::shard::table::Row| {
                Some((row.record.patient_id.to_string(), row.fold()?))
            };
            let patients = rows.iter().filter_map(patient).collect();
            return Ok(Known { patients, from: KnownFrom::Release });
        }
    }
    let mut patients = HashMap::new();
    for fold in facts.held_out.iter().flatten() {
        let path = RunFolder::new(run).fold(Some(*fold)).validation();
        if path.exists() {
            let predictions = predictions::read(&path)?;
            patients
                .extend(predictions.into_iter().map(|p| (p.record.patient_id.to_string(), *fold)));
        }
    }
    Ok(Known { patients, from: KnownFrom::Validation })
}
