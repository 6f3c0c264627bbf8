//! Makes items ahead of their use and returns them in order. Independent of imaging.
//!
//! A few threads, the lanes, claim items in order, each the next unclaimed one. A claim waits while
//! the allowed number of items is claimed and not yet taken. So the next wanted item is always the
//! oldest claim, and it is finished whatever the limit. There is no channel in which untaken items
//! could get stuck: dropping [`Prefetch`] early waits only for the items in progress.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;

use super::lower_priority;
use crate::flow::Stop;

/// Items `0..count`, made ahead.
pub struct Prefetch<T> {
    shared: Arc<Shared<T>>,
    lanes: Vec<JoinHandle<()>>,
    next: usize,
}

struct Shared<T> {
    count: usize,
    ahead: usize,
    stop: Stop,
    /// Whether the caller has dropped the items.
    abandoned: AtomicBool,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    claimed: usize,
    taken: usize,
    lanes: usize,
    done: BTreeMap<usize, Outcome<T>>,
}

type Outcome<T> = Result<T, Box<dyn Any + Send>>;

impl<T: Send + 'static> Prefetch<T> {
    /// Starts `lanes` threads that make items with `work`, at most `ahead` (at least 1) before they
    /// are taken. `work` gets the number of the item, and a flag that is set when the item is no
    /// longer wanted. No items are returned once `stop` is raised.
    pub fn new(
        count: usize,
        (lanes, ahead): (usize, usize),
        stop: Stop,
        work: impl Fn(usize, &AtomicBool) -> T + Send + Sync + 'static,
    ) -> Self {
        let (lanes, ahead) = (lanes.clamp(1, ahead.max(1)), ahead.max(1));
        let state = State { claimed: 0, taken: 0, lanes, done: BTreeMap::new() };
        let shared = Arc::new(Shared {
            count,
            ahead,
            stop,
            abandoned: AtomicBool::new(false),
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let work = Arc::new(work);
        let lane = |_| {
            let (shared, work) = (Arc::clone(&shared), Arc::clone(&work));
            std::thread::spawn(move || {
                lower_priority();
                shared.run(work.as_ref());
            })
        };
        let lanes = (0..lanes).map(lane).collect();
        Self { shared, lanes, next: 0 }
    }

    /// Number of finished items that are not yet taken.
    pub fn ready(&self) -> usize {
        self.shared.lock().done.len()
    }
}

impl<T> Shared<T> {
    fn run(&self, work: &(impl Fn(usize, &AtomicBool) -> T + ?Sized)) {
        while let Some(number) = self.claim() {
            let made = catch_unwind(AssertUnwindSafe(|| work(number, &self.abandoned)));
            self.lock().done.insert(number, made);
            self.changed.notify_all();
        }
        self.lock().lanes -= 1;
        self.changed.notify_all();
    }

    fn claim(&self) -> Option<usize> {
        let has_to_wait = |state: &mut State<T>| {
            !self.is_over()
                && state.claimed < self.count
                && state.claimed - state.taken >= self.ahead
        };
        let waited = self.changed.wait_while(self.lock(), has_to_wait);
        let mut state = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
        let number = state.claimed;
        (!self.is_over() && number < self.count).then(|| {
            state.claimed += 1;
            number
        })
    }

    fn is_over(&self) -> bool {
        self.stop.is_raised() || self.abandoned.load(Ordering::Relaxed)
    }

    /// Ignores poisoning: no code panics under the lock.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl<T> Iterator for Prefetch<T> {
    type Item = T;

    /// Waits for the next item. `None` after the last one, and once the stop is raised.
    ///
    /// # Panics
    /// With the panic of `work`, if it panicked.
    fn next(&mut self) -> Option<T> {
        if self.next == self.shared.count || self.shared.stop.is_raised() {
            return None;
        }
        let next = self.next;
        let has_to_wait = |state: &mut State<T>| !state.done.contains_key(&next) && state.lanes > 0;
        let waited = self.shared.changed.wait_while(self.shared.lock(), has_to_wait);
        let mut state = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
        // Only a stop ends the lanes before the last item.
        let outcome = state.done.remove(&next)?;
        state.taken += 1;
        drop(state);
        self.next += 1;
        self.shared.changed.notify_all();
        Some(outcome.unwrap_or_else(|panic| resume_unwind(panic)))
    }
}

impl<T> Drop for Prefetch<T> {
    /// Ends the lanes after their items in progress.
    fn drop(&mut self) {
        // Under the lock, so that a lane cannot miss it between its check and its wait.
        let state = self.shared.lock();
        self.shared.abandoned.store(true, Ordering::Relaxed);
        drop(state);
        self.shared.changed.notify_all();
        for lane in self.lanes.drain(..) {
            // A lane catches the panics of its work.
            let _ = lane.join();
        }
    }
}

#[cfg(test)]
mod tests;
