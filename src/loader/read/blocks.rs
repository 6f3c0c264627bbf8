//! A cache of decompressed blocks of images: the most recently used ones stay.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;

/// Indices of shard and block.
type Key = (usize, usize);

/// A least-recently-used cache of blocks.
///
/// Threads that want the same block wait for the thread that reads it. A block that is removed
/// while a thread copies from it lives until the copy is done, so up to one block per thread more
/// than `most` is in memory.
#[derive(Debug)]
pub struct Blocks {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    clock: u64,
    slots: HashMap<Key, Slot>,
}

#[derive(Debug)]
struct Slot {
    used: u64,
    block: Arc<Mutex<Option<Bytes>>>,
}

impl Blocks {
    /// Keeps at most `most` blocks, and at least the one in use.
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), state: Mutex::default() }
    }

    /// The block of `key`, from the cache or from `read`.
    ///
    /// # Errors
    /// The error of `read`; the next call tries again.
    pub fn get(
        &self,
        key: Key,
        read: impl FnOnce() -> Result<Bytes, String>,
    ) -> Result<Bytes, String> {
        let slot = self.slot(key);
        let mut block = lock(&slot);
        match block.as_ref() {
            Some(block) => Ok(block.clone()),
            None => Ok(block.insert(read()?).clone()),
        }
    }

    fn slot(&self, key: Key) -> Arc<Mutex<Option<Bytes>>> {
        let mut state = lock(&self.state);
        state.clock += 1;
        let used = state.clock;
        if let Some(slot) = state.slots.get_mut(&key) {
            slot.used = used;
            return Arc::clone(&slot.block);
        }
        if state.slots.len() == self.most {
            let oldest = state.slots.iter().min_by_key(|(_, slot)| slot.used);
            let oldest = *oldest.expect("it is full, and has room for one").0;
            state.slots.remove(&oldest);
        }
        let block = Arc::default();
        state.slots.insert(key, Slot { used, block: Arc::clone(&block) });
        block
    }
}

/// Ignores poisoning: every change under the lock is a single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_that_was_used_last_stays_and_the_oldest_goes() {
        let blocks = Blocks::new(2);
        let mut reads = Vec::new();
        for key in [0, 1, 0, 2, 0, 1] {
            let read = || {
                reads.push(key);
                Ok(Bytes::from(vec![key as u8]))
            };
            assert_eq!(blocks.get((0, key), read).unwrap()[0], key as u8);
        }
        assert_eq!(reads, [0, 1, 2, 1]);
    }

    #[test]
    fn a_block_that_could_not_be_read_is_tried_again() {
        let blocks = Blocks::new(2);
        assert_eq!(blocks.get((0, 0), || Err("torn".into())), Err("torn".into()));
        assert_eq!(blocks.get((0, 0), || Ok(Bytes::from_static(b"x"))).unwrap(), "x");
    }

    #[test]
    fn threads_that_want_the_same_block_read_it_once() {
        let blocks = Blocks::new(1);
        let reads = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let read = || {
                        reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        std::thread::yield_now();
                        Ok(Bytes::from_static(b"x"))
                    };
                    assert_eq!(blocks.get((3, 4), read).unwrap(), "x");
                });
            }
        });
        assert_eq!(reads.into_inner(), 1);
    }
}
