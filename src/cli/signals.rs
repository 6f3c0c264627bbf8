//! Handles Ctrl-C, SIGTERM (sent by schedulers) and SIGHUP (sent when a terminal closes).

use std::io;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{SigId, flag};

use super::exit_codes::{INTERRUPTED, UNFINISHED};
use crate::error::Fault;
use crate::flow::Stop;

/// The last signal of those that stop a command; 0 before the first.
static HEARD: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// What happens after the first signal, as the command in progress says it; `None` while no command
/// handles signals.
static NEXT: Mutex<Option<&'static str>> = Mutex::new(None);

/// The handlers of the last command. They stay after its end, until another command registers its
/// own: without any, a signal would do nothing.
static IDS: Mutex<Vec<SigId>> = Mutex::new(Vec::new());

/// Exit code of a command that a signal stops.
fn code_of(signal: i32) -> u8 {
    if signal == SIGTERM { UNFINISHED } else { INTERRUPTED }
}

/// Exit code of the command that the last signal has stopped.
pub fn interrupted() -> ExitCode {
    ExitCode::from(code_of(i32::try_from(HEARD.load(Ordering::Relaxed)).unwrap_or_default()))
}

/// Whether a command ended with a code of [`interrupted`].
pub fn is_interrupted(code: ExitCode) -> bool {
    [INTERRUPTED, UNFINISHED].map(ExitCode::from).contains(&code)
}

/// Lets SIGTERM end the program with the code of its table from the start, before a command that can
/// be continued handles signals.
///
/// # Errors
/// [`Fault::Io`] if the system refuses a handler.
pub fn from_the_start() -> Result<(), Fault> {
    let at_once = Arc::new(AtomicBool::new(true));
    let id = flag::register_conditional_shutdown(SIGTERM, UNFINISHED.into(), at_once);
    let id = id.map_err(Fault::io("signal handlers"))?;
    IDS.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    Ok(())
}

/// A command's handling of signals. After it is dropped, the first signal ends the program.
#[must_use = "signals are handled as long as it lives"]
pub struct Handled {
    stop: Stop,
}

/// As long as the returned value lives, the first SIGINT or SIGTERM raises `stop`, and the work in
/// progress is finished; a line says that, with `next`: what happens now. A second signal exits at
/// once. SIGHUP is ignored, so a closed terminal does not end a run.
///
/// # Errors
/// If the system refuses a handler.
pub fn handle(stop: &Stop, next: &'static str) -> io::Result<Handled> {
    let mut ids = Vec::new();
    for signal in [SIGINT, SIGTERM] {
        let code = code_of(signal).into();
        // The order matters: the first signal must find the flag down, so that it only raises it.
        ids.push(flag::register_conditional_shutdown(signal, code, stop.flag())?);
        ids.push(flag::register(signal, stop.flag())?);
        ids.push(flag::register_usize(signal, Arc::clone(&HEARD), signal as usize)?);
    }
    #[cfg(unix)]
    {
        ids.push(flag::register(signal_hook::consts::SIGHUP, Arc::default())?);
        say_when_heard()?;
    }
    // An earlier command in this process (`demo` runs several) has its flag up, so its handler would
    // exit at once.
    let earlier = std::mem::replace(&mut *IDS.lock().unwrap_or_else(PoisonError::into_inner), ids);
    for id in earlier {
        signal_hook::low_level::unregister(id);
    }
    *next_step() = Some(next);
    Ok(Handled { stop: stop.clone() })
}

impl Drop for Handled {
    fn drop(&mut self) {
        *next_step() = None;
        // With its flag up, the handler that stays registered exits at once.
        self.stop.raise();
    }
}

fn next_step() -> std::sync::MutexGuard<'static, Option<&'static str>> {
    NEXT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the thread that answers the first signal. There is one per process.
#[cfg(unix)]
fn say_when_heard() -> io::Result<()> {
    use signal_hook::iterator::Signals;

    static STARTED: AtomicBool = AtomicBool::new(false);
    if STARTED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if let Some(next) = next_step().take() {
                let heard = if signal == SIGINT { "Ctrl-C" } else { "SIGTERM" };
                // The terminal shows ^C, perhaps in the middle of a progress bar.
                let line = if super::progress::can_redraw() { "\r\x1b[K" } else { "" };
                super::progress::say(&format!("{line}{heard}: {next}; a second one exits at once"));
            }
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_in_a_second_command_does_not_exit() {
        let first = Stop::default();
        drop(handle(&first, "the first command stops").unwrap());
        let second = Stop::default();
        let _handled = handle(&second, "the second command stops").unwrap();
        assert!(!second.is_raised());
        // If the first command's handlers were there still, this would end the tests with code 130.
        signal_hook::low_level::raise(signal_hook::consts::SIGINT).unwrap();
        assert!(second.is_raised());
    }
}
