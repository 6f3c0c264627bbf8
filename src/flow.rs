//! Moves items through stages: in order, in several threads, with a bound on memory.
//!
//! In: a source of items, each with the bytes that it will need. Out: [`Ordered`], one outcome per
//! item in source order, so that the output never depends on timing. The module knows nothing of
//! imaging, and of rejections only that a panic is one.
//!
//! An item enters with a [`Ticket`] for its bytes and passes through pools of workers. A stage that
//! refuses an item turns it into a [`Rejected`], which travels through the same channels to the
//! end. Tickets are given in source order, so finished later items can never starve the earliest
//! one. The tickets and the number of items in flight bound the memory.

mod budget;
mod meters;
mod stage;
pub mod threads;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};

pub use budget::{Budget, Ticket};
pub use meters::{Meter, Meters, PoolMeter, Snapshot};
pub use stage::{Panicked, Rejected, Stage, Step, Then, Work};

/// Asks the source to stop. Items in flight are finished.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Requests the stop.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether a stop was requested.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The flag itself, for a signal handler.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

/// How much one flow may hold.
#[derive(Debug, Clone, Copy)]
pub struct InFlight {
    /// The number of items at once.
    pub items: usize,
    /// Bytes at once, as the source counts them; an item larger than all of it goes alone.
    pub bytes: usize,
}

struct Item<T, R> {
    sequence: usize,
    ticket: Ticket,
    result: Result<T, Rejected<R>>,
}

/// A flow under construction, with items `T` and rejections `R`.
pub struct Flow<'scope, 'env, T, R> {
    scope: &'scope Scope<'scope, 'env>,
    items: usize,
    meters: Arc<Meters>,
    abandoned: Stop,
    receiver: Receiver<Item<T, R>>,
}

impl<'scope, 'env, T: Send + 'scope, R: Send + 'scope> Flow<'scope, 'env, T, R> {
    /// Starts a flow from `items`, each with the bytes that it will need.
    pub fn source<I>(
        scope: &'scope Scope<'scope, 'env>,
        limit: InFlight,
        meters: Arc<Meters>,
        stop: Stop,
        items: I,
    ) -> Self
    where
        I: IntoIterator<Item = (usize, T)>,
        I::IntoIter: Send + 'scope,
    {
        let (sender, receiver) = bounded(limit.items);
        let places = Budget::new(limit.items);
        let bytes = Budget::new(limit.bytes);
        let items = items.into_iter();
        let abandoned = Stop::default();
        let given_up = abandoned.clone();
        scope.spawn(move || {
            for (sequence, (cost, item)) in items.enumerate() {
                let ticket = places.take(1).and(bytes.take(cost));
                if stop.is_raised() || given_up.is_raised() {
                    break;
                }
                if sender.send(Item { sequence, ticket, result: Ok(item) }).is_err() {
                    break;
                }
            }
        });
        Flow { scope, items: limit.items, meters, abandoned, receiver }
    }

    /// Adds a pool of `workers` threads, each with its own clone of `work`.
    pub fn pool<W>(
        self,
        name: &'static str,
        workers: usize,
        work: W,
    ) -> Flow<'scope, 'env, W::Out, R>
    where
        W: Work<In = T, Reject = R> + Clone + Send + 'scope,
        W::Out: Send + 'scope,
    {
        let (sender, receiver) = bounded(self.items);
        let meter = self.meters.pool(name, workers);
        for _ in 0..workers {
            let (input, output) = (self.receiver.clone(), sender.clone());
            let (mut work, meter) = (work.clone(), Arc::clone(&meter));
            self.scope.spawn(move || run(&mut work, &input, &output, &meter));
        }
        Flow {
            scope: self.scope,
            items: self.items,
            meters: self.meters,
            abandoned: self.abandoned,
            receiver,
        }
    }

    /// Ends the construction. Outcomes come in source order, in whatever order the workers finish.
    pub fn ordered(self) -> Ordered<T, R> {
        Ordered {
            abandoned: self.abandoned,
            receiver: self.receiver,
            next: 0,
            early: BTreeMap::new(),
        }
    }
}

fn run<W: Work>(
    work: &mut W,
    input: &Receiver<Item<W::In, W::Reject>>,
    output: &Sender<Item<W::Out, W::Reject>>,
    meter: &PoolMeter,
) {
    loop {
        let waiting = Instant::now();
        let Ok(Item { sequence, ticket, result }) = input.recv() else { return };
        meter.starved(waiting.elapsed());
        let result = result.and_then(|item| work.run(item));
        let waiting = Instant::now();
        if output.send(Item { sequence, ticket, result }).is_err() {
            return;
        }
        meter.blocked(waiting.elapsed());
    }
}

/// Iterator over the outcomes of a flow, in source order.
pub struct Ordered<T, R> {
    abandoned: Stop,
    receiver: Receiver<Item<T, R>>,
    next: usize,
    early: BTreeMap<usize, Item<T, R>>,
}

impl<T, R> Iterator for Ordered<T, R> {
    type Item = Result<T, Rejected<R>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.early.remove(&self.next) {
                self.next += 1;
                drop(item.ticket);
                return Some(item.result);
            }
            let item = self.receiver.recv().ok()?;
            self.early.insert(item.sequence, item);
        }
    }
}

impl<T, R> Drop for Ordered<T, R> {
    /// Ends the flow and waits for its items. A bounded channel keeps what is queued when its
    /// receiver goes, tickets included, so leaving without draining would hang the source.
    fn drop(&mut self) {
        self.abandoned.raise();
        self.early.clear();
        self.receiver.iter().for_each(drop);
    }
}
