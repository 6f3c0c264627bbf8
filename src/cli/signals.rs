//! Ctrl-C, a scheduler's SIGTERM, and a terminal that closes.

use std::io;

use signal_hook::flag;

use crate::flow::Stop;

/// Exit code of an interrupted run.
pub const INTERRUPTED: u8 = 130;

/// From here on, the first SIGINT or SIGTERM raises `stop` (what is in flight is finished),
/// a second one leaves at once, and SIGHUP is ignored: a closed terminal never ends a run.
///
/// # Errors
/// If the system refuses a handler.
pub fn handle(stop: &Stop) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag down and only raises it.
        flag::register_conditional_shutdown(signal, INTERRUPTED.into(), stop.flag())?;
        flag::register(signal, stop.flag())?;
    }
    #[cfg(unix)]
    flag::register(signal_hook::consts::SIGHUP, std::sync::Arc::default())?;
    Ok(())
}
