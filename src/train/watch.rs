//! Reports the progress of a run: to the log, to `status.json`, to the caller.

use std::time::{Duration, Instant};

use super::log::{EpochLine, Line, Log, StepLine};
use super::run::{self, Run, State, Status};
use super::setup::Setup;
use super::state::Progress;
use super::{Control, Event};
use crate::error::Fault;

/// Least time between two updates of `status.json`.
const STATUS_EVERY: Duration = Duration::from_secs(2);

/// The progress reports of a run.
pub(super) struct Watch<'a> {
    run: &'a Run,
    control: &'a Control<'a>,
    status: Status,
    written: Option<Instant>,
    /// When this process started or resumed the fold.
    began: Instant,
    /// Steps of the fold that were done before that.
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

    /// Called when a fold starts; `number` counts the run's folds from 0.
    pub fn fold(&mut self, fold: Option<u16>, number: usize) {
        self.status.fold = fold;
        self.folds_left = self.run.facts.held_out.len() - number - 1;
    }

    /// Called when a fold starts or resumes at `progress`. An epoch has `steps` steps.
    pub fn begin(&mut self, progress: &Progress, steps: usize) {
        let epochs = self.status.epochs.1;
        self.status.epochs = (progress.epoch, epochs);
        self.status.steps = (progress.step, (steps * epochs) as u64);
        self.status.best = progress.best().map(|best| best.1);
        (self.began, self.before) = (Instant::now(), progress.step);
    }

    /// Called while a network predicts images, with the number done and of all.
    pub fn predicted(&self, done: usize, all: usize) {
        (self.control.on_prediction)(done, all);
    }

    /// Called after a step.
    pub fn step(&mut self, log: &mut Log, line: StepLine) -> Result<(), Fault> {
        self.status.steps.0 = line.step + 1;
        self.status.loss = Some(line.loss);
        self.status.seconds_left = self.seconds_left();
        self.report(log, &Line::Step(line))?;
        match self.written {
            Some(written) if written.elapsed() < STATUS_EVERY => Ok(()),
            _ => {
                log.flush()?;
                self.write()
            }
        }
    }

    /// Called after an epoch.
    pub fn epoch(
        &mut self,
        log: &mut Log,
        line: EpochLine,
        progress: &Progress,
    ) -> Result<(), Fault> {
        self.status.epochs.0 = progress.epoch;
        self.status.best = progress.best().map(|best| best.1);
        self.report(log, &Line::Epoch(line))?;
        self.write()
    }

    /// Called when the run ends or stops.
    pub fn end(&mut self, state: State) -> Result<(), Fault> {
        self.status.state = state;
        self.status.seconds_left = None;
        self.write()
    }

    fn report(&self, log: &mut Log, line: &Line) -> Result<(), Fault> {
        log.write(line)?;
        (self.control.on_event)(&Event { line, status: &self.status });
        Ok(())
    }

    fn write(&mut self) -> Result<(), Fault> {
        self.status.updated = run::now();
        self.written = Some(Instant::now());
        self.run.write_status(&self.status)
    }

    /// Assumes that the remaining steps take as long as those of this process so far, validation
    /// included.
    fn seconds_left(&self) -> Option<f64> {
        let (done, all) = self.status.steps;
        let each = self.began.elapsed().as_secs_f64() / (done - self.before).max(1) as f64;
        let left = all.saturating_sub(done) + all * self.folds_left as u64;
        Some(each * left as f64)
    }
}
