//! Measures how fast a release is loaded, and whether training would wait for it.
//!
//! [`speed`] takes batches as fast as possible. [`utilise`] takes a batch, sleeps for the length of
//! a training step, takes the next one, and so on, as MLPerf Storage emulates a GPU. The
//! accelerator utilisation (AU) is the share of the time that was not spent waiting.

pub mod generate;

use std::fs;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::error::Fault;
use crate::flow::Stop;
use crate::loader::{Batches, Loader, LoaderConfig};
use crate::shard::table::Table;

/// The speed of the loader.
#[derive(Debug, Clone, Serialize)]
pub struct Speed {
    /// Number of images loaded.
    pub images: usize,
    /// Threads of the loader.
    pub threads: usize,
    /// Wall time in seconds.
    pub seconds: f64,
    /// Images per second of wall time.
    pub images_per_second: f64,
    /// Images per second of CPU time; null where the system does not report it.
    pub images_per_cpu_second: Option<f64>,
    /// Bytes of pixels per second of wall time.
    pub bytes_per_second: f64,
    /// Peak memory of the process above that at the start, without memory-mapped shards; null where
    /// the system does not report it.
    pub memory_bytes: Option<u64>,
}

/// The utilisation of an emulated device.
#[derive(Debug, Clone, Serialize)]
pub struct Utilisation {
    /// Number of steps.
    pub steps: usize,
    /// Images per step.
    pub batch: usize,
    /// Length of a step in milliseconds.
    pub step_ms: f64,
    /// Compute time divided by wall time.
    pub utilisation: f64,
    /// Wall time in seconds, from the request for the first batch.
    pub seconds: f64,
    /// Seconds waited for the first batch; included in `seconds`.
    pub first_wait_s: f64,
    /// Longest wait for a later batch, in seconds.
    pub longest_wait_s: f64,
    /// CPU time of the loader per step; null where the system does not report it.
    pub cpu_ms_per_step: Option<f64>,
    /// Memory limit of the loader.
    pub memory_limit_bytes: u64,
    /// As [`Speed::memory_bytes`].
    pub memory_bytes: Option<u64>,
}

/// Loads at least `images` images, after two batches of warm-up.
///
/// # Errors
/// The loader's [`Fault`].
pub fn speed(
    table: &Arc<Table>,
    config: &LoaderConfig,
    images: usize,
    stop: &Stop,
) -> Result<Speed, Fault> {
    let mut source = Source::new(table, config, stop)?;
    for _ in 0..2 {
        source.take()?;
    }
    let meter = Meter::start();
    let (mut taken, mut memory) = (0, meter.memory);
    while taken < images {
        let Some(count) = source.take()? else { break };
        taken += count;
        memory = memory.max(own_memory());
    }
    let (seconds, cpu) = meter.stop();
    Ok(Speed {
        images: taken,
        threads: config.threads,
        seconds,
        images_per_second: taken as f64 / seconds,
        images_per_cpu_second: cpu.map(|cpu| taken as f64 / cpu),
        bytes_per_second: (taken * table.image_bytes()) as f64 / seconds,
        memory_bytes: memory.zip(source.memory).map(|(most, before)| most.saturating_sub(before)),
    })
}

/// Takes `steps` batches, with a sleep of `step` after each.
///
/// # Errors
/// The loader's [`Fault`].
pub fn utilise(
    table: &Arc<Table>,
    config: &LoaderConfig,
    step: Duration,
    steps: usize,
    stop: &Stop,
) -> Result<Utilisation, Fault> {
    let meter = Meter::start();
    let mut source = Source::new(table, config, stop)?;
    let (mut done, mut computed, mut memory) = (0, Duration::ZERO, None);
    let (mut first, mut longest) = (None, 0.0_f64);
    while done < steps {
        let Some(_) = source.take()? else { break };
        match first {
            None => first = Some(source.waited),
            Some(_) => longest = longest.max(source.waited),
        }
        let start = Instant::now();
        // This query takes time, so it counts as part of the step.
        memory = memory.max(own_memory());
        sleep(step.saturating_sub(start.elapsed()));
        computed += start.elapsed();
        done += 1;
    }
    let (seconds, cpu) = meter.stop();
    Ok(Utilisation {
        steps: done,
        batch: config.batch,
        step_ms: step.as_secs_f64() * 1e3,
        utilisation: computed.as_secs_f64() / seconds,
        seconds,
        first_wait_s: first.unwrap_or(0.0),
        longest_wait_s: longest,
        cpu_ms_per_step: cpu.map(|cpu| cpu * 1e3 / done.max(1) as f64),
        memory_limit_bytes: (config.memory_mb as u64) << 20,
        memory_bytes: memory.zip(source.memory).map(|(most, before)| most.saturating_sub(before)),
    })
}

/// Batches of one epoch after another.
struct Source<'a> {
    loader: Loader,
    batches: Batches,
    epoch: u64,
    stop: &'a Stop,
    /// Seconds that the last call of `take` waited.
    waited: f64,
    /// Memory of the process before the loader started.
    memory: Option<u64>,
}

impl<'a> Source<'a> {
    fn new(table: &Arc<Table>, config: &LoaderConfig, stop: &'a Stop) -> Result<Self, Fault> {
        let memory = own_memory();
        let rows: Vec<usize> = (0..table.rows.len()).collect();
        let loader = Loader::new(table, &rows, config, stop)?;
        let batches = loader.epoch(0, 0);
        Ok(Self { loader, batches, epoch: 0, stop, waited: 0.0, memory })
    }

    /// Number of images in the next batch; `None` once the stop is raised.
    fn take(&mut self) -> Result<Option<usize>, Fault> {
        let start = Instant::now();
        loop {
            if let Some(batch) = self.batches.next() {
                let count = batch?.len();
                self.waited = start.elapsed().as_secs_f64();
                return Ok(Some(count));
            }
            if self.stop.is_raised() {
                return Ok(None);
            }
            self.epoch += 1;
            self.batches = self.loader.epoch(self.epoch, 0);
        }
    }
}

struct Meter {
    wall: Instant,
    cpu: Option<f64>,
    memory: Option<u64>,
}

impl Meter {
    fn start() -> Self {
        Self { wall: Instant::now(), cpu: cpu_seconds(), memory: own_memory() }
    }

    /// Seconds of wall time, and of all cores.
    fn stop(&self) -> (f64, Option<f64>) {
        let cpu = cpu_seconds().zip(self.cpu).map(|(now, before)| now - before);
        (self.wall.elapsed().as_secs_f64(), cpu)
    }
}

/// CPU seconds of this process so far, on Linux: fields 14 and 15 of its `stat`, in hundredths of a
/// second.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // Field 2, the name, may contain anything and ends with the last bracket.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / 100.0)
}

/// Resident memory of this process that belongs to no file, on Linux.
fn own_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}
