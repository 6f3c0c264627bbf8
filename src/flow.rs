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
//!
//! Workers are not joined at the end. A worker may hang in the system, in a read from a server that
//! is gone, and nothing can wake it. After a [`Stop`], a flow from which nothing comes any more is
//! given up; such a worker ends with the process.

mod budget;
mod meters;
mod stage;
pub mod threads;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

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

/// How long a stopped flow is silent before it is given up: longer than any image takes.
const PATIENCE: Duration = Duration::from_secs(4);

/// How often a silent flow looks whether it was stopped.
const GLANCE: Duration = Duration::from_millis(100);

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
    end: End,
    receiver: Receiver<Item<T, R>>,
}

/// What ends the source of a flow.
struct End {
    /// Raised from outside.
    stop: Stop,
    /// Raised when nobody takes the outcomes any more.
    abandoned: Stop,
    /// What the source may wait for.
    budgets: [Budget; 2],
}

impl End {
    fn is_near(&self) -> bool {
        self.stop.is_raised() || self.abandoned.is_raised()
    }

    /// Ends the source even if it waits for an item that never comes back.
    fn give_up(&self) {
        self.abandoned.raise();
        self.budgets.iter().for_each(Budget::close);
    }
}

impl<'scope, 'env, T: Send + 'static, R: Send + 'static> Flow<'scope, 'env, T, R> {
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
        let budgets = [places.clone(), bytes.clone()];
        let end = End { stop: stop.clone(), abandoned: abandoned.clone(), budgets };
        scope.spawn(move || {
            for (sequence, (cost, item)) in items.enumerate() {
                let ticket = places.take(1).and(bytes.take(cost));
                if stop.is_raised() || abandoned.is_raised() {
                    break;
                }
                if sender.send(Item { sequence, ticket, result: Ok(item) }).is_err() {
                    break;
                }
            }
        });
        Flow { scope, items: limit.items, meters, end, receiver }
    }

    /// Adds a pool of `workers` threads, each with its own clone of `work`.
    pub fn pool<W>(
        self,
        name: &'static str,
        workers: usize,
        work: W,
    ) -> Flow<'scope, 'env, W::Out, R>
    where
        W: Work<In = T, Reject = R> + Clone + Send + 'static,
        W::Out: Send + 'static,
    {
        let (sender, receiver) = bounded(self.items);
        let meter = self.meters.pool(name, workers);
        for _ in 0..workers {
            let (input, output) = (self.receiver.clone(), sender.clone());
            let (mut work, meter) = (work.clone(), Arc::clone(&meter));
            thread::spawn(move || run(&mut work, &input, &output, &meter));
        }
        Flow { scope: self.scope, items: self.items, meters: self.meters, end: self.end, receiver }
    }

    /// Ends the construction. Outcomes come in source order, in whatever order the workers finish.
    pub fn ordered(self) -> Ordered<T, R> {
        Ordered {
            end: self.end,
            receiver: self.receiver,
            next: 0,
            early: BTreeMap::new(),
            is_given_up: false,
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
    end: End,
    receiver: Receiver<Item<T, R>>,
    next: usize,
    early: BTreeMap<usize, Item<T, R>>,
    is_given_up: bool,
}

impl<T, R> Ordered<T, R> {
    /// The next item in whatever order the workers finish; `None` at the end, or if the flow was
    /// stopped and nothing has come for a while.
    fn receive(&mut self) -> Option<Item<T, R>> {
        let mut stopped: Option<Instant> = None;
        while !self.is_given_up {
            match self.receiver.recv_timeout(GLANCE) {
                Ok(item) => return Some(item),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) if !self.end.is_near() => {}
                Err(RecvTimeoutError::Timeout) => {
                    let silent = stopped.get_or_insert_with(Instant::now).elapsed();
                    self.is_given_up = silent >= PATIENCE;
                }
            }
        }
        self.end.give_up();
        None
    }
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
            let item = self.receive()?;
            self.early.insert(item.sequence, item);
        }
    }
}

impl<T, R> Drop for Ordered<T, R> {
    /// Ends the flow and waits for its items. A bounded channel keeps what is queued when its
    /// receiver goes, tickets included, so leaving without draining would hang the source.
    fn drop(&mut self) {
        self.end.abandoned.raise();
        self.early.clear();
        while self.receive().is_some() {}
    }
}
