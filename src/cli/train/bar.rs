//! How far training is: a bar on a terminal, a plain line now and then elsewhere, and a line an
//! epoch on both.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::progress::say;
use crate::number::{duration, size};
use crate::preprocess::memory;
use crate::train::Seen;
use crate::train::log::{EpochLine, Line, StepLine};
use crate::train::run::Status;

/// Time between two plain lines.
const PLAIN_EVERY: Duration = Duration::from_secs(10);
/// Share of the last step in the rates that are shown.
const FRESH: f64 = 0.1;

/// The display of a run.
pub(in crate::cli) struct Bar {
    bar: Option<ProgressBar>,
    quiet: bool,
    /// What the run is part of, set before all else.
    within: Mutex<String>,
    state: Mutex<Option<Shown>>,
}

/// Means over the last steps, and when they were printed.
struct Shown {
    rate: f64,
    waited: f64,
    printed: Instant,
}

impl Bar {
    pub fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal() && !quiet;
        let bar = terminal.then(|| {
            let bar = ProgressBar::new(0);
            let style = "{bar:20} {pos}/{len}  {msg}";
            bar.set_style(ProgressStyle::with_template(style).expect("a template of known keys"));
            bar
        });
        Self { bar, quiet, within: Mutex::default(), state: Mutex::new(None) }
    }

    /// Says what the run is part of, from now on.
    pub fn within(&self, whole: &str) {
        *self.within.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = format!("{whole}, ");
    }

    /// Prints a line above the bar.
    pub fn say(&self, line: &str) {
        match &self.bar {
            _ if self.quiet => {}
            Some(bar) => bar.suspend(|| say(line)),
            None => say(line),
        }
    }

    pub fn seen(&self, seen: &Seen<'_>) {
        let within = self.within.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        match seen.line {
            Line::Step(line) => self.step(line, seen.status, &within),
            Line::Epoch(line) => {
                let fold = seen.status.fold.map_or(String::new(), |fold| format!("fold {fold}, "));
                let (_, epochs) = seen.status.epochs;
                let number = line.epoch;
                self.say(&format!("{within}{fold}epoch {number} of {epochs}: {}", epoch(line)));
            }
        }
    }

    fn step(&self, line: &StepLine, status: &Status, within: &str) {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (rate, waited) = (line.images_per_second, line.data_wait / line.seconds.max(1e-9));
        let shown = state.get_or_insert_with(|| Shown { rate, waited, printed: Instant::now() });
        shown.rate += FRESH * (rate - shown.rate);
        shown.waited += FRESH * (waited - shown.waited);
        let (done, all) = status.steps;
        let text = || {
            let fold = match status.fold {
                Some(fold) if !within.is_empty() => format!("fold {fold}, "),
                _ => String::new(),
            };
            format!("{within}{fold}{}", describe(line, status, shown.rate, shown.waited))
        };
        if let Some(bar) = &self.bar {
            bar.set_length(all);
            bar.set_position(done);
            bar.set_message(text());
        } else if !self.quiet && shown.printed.elapsed() >= PLAIN_EVERY {
            say(&format!("step {done} of {all}, {}", text()));
            shown.printed = Instant::now();
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

/// An epoch in a line.
pub(super) fn epoch(line: &EpochLine) -> String {
    let mut text = format!("loss {:.4}", line.loss);
    if let Some(scores) = &line.validation {
        let figure = |value: Option<f64>| value.map_or("undefined".into(), |v| format!("{v:.4}"));
        let breast = &scores.breast;
        text += &format!(
            "; {} breasts held out, {} with cancer: loss {}, AUROC {}, AUPRC {}, pF1 {}, F1 {}",
            breast.items,
            breast.positives,
            figure(scores.loss),
            figure(breast.auroc),
            figure(breast.auprc),
            figure(breast.pf1),
            figure(breast.f1)
        );
        text += &breast.threshold.map_or(String::new(), |t| format!(" at {t:.2}"));
    }
    if line.best {
        text += "; the best so far";
    }
    if line.overfitting {
        text += "; overfitting: its own loss falls, the held-out loss is past its lowest";
    }
    text
}
