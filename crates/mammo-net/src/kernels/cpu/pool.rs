//! Buffers that are reused from one step to the next.
//!
//! Memory that is given back to the operating system and asked for again costs a page fault per
//! 4 KiB, which took 14 % of a step and more. A dropped [`Buffer`] returns to its [`Pool`].

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// Free buffers, by their size.
#[derive(Debug, Clone, Default)]
pub struct Pool(Arc<Mutex<BTreeMap<usize, Vec<Vec<f32>>>>>);

/// Numbers in a cache line. A buffer starts at the boundary of one.
const LINE: usize = 16;

impl Pool {
    /// A buffer of `length` numbers. They hold anything.
    pub fn take(&self, length: usize) -> Buffer {
        let size = size_class(length);
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A buffer up to twice as large will do, so layers of different sizes share buffers.
        let found = free.range_mut(size..=2 * size).find_map(|(_, list)| list.pop());
        drop(free);
        let values = found.unwrap_or_else(|| vec![0.0; size + LINE - 1]);
        let start = values.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE - 1);
        Buffer { values, start, length, pool: self.clone() }
    }

    /// A buffer of zeros.
    pub fn zeros(&self, length: usize) -> Buffer {
        let mut buffer = self.take(length);
        buffer.fill(0.0);
        buffer
    }

    /// A buffer with these values.
    pub fn copy(&self, values: &[f32]) -> Buffer {
        let mut buffer = self.take(values.len());
        buffer.copy_from_slice(values);
        buffer
    }

    /// Gives all free buffers back to the operating system, before work of another shape begins.
    pub fn trim(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The size of a new buffer for `length` numbers: at most an eighth more.
fn size_class(length: usize) -> usize {
    let length = length.max(64);
    let step = (length.next_power_of_two() / 16).max(LINE);
    length.next_multiple_of(step)
}

/// Numbers that start at a cache line.
#[derive(Debug)]
pub struct Buffer {
    values: Vec<f32>,
    start: usize,
    length: usize,
    pool: Pool,
}

impl Deref for Buffer {
    type Target = [f32];

    #[inline(always)]
    fn deref(&self) -> &[f32] {
        &self.values[self.start..self.start + self.length]
    }
}

impl DerefMut for Buffer {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[self.start..self.start + self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.values);
        let size = values.len() + 1 - LINE;
        let mut free = self.pool.0.lock().unwrap_or_else(PoisonError::into_inner);
        free.entry(size).or_default().push(values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_serves_the_next_of_its_size_and_smaller_ones_down_to_half() {
        let pool = Pool::default();
        let first = pool.take(10_000);
        let address = first.as_ptr();
        drop(first);
        assert_eq!(pool.take(10_000).as_ptr(), address);
        assert_eq!(pool.take(6_000).as_ptr(), address);
        assert_ne!(pool.take(1_000).as_ptr(), address);
    }

    #[test]
    fn a_buffer_starts_on_a_cache_line() {
        let pool = Pool::default();
        let buffers: Vec<_> = (1..50).map(|i| pool.take(i * 37)).collect();
        assert!(buffers.iter().all(|buffer| (buffer.as_ptr() as usize).is_multiple_of(64)));
    }
}
