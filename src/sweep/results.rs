//! The metrics of the finished runs of a sweep, and the progress of the others.
//!
//! In: the folder of a sweep, in any state. Out: [`Results`], which is `sweep.json`. Only finished
//! runs are evaluated, because an unfinished one has fewer folds or epochs than the others.

use std::path::Path;

use serde::Serialize;

use super::claim::{self, Holder};
use super::settings::{Settings, Weight};
use crate::error::Fault;
use crate::evaluate::Bootstrap;
use crate::evaluate::run::{Epoch, EpochRule, Loaded, load};
use crate::evaluate::sweep::{Row, Run, table};
use crate::predictions::Level;
use crate::train::folder::RunFolder;
use crate::train::run::{State, Status, read_facts, read_status};

/// Levels of evaluation: by breast, as in the RSNA competition, and by image.
const LEVELS: [Level; 2] = [Level::BreastMean, Level::Image];

/// `sweep.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Results {
    /// The settings of all runs.
    pub settings: Settings,
    /// The state of each run: the eleven default weights, and any others in the folder.
    pub runs: Vec<Standing>,
    /// The table, by breast and by image.
    pub levels: Vec<AtLevel>,
    /// Parameters of the bootstrap intervals.
    pub bootstrap: Bootstrap,
}

/// The table of one level.
#[derive(Debug, Clone, Serialize)]
pub struct AtLevel {
    /// The level.
    pub level: Level,
    /// One row per finished run.
    pub rows: Vec<Row>,
}

/// The state of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Standing {
    /// Weight of the auxiliary targets; 0 is the network without them.
    pub weight: Weight,
    /// Its folder, below the folder of the sweep.
    pub folder: String,
    /// Its state; `None` if it has not started.
    pub state: Option<State>,
    /// The contents of its `status.json`.
    pub status: Option<Status>,
    /// The process that trains it now.
    pub holder: Option<Holder>,
    /// SHA-256 of the program that started it.
    pub program_sha256: Option<String>,
    /// The epoch of each fold that is evaluated, and how it was selected.
    pub epoch: Option<Epoch>,
}

impl Standing {
    fn read(sweep: &Path, weight: Weight) -> Result<Self, Fault> {
        let folder = weight.folder();
        let path = sweep.join(&folder);
        let is_begun = RunFolder::new(&path).is_begun();
        let status = read_status(&path)?;
        let holder = claim::holder(&sweep.join("claims"), &folder)?;
        let state = match (&status, &holder) {
            (Some(status), _) if status.state == State::Finished => Some(State::Finished),
            // Other machines may not see the lock of a run, but they see its claim.
            (_, Some(_)) => Some(State::Running),
            (Some(status), None) => Some(status.state),
            (None, None) => is_begun.then_some(State::Killed),
        };
        let program_sha256 =
            is_begun.then(|| read_facts(&path)).transpose()?.map(|facts| facts.program_sha256);
        Ok(Self { weight, folder, state, status, holder, program_sha256, epoch: None })
    }

    /// Whether it is finished.
    pub fn is_finished(&self) -> bool {
        self.state == Some(State::Finished)
    }

    /// Its state in a word or two.
    pub fn state(&self) -> &'static str {
        match self.state {
            None => "not started",
            Some(State::Finished) => "finished",
            Some(State::Running) => "running",
            Some(State::Stopped) => "stopped, saved",
            Some(State::Killed) => "killed",
            Some(State::Failed) => "failed",
        }
    }

    /// Its state, process and progress.
    pub fn describe(&self) -> String {
        let mut text = self.state().to_owned();
        if let Some(holder) = &self.holder {
            text += &format!(" ({holder})");
        }
        match &self.status {
            Some(status) if !self.is_finished() => {
                let fold = status.fold.map_or(String::new(), |fold| format!("fold {fold}, "));
                let (epoch, epochs) = (status.epoch(), status.epochs.1);
                let (step, steps) = status.steps;
                text + &format!(": {fold}epoch {epoch} of {epochs}, step {step} of {steps}")
            }
            _ => text,
        }
    }
}

impl Results {
    /// The current results of the sweep in `folder`.
    ///
    /// # Errors
    /// A [`Fault`] if it holds no sweep, or a finished run cannot be evaluated.
    pub fn read(folder: &Path, bootstrap: &Bootstrap) -> Result<Self, Fault> {
        let settings = Settings::read(folder)?;
        let mut runs = weights(folder)?
            .into_iter()
            .map(|weight| Standing::read(folder, weight))
            .collect::<Result<Vec<_>, Fault>>()?;
        let mut evaluated: Vec<(Weight, Loaded, Loaded)> = Vec::new();
        for run in runs.iter_mut().filter(|run| run.is_finished()) {
            let path = folder.join(&run.folder);
            let crossed = load(&path, EpochRule::CrossFitted)?;
            run.epoch = Some(crossed.epoch.clone());
            evaluated.push((run.weight, load(&path, EpochRule::Best)?, crossed));
        }
        let of_tables: Vec<Run> = evaluated
            .iter()
            .map(|(weight, best, crossed)| Run {
                weight: weight.of_auxiliary(),
                at_best_epochs: &best.predictions,
                cross_fitted: &crossed.predictions,
            })
            .collect();
        let at = |level: &Level| {
            Ok(AtLevel { level: *level, rows: table(&of_tables, *level, bootstrap)? })
        };
        let levels = LEVELS.iter().map(at).collect::<Result<_, Fault>>()?;
        Ok(Self { settings, runs, levels, bootstrap: *bootstrap })
    }

    /// Number of finished runs.
    pub fn finished(&self) -> usize {
        self.runs.iter().filter(|run| run.is_finished()).count()
    }
}

/// The default weights and those of the runs in `folder`, in ascending order.
fn weights(folder: &Path) -> Result<Vec<Weight>, Fault> {
    let mut weights = Weight::of_the_report();
    for entry in std::fs::read_dir(folder).map_err(Fault::io(folder))? {
        let name = entry.map_err(Fault::io(folder))?.file_name();
        weights.extend(name.to_str().and_then(Weight::of_folder));
    }
    weights.sort_by(|a, b| a.value().total_cmp(&b.value()));
    weights.dedup();
    Ok(weights)
}
