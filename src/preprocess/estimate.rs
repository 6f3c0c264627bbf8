//! Estimates time and space of a run from a few of its images.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::plan::Plan;
use super::rows::SampleWriter;
use super::sink;
use super::stages::Read;
use super::{Control, samples};
use crate::error::Fault;
use crate::flow::{Meters, Stage, Stop};
use crate::shard::Shape;
use crate::shard::writer;
use crate::store::Aside;

/// The number of images that are processed at a time.
const ROUND: usize = 16;
/// Rounds at most. Few images say little of a dataset with several kinds of machines.
const ROUNDS: usize = 8;
/// No round begins after this time.
const ENOUGH: Duration = Duration::from_secs(8);

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

/// Processes up to 128 images, evenly spread over the plan, in about ten seconds, and writes them to
/// a temporary file.
///
/// The time of the rest is taken to grow with the files' bytes. What counts is how long the threads
/// worked, not how long the few images took: with so few, threads wait for the last one.
///
/// # Errors
/// A [`Fault`] if the temporary file cannot be written.
pub fn estimate(plan: &Plan, workers: usize, readers: usize) -> Result<Estimate, Fault> {
    let jobs = &plan.joined.jobs;
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
    let mut sampled = Sampled::default();
    for round in rounds(jobs.len()) {
        if sampled.images > 0 && start.elapsed() > ENOUGH {
            break;
        }
        sampled.take(plan, &control, &scratch, &round)?;
    }
    let finished = sink::finished(plan)?;
    let done = jobs.len().min(finished * plan.config.shard.rows);
    let left_bytes: u64 = jobs[done..].iter().map(|job| job.bytes).sum();
    let of_bytes = |bytes: u64| bytes as f64 / sampled.bytes.max(1) as f64;
    let steps = control.meters.steps();
    let busy = |reading: bool| -> f64 {
        let of_pool = steps.iter().filter(|step| (step.name == Read::NAME) == reading);
        of_pool.map(|step| step.busy_s).sum()
    };
    let (reading, decoding) = (busy(true) / readers as f64, busy(false) / workers as f64);
    // The three go on at the same time, so the longest decides.
    let longest = reading.max(decoding).max(sampled.writing.as_secs_f64());
    Ok(Estimate {
        sampled: sampled.images,
        rejected: sampled.rejected,
        seconds: longest * of_bytes(left_bytes),
        left_bytes,
        bytes: (sampled.written as f64 * jobs.len() as f64 / sampled.images.max(1) as f64) as u64,
        finished,
        free: free(&plan.config.output),
    })
}

/// The positions of the images to process, in rounds; those of each round, and those of all rounds
/// so far, are spread evenly over all `images`.
fn rounds(images: usize) -> Vec<Vec<usize>> {
    let of = (ROUND * ROUNDS).min(images);
    // Halves first, then quarters and eighths.
    let offsets = (0..ROUNDS).map(|n| n.reverse_bits() >> (usize::BITS - ROUNDS.ilog2()));
    let spread =
        offsets.map(|offset| (offset..of).step_by(ROUNDS).map(|i| i * images / of).collect());
    spread.filter(|round: &Vec<usize>| !round.is_empty()).collect()
}

/// What was processed for an estimate.
#[derive(Default)]
struct Sampled {
    images: usize,
    rejected: usize,
    /// Bytes of the files.
    bytes: u64,
    /// Bytes of the shards.
    written: u64,
    /// How long the thread that writes worked.
    writing: Duration,
}

impl Sampled {
    fn take(
        &mut self,
        plan: &Plan,
        control: &Control,
        scratch: &Scratch,
        jobs: &[usize],
    ) -> Result<(), Fault> {
        samples(plan, control, jobs, |outcomes| {
            let shard = &plan.config.shard;
            let file = Aside::create(&scratch.0, writer::extension(shard.format))?;
            let mut writer = SampleWriter::new(file, shard, Shape::of(&plan.config))?;
            for outcome in outcomes {
                let Ok(sample) = outcome else {
                    self.rejected += 1;
                    continue;
                };
                let start = Instant::now();
                writer.push(sample)?;
                self.writing += start.elapsed();
            }
            let start = Instant::now();
            self.written += writer.close()?.0.bytes;
            self.writing += start.elapsed();
            Ok(())
        })?;
        self.images += jobs.len();
        self.bytes += jobs.iter().map(|&index| plan.job(index).bytes).sum::<u64>();
        Ok(())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_spread_and_take_no_image_twice() {
        assert!(rounds(0).is_empty());
        for images in [1, 7, 16, 127, 128, 1000, 54_706] {
            let rounds = rounds(images);
            let mut all = rounds.concat();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), images.min(ROUND * ROUNDS), "{images}");
            assert_eq!(all[0], 0);
            assert!(all.iter().all(|&index| index < images));
        }
        let halves = &rounds(1280)[..2];
        assert_eq!(&halves[0][..3], [0, 80, 160]);
        assert_eq!(&halves[1][..3], [40, 120, 200]);
    }
}
