//! Loads the images of a release in batches: reads, checks and augments them ahead of their use.
//!
//! In: a [`Table`] and the rows to read. Out: [`Batch`]es. Their rows, pixels and augmentation
//! depend only on seed, epoch and position. Any number of threads gives the same bytes, and an
//! epoch can be resumed at any position.
//!
//! ```text
//! Order ── rows of a batch ──> Images ── pixels, checked ──> Augment ──> Batch ──> caller
//!                              └──── one task per image, on the loader's threads ────┘
//! ```
//! All threads fill a batch together, in place, so that few batches need to be in memory. Two
//! batches are filled at a time, so that no thread waits for the last image of a batch.

mod augment;
mod batch;
mod order;
mod prefetch;
mod read;
mod sample;
/// Lowers the priority of the calling thread. The loader works ahead and can wait; a training step
/// on the same cores cannot.
fn lower_priority() {
    // Only on Linux does this affect the calling thread alone. A failure changes no result.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(5);
}

#[cfg(test)]
pub mod fixture;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::{Deserialize, Serialize};

pub use augment::{Affine, Drawn, Grey, Intensity, Noise, Place};
pub use batch::Batch;
pub use order::{Order, Remainder, Shuffle, WINDOW, in_blocks};
pub use read::{Images, Local, Store};
pub use sample::{Prior, SamplingError};

use batch::{Buffer, Memory};
use prefetch::Prefetch;

use crate::config::{AugmentConfig, AugmentError, Sampling};
use crate::error::{Fault, faults};
use crate::flow::Stop;
use crate::flow::threads;
use crate::random::Random;
use crate::shard::reader::BATCH_ROWS;
use crate::shard::table::Table;

/// The settings of a loader.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoaderConfig {
    /// Images per batch.
    pub batch: usize,
    /// Seed of order, sampling and augmentation.
    pub seed: u64,
    /// How rows are shuffled; if `None`, the best way for the format of the release.
    pub shuffle: Option<Shuffle>,
    /// Whether a last batch that is not full is used.
    pub remainder: Remainder,
    /// How often rows with cancer are used.
    pub sampling: Sampling,
    /// Augmentation; none if `None`.
    pub augment: Option<AugmentConfig>,
    /// Number of threads; 0 means one per core. Changes no byte.
    pub threads: usize,
    /// Memory limit in MiB. It includes finished batches, batches being filled, the batch that the
    /// caller holds, and buffers for reading. Memory-mapped pages of the shards do not count.
    /// Changes no byte.
    pub memory_mb: usize,
}

impl Default for LoaderConfig {
    fn default() -> Self {
        Self {
            batch: 16,
            seed: 42,
            shuffle: None,
            remainder: Remainder::Drop,
            sampling: Sampling::default(),
            augment: Some(AugmentConfig::default()),
            threads: 0,
            memory_mb: 512,
        }
    }
}

impl LoaderConfig {
    /// Every row once, in the order of the release, without augmentation: for validation.
    pub fn sequential(batch: usize) -> Self {
        Self {
            batch,
            shuffle: Some(Shuffle::Sequential),
            remainder: Remainder::Keep,
            augment: None,
            ..Self::default()
        }
    }
}

/// Why rows cannot be loaded with these settings.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LoaderError {
    /// There are no rows.
    #[error("there are no rows to load")]
    NoRows,
    /// The batch size is 0.
    #[error("batch is 0, needs 1 or more")]
    NoBatch,
    /// The memory limit is too low.
    #[error(
        "the loader's memory limit is {have_mb} MiB; two batches and the buffers to read them need \
         {need_mb}; raise the limit, or use a smaller batch"
    )]
    Memory {
        /// The limit in MiB.
        have_mb: usize,
        /// The memory needed, in MiB.
        need_mb: usize,
    },
    /// The sampling settings cannot be used.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    /// The augmentation settings cannot be used.
    #[error(transparent)]
    Augment(#[from] AugmentError),
    /// The system refused to start threads.
    #[error("no threads: {0}")]
    Threads(String),
}
faults!(LoaderError);

/// Batches of some rows of a release, epoch by epoch.
pub struct Loader {
    inner: Arc<Inner>,
    memory: Arc<Memory>,
    /// Batches that may be finished or being filled at once.
    ahead: usize,
    stop: Stop,
}

struct Inner {
    images: Images,
    order: Order,
    batch: usize,
    seed: u64,
    augment: Option<AugmentConfig>,
    pool: ThreadPool,
    /// One buffer per thread, for 16-bit images before augmentation.
    scratch: Vec<Mutex<Vec<u16>>>,
}

/// Random stream of the augmentation.
const AUGMENT: u64 = 0x4155_474D;

/// Batches that are filled at a time.
const LANES: usize = 2;

impl Loader {
    /// A loader of `rows` (indices into `table.rows`), from the folder of the release.
    ///
    /// # Errors
    /// [`LoaderError`] if the settings cannot be used.
    pub fn new(
        table: &Arc<Table>,
        rows: &[usize],
        config: &LoaderConfig,
        stop: &Stop,
    ) -> Result<Self, Fault> {
        Self::from_store(table, Box::new(Local), rows, config, stop)
    }

    /// The same, from another store.
    ///
    /// # Errors
    /// [`LoaderError`] if the settings cannot be used.
    pub fn from_store(
        table: &Arc<Table>,
        store: Box<dyn Store>,
        rows: &[usize],
        config: &LoaderConfig,
        stop: &Stop,
    ) -> Result<Self, Fault> {
        check(table, rows, config)?;
        let threads = match config.threads {
            0 => threads::count(None),
            threads => threads,
        };
        let shuffle = config.shuffle.unwrap_or_else(|| Shuffle::of(table));
        let share = Share::of(table, config, threads, shuffle)?;
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("loader-{index}"))
            .start_handler(|_| lower_priority())
            .build()
            .map_err(|e| LoaderError::Threads(e.to_string()))?;
        let how = (shuffle, config.remainder);
        let inner = Inner {
            images: Images::new(Arc::clone(table), store, share.blocks),
            order: Order::new(table, rows, (config.seed, config.batch), how, config.sampling),
            batch: config.batch,
            seed: Random::seed_of(config.seed, AUGMENT),
            augment: config.augment.clone(),
            pool,
            scratch: (0..threads).map(|_| Mutex::default()).collect(),
        };
        Ok(Self {
            inner: Arc::new(inner),
            memory: Arc::new(Memory::new(table.shape.bits, share.batches)),
            // The caller holds one batch.
            ahead: share.batches - 1,
            stop: stop.clone(),
        })
    }

    /// The order of the rows.
    pub fn order(&self) -> &Order {
        &self.inner.order
    }

    /// Images in an epoch; the same number in every epoch.
    pub fn images(&self) -> usize {
        self.inner.order.len()
    }

    /// Batches in an epoch.
    pub fn batches(&self) -> usize {
        self.images().div_ceil(self.inner.batch)
    }

    /// The batches of `epoch`, without its first `position` images. Reading starts at once. The
    /// batches end early if the stop is raised. `epoch` is counted from 0.
    pub fn epoch(&self, epoch: u64, position: usize) -> Batches {
        let inner = Arc::clone(&self.inner);
        let memory = Arc::clone(&self.memory);
        let order = inner.order.epoch(epoch);
        let count = order.len().saturating_sub(position).div_ceil(inner.batch);
        let seed = Random::seed_of(inner.seed, epoch);
        let work = move |number: usize, abandoned: &AtomicBool| {
            let start = position + number * inner.batch;
            let rows = &order[start..order.len().min(start + inner.batch)];
            let mut buffer = memory.take();
            inner.fill(rows, (seed, start), &mut buffer, abandoned)?;
            let shape = &inner.images.table().shape;
            Ok(Batch {
                rows: rows.iter().map(|row| *row as usize).collect(),
                position: start,
                waited: 0.0,
                buffer,
                size: (shape.height, shape.width),
                memory: Arc::clone(&memory),
            })
        };
        let prefetch = Prefetch::new(count, (LANES, self.ahead), self.stop.clone(), work);
        Batches { prefetch: Some(prefetch) }
    }
}

fn check(table: &Table, rows: &[usize], config: &LoaderConfig) -> Result<(), LoaderError> {
    if rows.is_empty() {
        return Err(LoaderError::NoRows);
    }
    if config.batch == 0 {
        return Err(LoaderError::NoBatch);
    }
    if let Some(augment) = &config.augment {
        augment.check()?;
    }
    let is_positive = |row: &&usize| table.rows[**row].record.cancer == Some(true);
    let positives = rows.iter().filter(is_positive).count();
    Ok(config.sampling.check(positives, rows.len() - positives, config.batch)?)
}

/// The division of the memory.
struct Share {
    /// Batches in memory, including the one that the caller holds.
    batches: usize,
    /// Decompressed blocks in memory.
    blocks: usize,
}

impl Share {
    fn of(
        table: &Table,
        config: &LoaderConfig,
        threads: usize,
        shuffle: Shuffle,
    ) -> Result<Self, LoaderError> {
        let image = table.image_bytes();
        let blocks = match (in_blocks(table), shuffle) {
            (false, _) => 0,
            // The first blocks of a new window are read while the last ones of the old window are.
            (true, Shuffle::Blocks { window }) => window + LANES,
            (true, _) => LANES,
        };
        // Per thread: an image as read from the shard, an image before augmentation, and possibly a
        // block that has left the cache.
        let passing = if blocks > 0 { BATCH_ROWS } else { 1 };
        let reading = blocks * BATCH_ROWS * image + threads * (passing + 1) * image;
        let batch = config.batch * image;
        let have = config.memory_mb << 20;
        let batches = have.saturating_sub(reading) / batch;
        if batches < 2 {
            let need_mb = (reading + 2 * batch).div_ceil(1 << 20);
            return Err(LoaderError::Memory { have_mb: config.memory_mb, need_mb });
        }
        Ok(Self { batches, blocks })
    }
}

impl Inner {
    /// Reads `rows` into `buffer`. Their augmentation depends on `seed` and on their positions,
    /// which begin at `start`.
    fn fill(
        &self,
        rows: &[u32],
        (seed, start): (u64, usize),
        buffer: &mut Buffer,
        abandoned: &AtomicBool,
    ) -> Result<(), Fault> {
        let shape = &self.images.table().shape;
        let pixels = shape.height * shape.width;
        let task = |index: usize| {
            let drawn = self.augment.as_ref().map(|augment| {
                let seed = Random::seed_of(seed, (start + index) as u64);
                Drawn::new(augment, seed, (shape.width, shape.height))
            });
            (rows[index] as usize, drawn)
        };
        let is_wanted = || !abandoned.load(Ordering::Relaxed);
        let outcomes: Vec<Result<(), Fault>> = self.pool.install(|| match buffer {
            Buffer::Eight(buffer) => {
                buffer.resize(rows.len() * pixels, 0);
                let images = buffer.par_chunks_exact_mut(pixels).with_max_len(1).enumerate();
                let image = |(index, out): (usize, &mut [u8])| {
                    let (row, drawn) = task(index);
                    if is_wanted() { self.eight(row, drawn, out) } else { Ok(()) }
                };
                images.map(image).collect()
            }
            Buffer::Sixteen(buffer) => {
                buffer.resize(rows.len() * pixels, 0);
                let images = buffer.par_chunks_exact_mut(pixels).with_max_len(1).enumerate();
                let image = |(index, out): (usize, &mut [u16])| {
                    let (row, drawn) = task(index);
                    if is_wanted() { self.sixteen(row, drawn, out) } else { Ok(()) }
                };
                images.map(image).collect()
            }
        });
        // The first fault in row order, whichever thread was first.
        outcomes.into_iter().collect()
    }

    fn eight(&self, row: usize, drawn: Option<Drawn>, out: &mut [u8]) -> Result<(), Fault> {
        let pixels = self.images.pixels(row)?;
        match drawn {
            None => out.copy_from_slice(&pixels),
            Some(drawn) => self.apply(row, &drawn, &pixels, out),
        }
        Ok(())
    }

    fn sixteen(&self, row: usize, drawn: Option<Drawn>, out: &mut [u16]) -> Result<(), Fault> {
        let pixels = self.images.pixels(row)?;
        let levels = pixels.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]]));
        match drawn {
            None => out.iter_mut().zip(levels).for_each(|(out, level)| *out = level),
            Some(drawn) => {
                let thread = rayon::current_thread_index().expect("this runs on the pool");
                let scratch = self.scratch[thread].lock();
                let mut scratch = scratch.unwrap_or_else(|poisoned| poisoned.into_inner());
                scratch.clear();
                scratch.extend(levels);
                self.apply(row, &drawn, &scratch, out);
            }
        }
        Ok(())
    }

    fn apply<T: Grey>(&self, row: usize, drawn: &Drawn, source: &[T], out: &mut [T]) {
        let table = self.images.table();
        drawn.apply(source, out, table.shape.width, table.rows[row].geometry.content);
    }
}

/// The batches of an epoch, in order. They may be dropped at any time.
pub struct Batches {
    prefetch: Option<Prefetch<Result<Batch, Fault>>>,
}

impl Batches {
    /// Number of finished batches.
    pub fn ready(&self) -> usize {
        self.prefetch.as_ref().map_or(0, Prefetch::ready)
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, Fault>;

    /// Waits for the next batch. Nothing comes after a fault.
    fn next(&mut self) -> Option<Self::Item> {
        let start = Instant::now();
        let batch = self.prefetch.as_mut()?.next();
        match batch {
            Some(Ok(mut batch)) => {
                batch.waited = start.elapsed().as_secs_f64();
                Some(Ok(batch))
            }
            end => {
                self.prefetch = None;
                end
            }
        }
    }
}
