//! CPU time of the calling thread.

/// A clock that runs while the thread computes.
pub struct ThreadClock(f64);

impl ThreadClock {
    /// Starts it.
    pub fn start() -> Self {
        Self(now())
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        now() - self.0
    }
}

#[cfg(unix)]
fn now() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// Wall time, where the system has no such clock: an upper bound.
#[cfg(not(unix))]
fn now() -> f64 {
    use std::sync::OnceLock;
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    #[cfg(unix)]
    fn a_thread_that_sleeps_takes_no_time_and_one_that_computes_does() {
        let clock = ThreadClock::start();
        std::thread::sleep(Duration::from_millis(50));
        assert!(clock.seconds() < 0.04, "{}", clock.seconds());
        let start = std::time::Instant::now();
        let mut sum = 0_u64;
        while start.elapsed() < Duration::from_millis(50) {
            sum = std::hint::black_box(sum.wrapping_mul(3).wrapping_add(1));
        }
        assert!(clock.seconds() > 0.001, "{} {sum}", clock.seconds());
    }
}
