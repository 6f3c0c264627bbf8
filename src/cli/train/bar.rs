//! The progress of training: a bar on a terminal, otherwise a plain line every ten seconds. Both
//! print a line per epoch.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::progress::{can_redraw, plain_every, say};
use crate::number::{duration, size};
use crate::preprocess::memory;
use crate::train::Event;
use crate::train::log::{EpochLine, Line, StepLine};
use crate::train::run::Status;

/// Weight of the last step in the running means that are shown.
const SMOOTHING: f64 = 0.1;

/// The progress display of a run.
pub(in crate::cli) struct Bar {
    bar: Option<ProgressBar>,
    quiet: bool,
    /// Text before every line, such as the run's place in a sweep.
    prefix: Mutex<String>,
    state: Mutex<Option<Shown>>,
    /// The time of the last plain line on predictions.
    predicted: Mutex<Instant>,
    plain_every: Duration,
}

/// Running means over the steps, and the time of the last plain line.
struct Shown {
    rate: f64,
    waited: f64,
    printed: Instant,
}

impl Bar {
    pub fn new(quiet: bool) -> Self {
        let bar = (can_redraw() && !quiet).then(|| {
            let bar = ProgressBar::new(0);
            let style = "{bar:20} {pos}/{len}  {msg}";
            bar.set_style(ProgressStyle::with_template(style).expect("a template of known keys"));
            bar
        });
        let predicted = Mutex::new(Instant::now());
        Self {
            bar,
            quiet,
            prefix: Mutex::default(),
            state: Mutex::new(None),
            predicted,
            plain_every: plain_every(),
        }
    }

    /// Sets the text before every line.
    pub fn set_prefix(&self, prefix: &str) {
        *self.prefix.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) =
            format!("{prefix}, ");
    }

    /// Prints a line above the bar.
    pub fn say(&self, line: &str) {
        match &self.bar {
            _ if self.quiet => {}
            Some(bar) => bar.suspend(|| say(line)),
            None => say(line),
        }
    }

    /// Shows a step or an epoch.
    pub fn on_event(&self, event: &Event<'_>) {
        let prefix = self.prefix.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        match event.line {
            Line::Step(line) => self.step(line, event.status, &prefix),
            Line::Epoch(line) => {
                let fold = event.status.fold.map_or(String::new(), |fold| format!("fold {fold}, "));
                let (_, epochs) = event.status.epochs;
                let number = line.epoch;
                self.say(&format!("{prefix}{fold}epoch {number} of {epochs}: {}", epoch(line)));
            }
        }
    }

    fn step(&self, line: &StepLine, status: &Status, prefix: &str) {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (rate, waited) = (line.images_per_second, line.data_wait / line.seconds.max(1e-9));
        let shown = state.get_or_insert_with(|| Shown { rate, waited, printed: Instant::now() });
        shown.rate += SMOOTHING * (rate - shown.rate);
        shown.waited += SMOOTHING * (waited - shown.waited);
        let (done, all) = status.steps;
        let text = || {
            let fold = match status.fold {
                Some(fold) if !prefix.is_empty() => format!("fold {fold}, "),
                _ => String::new(),
            };
            format!("{prefix}{fold}{}", describe(line, status, shown.rate, shown.waited))
        };
        if let Some(bar) = &self.bar {
            bar.set_length(all);
            bar.set_position(done);
            bar.set_message(text());
        } else if !self.quiet && shown.printed.elapsed() >= self.plain_every {
            say(&format!("step {done} of {all}, {}", text()));
            shown.printed = Instant::now();
        }
    }

    /// Shows how far a validation is, or the predictions for the locked split.
    pub fn on_prediction(&self, done: usize, all: usize) {
        let text = format!("predicting held-out images: {done} of {all}");
        if let Some(bar) = &self.bar {
            bar.set_message(text);
            return;
        }
        let mut printed = self.predicted.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if done == 0 {
            *printed = Instant::now();
        } else if !self.quiet && printed.elapsed() >= self.plain_every {
            let prefix =
                self.prefix.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
            say(&format!("{prefix}{text}"));
            *printed = Instant::now();
        }
    }

    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn describe(line: &StepLine, status: &Status, rate: f64, waited: f64) -> String {
    let memory = memory::peak().map_or(String::new(), |bytes| format!(", {}", size(bytes)));
    let left = status.seconds_left.map_or(String::new(), |s| format!(", {} left", duration(s)));
    format!(
        "loss {:.4}, rate {:.1e}, {rate:.1} images/s, {:.0} % waiting for data{memory}{left}",
        line.loss,
        line.learning_rate,
        100.0 * waited
    )
}

/// Describes an epoch in one line.
pub(super) fn epoch(line: &EpochLine) -> String {
    let mut text = format!("loss {:.4}", line.loss);
    if let Some(scores) = &line.validation {
        let metric = |value: Option<f64>| value.map_or("undefined".into(), |v| format!("{v:.4}"));
        let breast = &scores.breast;
        text += &format!(
            "; {} held-out breasts, {} with cancer: loss {}, AUROC {}, AUPRC {}, pF1 {}, F1 {}",
            breast.items,
            breast.positives,
            metric(scores.loss),
            metric(breast.auroc),
            metric(breast.auprc),
            metric(breast.pf1),
            metric(breast.f1)
        );
        text += &breast.threshold.map_or(String::new(), |t| format!(" at {t:.2}"));
    }
    if line.best {
        text += "; best so far";
    }
    if line.overfitting {
        text += "; overfitting: training loss falls, validation loss rises";
    }
    text
}
