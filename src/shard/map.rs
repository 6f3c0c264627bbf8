//! A file's bytes without reading them: the system brings in what is touched.
//!
//! Shards are never changed after they are in place ([`release`](super::release) commits them
//! under their content's name), which is what makes this sound in practice. Who truncates a
//! shard under a running reader kills it with a bus error, as with any mapped file; who
//! changes one is found out by the row's checksum.

use std::fs::File;
use std::path::Path;

use bytes::Bytes;

use crate::error::Fault;

/// All bytes of the file at `path`; pages are read as they are touched and can be given up
/// again, so that they count as the system's cache and not as memory of the program.
///
/// # Errors
/// [`Fault::Io`].
#[allow(unsafe_code)]
pub fn map(path: &Path) -> Result<Bytes, Fault> {
    let file = File::open(path).map_err(Fault::io(path))?;
    if file.metadata().map_err(Fault::io(path))?.len() == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: the map is read-only and is only ever seen as bytes, each of which is valid
    // whatever it holds. That nobody writes to the file meanwhile is the release's promise.
    let map = unsafe { memmap2::Mmap::map(&file) }.map_err(Fault::io(path))?;
    Ok(Bytes::from_owner(map))
}
