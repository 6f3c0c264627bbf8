//! Estimates time and space of a run from a few of its images.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::plan::Plan;
use super::rows::SampleWriter;
use super::sink;
use super::{Control, samples};
use crate::error::Fault;
use crate::flow::{Meters, Stop};
use crate::shard::Shape;
use crate::shard::writer;
use crate::store::Aside;

/// The number of images that are processed for the estimate.
const SAMPLE: usize = 16;

/// The estimate.
#[derive(Debug)]
pub struct Estimate {
    /// Images that were processed for it.
    pub sampled: usize,
    /// How many of them were rejected.
    pub rejected: usize,
    /// Wall time of the work that is left, in seconds.
    pub seconds: f64,
    /// Bytes of the files that are left to read.
    pub left_bytes: u64,
    /// Bytes of all shards.
    pub bytes: u64,
    /// Shards that are finished already.
    pub finished: usize,
    /// Free bytes on the disk of the release; `None` if the system does not say.
    pub free: Option<u64>,
}

/// Processes up to 16 images, evenly spread over the plan, and writes them to a temporary file.
///
/// # Errors
/// A [`Fault`] if the temporary file cannot be written.
pub fn estimate(plan: &Plan, workers: usize, readers: usize) -> Result<Estimate, Fault> {
    let images = plan.joined.jobs.len();
    let sampled = SAMPLE.min(images);
    let jobs: Vec<usize> = (0..sampled).map(|i| i * images / sampled).collect();
    let control = Control {
        workers,
        readers,
        retry_rejected: false,
        give_up_unreached: false,
        accept_new_times: false,
        stop: Stop::default(),
        meters: Arc::new(Meters::default()),
        seen: &|_, _| {},
    };
    let scratch = Scratch::new()?;
    let start = Instant::now();
    let (mut rejected, mut written) = (0, 0);
    samples(plan, &control, &jobs, |outcomes| {
        let shard = &plan.config.shard;
        let file = Aside::create(&scratch.0, writer::extension(shard.format))?;
        let mut writer = SampleWriter::new(file, shard, Shape::of(&plan.config))?;
        for outcome in outcomes {
            match outcome {
                Ok(sample) => writer.push(sample)?,
                Err(_) => rejected += 1,
            }
        }
        written = writer.close()?.0.bytes;
        Ok(())
    })?;
    let share = |left: usize| left as f64 / sampled.max(1) as f64;
    let finished = sink::finished(plan)?;
    let left = images.saturating_sub(finished * plan.config.shard.rows);
    Ok(Estimate {
        sampled,
        rejected,
        seconds: start.elapsed().as_secs_f64() * share(left),
        left_bytes: plan.joined.jobs[images - left..].iter().map(|job| job.bytes).sum(),
        bytes: (written as f64 * share(images)) as u64,
        finished,
        free: free(&plan.config.output),
    })
}

/// A temporary folder, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Fault> {
        let path = std::env::temp_dir().join(format!("mammo-pipe-{}", std::process::id()));
        std::fs::create_dir_all(path.join(".tmp")).map_err(Fault::io(&path))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // If the removal fails, the operating system cleans its temporary folder later.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Free bytes in `folder`, or in the nearest existing folder above it.
#[cfg(unix)]
pub(crate) fn free(folder: &Path) -> Option<u64> {
    let folder = std::path::absolute(folder).ok()?;
    let there = folder.ancestors().find(|path| path.exists())?;
    let status = rustix::fs::statvfs(there).ok()?;
    Some(status.f_bavail * status.f_frsize)
}

#[cfg(not(unix))]
pub(crate) fn free(_: &Path) -> Option<u64> {
    None
}
