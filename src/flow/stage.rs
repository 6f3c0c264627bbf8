//! A stage is one step of the work. This module also joins stages into the work of one worker.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::{Meter, Meters};

/// One step of the work. Each worker has its own copy, so scratch buffers may live in `self`.
pub trait Stage {
    /// The input.
    type In: Send;
    /// The output.
    type Out: Send;
    /// Why an item cannot be used.
    type Reject: From<Panicked> + Send;
    /// The name that appears in the quarantine list and in timings.
    const NAME: &'static str;

    /// Transforms one item.
    ///
    /// # Errors
    /// The reason why this item cannot be used. The item is rejected and the run continues.
    fn apply(&mut self, input: Self::In) -> Result<Self::Out, Self::Reject>;

    /// Bytes that were read from storage to make `output`.
    fn fetched(output: &Self::Out) -> u64 {
        let _ = output;
        0
    }
}

/// A stage panicked, which is a bug in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("panicked: {0}")]
pub struct Panicked(pub String);

/// A rejection and the stage that made it.
#[derive(Debug, thiserror::Error)]
#[error("{stage}: {reason}")]
pub struct Rejected<R> {
    /// The name of the stage.
    pub stage: &'static str,
    /// The reason.
    pub reason: R,
}

/// What one worker does with an item: a [`Step`], or several joined by [`Work::then`].
pub trait Work {
    /// The input.
    type In: Send;
    /// The output.
    type Out: Send;
    /// Why an item cannot be used.
    type Reject: Send;

    /// Processes one item.
    ///
    /// # Errors
    /// The rejection and the stage that made it.
    fn run(&mut self, input: Self::In) -> Result<Self::Out, Rejected<Self::Reject>>;

    /// This work, then `next`, by the same worker.
    fn then<W: Work<In = Self::Out, Reject = Self::Reject>>(self, next: W) -> Then<Self, W>
    where
        Self: Sized,
    {
        Then { first: self, second: next }
    }
}

/// A stage with its meter. A panic inside the stage rejects the item as [`Panicked`], and a fresh
/// clone replaces the stage, because the panic may have left it in any state.
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
    type Reject = S::Reject;

    fn run(&mut self, input: S::In) -> Result<S::Out, Rejected<S::Reject>> {
        let start = Instant::now();
        let stage = &mut self.stage;
        let result =
            catch_unwind(AssertUnwindSafe(|| stage.apply(input))).unwrap_or_else(|panic| {
                self.stage = self.pristine.clone();
                Err(Panicked(message(panic.as_ref())).into())
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

impl<A: Work, B: Work<In = A::Out, Reject = A::Reject>> Work for Then<A, B> {
    type In = A::In;
    type Out = B::Out;
    type Reject = A::Reject;

    fn run(&mut self, input: A::In) -> Result<B::Out, Rejected<A::Reject>> {
        self.second.run(self.first.run(input)?)
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| s.to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
