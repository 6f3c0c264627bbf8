//! The time of one thread of a timed loop: when it ends, and what counts until then.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::flow::Stop;

/// The longest time that threads get to finish their items, in seconds.
const GRACE: f64 = 1.0;

/// The time of one thread: what counts, and when to end.
#[derive(Debug, Clone)]
pub struct Clock {
    /// After this no further item is taken, and nothing more counts.
    pub(super) end: Option<Instant>,
    /// After this an item is cut off.
    hard_end: Option<Instant>,
    stop: Stop,
    pub(super) counted: Cell<Counted>,
}

/// What counts of an item that is read chunk by chunk.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    /// Whether the item is read so.
    pub(super) by_chunks: bool,
    /// Bytes of the chunks that count.
    pub(super) bytes: u64,
    /// When the last of them was there.
    pub(super) last: Option<Instant>,
}

impl Clock {
    /// A clock that never ends, for work that is not timed.
    pub fn endless() -> Self {
        Self::until(&Stop::default())
    }

    /// A clock that only a stop ends.
    pub fn until(stop: &Stop) -> Self {
        Self { end: None, hard_end: None, stop: stop.clone(), counted: Cell::default() }
    }

    pub(super) fn new(begin: Instant, seconds: f64, stop: &Stop) -> Self {
        let after = |seconds| begin.checked_add(Duration::try_from_secs_f64(seconds).ok()?);
        let grace = (seconds / 2.0).min(GRACE);
        Self { end: after(seconds), hard_end: after(seconds + grace), ..Self::until(stop) }
    }

    /// Whether a stop was requested, for work that the end of the time does not cut off.
    pub fn is_stopped(&self) -> bool {
        self.stop.is_raised()
    }

    /// Whether no further item is to be taken.
    pub(super) fn is_over(&self) -> bool {
        self.is_stopped() || self.end.is_some_and(|end| Instant::now() >= end)
    }

    /// Whether an item is to be cut off.
    pub fn cuts_off(&self) -> bool {
        self.is_stopped() || self.hard_end.is_some_and(|end| Instant::now() >= end)
    }

    /// Says that the item is read chunk by chunk. Chunks that begin after the end do not count.
    /// Returns whether the next chunk will.
    pub fn begin_chunk(&self) -> bool {
        self.counted.set(Counted { by_chunks: true, ..self.counted.get() });
        !self.is_over()
    }

    /// Counts a chunk that was read.
    pub fn count(&self, bytes: u64) {
        let counted = self.counted.get();
        let last = Some(Instant::now());
        self.counted.set(Counted { bytes: counted.bytes + bytes, last, ..counted });
    }
}
