//! Bytes that are not a file's own but made of them, such as an inflated data set. They count in a
//! budget for as long as they live.

use bytes::Bytes;

use super::ReadError;
use crate::flow::{Budget, Ticket};

struct Held {
    bytes: Vec<u8>,
    _ticket: Ticket,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Waits until `need` bytes of `memory` are free, and makes at most so many.
///
/// # Errors
/// [`ReadError::Memory`] if they never will be; those of `make`.
pub fn held(
    memory: &Budget,
    need: usize,
    make: impl FnOnce() -> Result<Vec<u8>, ReadError>,
) -> Result<Bytes, ReadError> {
    let have = memory.total();
    if need > have {
        return Err(ReadError::Memory { need, have });
    }
    let ticket = memory.take(need);
    Ok(Bytes::from_owner(Held { bytes: make()?, _ticket: ticket }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_free_again_once_the_last_slice_is_gone() {
        let memory = Budget::new(10);
        let bytes = held(&memory, 10, || Ok(vec![7; 10])).unwrap();
        let slice = bytes.slice(3..5);
        drop(bytes);
        let waiting = std::thread::spawn({
            let memory = memory.clone();
            move || drop(memory.take(1))
        });
        assert!(!waiting.is_finished());
        drop(slice);
        waiting.join().unwrap();
        let refused = held(&memory, 11, || Ok(Vec::new())).unwrap_err().to_string();
        assert!(refused.contains("11 bytes"), "{refused}");
    }
}
