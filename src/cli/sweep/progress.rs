//! The progress of a sweep, shown before the progress of its current run.

use std::sync::Mutex;
use std::time::Instant;

use crate::error::Fault;
use crate::number::duration;
use crate::sweep::{Sweep, Weight};
use crate::train::run::Status;

/// The progress of a sweep, as far as this process knows it.
pub(super) struct SweepProgress {
    wanted: usize,
    folds: Vec<Option<u16>>,
    state: Mutex<State>,
}

struct State {
    /// Weight of the current run.
    weight: Option<Weight>,
    /// Runs finished by any process.
    done: usize,
    /// Runs finished by this process.
    here: usize,
    /// When this process started.
    began: Instant,
    /// Share of the current run that was done when this process started or resumed it.
    before: Option<f64>,
}

impl SweepProgress {
    /// The progress over the runs of `weights`.
    pub fn new(weights: &[Weight], sweep: &Sweep) -> Result<Self, Fault> {
        let mut done = 0;
        for &weight in weights {
            done += usize::from(sweep.is_finished(weight)?);
        }
        let began = Instant::now();
        let state = State { weight: None, done, here: 0, began, before: None };
        let folds = sweep.settings().run.held_out.clone();
        Ok(Self { wanted: weights.len(), folds, state: Mutex::new(state) })
    }

    /// Called when the run with `weight` starts or resumes.
    pub fn begin(&self, weight: Weight) {
        let mut state = self.state();
        (state.weight, state.before) = (Some(weight), None);
    }

    /// Called when the current run is finished.
    pub fn finished(&self) {
        let mut state = self.state();
        state.done += 1;
        state.here += 1;
    }

    /// The current run, its number, and the time left for all runs if no other process helps.
    pub fn text(&self, status: &Status) -> String {
        let mut state = self.state();
        let place = self.folds.iter().position(|fold| *fold == status.fold).unwrap_or_default();
        let (step, steps) = status.steps;
        let of_fold = step as f64 / steps.max(1) as f64;
        let share = (place as f64 + of_fold) / self.folds.len() as f64;
        let before = *state.before.get_or_insert(share);
        let weight = state.weight.map_or(String::new(), |weight| weight.to_string());
        let number = (state.done + 1).min(self.wanted);
        let mut text = format!("{weight} (run {number} of {})", self.wanted);
        let worked = state.here as f64 + share - before;
        if worked > 0.0 {
            let left = (self.wanted - state.done.min(self.wanted)) as f64 - share;
            let seconds = state.began.elapsed().as_secs_f64() / worked * left.max(0.0);
            text += &format!(", {} left for all", duration(seconds));
        }
        text
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
