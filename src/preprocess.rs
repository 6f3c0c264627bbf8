//! Preprocessing: turns DICOM files into a verified release of shards.
//!
//! In: a [`Plan`]. Out: the folder of the release, and a [`Summary`]. Each box is a pool of
//! threads; an image is processed by one CPU worker from the look to the resized output.
//!
//! ```text
//! csv + listing ─> Plan ─> Job ─> [ read ] ─> [ look ─ roi ─ judge ─ decode ─ window ─ resize ] ─┐
//!                            I/O threads         one CPU worker per image, scratch kept          │
//!   release/ <── commit <── shard writer, rows in the plan's order <── in order, or a reject ────┘
//! ```

pub mod plan;
mod error;
mod mount;
pub mod reject_class;
pub mod stages;
pub mod steps;
pub mod read;
pub mod look;
mod reduce;
pub mod decode;
mod polarity;
pub mod roi;
pub mod window;
pub mod quality;
pub mod resize;
pub mod memory;
pub mod columns;
pub mod rows;
pub mod sink;
mod sources;
pub mod estimate;

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use crate::error::Fault;
use crate::flow::{Flow, InFlight, Meters, Ordered, Step, Stop, Work};
use crate::shard::release::Release;
pub use error::{PreprocessError, Reject};
use memory::Memory;
use plan::Plan;
use sink::{Sink, Summary};
use stages::{Decode, FindRoi, Judge, Look, Read, Resize, Sample, Window};

/// How one run behaves. Nothing here changes a pixel.
pub struct Control<'a> {
    /// The number of threads that decode images.
    pub workers: usize,
    /// The number of threads that read files.
    pub readers: usize,
    /// Make those shards again that have rejected images.
    pub retry_rejected: bool,
    /// Reject what the machine cannot read, instead of leaving its shard open for the next run.
    pub give_up_unreached: bool,
    /// Accept files whose time of modification has changed before an image was made of them.
    pub accept_new_times: bool,
    /// Set from outside to stop the run early.
    pub stop: Stop,
    /// Collects the times of stages and pools.
    pub meters: Arc<Meters>,
    /// Called for every finished image, with its size in bytes and whether it was rejected.
    pub seen: &'a dyn Fn(u64, bool),
}

/// Runs `plan`, or the part of it that earlier runs did not finish.
///
/// # Errors
/// A [`Fault`]. Finished shards stay, and the next run continues from there.
pub fn run(plan: &Plan, control: &Control) -> Result<Summary, Fault> {
    let start = Instant::now();
    let release = Release::open(&plan.config.output, &plan.facts, plan.listed())?;
    let stock = release.stock(|shard| plan.shard(shard))?;
    sources::check(plan, &release, &stock.finished, control)?;
    let mut sink = Sink::new(plan, &release, control, stock)?;
    let jobs: Vec<usize> = sink.todo().collect();
    samples(plan, control, &jobs, |outcomes| sink.drain(outcomes))?;
    sink.conclude(start.elapsed())
}

/// Sends `jobs` of `plan` through all stages, and passes the outcomes in the same order to `take`,
/// which may stop early.
///
/// # Errors
/// The error of `take`; [`PreprocessError::TooLittleMemory`].
pub fn samples(
    plan: &Plan,
    control: &Control,
    jobs: &[usize],
    take: impl FnOnce(Ordered<Sample, Reject>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let config = Arc::new(plan.config.clone());
    let memory = Memory::divide(&config, control.workers, control.readers)?;
    let limit = InFlight { items: memory.items, bytes: memory.read_ahead };
    let (meters, stop) = (&control.meters, control.stop.clone());
    thread::scope(|scope| {
        let jobs = jobs.iter().map(|&index| plan.job(index));
        let jobs = jobs.map(|job| (job.bytes as usize, job.clone()));
        let read = Step::new(Read::new(&config, &memory), meters);
        let process = Step::new(Look::new(&config, &memory), meters)
            .then(Step::new(FindRoi::new(&config), meters))
            .then(Step::new(Judge::new(&config), meters))
            .then(Step::new(Decode::new(&config), meters))
            .then(Step::new(Window, meters))
            .then(Step::new(Resize::new(&config), meters));
        let flow = Flow::source(scope, limit, Arc::clone(meters), stop, jobs)
            .pool("read", control.readers, read)
            .pool("decode", control.workers, process);
        take(flow.ordered())
    })
}
