//! The networks of a run, and the patients that each of them may not speak of.

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

/// The network of a checkpoint, ready to be asked.
///
/// # Errors
/// Those of [`Checkpoint::read`] and [`Checkpoint::network`].
pub fn read(path: &Path, device: Device) -> Result<Network, Fault> {
    Checkpoint::read(path)?.network(device)
}

/// The best network of each of `folds` (`None`: the one that was trained on all).
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

/// `table` with the roles that a run gave its rows.
///
/// # Errors
/// [`FoldsError`].
pub fn with_folds(table: Table, facts: &RunFacts) -> Result<Table, Fault> {
    match &facts.folds {
        Some(folds) => table.with_folds(folds),
        None => Ok(table),
    }
}

/// Patients that a run's networks were trained on, each with the fold that held her out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// By patient.
    pub patients: HashMap<String, u16>,
    /// Where that is from.
    pub from: KnownFrom,
}

/// Where the patients of a run are known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownFrom {
    /// The release that it was trained on: all of them.
    Release,
    /// The predictions of the folds that were held out: without the release, those alone.
    Validation,
}

/// The patients of the folds of the run in `run`.
///
/// # Errors
/// Those of reading its release, if that is still there, or else its predictions.
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
            let said = predictions::read(&path)?;
            patients.extend(said.into_iter().map(|p| (p.record.patient_id.to_string(), *fold)));
        }
    }
    Ok(Known { patients, from: KnownFrom::Validation })
}
