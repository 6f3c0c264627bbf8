//! One step of the work, and how steps are joined into what one worker does.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::{Meter, Meters};
use crate::error::Reject;

/// One step. Each worker owns its own, so scratch buffers may live in `self`.
pub trait Stage {
    /// What arrives.
    type In: Send;
    /// What leaves.
    type Out: Send;
    /// The name that appears in quarantine and timings.
    const NAME: &'static str;

    /// Transforms one item, or says why this item cannot be used.
    ///
    /// # Errors
    /// A [`Reject`] sets this item aside; the run goes on.
    fn apply(&mut self, input: Self::In) -> Result<Self::Out, Reject>;

    /// Bytes that were fetched from outside to make `output`.
    fn fetched(output: &Self::Out) -> u64 {
        let _ = output;
        0
    }
}

/// A [`Reject`] and the stage that pronounced it.
#[derive(Debug, thiserror::Error)]
#[error("{stage}: {reason}")]
pub struct Rejected {
    /// Where.
    pub stage: &'static str,
    /// Why.
    pub reason: Reject,
}

/// What one worker does with an item: a [`Step`], or several joined by [`Work::then`].
pub trait Work {
    /// What arrives.
    type In: Send;
    /// What leaves.
    type Out: Send;

    /// Does it.
    ///
    /// # Errors
    /// The rejection and the stage that pronounced it.
    fn run(&mut self, input: Self::In) -> Result<Self::Out, Rejected>;

    /// This, then `next`, by the same worker.
    fn then<W: Work<In = Self::Out>>(self, next: W) -> Then<Self, W>
    where
        Self: Sized,
    {
        Then { first: self, second: next }
    }
}

/// A stage with its meter. A panic inside it becomes [`Reject::Panicked`], and the stage is
/// replaced by a pristine clone, whatever state the panic left it in.
#[derive(Debug, Clone)]
pub struct Step<S> {
    stage: S,
    pristine: S,
    meter: Arc<Meter>,
}

impl<S: Stage + Clone> Step<S> {
    /// Measures `stage` under its name in `meters`.
    pub fn new(stage: S, meters: &Meters) -> Self {
        Self { pristine: stage.clone(), stage, meter: meters.step(S::NAME) }
    }
}

impl<S: Stage + Clone> Work for Step<S> {
    type In = S::In;
    type Out = S::Out;

    fn run(&mut self, input: S::In) -> Result<S::Out, Rejected> {
        let start = Instant::now();
        let stage = &mut self.stage;
        let result =
            catch_unwind(AssertUnwindSafe(|| stage.apply(input))).unwrap_or_else(|panic| {
                self.stage = self.pristine.clone();
                Err(Reject::Panicked(message(panic.as_ref())))
            });
        self.meter.done(start.elapsed(), result.is_err());
        self.meter.fetched(result.as_ref().map_or(0, S::fetched));
        result.map_err(|reason| Rejected { stage: S::NAME, reason })
    }
}

/// Two pieces of work, one after the other.
#[derive(Debug, Clone)]
pub struct Then<A, B> {
    first: A,
    second: B,
}

impl<A: Work, B: Work<In = A::Out>> Work for Then<A, B> {
    type In = A::In;
    type Out = B::Out;

    fn run(&mut self, input: A::In) -> Result<B::Out, Rejected> {
        self.second.run(self.first.run(input)?)
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| s.to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
