use std::sync::Mutex;
use std::time::Duration;

use super::*;

const WIDE: Limits = Limits { seconds: 60.0, bytes: u64::MAX };

fn loop_of(
    threads: usize,
    items: &[u64],
    limits: Limits,
    stop: &Stop,
    work: impl Fn(u64, &Clock) -> io::Result<Part> + Sync,
) -> Timed {
    let run = |_: &mut (), item: &u64, clock: &Clock| work(*item, clock);
    timed(threads, items, limits, stop, |item| *item, || (), run).unwrap()
}

#[test]
fn every_item_is_done_once_by_any_number_of_threads() {
    let items: Vec<u64> = (0..997).collect();
    for threads in [1, 3, 64] {
        let seen = Mutex::new(Vec::new());
        let done = loop_of(threads, &items, WIDE, &Stop::default(), |item, _| {
            seen.lock().unwrap().push(item);
            Ok(Part::whole(item))
        });
        let mut seen = seen.into_inner().unwrap();
        seen.sort_unstable();
        assert_eq!(seen, items);
        assert_eq!((done.items, done.bytes, done.taken), (997.0, 996 * 997 / 2, 997));
        assert!(done.first_done <= done.seconds && done.times.count() == 997);
    }
}

/// Reads 100 bytes in chunks of 25, each of which takes `ms`.
fn slowly(ms: u64, clock: &Clock) -> io::Result<Part> {
    let mut bytes = 0;
    while bytes < 100 && !clock.cuts_off() {
        let counts = clock.begin_chunk();
        thread::sleep(Duration::from_millis(ms));
        bytes += 25;
        if counts {
            clock.count(25);
        }
    }
    Ok(Part::of(bytes, 100, clock))
}

#[test]
fn what_is_read_after_the_end_does_not_count_but_its_time_is_recorded() {
    let limits = Limits { seconds: 0.1, bytes: u64::MAX };
    let stop = Stop::default();
    let done = loop_of(4, &[100; 50], limits, &stop, |_, clock| slowly(30, clock));
    // The fourth chunk begins at 90 ms and ends at 120 ms; or a slow machine reads less.
    assert!(done.bytes <= 400 && done.bytes >= 100, "{done:?}");
    assert!((done.items - done.bytes as f64 / 100.0).abs() < 1e-9, "{done:?}");
    assert!(done.moved >= done.bytes, "{done:?}");
    assert!(done.seconds >= 0.1 && done.times.latency().unwrap().max >= 110.0, "{done:?}");
}

#[test]
fn an_item_cut_off_after_the_grace_period_has_no_time() {
    let limits = Limits { seconds: 0.1, bytes: u64::MAX };
    let stop = Stop::default();
    let done = loop_of(1, &[100; 50], limits, &stop, |_, clock| slowly(80, clock));
    assert_eq!((done.bytes, done.items, done.times.count()), (50, 0.5, 0), "{done:?}");
    assert_eq!((done.moved, done.cut_off), (50, 1), "{done:?}");
    assert!((0.15..0.3).contains(&done.seconds), "{done:?}");
}

#[test]
fn bytes_and_a_stop_end_the_loop_and_errors_keep_their_items() {
    let limits = Limits { bytes: 40, ..WIDE };
    let done = loop_of(1, &[10; 50], limits, &Stop::default(), |_, _| Ok(Part::whole(10)));
    assert_eq!(done.bytes, 40);
    let stop = Stop::default();
    let done = loop_of(2, &[1; 5000], WIDE, &stop, |_, _| {
        stop.raise();
        Ok(Part::whole(1))
    });
    assert!(done.taken <= 4, "{}", done.taken);
    let done = loop_of(2, &[1, 2, 3], WIDE, &Stop::default(), |item, _| match item {
        2 => Err(io::ErrorKind::NotFound.into()),
        item => Ok(Part::whole(item)),
    });
    assert_eq!(done.failures.iter().map(|f| f.item).collect::<Vec<_>>(), [1]);
    assert_eq!(done.bytes, 4);
}
