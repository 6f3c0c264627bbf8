//! The order of rows: a pure function of seed, epoch and position.
//!
//! It depends on nothing else (threads, time, earlier reads), so a run can resume at any position
//! of any epoch. The order of a whole epoch is computed at once. For a million rows this takes 4 MB
//! and a few milliseconds.
//!
//! [`Shuffle::Rows`] is a uniform shuffle. It is used where each image can be read alone: in
//! Parquet (one page per image) and in uncompressed tensors. In a compressed tensor, 16 images form
//! one block. There, [`Shuffle::Blocks`] shuffles the blocks, and the rows within a window of
//! blocks that fits into the loader's memory, so that each block is decompressed once per epoch
//! instead of 16 times.

use serde::{Deserialize, Serialize};

use super::sample::Prior;
use crate::config::Sampling;
use crate::config::{Compression, ShardFormat};
use crate::random::Random;
use crate::shard::reader::BATCH_ROWS;
use crate::shard::table::Table;

/// How the rows of an epoch are shuffled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shuffle {
    /// Not at all: the order of the release in every epoch (for validation).
    Sequential,
    /// A uniform shuffle.
    Rows,
    /// A uniform shuffle of blocks of 16 rows, then of the rows within windows of blocks.
    Blocks {
        /// Blocks per window; a window is held in memory.
        window: usize,
    },
}

/// Blocks per window: 128 images, 64 MiB at 1024x512 pixels of 8 bits.
pub const WINDOW: usize = 8;

impl Shuffle {
    /// The most thorough shuffle that reads every byte of `table` at most once.
    pub fn of(table: &Table) -> Self {
        if in_blocks(table) { Self::Blocks { window: WINDOW } } else { Self::Rows }
    }
}

/// Whether images of `table` are compressed 16 at a time.
pub fn in_blocks(table: &Table) -> bool {
    let compressed = !matches!(table.compression, None | Some(Compression::None));
    table.shape.format == ShardFormat::Tensor && compressed
}

/// Whether a last batch that is not full is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remainder {
    /// It is used.
    Keep,
    /// It is left out, unless it is the only one: batch statistics of one or two images are
    /// meaningless.
    Drop,
}

/// The orders of all epochs.
#[derive(Debug, Clone)]
pub struct Order {
    seed: u64,
    batch: usize,
    shuffle: Shuffle,
    remainder: Remainder,
    sampling: Sampling,
    /// Rows with cancer; empty without a sampler.
    positives: Vec<u32>,
    /// All other rows.
    others: Vec<u32>,
    /// The block of each of the other rows.
    blocks: Vec<u32>,
}

/// The random streams.
mod stream {
    pub const OTHERS: u64 = 1;
    pub const POSITIVES: u64 = 2;
    pub const PLACES: u64 = 3;
}

impl Order {
    /// The order of `rows` of `table` in batches of `batch`.
    ///
    /// # Panics
    /// If `sampling` was not checked by [`Sampling::check`] with these rows.
    pub fn new(
        table: &Table,
        rows: &[usize],
        (seed, batch): (u64, usize),
        (shuffle, remainder): (Shuffle, Remainder),
        sampling: Sampling,
    ) -> Self {
        let is_positive = |row: &usize| table.rows[*row].record.cancer == Some(true);
        let (positives, others) = match sampling.is_natural() {
            true => (Vec::new(), rows.to_vec()),
            false => rows.iter().partition(|row| is_positive(row)),
        };
        let blocks =
            others.iter().scan((usize::MAX, usize::MAX, 0), |(shard, block, number), row| {
                let place = (table.rows[*row].shard, table.rows[*row].row / BATCH_ROWS);
                if place != (*shard, *block) {
                    (*shard, *block) = place;
                    *number += 1;
                }
                Some(*number)
            });
        let blocks = blocks.collect();
        let narrow = |rows: Vec<usize>| rows.into_iter().map(|row| row as u32).collect();
        let (positives, others) = (narrow(positives), narrow(others));
        Self { seed, batch, shuffle, remainder, sampling, positives, others, blocks }
    }

    /// Images in an epoch; the same number in every epoch.
    pub fn len(&self) -> usize {
        if self.sampling.is_natural() {
            let full = self.others.len() / self.batch * self.batch;
            return if self.remainder == Remainder::Drop && full > 0 {
                full
            } else {
                self.others.len()
            };
        }
        self.sampling.batches(self.positives.len(), self.others.len(), self.batch) * self.batch
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The prevalence with and without the sampler; `None` if each row is used once.
    pub fn prior(&self) -> Option<Prior> {
        let (positives, others) = (self.positives.len(), self.others.len());
        (!self.sampling.is_natural()).then(|| Prior {
            natural: positives as f64 / (positives + others) as f64,
            sampled: (self.len() - others) as f64 / self.len() as f64,
        })
    }

    /// The rows of `epoch` (counted from 0) in order, as indices into [`Table::rows`].
    pub fn epoch(&self, epoch: u64) -> Vec<u32> {
        let seed = Random::seed_of(self.seed, epoch);
        let mut others = self.others(Random::seed_of(seed, stream::OTHERS));
        if self.sampling.is_natural() {
            others.truncate(self.len());
            return others;
        }
        let batches = self.len() / self.batch;
        let wanted = self.len() - others.len();
        let mut positives = self.draws(Random::seed_of(seed, stream::POSITIVES), wanted);
        let mut places = Random::new(Random::seed_of(seed, stream::PLACES));
        let (mut others, mut order) = (others.drain(..), Vec::with_capacity(self.len()));
        for batch in 0..batches {
            let share = (batch + 1) * wanted / batches - batch * wanted / batches;
            let start = order.len();
            order.extend(positives.by_ref().take(share));
            order.extend(others.by_ref().take(self.batch - share));
            shuffle(&mut order[start..], &mut places);
        }
        order
    }

    fn others(&self, seed: u64) -> Vec<u32> {
        let mut random = Random::new(seed);
        match self.shuffle {
            Shuffle::Sequential => self.others.clone(),
            Shuffle::Rows => {
                let mut rows = self.others.clone();
                shuffle(&mut rows, &mut random);
                rows
            }
            Shuffle::Blocks { window } => {
                let mut rows = Vec::with_capacity(self.others.len());
                let mut ranges = ranges(&self.blocks);
                shuffle(&mut ranges, &mut random);
                for window in ranges.chunks(window.max(1)) {
                    let start = rows.len();
                    window.iter().for_each(|range| rows.extend(&self.others[range.clone()]));
                    shuffle(&mut rows[start..], &mut random);
                }
                rows
            }
        }
    }

    /// At least `wanted` positives: each is used once before any is used again.
    fn draws(&self, seed: u64, wanted: usize) -> impl Iterator<Item = u32> {
        let mut random = Random::new(seed);
        let mut drawn = Vec::with_capacity(wanted.next_multiple_of(self.positives.len().max(1)));
        while drawn.len() < wanted {
            let start = drawn.len();
            drawn.extend(&self.positives);
            shuffle(&mut drawn[start..], &mut random);
        }
        drawn.into_iter()
    }
}

/// The ranges of equal numbers.
fn ranges(numbers: &[u32]) -> Vec<std::ops::Range<usize>> {
    let mut start = 0;
    let stretch = |same: &[u32]| {
        let range = start..start + same.len();
        start = range.end;
        range
    };
    numbers.chunk_by(|a, b| a == b).map(stretch).collect()
}

/// Fisher-Yates shuffle: every order is equally likely.
fn shuffle<T>(items: &mut [T], random: &mut Random) {
    for i in (1..items.len()).rev() {
        // Lemire's multiplication instead of a remainder; its bias of 2^-32 is negligible.
        let other = (u128::from(random.next()) * (i as u128 + 1)) >> 64;
        items.swap(i, other as usize);
    }
}

#[cfg(test)]
mod tests;
