//! Maps a file into memory: the operating system loads the pages that are used.
//!
//! Shards are never changed once they are in place ([`release`](super::release) names them by the
//! hash of their content), which makes this sound in practice. If someone truncates a shard while
//! it is read, the reader is killed by a bus error, as with any mapped file. If someone changes
//! one, the row's checksum shows it.

use std::path::Path;

use bytes::Bytes;

use crate::error::Fault;
use crate::store;

/// All bytes of the file at `path`. Pages are loaded when they are used and can be released again,
/// so they count as the system's cache and not as the program's memory.
///
/// # Errors
/// [`Fault::Io`].
#[allow(unsafe_code)]
pub fn map(path: &Path) -> Result<Bytes, Fault> {
    let file = store::open_regular(path).map_err(Fault::io(path))?;
    if file.metadata().map_err(Fault::io(path))?.len() == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: the map is read-only and is only used as bytes, each of which is valid whatever its
    // value. The release guarantees that nobody writes to the file meanwhile.
    let map = unsafe { memmap2::Mmap::map(&file) }.map_err(Fault::io(path))?;
    Ok(Bytes::from_owner(map))
}
