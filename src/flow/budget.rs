//! A budget of bytes (or of slots), given out in the order of the requests.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// Bytes that may be in use at once. Clones share one budget.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    total: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    free: usize,
    next_number: u64,
    served: u64,
    is_closed: bool,
}

impl Budget {
    /// A budget of `total`.
    pub fn new(total: usize) -> Self {
        let state = Mutex::new(State { free: total, next_number: 0, served: 0, is_closed: false });
        Self(Arc::new(Shared { total, state, changed: Condvar::new() }))
    }

    /// A budget that nothing exceeds, for work on one image at a time.
    pub fn unlimited() -> Self {
        Self::new(usize::MAX)
    }

    /// The size of the whole budget, in bytes.
    pub fn total(&self) -> usize {
        self.0.total
    }

    /// Waits until all earlier requests have been served and `amount` is free, then takes it. First
    /// come, first served, so that small requests never starve a large one. A request beyond the
    /// total is reduced to the total: it waits until nothing else is in use. Nobody waits any more
    /// once the budget is closed; the ticket is then empty.
    pub fn take(&self, amount: usize) -> Ticket {
        let amount = amount.min(self.0.total);
        let mut state = self.0.lock();
        let number = state.next_number;
        state.next_number += 1;
        let mut state = self
            .0
            .changed
            .wait_while(state, |s| !s.is_closed && (s.served != number || s.free < amount))
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if state.is_closed {
            return Ticket::default();
        }
        state.free -= amount;
        state.served += 1;
        self.0.changed.notify_all();
        Ticket { taken: vec![(Arc::clone(&self.0), amount)] }
    }

    /// Lets everybody who waits go on without a part of the budget, because its holder will never
    /// return it.
    pub fn close(&self) {
        self.0.lock().is_closed = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    /// The state stays consistent if a holder panics: every change to it is a single step.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The right to use a part of one or more budgets. Dropping it returns that part.
#[derive(Debug, Default)]
pub struct Ticket {
    taken: Vec<(Arc<Shared>, usize)>,
}

impl Ticket {
    /// One ticket that holds both.
    pub fn and(mut self, mut other: Ticket) -> Ticket {
        self.taken.append(&mut other.taken);
        self
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        for (shared, amount) in self.taken.drain(..) {
            shared.lock().free += amount;
            shared.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn no_more_than_the_total_is_ever_out() {
        let budget = Budget::new(100);
        let (out, worst) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for thread in 0..8usize {
                let (budget, out, worst) = (&budget, &out, &worst);
                scope.spawn(move || {
                    for n in 0..200 {
                        let amount = (thread * 31 + n * 17) % 90 + 1;
                        let ticket = budget.take(amount);
                        let now = out.fetch_add(amount, Ordering::SeqCst) + amount;
                        worst.fetch_max(now, Ordering::SeqCst);
                        out.fetch_sub(amount, Ordering::SeqCst);
                        drop(ticket);
                    }
                });
            }
        });
        assert!(worst.load(Ordering::SeqCst) <= 100, "{worst:?}");
    }

    #[test]
    fn a_request_beyond_the_total_waits_until_it_is_alone() {
        let budget = Budget::new(10);
        let small = budget.take(1);
        std::thread::scope(|scope| {
            let large = scope.spawn(|| budget.take(1000));
            while budget.0.lock().next_number < 2 {
                std::thread::yield_now();
            }
            assert!(!large.is_finished());
            drop(small);
            drop(large.join().unwrap());
        });
        assert_eq!(budget.0.lock().free, 10);
    }
}
