//! Counts the bytes that decoding needs before they are allocated.
//!
//! In: the sizes that a stream declares. Out: an error if they exceed what the caller allows.
//! Counted is everything that grows with the image or with its headers; a fixed part is counted
//! once.

use super::error::Error;

/// Bytes for what does not grow with an image: contexts, tables, the two code-blocks at work, rows
/// of lifting. With `parallel` each thread has its own.
pub const FIXED: u64 = 1 << 20;
/// Bytes for the headers of a tile, with its quantisation steps and precinct sizes.
pub const TILE: u64 = 4 << 10;
/// Bytes for a code-block: its state, and its nodes in two tag trees.
pub const BLOCK: u64 = 40;
/// Bytes for a precinct: its bands, their trees, and its places in the progressions.
pub const PRECINCT: u64 = 1 << 10;
/// Bytes for a packet's contribution to a code-block, while their list grows.
pub const PIECE: u64 = 64;
/// Bytes for a byte of the code-block at work, joined and unstuffed, while the lists grow.
pub const CODED_BYTE: u64 = 10;

/// The memory that is used, and the limit.
#[derive(Clone, Debug)]
pub struct Memory {
    limit: u64,
    /// For the whole decoding.
    image: u64,
    /// In buffers that all tiles reuse.
    buffers: u64,
    /// For the current tile.
    tile: u64,
}

impl Memory {
    /// At most `limit` bytes.
    ///
    /// # Errors
    /// [`Error::TooMuchMemory`] if the limit is below what any image needs.
    pub fn new(limit: u64) -> Result<Self, Error> {
        let memory = Self { limit, image: FIXED, buffers: 0, tile: 0 };
        memory.check()?;
        Ok(memory)
    }

    /// Without a limit.
    pub fn unlimited() -> Self {
        Self { limit: u64::MAX, image: FIXED, buffers: 0, tile: 0 }
    }

    /// Counts `bytes` for the whole decoding.
    pub fn take(&mut self, bytes: u64) -> Result<(), Error> {
        self.image = self.image.saturating_add(bytes);
        self.check()
    }

    /// Counts `bytes` for the current tile.
    pub fn take_for_tile(&mut self, bytes: u64) -> Result<(), Error> {
        self.tile = self.tile.saturating_add(bytes);
        self.check()
    }

    /// Makes the buffers that tiles share at least `bytes` large.
    pub fn share(&mut self, bytes: u64) -> Result<(), Error> {
        self.buffers = self.buffers.max(bytes);
        self.check()
    }

    /// Releases what the current tile used.
    pub fn end_tile(&mut self) {
        self.tile = 0;
    }

    /// Bytes that are left.
    pub fn left(&self) -> u64 {
        self.limit.saturating_sub(self.taken())
    }

    fn taken(&self) -> u64 {
        self.image.saturating_add(self.buffers).saturating_add(self.tile)
    }

    fn check(&self) -> Result<(), Error> {
        let (bytes, limit) = (self.taken(), self.limit);
        if bytes > limit { Err(Error::TooMuchMemory { bytes, limit }) } else { Ok(()) }
    }
}

/// Empties a buffer and gives it room for `count` values, without copying what it held.
pub fn make_room<T>(buffer: &mut Vec<T>, count: usize) {
    buffer.clear();
    if buffer.capacity() < count {
        *buffer = Vec::new();
        buffer.reserve_exact(count);
    }
}
