use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::*;
use crate::random::Random;

/// Sleeps a few microseconds, depending on the number.
fn dawdle(number: usize) {
    let micros = Random::seed_of(9, number as u64) % 200;
    std::thread::sleep(Duration::from_micros(micros));
}

#[test]
fn items_come_in_order_whatever_the_lanes_and_the_limit() {
    for lanes in [1, 2, 7] {
        for ahead in [1, 2, 5] {
            let work = |number, _: &AtomicBool| {
                dawdle(number);
                number
            };
            let items: Vec<usize> =
                Prefetch::new(40, (lanes, ahead), Stop::default(), work).collect();
            assert_eq!(items, (0..40).collect::<Vec<_>>(), "{lanes} lanes, {ahead} ahead");
        }
    }
}

#[test]
fn no_more_items_than_allowed_are_made_ahead() {
    let (made, worst) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, most) = (Arc::clone(&made), Arc::clone(&worst));
    let work = move |number, _: &AtomicBool| {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        dawdle(number);
    };
    for () in Prefetch::new(100, (4, 3), Stop::default(), work) {
        std::thread::sleep(Duration::from_micros(50));
        made.fetch_sub(1, Ordering::SeqCst);
    }
    // The item that was just taken still counts.
    assert!((2..=4).contains(&worst.load(Ordering::SeqCst)), "{worst:?}");
}

#[test]
fn dropping_early_waits_only_for_items_in_progress() {
    let mut random = Random::new(1);
    for _ in 0..500 {
        let (lanes, ahead) = (1 + random.next() as usize % 4, 1 + random.next() as usize % 4);
        let take = random.next() as usize % 12;
        let stop = Stop::default();
        let mut prefetch = Prefetch::new(10, (lanes, ahead), stop.clone(), |number, _| number);
        for number in 0..take {
            assert_eq!(prefetch.next(), (number < 10).then_some(number));
        }
        if random.chance(0.3) {
            stop.raise();
            assert_eq!(prefetch.next(), None);
        }
        if random.chance(0.3) {
            std::thread::sleep(Duration::from_micros(random.next() % 100));
        }
    }
}

#[test]
fn a_stop_ends_a_caller_that_is_waiting() {
    for _ in 0..100 {
        let stop = Stop::default();
        let raise = stop.clone();
        let work = move |number, _: &AtomicBool| {
            if number == 3 {
                raise.raise();
            }
            number
        };
        let items: Vec<usize> = Prefetch::new(1000, (2, 2), stop, work).collect();
        assert!(items.len() <= 6, "{items:?}");
        assert_eq!(items, (0..items.len()).collect::<Vec<_>>());
    }
}

#[test]
fn a_panic_of_the_work_reaches_the_caller() {
    let work = |number: usize, _: &AtomicBool| {
        assert_ne!(number, 2, "a bug");
        number
    };
    let mut prefetch = Prefetch::new(5, (2, 2), Stop::default(), work);
    assert_eq!((prefetch.next(), prefetch.next()), (Some(0), Some(1)));
    let panic = catch_unwind(AssertUnwindSafe(|| prefetch.next()));
    assert!(panic.is_err());
}
