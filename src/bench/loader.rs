//! How fast a release is read, and whether a device would wait for it.
//!
//! [`speed`] takes batches as fast as they come. [`utilise`] takes one, sleeps as long as a
//! training step would last, and takes the next, as MLPerf Storage does in place of a GPU; the
//! accelerator's utilisation (AU) is the share of the run that was not spent waiting.

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

/// How fast batches come.
#[derive(Debug, Clone, Serialize)]
pub struct Speed {
    /// Images that came.
    pub images: usize,
    /// Threads of the loader.
    pub threads: usize,
    /// Wall time.
    pub seconds: f64,
    /// Images a second of wall time.
    pub images_per_second: f64,
    /// Images a second of one core's time; null where the system does not tell it.
    pub images_per_cpu_second: Option<f64>,
    /// Bytes of pixels a second of wall time.
    pub bytes_per_second: f64,
    /// Most memory of the process's own that came on top, without mapped shards; null where
    /// the system does not tell it.
    pub memory_bytes: Option<u64>,
}

/// How busy a device would be.
#[derive(Debug, Clone, Serialize)]
pub struct Utilisation {
    /// Steps.
    pub steps: usize,
    /// Images a step.
    pub batch: usize,
    /// Length of a step.
    pub step_ms: f64,
    /// Compute time over run time.
    pub utilisation: f64,
    /// Wall time, from asking for the first batch.
    pub seconds: f64,
    /// Waiting for the first batch, which is part of the run.
    pub first_wait_s: f64,
    /// Longest wait for a later one.
    pub longest_wait_s: f64,
    /// Core time of the loader a step; null where the system does not tell it.
    pub cpu_ms_a_step: Option<f64>,
    /// What the loader may take.
    pub memory_limit_bytes: u64,
    /// As [`Speed::memory_bytes`].
    pub memory_bytes: Option<u64>,
}

/// Takes at least `images` images, after two batches to warm up.
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
        // Asking the system takes a while; a device would compute meanwhile.
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
        cpu_ms_a_step: cpu.map(|cpu| cpu * 1e3 / done.max(1) as f64),
        memory_limit_bytes: (config.memory_mb as u64) << 20,
        memory_bytes: memory.zip(source.memory).map(|(most, before)| most.saturating_sub(before)),
    })
}

/// Epoch after epoch.
struct Source<'a> {
    loader: Loader,
    batches: Batches,
    epoch: u64,
    stop: &'a Stop,
    /// Seconds that the last take waited.
    waited: f64,
    /// The process's own before the loader began.
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

    /// Images of the next batch, which is given back at once; none once the stop is raised.
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

/// Core time of this process so far, where Linux tells it: fields 14 and 15 of its `stat`, in
/// hundredths of a second.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name, field 2, may hold anything but ends with the last bracket.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / 100.0)
}

/// Resident memory of this process that is no file's, where Linux tells it.
fn own_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}
