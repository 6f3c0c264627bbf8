//! The knee of a curve of throughput by threads: the least number of threads that reach 95 % of
//! the best throughput.
//!
//! More threads than that gain little, and they hold memory and a place in the server's queue.

use serde::{Deserialize, Serialize};

use super::measurement::Point;

/// The share of the best throughput that the knee reaches.
pub const SHARE: f64 = 0.95;

/// The knee of one curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Knee {
    /// The least number of threads that reach [`SHARE`] of the best.
    pub threads: usize,
    /// Throughput at that number of threads, in the unit of the curve.
    pub rate: f64,
    /// The best throughput of the curve.
    pub best: f64,
    /// Whether the knee is at the largest number of threads measured, so that more threads might
    /// give more.
    pub open: bool,
}

/// The knee by bytes per second; `None` without a point that took time and moved bytes.
pub fn by_bytes(points: &[Point]) -> Option<Knee> {
    knee(points, Point::bytes_per_second)
}

/// The knee by items per second; `None` without a point that took time and moved items.
pub fn by_items(points: &[Point]) -> Option<Knee> {
    knee(points, Point::items_per_second)
}

fn knee(points: &[Point], rate: fn(&Point) -> f64) -> Option<Knee> {
    let mut rates: Vec<(usize, f64)> = points.iter().map(|p| (p.threads, rate(p))).collect();
    rates.retain(|(_, rate)| rate.is_finite() && *rate > 0.0);
    rates.sort_by_key(|(threads, _)| *threads);
    let best = rates.iter().map(|(_, rate)| *rate).reduce(f64::max)?;
    let &(threads, rate) = rates.iter().find(|(_, rate)| *rate >= SHARE * best)?;
    let open = rates.len() > 1 && rates.last().is_some_and(|(last, _)| *last == threads);
    Some(Knee { threads, rate, best, open })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bench::storage::measurement::Latency;

    /// Points of 100 items of 1 MB each, from threads and MB/s.
    pub fn points(rates: &[(usize, f64)]) -> Vec<Point> {
        let point = |&(threads, rate): &(usize, f64)| Point {
            threads,
            items: 100.0,
            bytes: 100_000_000,
            seconds: 100.0 / rate,
            first_done: 100.0 / rate,
            cached: Some(0.0),
            latency: Some(Latency::default()),
        };
        rates.iter().map(point).collect()
    }

    #[test]
    fn the_knee_is_the_least_number_of_threads_that_reach_95_percent_of_the_best() {
        let curve = points(&[(1, 100.0), (2, 190.0), (4, 290.0), (8, 300.0), (16, 280.0)]);
        let knee = by_bytes(&curve).unwrap();
        assert_eq!((knee.threads, knee.open), (4, false));
        assert!((knee.rate - 290e6).abs() < 1.0 && (knee.best - 300e6).abs() < 1.0, "{knee:?}");
        // 284 of 300 are below 95 %.
        assert_eq!(by_bytes(&points(&[(1, 284.0), (2, 300.0), (4, 299.0)])).unwrap().threads, 2);
        assert_eq!(by_bytes(&points(&[(1, 286.0), (2, 300.0), (4, 299.0)])).unwrap().threads, 1);
    }

    #[test]
    fn a_curve_that_still_rises_has_an_open_knee_and_a_single_point_does_not() {
        assert!(by_bytes(&points(&[(1, 10.0), (2, 20.0), (4, 40.0)])).unwrap().open);
        assert!(!by_bytes(&points(&[(1, 10.0)])).unwrap().open);
    }

    #[test]
    fn points_without_time_or_bytes_are_no_throughput() {
        let mut curve = points(&[(1, 100.0), (2, 50.0)]);
        curve[0].seconds = 0.0;
        assert_eq!(by_bytes(&curve).unwrap().threads, 2);
        curve[1].bytes = 0;
        assert_eq!(by_bytes(&curve), None);
        assert!(by_items(&curve).is_some());
        assert_eq!(by_bytes(&[]), None);
    }
}
