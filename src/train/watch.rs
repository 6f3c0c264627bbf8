//! Tells whoever watches how far a run is: the log, `status.json`, the progress line.

use std::time::{Duration, Instant};

use super::log::{EpochLine, Line, Log, StepLine};
use super::run::{self, Run, State, Status};
use super::setup::Setup;
use super::state::Progress;
use super::{Control, Seen};
use crate::error::Fault;

/// Time between two writings of `status.json`.
const STATUS_EVERY: Duration = Duration::from_secs(2);

/// The eyes on a run.
pub(super) struct Watch<'a> {
    run: &'a Run,
    control: &'a Control<'a>,
    status: Status,
    written: Option<Instant>,
    /// Since this process began with the fold.
    began: Instant,
    /// Steps of the fold that were done before.
    before: u64,
    folds_left: usize,
}

impl<'a> Watch<'a> {
    pub fn new(run: &'a Run, setup: &Setup, control: &'a Control<'a>) -> Self {
        let status = Status {
            state: State::Running,
            process: std::process::id(),
            device: setup.device.to_string(),
            fold: None,
            epochs: (0, setup.train.epochs),
            steps: (0, 0),
            loss: None,
            best: None,
            seconds_left: None,
            updated: run::now(),
        };
        let began = Instant::now();
        Self { run, control, status, written: None, began, before: 0, folds_left: 0 }
    }

    /// Whether the run was asked to stop.
    pub fn stop(&self) -> bool {
        self.control.stop.is_raised()
    }

    /// The `number`th fold begins.
    pub fn fold(&mut self, fold: Option<u16>, number: usize) {
        self.status.fold = fold;
        self.folds_left = self.run.facts.held_out.len() - number - 1;
    }

    /// The fold goes on from `progress`, with `steps` an epoch.
    pub fn begin(&mut self, progress: &Progress, steps: usize) {
        let epochs = self.status.epochs.1;
        self.status.epochs = (progress.epoch, epochs);
        self.status.steps = (progress.step, (steps * epochs) as u64);
        self.status.best = progress.best().map(|best| best.1);
        (self.began, self.before) = (Instant::now(), progress.step);
    }

    /// A step is done.
    pub fn step(&mut self, log: &mut Log, line: StepLine) -> Result<(), Fault> {
        self.status.steps.0 = line.step + 1;
        self.status.loss = Some(line.loss);
        self.status.seconds_left = self.seconds_left();
        self.tell(log, &Line::Step(line))?;
        match self.written {
            Some(written) if written.elapsed() < STATUS_EVERY => Ok(()),
            _ => {
                log.flush()?;
                self.write()
            }
        }
    }

    /// An epoch is done.
    pub fn epoch(
        &mut self,
        log: &mut Log,
        line: EpochLine,
        progress: &Progress,
    ) -> Result<(), Fault> {
        self.status.epochs.0 = progress.epoch;
        self.status.best = progress.best().map(|best| best.1);
        self.tell(log, &Line::Epoch(line))?;
        self.write()
    }

    /// The run is over, for now or for good.
    pub fn end(&mut self, state: State) -> Result<(), Fault> {
        self.status.state = state;
        self.status.seconds_left = None;
        self.write()
    }

    fn tell(&self, log: &mut Log, line: &Line) -> Result<(), Fault> {
        log.write(line)?;
        (self.control.seen)(&Seen { line, status: &self.status });
        Ok(())
    }

    fn write(&mut self) -> Result<(), Fault> {
        self.status.updated = run::now();
        self.written = Some(Instant::now());
        self.run.write_status(&self.status)
    }

    /// As if every step that is left took as long as those so far, validation included.
    fn seconds_left(&self) -> Option<f64> {
        let (done, all) = self.status.steps;
        let each = self.began.elapsed().as_secs_f64() / (done - self.before).max(1) as f64;
        let left = all.saturating_sub(done) + all * self.folds_left as u64;
        Some(each * left as f64)
    }
}
