//! Times of single items, kept as a histogram of three significant digits.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::measurement::Latency;

/// The longest time that is told apart from longer ones, in nanoseconds: one hour.
const LONGEST: u64 = 3_600_000_000_000;

/// Times of items.
#[derive(Debug, Clone)]
pub struct Times(Histogram<u32>);

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new_with_max(LONGEST, 3).expect("one hour and three digits are in range"))
    }
}

impl Times {
    /// Adds one time.
    pub fn record(&mut self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(LONGEST);
        self.0.saturating_record(nanoseconds.clamp(1, LONGEST));
    }

    /// Adds all times of another thread or pass.
    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both histograms have the same range");
    }

    /// Number of times.
    #[cfg(test)]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Percentiles in milliseconds; `None` if there is no time.
    pub fn latency(&self) -> Option<Latency> {
        if self.0.is_empty() {
            return None;
        }
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1e6;
        let max = self.0.max() as f64 / 1e6;
        Some(Latency { p50: at(0.5), p95: at(0.95), p99: at(0.99), max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_two_threads_are_those_of_all_their_times() {
        let (mut low, mut high) = (Times::default(), Times::default());
        for ms in 1..=90 {
            low.record(Duration::from_millis(ms));
        }
        for ms in 91..=100 {
            high.record(Duration::from_millis(ms));
        }
        low.add(&high);
        let Latency { p50, p95, p99, max } = low.latency().unwrap();
        for (found, expected) in [(p50, 50.0), (p95, 95.0), (p99, 99.0), (max, 100.0)] {
            assert!((found / expected - 1.0_f64).abs() < 0.002, "{found} for {expected}");
        }
        assert_eq!(low.count(), 100);
    }

    #[test]
    fn no_time_has_no_percentiles_and_a_time_of_days_has_finite_ones() {
        let mut times = Times::default();
        assert_eq!(times.latency(), None);
        times.record(Duration::from_secs(1 << 40));
        assert!(times.latency().unwrap().max >= 3.59e6);
    }
}
