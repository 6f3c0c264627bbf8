//! Reads once more what the machine could not read.
//!
//! In: a read that may fail. Out: its result, or the error of its last attempt. A disk that spins
//! up, a server that restarts or a limit that other programs have reached is often gone a moment
//! later. What is wrong with the file itself stays wrong, and is not tried again.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::time::Duration;

use super::ReadError;

/// The pause before the second attempt, on average.
const FIRST: Duration = Duration::from_millis(100);

/// The longest pause, on average.
const LONGEST: Duration = Duration::from_secs(10);

/// Calls `read`, and up to `retries` times more while the machine is at fault. Waits with `sleep`
/// before each further attempt.
///
/// # Errors
/// Those of the last attempt.
pub fn retried<T>(
    retries: usize,
    path: &Path,
    sleep: impl Fn(Duration),
    mut read: impl FnMut() -> Result<T, ReadError>,
) -> Result<T, ReadError> {
    let mut result = read();
    for attempt in 0..retries {
        match &result {
            Err(error) if error.is_of_the_machine() => sleep(pause(attempt, path)),
            _ => break,
        }
        result = read();
    }
    result
}

/// The pause after attempt number `attempt`, from 0: 0.1 s, 0.4 s, 1.6 s and so on, longer or shorter
/// by up to a half, so that the readers of one dead server do not all come back at once.
fn pause(attempt: usize, path: &Path) -> Duration {
    let mut hash = DefaultHasher::new();
    (attempt, path).hash(&mut hash);
    let jitter = 0.5 + (hash.finish() >> 11) as f64 / (1_u64 << 53) as f64;
    let doubled = u32::try_from(2 * attempt).unwrap_or(u32::MAX).min(16);
    (FIRST * (1 << doubled)).min(LONGEST).mul_f64(jitter)
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::io::{Error, ErrorKind};

    use super::*;

    /// Attempts and pauses until `good` attempts have failed with `error`.
    fn tried(
        retries: usize,
        fails: usize,
        error: fn() -> ReadError,
    ) -> (bool, usize, Vec<Duration>) {
        let (attempts, pauses) = (Cell::new(0), RefCell::new(Vec::new()));
        let sleep = |pause| pauses.borrow_mut().push(pause);
        let result = retried(retries, Path::new("a.dcm"), sleep, || {
            attempts.set(attempts.get() + 1);
            if attempts.get() <= fails { Err(error()) } else { Ok(()) }
        });
        (result.is_ok(), attempts.get(), pauses.into_inner())
    }

    fn io() -> ReadError {
        Error::from(ErrorKind::StaleNetworkFileHandle).into()
    }

    #[test]
    fn an_error_of_the_machine_is_tried_again_and_one_of_the_file_is_not() {
        assert!(matches!(tried(3, 2, io), (true, 3, pauses) if pauses.len() == 2));
        assert!(matches!(tried(3, 9, io), (false, 4, pauses) if pauses.len() == 3));
        assert!(matches!(tried(0, 9, io), (false, 1, pauses) if pauses.is_empty()));
        assert!(matches!(tried(3, 9, || ReadError::Empty), (false, 1, _)));
    }

    #[test]
    fn pauses_grow_to_a_limit_and_differ_between_files() {
        let of = |name: &str| (0..12).map(|attempt| pause(attempt, Path::new(name))).collect();
        let (one, other): (Vec<Duration>, Vec<Duration>) = (of("1.dcm"), of("2.dcm"));
        assert_ne!(one, other);
        for (attempt, pause) in one.into_iter().enumerate() {
            let middle = (0.1 * 4_f64.powi(attempt as i32)).min(10.0);
            let times = pause.as_secs_f64() / middle;
            assert!((0.5..=1.5).contains(&times), "{attempt}: {pause:?}");
        }
    }
}
