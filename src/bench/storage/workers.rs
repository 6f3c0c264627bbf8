//! A timed loop over items in several threads.
//!
//! In: items, a number of threads, and a closure that reads or writes one item. Out: [`Timed`]:
//! how many items and bytes in what time, when the first and the last thread were done, the time
//! of each item, and each error with its item.
//!
//! The threads take the items in their order. What is read after the time is over does not count,
//! but for the chunk of each thread that was on its way. So the throughput is that of all threads
//! together, without a tail in which a few of them finish; a part of an item counts as that share
//! of an item. The threads do finish their items, within a grace period, so that the times of long
//! items are not missing from the distribution.

mod clock;
pub mod series;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{OnceLock, RwLock, mpsc};
use std::thread;
use std::time::Instant;

use super::error::StorageError;
use super::latency::Times;
use super::options::Limits;
use crate::flow::Stop;

pub use clock::Clock;

/// Most errors that are kept; after as many, the loop ends.
const MOST_FAILURES: usize = 100;

/// What was done of one item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Bytes read or written.
    pub bytes: u64,
    /// The share of the item, 0 to 1. Below 1 only if the time was over.
    pub share: f64,
}

impl Part {
    /// All of an item, with its bytes.
    pub fn whole(bytes: u64) -> Self {
        Self { bytes, share: 1.0 }
    }

    /// `bytes` of an item that should have `of`, when `clock` may have ended it.
    pub fn of(bytes: u64, of: u64, clock: &Clock) -> Self {
        let short = bytes < of && clock.cuts_off();
        Self { bytes, share: if short { bytes as f64 / of as f64 } else { 1.0 } }
    }
}

/// An item that could not be read or written.
#[derive(Debug)]
pub struct Failure {
    /// The position of the item.
    pub item: usize,
    /// The system's error.
    pub error: io::Error,
}

/// The result of a loop, or of several, one after another.
#[derive(Debug, Default)]
pub struct Timed {
    /// Items, and shares of those that the end of the time cut off.
    pub items: f64,
    /// Bytes of these.
    pub bytes: u64,
    /// Bytes of all items, also what was read after the end of the time and does not count.
    pub moved: u64,
    /// Items that the end of the time cut off. Their times are not known.
    pub cut_off: usize,
    /// Seconds until the last thread was done.
    pub seconds: f64,
    /// Seconds until the first thread was done.
    pub first_done: f64,
    /// Items taken from the list, in its order, also those that failed.
    pub taken: usize,
    /// Times of whole items.
    pub times: Times,
    /// Items that failed.
    pub failures: Vec<Failure>,
}

impl Timed {
    /// Adds the result of a loop that ran after this one.
    pub fn add(&mut self, later: Self) {
        self.first_done = self.seconds + later.first_done;
        self.seconds += later.seconds;
        self.items += later.items;
        self.bytes += later.bytes;
        self.moved += later.moved;
        self.cut_off += later.cut_off;
        self.taken += later.taken;
        self.times.add(&later.times);
        self.failures.extend(later.failures);
    }

    /// # Errors
    /// [`StorageError::Interrupted`] after a stop, [`StorageError::AllFailed`] if there are
    /// errors and nothing else.
    pub fn check<'a>(
        &self,
        stop: &Stop,
        path: impl Fn(usize) -> &'a Path,
    ) -> Result<(), StorageError> {
        if stop.is_raised() {
            return Err(StorageError::Interrupted);
        }
        match self.failures.first() {
            Some(first) if self.items == 0.0 => Err(StorageError::AllFailed {
                count: self.failures.len(),
                path: path(first.item).to_owned(),
                source: io::Error::new(first.error.kind(), first.error.to_string()),
            }),
            _ => Ok(()),
        }
    }
}

struct Thread {
    done: Instant,
    items: f64,
    bytes: u64,
    moved: u64,
    cut_off: usize,
    times: Times,
    failures: Vec<Failure>,
}

/// Runs `work` on each item, in `threads` threads with a state of their own, within `limits`.
/// The size of an item that `bytes_of` gives counts for the limit of bytes.
///
/// # Errors
/// [`StorageError::Io`] if the system starts no more threads.
pub fn timed<I: Sync, S>(
    threads: usize,
    items: &[I],
    limits: Limits,
    stop: &Stop,
    bytes_of: impl Fn(&I) -> u64 + Sync,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &I, &Clock) -> io::Result<Part> + Sync,
) -> Result<Timed, StorageError> {
    let (next, promised) = (AtomicUsize::new(0), AtomicU64::new(0));
    let failed = AtomicUsize::new(0);
    let (start, cancelled) = (OnceLock::new(), Stop::default());
    // The threads wait at this gate until the last of them has its state.
    let gate = RwLock::new(());
    let (ready, all_ready) = mpsc::channel();
    let run = |ready: mpsc::Sender<()>| {
        let mut state = state();
        let (mut times, mut failures) = (Times::default(), Vec::new());
        let _ = ready.send(());
        drop(gate.read());
        let begin: Instant = *start.get_or_init(Instant::now);
        let clock = Clock::new(begin, limits.seconds, stop);
        let mut done = begin;
        let (mut count, mut bytes, mut moved, mut cut_off) = (0.0, 0, 0, 0);
        while !cancelled.is_raised() && !clock.is_over() && failed.load(Relaxed) < MOST_FAILURES {
            if promised.load(Relaxed) >= limits.bytes {
                break;
            }
            let index = next.fetch_add(1, Relaxed);
            let Some(item) = items.get(index) else { break };
            promised.fetch_add(bytes_of(item), Relaxed);
            let before = Instant::now();
            match work(&mut state, item, &clock) {
                Ok(part) => {
                    let now = Instant::now();
                    moved += part.bytes;
                    if part.share >= 1.0 {
                        times.record(now - before);
                    } else {
                        cut_off += 1;
                    }
                    let counted = clock.counted.take();
                    let in_time = clock.end.is_none_or(|end| now <= end);
                    if in_time || !counted.by_chunks {
                        count += part.share;
                        bytes += part.bytes;
                        done = now;
                    } else {
                        let share = counted.bytes as f64 / part.bytes.max(1) as f64;
                        count += part.share * share;
                        bytes += counted.bytes;
                        done = done.max(clock.end.unwrap_or(now)).max(counted.last.unwrap_or(done));
                    }
                }
                Err(error) => {
                    failed.fetch_add(1, Relaxed);
                    clock.counted.take();
                    done = Instant::now();
                    failures.push(Failure { item: index, error });
                }
            }
        }
        Thread { done, items: count, bytes, moved, cut_off, times, failures }
    };
    let threads = thread::scope(|scope| {
        let closed = gate.write();
        let mut handles = Vec::new();
        for _ in 0..threads {
            let (run, ready) = (&run, ready.clone());
            match thread::Builder::new().spawn_scoped(scope, move || run(ready)) {
                Ok(handle) => handles.push(handle),
                Err(error) => {
                    cancelled.raise();
                    return Err(StorageError::io("threads")(error));
                }
            }
        }
        drop(ready);
        all_ready.iter().take(threads).for_each(drop);
        drop(closed);
        let join = |handle: thread::ScopedJoinHandle<Thread>| {
            handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        Ok(handles.into_iter().map(join).collect::<Vec<Thread>>())
    })?;
    let taken = next.into_inner().min(items.len());
    Ok(collect(threads, start.into_inner(), taken))
}

fn collect(threads: Vec<Thread>, start: Option<Instant>, taken: usize) -> Timed {
    let start = start.unwrap_or_else(Instant::now);
    let mut timed = Timed { taken, first_done: f64::INFINITY, ..Timed::default() };
    for thread in threads {
        let seconds = thread.done.saturating_duration_since(start).as_secs_f64();
        timed.first_done = timed.first_done.min(seconds);
        timed.seconds = timed.seconds.max(seconds);
        timed.items += thread.items;
        timed.bytes += thread.bytes;
        timed.moved += thread.moved;
        timed.cut_off += thread.cut_off;
        timed.times.add(&thread.times);
        timed.failures.extend(thread.failures);
    }
    timed.first_done = timed.first_done.min(timed.seconds);
    timed.failures.sort_by_key(|failure| failure.item);
    timed
}

#[cfg(test)]
mod tests;
