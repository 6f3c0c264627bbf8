//! Sixteen columns of a stripe: 64 coefficients, as many as a word has bits.
//!
//! A set of them is a word in scan order: bit `4 * column + row`. The next coefficient that a pass
//! visits is the lowest bit that is set.

use super::context::{SIGNS, Tables};
use super::passes::{CHUNK, Field, Flags, NEGATIVE, SIGNIFICANT, VISITED, seen};

/// A chunk of a block being decoded.
pub struct Chunk<'a> {
    /// A column more each side.
    flags: &'a mut [Flags; CHUNK + 2],
    coefficients: &'a mut [u32; 4 * CHUNK],
}

impl<'a> Chunk<'a> {
    /// Chunk `index` of a stripe.
    #[inline(always)]
    pub fn of(field: &'a mut Field, stripe: usize, index: usize) -> Self {
        let first = CHUNK * index;
        let flags = field.flags[(stripe + 1) * field.stride + first..].first_chunk_mut();
        let coefficients = &mut field.coefficients[4 * (stripe * field.width + first)..];
        Self {
            flags: flags.expect("a stripe's flags are padded to whole chunks"),
            coefficients: coefficients.first_chunk_mut().expect("a chunk more than the block has"),
        }
    }

    /// The sixteen columns' own flags.
    #[inline(always)]
    pub fn columns(&mut self) -> &mut [Flags; CHUNK] {
        self.flags[1..].first_chunk_mut().expect("eighteen are more than sixteen")
    }

    /// The 3x3 neighbourhood of the coefficient at a position, with its own bit in the middle.
    #[inline(always)]
    fn near<const CAUSAL: bool>(&self, at: usize) -> Flags {
        seen::<CAUSAL>(self.flags[at / 4 + 1]) >> (3 * (at % 4))
    }

    /// Whether nothing in or around the column of a position is significant.
    #[inline(always)]
    pub fn is_clear<const CAUSAL: bool>(&self, at: usize) -> bool {
        seen::<CAUSAL>(self.flags[at / 4 % CHUNK + 1]) & SIGNIFICANT == 0
    }

    /// The table's entry for the significance of the coefficient at a position.
    #[inline(always)]
    pub fn significance<const CAUSAL: bool>(&self, at: usize, tables: &Tables) -> u8 {
        tables[self.near::<CAUSAL>(at % (4 * CHUNK)) as usize & 0x1FF]
    }

    /// The table's entry for its sign.
    #[inline(always)]
    pub fn sign<const CAUSAL: bool>(&self, at: usize, tables: &Tables) -> u8 {
        let near = self.near::<CAUSAL>(at % (4 * CHUNK));
        tables[SIGNS + (near & 0xAA | near >> (NEGATIVE + 1) & 0x55) as usize]
    }

    /// Adds `own`, flag bits for the first row of the middle column, to the flags of the
    /// coefficient at a position and of its neighbours, and `new` to the coefficient itself.
    #[inline(always)]
    pub fn put(&mut self, at: usize, own: Flags, new: u32) {
        let (at, column) = (at % (4 * CHUNK), at / 4 % CHUNK);
        let own = own << (3 * (at % 4));
        self.flags[column] |= own << 1;
        self.flags[column + 1] |= own;
        self.flags[column + 2] |= own >> 1;
        self.coefficients[at] |= new;
    }

    /// Marks what has been visited.
    #[inline(always)]
    pub fn mark(&mut self, visited: u64) {
        for (i, flags) in self.columns().iter_mut().enumerate() {
            let rows = visited >> (4 * i);
            let rows = rows & 1 | (rows & 2) << 2 | (rows & 4) << 4 | (rows & 8) << 6;
            *flags |= rows << VISITED;
        }
    }
}

/// The first position in a set, or any position if the set is empty.
#[inline(always)]
pub fn first(set: u64) -> usize {
    set.trailing_zeros() as usize % (4 * CHUNK)
}

/// The part of chunk `index` of a stripe that lies in the block.
#[inline(always)]
pub fn inside(field: &Field, stripe: usize, index: usize) -> u64 {
    let rows = (1 << (field.height - 4 * stripe).min(4)) - 1;
    let columns = (field.width - CHUNK * index).min(CHUNK);
    (0x1111_1111_1111_1111 * rows) & (u64::MAX >> (64 - 4 * columns))
}

/// Moves every third bit, one per row, to the lowest four bits.
#[inline(always)]
pub fn nibble(rows: Flags) -> u64 {
    rows & 1 | rows >> 2 & 2 | rows >> 4 & 4 | rows >> 6 & 8
}
