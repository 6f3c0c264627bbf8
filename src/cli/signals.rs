//! Handles Ctrl-C, SIGTERM (sent by schedulers) and SIGHUP (sent when a terminal closes).

use std::io;

use signal_hook::flag;

use crate::flow::Stop;

/// Exit code of an interrupted run.
pub const INTERRUPTED: u8 = 130;

/// After this call, the first SIGINT or SIGTERM raises `stop`, and the work in progress is
/// finished. A second one exits at once. SIGHUP is ignored, so a closed terminal does not end a
/// run.
///
/// # Errors
/// If the system refuses a handler.
pub fn handle(stop: &Stop) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    for signal in [SIGINT, SIGTERM] {
        // The order matters: the first signal must find the flag down, so that it only raises it.
        flag::register_conditional_shutdown(signal, INTERRUPTED.into(), stop.flag())?;
        flag::register(signal, stop.flag())?;
    }
    #[cfg(unix)]
    flag::register(signal_hook::consts::SIGHUP, std::sync::Arc::default())?;
    Ok(())
}
