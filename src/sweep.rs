//! Measures the effect of the auxiliary targets: one run without them and one for each of their
//! weights, over all folds, with all other settings the same.
//!
//! In: a release, settings and weights. Out: a folder with a run for each weight, as `train` writes
//! it, and their metrics ([`results`]).
//!
//! ```text
//! sweeps/<name>/
//!   sweep-settings.json     settings of all runs; a process with other settings is refused
//!   cnn-only/, w-0.1/, ...  the runs
//!   claims/                 which process trains, or trained, which run
//!   sweep.json, sweep.html  metrics of the finished runs
//! ```
//!
//! Several processes, on machines that share the folder, may work on one sweep. Each takes the next
//! run that is neither finished nor claimed ([`claim`]), and resumes runs that were killed.

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

use self::claim::{Claim, DEAD_AFTER, HEARTBEAT, Holder, Requested};
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

/// The outcome of the requested runs for this process.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// All runs are finished.
    Finished,
    /// The process was asked to stop; the state is saved.
    Stopped,
    /// No run is left for this process; other processes have claimed these.
    Elsewhere(Vec<Elsewhere>),
    /// The loss of these runs was not finite; all others are finished.
    Failed(Vec<Weight>),
}

/// A run that another process has claimed.
#[derive(Debug, Clone, PartialEq)]
pub struct Elsewhere {
    /// Weight of the run.
    pub weight: Weight,
    /// The process; `None` if it has not written its name yet.
    pub holder: Option<Holder>,
    /// Time since its last heartbeat.
    pub since_heartbeat: Duration,
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { weight, holder, since_heartbeat } = self;
        write!(f, "{weight}")?;
        if let Some(holder) = holder {
            write!(f, " by {holder}")?;
        }
        // Two heartbeats are missing.
        if *since_heartbeat > 2 * HEARTBEAT {
            let (since_heartbeat, most) = (since_heartbeat.as_secs(), DEAD_AFTER.as_secs());
            write!(f, ", no heartbeat for {since_heartbeat} s; may be taken over after {most} s")?;
        }
        Ok(())
    }
}

/// Whether this process is to train a run.
enum Turn {
    Done,
    Elsewhere(Elsewhere),
    Ours(Claim),
}

/// Called as the runs of a sweep start and finish.
pub struct Watcher<'a> {
    /// Called when a run starts or resumes.
    pub begin: &'a dyn Fn(Weight),
    /// Called when this process has finished a run.
    pub finished: &'a dyn Fn(Weight) -> Result<(), Fault>,
}

impl Sweep {
    /// Starts a sweep in `folder`, or opens the one there.
    ///
    /// # Errors
    /// [`SweepError::Changed`] if it was started with other settings; [`Fault::Io`].
    pub fn open(folder: &Path, settings: Settings) -> Result<Self, Fault> {
        std::fs::create_dir_all(folder).map_err(Fault::io(folder))?;
        settings.write_or_compare(folder)?;
        let claims = folder.join("claims");
        std::fs::create_dir_all(&claims).map_err(Fault::io(&claims))?;
        Ok(Self { folder: folder.into(), settings })
    }

    /// The folder of the sweep.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The settings of all runs.
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

    /// Trains the runs of `weights` that no other process has claimed, one after the other. `setup`
    /// is the same for every run except for the weight.
    ///
    /// # Errors
    /// A [`Fault`]; saved states stay.
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
        // Repeats, because a process that held a claim may have died in the meantime.
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
                        // The other weights may still train well.
                        (control.on_message)(&format!("{weight}: {fault}"));
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

    /// Claims a run, unless it is finished or claimed by another process.
    fn claim(&self, weight: Weight, control: &Control<'_>) -> Result<Turn, Fault> {
        if self.is_finished(weight)? {
            return Ok(Turn::Done);
        }
        let (claim, dead) = match Claim::request(&self.folder.join("claims"), &weight.folder())? {
            Requested::Held { holder, since_heartbeat } => {
                return Ok(Turn::Elsewhere(Elsewhere { weight, holder, since_heartbeat }));
            }
            Requested::Granted { claim, dead } => (claim, dead),
        };
        if let Some(dead) = dead {
            (control.on_message)(&format!("{weight}: {dead} is gone; taking over its run"));
        }
        // The process that held the claim may have finished the run since the check above.
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
        let on_event = |event: &train::Event<'_>| {
            if claim.is_lost() {
                control.stop.raise();
            }
            (control.on_event)(event);
        };
        let control = Control {
            stop: control.stop.clone(),
            on_event: &on_event,
            on_message: control.on_message,
            on_prediction: control.on_prediction,
        };
        let end = train::train(&run, table, &setup, &control);
        if claim.is_lost() {
            return Err(SweepError::ClaimLost { path }.into());
        }
        end
    }
}
