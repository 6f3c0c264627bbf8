//! The verdict: what the measured storage means for preprocessing and for training.
//!
//! In: a [`Measurement`], the size of the dataset, and a training step. Out: [`Verdict`]. Images
//! per second are the lower of two limits: what storage delivers at its knee, and what the cores
//! decode. Reading and decoding go on at the same time, so the lower limit decides alone.
//!
//! Assumes that other machines have cores like this one's. Decoding was measured with all cores
//! busy, so what cores share (memory, or one core with two threads) has had its effect.

mod limits;
mod prefix;
mod text;
mod training;

use serde::{Deserialize, Serialize};

use super::measurement::{Measurement, Order};

pub use limits::{CpuLimit, StorageLimit, at_threads, cpu, storage, whole_files};
pub use prefix::{Prefix, prefix};
pub use text::{bottleneck_name, paragraphs, time};
pub use training::{
    ENOUGH, IMAGE_BYTES, Training, TrainingStep, USUAL_STEPS, Utilisation, training, utilisation,
};

/// Number of training images of RSNA's screening mammography dataset, and their bytes. They stand
/// for the dataset where the measured folder is none.
pub const RSNA: DatasetSize = DatasetSize { files: 54_706, bytes: 315_000_000_000, own: false };

/// Numbers of cores for which a time is stated, besides those of this machine.
pub const CORES: [usize; 3] = [2, 16, 64];

/// So that a whole number of cores is not missed by a rounding error.
const ROUNDING: f64 = 1e-6;

/// The dataset whose time is forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetSize {
    /// Number of files.
    pub files: usize,
    /// Bytes of all files.
    pub bytes: u64,
    /// Whether it is the dataset in the measured folder; otherwise [`RSNA`].
    pub own: bool,
}

impl DatasetSize {
    /// The dataset of a measurement: its own, or else [`RSNA`].
    pub fn of(measurement: &Measurement) -> Self {
        let data = &measurement.data;
        if data.own && data.files > 0 && data.bytes > 0 {
            return Self { files: data.files, bytes: data.bytes, own: true };
        }
        RSNA
    }

    /// Mean size of a file in bytes.
    pub fn mean_bytes(&self) -> f64 {
        self.bytes as f64 / self.files as f64
    }
}

/// What limits the images per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bottleneck {
    /// Reading the files.
    Storage,
    /// Decoding them.
    Cpu,
}

/// Images per second with a number of cores, and the time for the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Number of cores.
    pub cores: f64,
    /// The order in which the files are read.
    pub order: Order,
    /// Images per second: the lower limit.
    pub images_per_second: f64,
    /// Which limit that is.
    pub bottleneck: Bottleneck,
    /// Seconds for the dataset.
    pub seconds: f64,
}

/// The flags and the setting of `preprocess` to use on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// `--readers`.
    pub readers: usize,
    /// `--workers`.
    pub workers: usize,
    /// `limits.memory_mb`.
    pub memory_mb: usize,
}

/// What a measurement means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The dataset whose time is forecast.
    pub dataset: DatasetSize,
    /// The limit of storage in plan order; `None` if it was not measured.
    pub storage: Option<StorageLimit>,
    /// The same with the files shuffled.
    pub shuffled: Option<StorageLimit>,
    /// The limit of one core; `None` if nothing was decoded.
    pub cpu: Option<CpuLimit>,
    /// The forecast for this machine in plan order; `None` without both limits.
    pub here: Option<Forecast>,
    /// Number of cores up to which the CPU is the limit: with more, storage is. 0 if storage is the
    /// limit with one core already. `None` without both limits.
    pub cpu_limit_up_to_cores: Option<usize>,
    /// Flags and settings for this machine; `None` without both limits.
    pub settings: Option<Settings>,
    /// For this machine's cores and for [`CORES`], in plan order and shuffled.
    pub forecasts: Vec<Forecast>,
    /// What `decode.read: prefix` would take; `None` if it was not measured.
    pub prefix: Option<Prefix>,
    /// The training step.
    pub step: TrainingStep,
    /// Training on shards by pattern and format.
    pub training: Vec<Training>,
}

impl Verdict {
    /// The verdict on `measurement` for the dataset `of` and a training step.
    pub fn new(measurement: &Measurement, of: DatasetSize, step: TrainingStep) -> Self {
        let mean = of.mean_bytes();
        let storage = storage(measurement, Order::Plan, mean);
        let shuffled = limits::storage(measurement, Order::Shuffled, mean);
        let cpu = cpu(measurement, mean);
        let cores = measurement.system.cores;
        let both = storage.as_ref().zip(cpu.as_ref());
        let here = both.map(|(storage, cpu)| forecast(storage, cpu, cores, of));
        Self {
            dataset: of,
            cpu_limit_up_to_cores: both
                .map(|(storage, cpu)| (fed(storage, cpu) + ROUNDING) as usize),
            settings: both.map(|(storage, cpu)| settings(measurement, storage, cpu, mean)),
            forecasts: forecasts(&[&storage, &shuffled], cpu.as_ref(), cores, of),
            prefix: prefix(measurement, of, storage.as_ref()),
            step,
            training: training(measurement, &step),
            storage,
            shuffled,
            cpu,
            here,
        }
    }
}

fn forecasts(
    limits: &[&Option<StorageLimit>],
    cpu: Option<&CpuLimit>,
    here: f64,
    of: DatasetSize,
) -> Vec<Forecast> {
    let Some(cpu) = cpu else { return Vec::new() };
    let mut cores = vec![here];
    cores.extend(CORES.map(|cores| cores as f64).into_iter().filter(|cores| *cores != here));
    cores.sort_by(f64::total_cmp);
    let orders = limits.iter().copied().flatten();
    let of_order = |limit| cores.iter().map(move |&cores| forecast(limit, cpu, cores, of));
    orders.flat_map(of_order).collect()
}

fn forecast(storage: &StorageLimit, cpu: &CpuLimit, cores: f64, of: DatasetSize) -> Forecast {
    let decoded = cores * cpu.images_per_core_second;
    let (images_per_second, bottleneck) = if decoded <= storage.images_per_second {
        (decoded, Bottleneck::Cpu)
    } else {
        (storage.images_per_second, Bottleneck::Storage)
    };
    let seconds = of.files as f64 / images_per_second;
    Forecast { cores, order: storage.order, images_per_second, bottleneck, seconds }
}

/// The number of cores that storage feeds.
fn fed(storage: &StorageLimit, cpu: &CpuLimit) -> f64 {
    storage.images_per_second / cpu.images_per_core_second
}

/// Workers for half more than storage can feed: one that waits costs nothing, and decoding that is
/// only level with storage makes each wait for the other. As many readers as the workers need, at
/// least the default where that gives more, and at most the knee.
fn settings(
    measurement: &Measurement,
    storage: &StorageLimit,
    cpu: &CpuLimit,
    mean_bytes: f64,
) -> Settings {
    const SPARE: f64 = 1.5;
    // Readers should be ahead of the workers, not level with them.
    const AHEAD: f64 = 1.1;
    // The default of `--readers`. Fewer would save nothing.
    const LEAST: usize = 4;
    let cores = (measurement.system.cores.floor() as usize).max(1);
    let workers = ((SPARE * fed(storage, cpu) - ROUNDING).ceil() as usize).clamp(1, cores);
    let needed = AHEAD * workers as f64 * cpu.images_per_core_second * mean_bytes;
    let points = whole_files(measurement, Order::Plan).map_or(&[][..], |series| &series.points);
    let enough = points.iter().filter(|point| point.bytes_per_second() >= needed);
    let readers = enough.map(|point| point.threads).min().unwrap_or(storage.knee.threads);
    let readers = readers.max(LEAST).min(storage.knee.threads);
    Settings { readers, workers, memory_mb: memory_mb(readers, workers, mean_bytes) }
}

/// A quarter of `limits.memory_mb` is for files that were read ahead, two per thread. Most of the
/// rest is for images being decoded, of which the largest need about 256 MiB each.
fn memory_mb(readers: usize, workers: usize, mean_bytes: f64) -> usize {
    const DEFAULT: usize = 2048;
    let read_ahead = 4.0 * 2.0 * (readers + workers) as f64 * mean_bytes / f64::from(1 << 20);
    let decoding = workers * 256 * 4 / 3;
    DEFAULT.max(read_ahead.ceil() as usize).max(decoding).next_multiple_of(512)
}

#[cfg(test)]
pub(super) mod tests;
