//! The progress of a long job: a bar on a terminal, otherwise a plain line every ten seconds.
//!
//! Progress goes to standard error, also with `--json`. Errors of writing it are ignored, so that a
//! run continues after its terminal is closed. Results go to standard output, and [`printed`] tells
//! whether they arrived.

use std::ffi::OsStr;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::error::Fault;
use crate::flow::Meters;
use crate::number::duration;

/// The environment variable with the seconds between two plain lines, for logs of long runs.
const PLAIN_SECONDS: &str = "MAMMO_PIPE_PROGRESS_SECONDS";

/// Time between two plain lines: ten seconds, unless the environment says otherwise.
pub(super) fn plain_every() -> Duration {
    let given = std::env::var(PLAIN_SECONDS).ok().and_then(|text| text.parse().ok());
    let given = given.filter(|seconds: &f64| (0.01..1e6).contains(seconds));
    Duration::from_secs_f64(given.unwrap_or(10.0))
}

/// Whether standard error is a terminal that can redraw a line.
pub(super) fn can_redraw() -> bool {
    redraws(io::stderr().is_terminal(), std::env::var_os("TERM").as_deref())
}

/// `TERM=dumb` says that a terminal cannot redraw a line (an editor's shell, for example), so plain
/// lines are better there.
fn redraws(is_terminal: bool, term: Option<&OsStr>) -> bool {
    is_terminal && term.is_none_or(|term| term != "dumb")
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows that a job of unknown length goes on, until it is dropped: a spinner on a terminal,
/// otherwise a plain line every ten seconds.
pub struct Activity {
    bar: Option<ProgressBar>,
    ended: Arc<(Mutex<bool>, Condvar)>,
    lines: Option<JoinHandle<()>>,
}

impl Activity {
    /// A display for the job `what`, such as `reading release`. With `quiet` it shows nothing.
    pub fn new(what: impl Into<String>, quiet: bool) -> Self {
        let what = what.into();
        let ended = Arc::new((Mutex::new(false), Condvar::new()));
        if quiet {
            return Self { bar: None, ended, lines: None };
        }
        if can_redraw() {
            let bar = ProgressBar::new_spinner();
            let style = "{spinner} {msg}  {elapsed}";
            bar.set_style(ProgressStyle::with_template(style).expect("a template of known keys"));
            bar.set_message(what);
            bar.enable_steady_tick(Duration::from_millis(200));
            return Self { bar: Some(bar), ended, lines: None };
        }
        let (start, end) = (Instant::now(), Arc::clone(&ended));
        let lines = thread::spawn(move || {
            let (flag, wake) = &*end;
            let mut is_over = locked(flag);
            while !*is_over {
                let waited = wake.wait_timeout(is_over, plain_every());
                let (guard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                is_over = guard;
                if timeout.timed_out() && !*is_over {
                    say(&format!("{what}: {} so far", duration(start.elapsed().as_secs_f64())));
                }
            }
        });
        Self { bar: None, ended, lines: Some(lines) }
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        *locked(&self.ended.0) = true;
        self.ended.1.notify_all();
        if let Some(lines) = self.lines.take() {
            // It cannot panic: it only waits and writes.
            let _ = lines.join();
        }
    }
}

/// The progress display of a job.
pub struct Progress {
    bar: Option<ProgressBar>,
    state: Mutex<State>,
    total: usize,
    quiet: bool,
    start: Instant,
    plain_every: Duration,
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
        let bar = (can_redraw() && !quiet).then(|| {
            let bar = ProgressBar::new(total as u64);
            let style = "{bar:30} {pos}/{len}  {msg}  ETA {eta}";
            bar.set_style(ProgressStyle::with_template(style).expect("a template of known keys"));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let now = Instant::now();
        let state = State { images: 0, rejected: 0, bytes: 0, printed: now };
        let plain_every = plain_every();
        Self { bar, state: Mutex::new(state), total, quiet, start: now, plain_every }
    }

    /// Counts a finished image and the bytes that were read for it. `meters` hold how busy the
    /// stages are.
    pub fn image(&self, bytes: u64, rejected: bool, meters: Option<&Meters>) {
        let mut state = locked(&self.state);
        state.images += 1;
        state.bytes += bytes;
        state.rejected += usize::from(rejected);
        let elapsed = self.start.elapsed();
        if let Some(bar) = &self.bar {
            bar.set_position(state.images as u64);
            bar.set_message(describe(&state, elapsed, meters));
        } else if !self.quiet && state.printed.elapsed() >= self.plain_every {
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
    // Only a command that decodes files can reject one.
    if state.rejected > 0 || meters.is_some() {
        text += &format!("{} rejected", state.rejected);
    } else {
        text.truncate(text.len() - 2);
    }
    for pool in meters.map(Meters::pools).unwrap_or_default() {
        let all = seconds * pool.workers as f64;
        let idle = (pool.starved_s + pool.blocked_s) / all;
        text += &format!(", {} {:.0} % busy", pool.name, 100.0 * (1.0 - idle).clamp(0.0, 1.0));
    }
    text
}

/// Writes a line to standard error; ignores errors.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// The first error of [`print`]. There is one standard output per process, and so one such error.
static UNPRINTED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Writes a line to standard output. The work goes on after an error; [`printed`] returns it.
pub fn print(line: &str) {
    keep_error(writeln!(io::stdout(), "{line}"));
}

/// Whether everything that was printed has arrived. A reader that has left early, as `head` does,
/// is no error.
///
/// # Errors
/// [`Fault::Io`], for example if the disk is full.
pub fn printed() -> Result<(), Fault> {
    keep_error(io::stdout().flush());
    match locked(&UNPRINTED).take() {
        Some(error) => Err(Fault::io("standard output")(error)),
        None => Ok(()),
    }
}

fn keep_error(result: io::Result<()>) {
    if let Err(error) = result
        && error.kind() != ErrorKind::BrokenPipe
    {
        locked(&UNPRINTED).get_or_insert(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_only_for_terminals_that_can_redraw_it() {
        assert!(redraws(true, Some("xterm-256color".as_ref())));
        assert!(redraws(true, None));
        assert!(!redraws(true, Some("dumb".as_ref())), "plain lines");
        assert!(!redraws(false, Some("xterm".as_ref())), "a log file");
    }
}
