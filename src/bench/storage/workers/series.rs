//! Points of a curve: throughput by number of threads.

use super::Timed;
use crate::bench::storage::error::StorageError;
use crate::bench::storage::measurement::Point;
use crate::bench::storage::options::Limits;

/// More threads count as a gain if they give at least this much more.
const GAIN: f64 = 1.05;

/// Most passes over the same items for one point.
const MOST_PASSES: usize = 50;

/// One pass over a list of items.
pub struct Pass {
    /// What was read or written.
    pub timed: Timed,
    /// The share of all bytes moved that came from the page cache.
    pub cached: Option<f64>,
    /// Whether the list ended before the time did.
    pub exhausted: bool,
}

/// Measures one point. Where the items do not last for the time, it takes several passes. `pass`
/// gets what is left of the limits.
///
/// # Errors
/// That of `pass`.
pub fn point(
    threads: usize,
    limits: Limits,
    mut pass: impl FnMut(Limits) -> Result<Pass, StorageError>,
) -> Result<(Point, Timed), StorageError> {
    let mut all = Timed::default();
    let mut cached = Some(0.0);
    for _ in 0..MOST_PASSES {
        let left = Limits {
            seconds: limits.seconds - all.seconds,
            bytes: limits.bytes.saturating_sub(all.bytes),
        };
        let Pass { timed, cached: share, exhausted } = pass(left)?;
        let empty = timed.bytes == 0 && timed.items == 0.0;
        if timed.moved > 0 {
            cached = cached.zip(share).map(|(sum, share)| sum + share * timed.moved as f64);
        }
        all.add(timed);
        // The rest is too short for another pass to add anything.
        if !exhausted || empty || all.seconds > 0.8 * limits.seconds || all.bytes >= limits.bytes {
            break;
        }
    }
    let cached = cached.filter(|_| all.moved > 0).map(|sum| sum / all.moved as f64);
    let point = Point {
        threads,
        items: all.items,
        bytes: all.bytes,
        seconds: all.seconds,
        first_done: all.first_done,
        cached,
        latency: all.times.latency(),
    };
    Ok((point, all))
}

/// Measures `threads` one after another. With `early_stop`, ends after two steps that together gave
/// no 5 % more than the best before. Returns the points, and why some are absent, or nothing.
///
/// # Errors
/// That of `measure`.
pub fn climb(
    threads: &[usize],
    early_stop: bool,
    mut measure: impl FnMut(usize) -> Result<Point, StorageError>,
) -> Result<(Vec<Point>, String), StorageError> {
    let mut points: Vec<Point> = Vec::new();
    for (index, &number) in threads.iter().enumerate() {
        let point = measure(number)?;
        if point.items == 0.0 && point.bytes == 0 {
            return Ok((points, format!("nothing was done by {number} threads in this time")));
        }
        points.push(point);
        let rates: Vec<f64> = points.iter().map(rate).collect();
        let [before @ .., one, two] = &rates[..] else { continue };
        let best = before.iter().copied().fold(0.0, f64::max);
        let gained = one.max(*two) >= best * GAIN;
        if early_stop && !before.is_empty() && !gained && index + 1 < threads.len() {
            return Ok((points, format!("more than {number} threads were not tried: no gain")));
        }
    }
    Ok((points, String::new()))
}

fn rate(point: &Point) -> f64 {
    if point.bytes > 0 { point.bytes_per_second() } else { point.items_per_second() }
}

/// Says that times are missing, or nothing if no item was cut off.
pub fn cut_off_note(items: usize) -> String {
    let were = if items == 1 { "was" } else { "were" };
    match items {
        0 => String::new(),
        _ => format!(
            "{} {were} cut off at the end of the time, so longer times are missing",
            crate::number::of(items, "item")
        ),
    }
}

/// Joins notes by `; `, without empty ones.
pub fn join(notes: &[String]) -> String {
    let notes: Vec<&str> = notes.iter().map(String::as_str).filter(|n| !n.is_empty()).collect();
    notes.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_rate(threads: usize, rate: u64) -> Point {
        let (seconds, first_done) = (1.0, 1.0);
        let (cached, latency) = (None, None);
        Point { threads, items: 1.0, bytes: rate, seconds, first_done, cached, latency }
    }

    #[test]
    fn two_steps_without_a_gain_end_the_climb_and_one_does_not() {
        let rates = [(1, 100), (2, 200), (4, 203), (8, 190), (16, 900)];
        let rate = |threads| rates.iter().find(|(n, _)| *n == threads).unwrap().1;
        let threads = rates.map(|(threads, _)| threads);
        let measure = |threads| Ok(of_rate(threads, rate(threads)));
        let (points, note) = climb(&threads, true, measure).unwrap();
        assert_eq!((points.len(), note.contains("more than 8 threads")), (4, true), "{note}");
        let (points, note) = climb(&threads, false, measure).unwrap();
        assert_eq!((points.len(), note.as_str()), (5, ""));
        let slow_once = [(1, 100), (2, 90), (4, 180)];
        let measure = |threads| {
            Ok(of_rate(threads, slow_once.iter().find(|(n, _)| *n == threads).unwrap().1))
        };
        assert_eq!(climb(&[1, 2, 4], true, measure).unwrap().0.len(), 3);
    }

    #[test]
    fn short_lists_are_read_again_until_the_time_is_over() {
        let mut passes = 0;
        let limits = Limits { seconds: 1.0, bytes: u64::MAX };
        let (point, _) = point(2, limits, |left| {
            assert!(left.seconds > 0.2, "{left:?}");
            passes += 1;
            let timed = Timed {
                items: 2.0,
                bytes: 10,
                moved: 12,
                seconds: 0.3,
                first_done: 0.2,
                ..Timed::default()
            };
            Ok(Pass { timed, cached: Some(f64::from(passes == 1)), exhausted: true })
        })
        .unwrap();
        assert_eq!((passes, point.items, point.bytes), (3, 6.0, 30));
        assert!((point.seconds - 0.9).abs() < 1e-9 && (point.first_done - 0.8).abs() < 1e-9);
        assert!((point.cached.unwrap() - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn items_that_were_cut_off_are_told_and_shares_of_them_are_not_rounded() {
        let limits = Limits { seconds: 1.0, bytes: u64::MAX };
        let (point, timed) = point(1, limits, |_| {
            let timed = Timed {
                items: 0.4,
                bytes: 40,
                moved: 80,
                cut_off: 1,
                seconds: 1.0,
                ..Timed::default()
            };
            Ok(Pass { timed, cached: Some(0.5), exhausted: false })
        })
        .unwrap();
        assert_eq!((point.items, point.cached, point.latency), (0.4, Some(0.5), None));
        assert!(cut_off_note(timed.cut_off).starts_with("1 item was cut off"));
        assert_eq!(cut_off_note(0), "");
    }
}
