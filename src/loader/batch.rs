//! A batch, and the memory that batches reuse.

use std::sync::{Arc, Mutex};

use crate::model;

/// Images for one step, in the loader's order.
#[derive(Debug)]
pub struct Batch {
    /// The images: indices into [`Table::rows`](crate::shard::table::Table::rows).
    pub rows: Vec<usize>,
    /// Number of images of the epoch before this batch.
    pub position: usize,
    /// Seconds that the caller waited for it.
    pub waited: f64,
    pub(super) buffer: Buffer,
    pub(super) size: (usize, usize),
    pub(super) memory: Arc<Memory>,
}

/// Grey levels, `[batch, height, width]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Buffer {
    Eight(Vec<u8>),
    Sixteen(Vec<u16>),
}

impl Buffer {
    /// An empty buffer for images of `bits` bits.
    pub fn new(bits: u8) -> Self {
        if bits == 8 { Self::Eight(Vec::new()) } else { Self::Sixteen(Vec::new()) }
    }
}

impl Batch {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it is empty, which a loader's batch never is.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The images, as the network takes them: `[batch, height, width]`.
    pub fn images(&self) -> model::Images<'_> {
        let pixels = match &self.buffer {
            Buffer::Eight(pixels) => model::Pixels::U8(pixels),
            Buffer::Sixteen(pixels) => model::Pixels::U16(pixels),
        };
        let (height, width) = self.size;
        model::Images { pixels, batch: self.rows.len(), height, width }
    }
}

impl Drop for Batch {
    /// Returns the memory for a later batch.
    fn drop(&mut self) {
        let empty = match &self.buffer {
            Buffer::Eight(_) => Buffer::Eight(Vec::new()),
            Buffer::Sixteen(_) => Buffer::Sixteen(Vec::new()),
        };
        self.memory.give(std::mem::replace(&mut self.buffer, empty));
    }
}

/// Buffers that are not in use. New memory costs a page fault every 4 kB, so a batch reuses the
/// memory of an earlier one.
#[derive(Debug)]
pub(super) struct Memory {
    bits: u8,
    most: usize,
    free: Mutex<Vec<Buffer>>,
}

impl Memory {
    /// Keeps at most `most` buffers for images of `bits` bits.
    pub fn new(bits: u8, most: usize) -> Self {
        Self { bits, most, free: Mutex::default() }
    }

    /// A buffer, of any length.
    pub fn take(&self) -> Buffer {
        self.lock().pop().unwrap_or_else(|| Buffer::new(self.bits))
    }

    /// Takes a buffer back.
    pub fn give(&self, buffer: Buffer) {
        let mut free = self.lock();
        if free.len() < self.most {
            free.push(buffer);
        }
    }

    /// The list stays whole if a holder panics: pushing and popping are its only changes.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Buffer>> {
        self.free.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
