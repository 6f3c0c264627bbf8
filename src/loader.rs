//! A release's images in batches, read, checked and augmented ahead of whoever takes them.
//!
//! In: a [`Table`] and the rows of it to read. Out: [`Batch`]es,
//! whose rows, pixels and augmentation depend on seed, epoch and position alone: any number of
//! threads gives the same bytes, and an epoch that goes on at a position goes on as it would
//! have.
//!
//! ```text
//! Order ── rows of a batch ──> Images ── pixels, checked ──> Augment ──> Batch ──> taker
//!                              └───── one image a task, on the loader's threads ─────┘
//! ```
//! A batch is filled in place by all threads together, so that few batches need be in memory;
//! two are filled at a time, so that no thread waits for the last image of one.

mod augment;
mod batch;
mod order;
mod prefetch;
mod read;
mod sample;
/// Lets whoever trains on the same cores go first: the loader works ahead and can wait, the step
/// that takes a batch cannot.
fn step_back() {
    // On Linux, and there alone, this is of the calling thread. A refusal changes no result.
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

pub use augment::{Affine, Drawn, Grey, Noise, Place, Intensity};
pub use batch::Batch;
pub use order::{Order, Remainder, Shuffle, WINDOW, in_blocks};
pub use read::{Images, Local, Store};
pub use sample::{Prior, SamplingError};

use batch::{Buffer, Memory};
use prefetch::Prefetch;

use crate::config::{AugmentConfig, AugmentError, Sampling};
use crate::error::{Fault, faults};
use crate::flow::Stop;
use crate::random::Random;
use crate::shard::reader::BATCH_ROWS;
use crate::shard::table::Table;

/// How rows become batches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoaderConfig {
    /// Images in a batch.
    pub batch: usize,
    /// What order, sampling and augmentation are drawn from.
    pub seed: u64,
    /// How rows are mixed; as the release's format allows if absent.
    pub shuffle: Option<Shuffle>,
    /// What becomes of a last batch that is not full.
    pub remainder: Remainder,
    /// How often rows with cancer come.
    pub sampling: Sampling,
    /// What is done to images; nothing if absent.
    pub augment: Option<AugmentConfig>,
    /// Threads; 0 for one a core. Changes no byte.
    pub threads: usize,
    /// Memory that the loader may take, in MiB: batches made and in the making, the one that
    /// the taker holds, and what reading needs. Changes no byte. Pages of the shards, which
    /// the system brings in and drops again, are not counted.
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
    /// Every row once, in the release's order, as it is: for validation.
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

/// Why rows cannot be loaded as asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LoaderError {
    /// Nothing to read.
    #[error("there are no rows to load")]
    NoRows,
    /// A batch of nothing.
    #[error("batch is 0, needs 1 or more")]
    NoBatch,
    /// Too little memory.
    #[error(
        "memory_mb of the loader is {have_mb}, two batches and what reading them takes need \
         {need_mb}; raise it, or take a smaller batch"
    )]
    Memory {
        /// What was given.
        have_mb: usize,
        /// What would do.
        need_mb: usize,
    },
    /// The sampler.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    /// The augmentation.
    #[error(transparent)]
    Augment(#[from] AugmentError),
    /// The system gives no threads.
    #[error("no threads: {0}")]
    Threads(String),
}
faults!(LoaderError);

/// Batches of some rows of a release, epoch by epoch.
pub struct Loader {
    inner: Arc<Inner>,
    memory: Arc<Memory>,
    /// Batches that may be made or in the making at once.
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
    /// One a thread, for images of 16 bits before they are augmented.
    scratch: Vec<Mutex<Vec<u16>>>,
}

/// What augmentation is drawn from is drawn under this name.
const AUGMENT: u64 = 0x4155_474D;

/// Batches that are filled at once.
const LANES: usize = 2;

impl Loader {
    /// A loader of `rows`, indices into `table.rows`, from the release's folder.
    ///
    /// # Errors
    /// [`LoaderError`] if the configuration asks for what cannot be.
    pub fn new(
        table: &Arc<Table>,
        rows: &[usize],
        config: &LoaderConfig,
        stop: &Stop,
    ) -> Result<Self, Fault> {
        Self::from_store(table, Box::new(Local), rows, config, stop)
    }

    /// The same from elsewhere.
    ///
    /// # Errors
    /// [`LoaderError`] if the configuration asks for what cannot be.
    pub fn from_store(
        table: &Arc<Table>,
        store: Box<dyn Store>,
        rows: &[usize],
        config: &LoaderConfig,
        stop: &Stop,
    ) -> Result<Self, Fault> {
        check(table, rows, config)?;
        let threads = match config.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let shuffle = config.shuffle.unwrap_or_else(|| Shuffle::of(table));
        let share = Share::of(table, config, threads, shuffle)?;
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("loader-{index}"))
            .start_handler(|_| step_back())
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
            // One is in the taker's hands.
            ahead: share.batches - 1,
            stop: stop.clone(),
        })
    }

    /// The rows' order.
    pub fn order(&self) -> &Order {
        &self.inner.order
    }

    /// Images of an epoch, the same in every one.
    pub fn images(&self) -> usize {
        self.inner.order.len()
    }

    /// Batches of an epoch from its start.
    pub fn batches(&self) -> usize {
        self.images().div_ceil(self.inner.batch)
    }

    /// The batches of `epoch` from `position` on: so many of its images are left out. Reading
    /// starts at once. They end early once the stop is raised.
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
        let made = Prefetch::new(count, (LANES, self.ahead), self.stop.clone(), work);
        Batches { made: Some(made) }
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

/// How the memory is shared out.
struct Share {
    /// Batches, the one in the taker's hands among them.
    batches: usize,
    /// Decompressed blocks that are kept.
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
            // Of a new window the first blocks are read while the last of the old one is.
            (true, Shuffle::Blocks { window }) => window + LANES,
            (true, _) => LANES,
        };
        // A thread has an image as it is in the shard, one before it is augmented, and maybe a
        // block that is kept no longer.
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
    /// Reads `rows` into `buffer`. Their augmentation is drawn from `seed` and the position of
    /// the first.
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
        let go_on = || !abandoned.load(Ordering::Relaxed);
        let outcomes: Vec<Result<(), Fault>> = self.pool.install(|| match buffer {
            Buffer::Eight(buffer) => {
                buffer.resize(rows.len() * pixels, 0);
                let images = buffer.par_chunks_exact_mut(pixels).with_max_len(1).enumerate();
                let image = |(index, out): (usize, &mut [u8])| {
                    let (row, drawn) = task(index);
                    if go_on() { self.eight(row, drawn, out) } else { Ok(()) }
                };
                images.map(image).collect()
            }
            Buffer::Sixteen(buffer) => {
                buffer.resize(rows.len() * pixels, 0);
                let images = buffer.par_chunks_exact_mut(pixels).with_max_len(1).enumerate();
                let image = |(index, out): (usize, &mut [u16])| {
                    let (row, drawn) = task(index);
                    if go_on() { self.sixteen(row, drawn, out) } else { Ok(()) }
                };
                images.map(image).collect()
            }
        });
        // The first in order, whichever thread was first.
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

/// The batches of an epoch, in order. May be dropped at any time.
pub struct Batches {
    made: Option<Prefetch<Result<Batch, Fault>>>,
}

impl Batches {
    /// How many batches lie ready.
    pub fn ready(&self) -> usize {
        self.made.as_ref().map_or(0, Prefetch::ready)
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, Fault>;

    /// Waits for the next batch. A fault is the last that comes.
    fn next(&mut self) -> Option<Self::Item> {
        let start = Instant::now();
        let batch = self.made.as_mut()?.next();
        match batch {
            Some(Ok(mut batch)) => {
                batch.waited = start.elapsed().as_secs_f64();
                Some(Ok(batch))
            }
            end => {
                self.made = None;
                end
            }
        }
    }
}
