//! What the flow promises.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mammo_pipe::flow::{Flow, InFlight, Meters, Panicked, Rejected, Stage, Step, Stop, Work};

const LIMIT: InFlight = InFlight { items: 8, bytes: 1000 };

/// Why a number is not used.
#[derive(Debug)]
struct Refused(String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Panicked> for Refused {
    fn from(panicked: Panicked) -> Self {
        Self(panicked.to_string())
    }
}

/// Squares, rejects what ends in 3, panics on 13, and takes a while that differs by item.
#[derive(Clone)]
struct Square;

impl Stage for Square {
    type In = u64;
    type Out = u64;
    type Reject = Refused;
    const NAME: &'static str = "square";

    fn apply(&mut self, n: u64) -> Result<u64, Refused> {
        std::thread::sleep(Duration::from_micros((n * 7919) % 300));
        match n {
            13 => panic!("hostile"),
            n if n % 10 == 3 => Err(Refused("it ends in 3".into())),
            n => Ok(n * n),
        }
    }
}

/// Holds the first item back, so that all later ones overtake it.
#[derive(Clone)]
struct SlowHead;

impl Stage for SlowHead {
    type In = u64;
    type Out = u64;
    type Reject = Refused;
    const NAME: &'static str = "slow head";

    fn apply(&mut self, n: u64) -> Result<u64, Refused> {
        if n == 0 {
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(n)
    }
}

fn costed<I: IntoIterator<Item = u64>>(items: I) -> impl Iterator<Item = (usize, u64)> {
    items.into_iter().map(|n| ((n % 400) as usize, n))
}

fn outcomes(workers: usize) -> Vec<Result<u64, String>> {
    let meters = Arc::new(Meters::default());
    std::thread::scope(|scope| {
        let work = Step::new(Square, &meters).then(Step::new(SlowHead, &meters));
        Flow::source(scope, LIMIT, Arc::clone(&meters), Stop::default(), costed(0..200))
            .pool("cpu", workers, work)
            .ordered()
            .map(|result| result.map_err(|rejected: Rejected<Refused>| rejected.to_string()))
            .collect()
    })
}

#[test]
fn order_and_rejects_do_not_depend_on_the_worker_count() {
    let one = outcomes(1);
    assert_eq!(one.len(), 200);
    assert_eq!(one[12], Ok(144));
    assert_eq!(one[13], Err("square: panicked: hostile".into()));
    assert!(one[3].as_ref().is_err_and(|e| e.starts_with("square: ")), "{:?}", one[3]);
    assert_eq!(one, outcomes(7));
}

#[test]
fn a_slow_head_does_not_let_the_source_run_away() {
    let meters = Arc::new(Meters::default());
    let (made, seen, worst) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let items = costed(0..500).inspect(|_| {
            let alive = made.fetch_add(1, Ordering::SeqCst) + 1 - seen.load(Ordering::SeqCst);
            worst.fetch_max(alive, Ordering::SeqCst);
        });
        let work = Step::new(SlowHead, &meters);
        let flow = Flow::source(scope, LIMIT, Arc::clone(&meters), Stop::default(), items);
        for outcome in flow.pool("cpu", 4, work).ordered() {
            outcome.unwrap();
            seen.fetch_add(1, Ordering::SeqCst);
        }
    });
    // One more may have been made and wait for its ticket, one more be on its way out.
    assert!(worst.load(Ordering::SeqCst) <= LIMIT.items + 2, "{worst:?}");
}

/// A flow without end: whoever leaves it must not hang. FACTS of crossbeam's bounded
/// channels: without a drain 2 % of runs do, so it is run hundreds of times.
#[test]
fn dropping_the_consumer_ends_every_thread() {
    for _ in 0..300 {
        let meters = Arc::new(Meters::default());
        std::thread::scope(|scope| {
            let work = Step::new(Square, &meters);
            let source = costed((0..).filter(|n| n % 10 != 3));
            let mut flow = Flow::source(scope, LIMIT, Arc::clone(&meters), Stop::default(), source)
                .pool("cpu", 4, work)
                .ordered();
            assert_eq!(flow.next().map(Result::unwrap), Some(0));
        });
    }
}

#[test]
fn stop_drains_what_is_in_flight() {
    let (meters, stop) = (Arc::new(Meters::default()), Stop::default());
    let got: Vec<u64> = std::thread::scope(|scope| {
        let work = Step::new(SlowHead, &meters);
        let flow = Flow::source(scope, LIMIT, Arc::clone(&meters), stop.clone(), costed(0..));
        let mut got = vec![];
        for outcome in flow.pool("cpu", 4, work).ordered() {
            got.push(outcome.unwrap());
            if got.len() == 20 {
                stop.raise();
            }
        }
        got
    });
    assert!((20..=20 + LIMIT.items).contains(&got.len()), "{}", got.len());
    assert!(got.iter().copied().eq(0..got.len() as u64));
}

#[test]
fn meters_count_every_item_and_reject() {
    let meters = Arc::new(Meters::default());
    std::thread::scope(|scope| {
        let work = Step::new(Square, &meters).then(Step::new(SlowHead, &meters));
        Flow::source(scope, LIMIT, Arc::clone(&meters), Stop::default(), costed(0..100))
            .pool("cpu", 3, work)
            .ordered()
            .for_each(drop);
    });
    let steps = meters.steps();
    assert_eq!((steps[0].name.as_str(), steps[0].items, steps[0].rejects), ("square", 100, 10));
    assert_eq!((steps[1].items, steps[1].rejects), (90, 0));
}
