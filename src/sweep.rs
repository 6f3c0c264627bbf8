//! The report's experiment: one network without auxiliary targets, and one for each of their
//! weights, all else the same, over all folds.
//!
//! In: a release, settings, and the weights that are wanted. Out: a folder with a run for each
//! weight, as `train` leaves it, and what they come to ([`results`]).
//!
//! ```text
//! sweeps/<name>/
//!   sweep-settings.json     what is common to all runs: who comes with other settings is refused
//!   cnn-only/, w-0.1/, ...  the runs
//!   claims/                 who works, or worked, on which of them
//!   sweep.json, sweep.html  what the finished ones come to
//! ```
//!
//! Any number of processes, on machines that share the folder, may work on one sweep: each takes
//! the next run that is neither finished nor claimed ([`claim`]). A run that was killed is gone
//! on with by whoever comes next.

pub mod claim;
mod error;
pub mod results;
pub mod settings;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use error::SweepError;
pub use settings::{Settings, Weight};

use self::claim::{Asked, Claim, HEARTBEAT, Holder, SILENCE};
use crate::error::Fault;
use crate::shard::table::Table;
use crate::train::folder::RunFolder;
use crate::train::run::{self, Run, State};
use crate::train::setup::Setup;
use crate::train::{self, Control, End, TrainError};

/// A sweep's folder, open for work.
#[derive(Debug)]
pub struct Sweep {
    folder: PathBuf,
    settings: Settings,
}

/// What came of the runs that were asked for, as far as this process is concerned.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// All are finished.
    Finished,
    /// It was asked to stop; what was done is saved.
    Stopped,
    /// Nothing is left to begin: others work on these, or did until a while ago.
    Elsewhere(Vec<Elsewhere>),
    /// The loss of these became no number; all others are finished.
    Failed(Vec<Weight>),
}

/// A run that somebody else has.
#[derive(Debug, Clone, PartialEq)]
pub struct Elsewhere {
    /// Its weight.
    pub weight: Weight,
    /// Who has it; `None` if they took it this very moment.
    pub holder: Option<Holder>,
    /// Time since their last sign of life.
    pub silent: Duration,
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { weight, holder, silent } = self;
        write!(f, "{weight}")?;
        if let Some(holder) = holder {
            write!(f, " by {holder}")?;
        }
        // Two heartbeats that were not heard.
        if *silent > 2 * HEARTBEAT {
            let (silent, most) = (silent.as_secs(), SILENCE.as_secs());
            write!(f, ", silent for {silent} s; may be taken over after {most} s")?;
        }
        Ok(())
    }
}

/// Whether a run is to be trained by this process.
enum Turn {
    Done,
    Elsewhere(Elsewhere),
    Ours(Claim),
}

/// Who watches a sweep.
pub struct Watcher<'a> {
    /// A run begins or goes on.
    pub begin: &'a dyn Fn(Weight),
    /// A run is finished, by this process.
    pub finished: &'a dyn Fn(Weight) -> Result<(), Fault>,
}

impl Sweep {
    /// Begins a sweep in `folder`, or goes on with the one there.
    ///
    /// # Errors
    /// [`SweepError::Changed`] if it was begun otherwise; [`Fault::Io`].
    pub fn open(folder: &Path, settings: Settings) -> Result<Self, Fault> {
        std::fs::create_dir_all(folder).map_err(Fault::io(folder))?;
        settings.settle(folder)?;
        let claims = folder.join("claims");
        std::fs::create_dir_all(&claims).map_err(Fault::io(&claims))?;
        Ok(Self { folder: folder.into(), settings })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What all runs have in common.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The folder of a run.
    pub fn run(&self, weight: Weight) -> PathBuf {
        self.folder.join(weight.folder())
    }

    /// Whether a run is finished.
    ///
    /// # Errors
    /// [`Fault::Json`], [`Fault::Io`].
    pub fn is_finished(&self, weight: Weight) -> Result<bool, Fault> {
        let status = run::read_status(&self.run(weight))?;
        Ok(status.is_some_and(|status| status.state == State::Finished))
    }

    /// Trains what of `weights` nobody else trains, one after the other. `setup` is that of every
    /// run but for the weight.
    ///
    /// # Errors
    /// A [`Fault`]; what was saved before stays.
    pub fn work(
        &self,
        weights: &[Weight],
        table: &Arc<Table>,
        setup: &Setup,
        control: &Control<'_>,
        watcher: &Watcher<'_>,
    ) -> Result<Outcome, Fault> {
        let (mut failed, mut worked) = (Vec::new(), true);
        let mut elsewhere = Vec::new();
        // Those who had a run when it was looked at may be dead by the time that others are done.
        while std::mem::take(&mut worked) {
            elsewhere.clear();
            for &weight in weights {
                if failed.contains(&weight) {
                    continue;
                }
                if control.stop.is_raised() {
                    return Ok(Outcome::Stopped);
                }
                let claim = match self.claim(weight, control)? {
                    Turn::Done => continue,
                    Turn::Elsewhere(run) => {
                        elsewhere.push(run);
                        continue;
                    }
                    Turn::Ours(claim) => claim,
                };
                worked = true;
                (watcher.begin)(weight);
                match self.train(weight, &claim, table, setup, control) {
                    Ok(End::Finished) => (watcher.finished)(weight)?,
                    Ok(End::Stopped) => return Ok(Outcome::Stopped),
                    Err(fault) if TrainError::is_not_finite(&fault) => {
                        // Of this weight alone, so the others may do.
                        (control.tell)(&format!("{weight}: {fault}"));
                        failed.push(weight);
                    }
                    Err(fault) => return Err(fault),
                }
            }
        }
        Ok(match () {
            () if !elsewhere.is_empty() => Outcome::Elsewhere(elsewhere),
            () if !failed.is_empty() => Outcome::Failed(failed),
            () => Outcome::Finished,
        })
    }

    /// Whose turn it is.
    fn claim(&self, weight: Weight, control: &Control<'_>) -> Result<Turn, Fault> {
        if self.is_finished(weight)? {
            return Ok(Turn::Done);
        }
        let (claim, dead) = match Claim::ask(&self.folder.join("claims"), &weight.folder())? {
            Asked::Theirs { holder, silent } => {
                return Ok(Turn::Elsewhere(Elsewhere { weight, holder, silent }));
            }
            Asked::Ours { claim, dead } => (claim, dead),
        };
        if let Some(dead) = dead {
            (control.tell)(&format!("{weight}: {dead} is gone; taking its run over"));
        }
        // Whoever had it may have finished it since the look above.
        Ok(if self.is_finished(weight)? { Turn::Done } else { Turn::Ours(claim) })
    }

    fn train(
        &self,
        weight: Weight,
        claim: &Claim,
        table: &Arc<Table>,
        setup: &Setup,
        control: &Control<'_>,
    ) -> Result<End, Fault> {
        let (path, facts) = (self.run(weight), self.settings.of(weight));
        let run = if RunFolder::new(&path).is_begun() {
            let run = Run::resume(&path)?;
            let differences = settings::differences(&facts, &run.facts);
            if !differences.is_empty() {
                return Err(SweepError::Foreign { path, differences }.into());
            }
            run
        } else {
            Run::create(&path, facts)?
        };
        let setup = Setup { train: run.facts.train.clone(), ..setup.clone() };
        let seen = |seen: &train::Seen<'_>| {
            if claim.is_lost() {
                control.stop.raise();
            }
            (control.seen)(seen);
        };
        let control = Control { stop: control.stop.clone(), seen: &seen, tell: control.tell };
        let end = train::train(&run, table, &setup, &control);
        if claim.is_lost() {
            return Err(SweepError::ClaimLost { path }.into());
        }
        end
    }
}
