//! The progress of a long job: a bar on a terminal, otherwise a plain line every ten seconds.
//!
//! All output goes to standard error. Write errors are ignored, so that a run continues after its
//! terminal is closed.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::flow::Meters;
use crate::number::duration;

/// Time between two plain lines.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// The progress display of a job.
pub struct Progress {
    bar: Option<ProgressBar>,
    state: Mutex<State>,
    total: usize,
    quiet: bool,
    start: Instant,
}

struct State {
    images: usize,
    rejected: usize,
    bytes: u64,
    printed: Instant,
}

impl Progress {
    /// A display for `total` images. With `quiet` it shows nothing.
    pub fn new(total: usize, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal() && !quiet;
        let bar = terminal.then(|| {
            let bar = ProgressBar::new(total as u64);
            let style = "{bar:30} {pos}/{len}  {msg}  ETA {eta}";
            bar.set_style(ProgressStyle::with_template(style).expect("a template of known keys"));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let now = Instant::now();
        let state = State { images: 0, rejected: 0, bytes: 0, printed: now };
        Self { bar, state: Mutex::new(state), total, quiet, start: now }
    }

    /// Counts a finished image and the bytes that were read for it. `meters` hold how busy the
    /// stages are.
    pub fn image(&self, bytes: u64, rejected: bool, meters: Option<&Meters>) {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        state.images += 1;
        state.bytes += bytes;
        state.rejected += usize::from(rejected);
        let elapsed = self.start.elapsed();
        if let Some(bar) = &self.bar {
            bar.set_position(state.images as u64);
            bar.set_message(describe(&state, elapsed, meters));
        } else if !self.quiet && state.printed.elapsed() >= PLAIN_EVERY {
            state.printed = Instant::now();
            let left = elapsed.as_secs_f64() / state.images as f64
                * self.total.saturating_sub(state.images) as f64;
            say(&format!(
                "{} of {} images, {}, {} left",
                state.images,
                self.total,
                describe(&state, elapsed, meters),
                duration(left)
            ));
        }
    }

    /// Ends the display.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn describe(state: &State, elapsed: Duration, meters: Option<&Meters>) -> String {
    let seconds = elapsed.as_secs_f64().max(1e-3);
    let mut text = format!("{:.1} images/s, ", state.images as f64 / seconds);
    if state.bytes > 0 {
        text += &format!("{:.0} MB/s, ", state.bytes as f64 / 1e6 / seconds);
    }
    text += &format!("{} rejected", state.rejected);
    for pool in meters.map(Meters::pools).unwrap_or_default() {
        let all = seconds * pool.workers as f64;
        let idle = (pool.starved_s + pool.blocked_s) / all;
        text += &format!(", {} {:.0} % busy", pool.name, 100.0 * (1.0 - idle).clamp(0.0, 1.0));
    }
    text
}

/// Writes a line to standard error; ignores errors.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Writes a line to standard output; ignores errors.
pub fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
