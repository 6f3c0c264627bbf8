//! What the finished runs of a sweep come to, and how far the others are.
//!
//! In: the folder of a sweep, in whatever state it is. Out: [`Results`], which is `sweep.json`.
//! Half a run is not judged: its folds would be fewer, or younger, than those beside it.

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

/// What an item may be: breasts as the competition judges them, images as the table has them.
const LEVELS: [Level; 2] = [Level::BreastMean, Level::Image];

/// `sweep.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Results {
    /// What all runs have in common.
    pub settings: Settings,
    /// How far each run is: the report's eleven weights, and whatever else was trained.
    pub runs: Vec<Standing>,
    /// The table, by breast and by image.
    pub levels: Vec<AtLevel>,
    /// How the intervals were made.
    pub bootstrap: Bootstrap,
}

/// The table with items of one kind.
#[derive(Debug, Clone, Serialize)]
pub struct AtLevel {
    /// What an item is.
    pub level: Level,
    /// A row for every finished run.
    pub rows: Vec<Row>,
}

/// How far a run is.
#[derive(Debug, Clone, Serialize)]
pub struct Standing {
    /// Of the auxiliary targets; 0 is the network without them.
    pub weight: Weight,
    /// Its folder below the sweep's.
    pub folder: String,
    /// What it is doing.
    pub state: Option<State>,
    /// What `status.json` of its folder says.
    pub status: Option<Status>,
    /// Who trains it now.
    pub holder: Option<Holder>,
    /// SHA-256 of the program that began it.
    pub program_sha256: Option<String>,
    /// The epochs that all folds together are judged at, and who chose them.
    pub epoch: Option<Epoch>,
}

impl Standing {
    fn read(sweep: &Path, weight: Weight) -> Result<Self, Fault> {
        let folder = weight.folder();
        let path = sweep.join(&folder);
        let begun = RunFolder::new(&path).is_begun();
        let status = read_status(&path)?;
        let holder = claim::holder(&sweep.join("claims"), &folder)?;
        let state = match (&status, &holder) {
            (Some(status), _) if status.state == State::Finished => Some(State::Finished),
            // The lock of a run is not seen from everywhere, its claim is.
            (_, Some(_)) => Some(State::Running),
            (Some(status), None) => Some(status.state),
            (None, None) => begun.then_some(State::Killed),
        };
        let program_sha256 =
            begun.then(|| read_facts(&path)).transpose()?.map(|facts| facts.program_sha256);
        Ok(Self { weight, folder, state, status, holder, program_sha256, epoch: None })
    }

    /// Whether it is done.
    pub fn is_finished(&self) -> bool {
        self.state == Some(State::Finished)
    }

    /// What it is doing, in a word or two.
    pub fn state(&self) -> &'static str {
        match self.state {
            None => "not begun",
            Some(State::Finished) => "finished",
            Some(State::Running) => "running",
            Some(State::Stopped) => "stopped, saved",
            Some(State::Killed) => "killed",
            Some(State::Failed) => "failed",
        }
    }

    /// The same, by whom, and how far it is.
    pub fn describe(&self) -> String {
        let mut text = self.state().to_owned();
        if let Some(holder) = &self.holder {
            text += &format!(" ({holder})");
        }
        match &self.status {
            Some(status) if !self.is_finished() => {
                let fold = status.fold.map_or(String::new(), |fold| format!("fold {fold}, "));
                let ((epoch, epochs), (step, steps)) = (status.epochs, status.steps);
                text + &format!(": {fold}epoch {epoch} of {epochs}, step {step} of {steps}")
            }
            _ => text,
        }
    }
}

impl Results {
    /// Those of the sweep in `folder`, as it is now.
    ///
    /// # Errors
    /// A [`Fault`] if it holds no sweep, or what is finished cannot be judged.
    pub fn read(folder: &Path, bootstrap: &Bootstrap) -> Result<Self, Fault> {
        let settings = Settings::read(folder)?;
        let mut runs = weights(folder)?
            .into_iter()
            .map(|weight| Standing::read(folder, weight))
            .collect::<Result<Vec<_>, Fault>>()?;
        let mut judged: Vec<(Weight, Loaded, Loaded)> = Vec::new();
        for run in runs.iter_mut().filter(|run| run.is_finished()) {
            let path = folder.join(&run.folder);
            let crossed = load(&path, EpochRule::CrossFitted)?;
            run.epoch = Some(crossed.epoch.clone());
            judged.push((run.weight, load(&path, EpochRule::Best)?, crossed));
        }
        let of_tables: Vec<Run> = judged
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

    /// Finished runs.
    pub fn finished(&self) -> usize {
        self.runs.iter().filter(|run| run.is_finished()).count()
    }
}

/// The report's weights and those of the runs in `folder`, in order.
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
