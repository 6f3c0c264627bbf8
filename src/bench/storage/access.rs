//! Opens and reads files with a known state of the page cache.
//!
//! *Direct* reads pass by the cache (`O_DIRECT`). Before a *cold* read, [`evict`] empties the cache
//! of the file's pages. The kernel may keep some: pages that are not written yet, or that another
//! process has mapped. So each cold read is checked: [`Fetched`] tells how many bytes this process
//! really had fetched from the storage while it read.
//!
//! `mincore` would tell it page by page, but only to the owner of a file or to who may write it;
//! for everybody else, Linux 5.2 and later report every page as cached. A dataset on lab storage
//! mostly belongs to somebody else, so a check by `mincore` would be wrong just there. Reading
//! with `RWF_NOWAIT` starts read-ahead, so it changes what it looks at.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Advice, OFlags};

use super::error::StorageError;
use super::measurement::{Cache, System};
use super::workers::Clock;

/// Bytes of one read or write.
pub const CHUNK: usize = 1 << 20;

/// Start and length of direct reads are multiples of this.
const ALIGN: usize = 4096;

/// A buffer that starts at a multiple of 4096 bytes in memory, as direct reads need.
#[derive(Debug)]
pub struct Aligned {
    bytes: Vec<u8>,
    start: usize,
    length: usize,
}

impl Aligned {
    /// A buffer of at least `length` bytes, rounded up to a multiple of 4096.
    pub fn new(length: usize) -> Self {
        let length = length.next_multiple_of(ALIGN);
        // Any value but zero, so that the memory is there before the first timed read.
        let bytes = vec![1; length + ALIGN];
        let address = bytes.as_ptr().addr();
        Self { start: address.next_multiple_of(ALIGN) - address, bytes, length }
    }

    /// The bytes.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.length]
    }
}

/// Opens a file for reading: with `O_DIRECT` for [`Cache::Direct`].
///
/// # Errors
/// The system's; `EINVAL` where the file system has no direct reads.
pub fn open(path: &Path, cache: Cache) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    if cache == Cache::Direct {
        options.custom_flags(OFlags::DIRECT.bits().cast_signed());
    }
    options.open(path)
}

/// Reads `length` bytes from `start`, up to a mebibyte at a time, or up to the end of the file.
/// Ends early when the clock cuts it off. Returns the number of bytes read.
///
/// # Errors
/// The system's.
pub fn read(
    file: &File,
    start: u64,
    length: u64,
    buffer: &mut Aligned,
    clock: &Clock,
) -> io::Result<u64> {
    let buffer = buffer.bytes_mut();
    let mut done = 0;
    while done < length && !clock.cuts_off() {
        // A direct read asks for a multiple of 4096 bytes also at the end, and gets what is there.
        let rest = usize::try_from(length - done).unwrap_or(usize::MAX);
        let part = rest.min(buffer.len()).next_multiple_of(ALIGN);
        let counts = clock.begin_chunk();
        match file.read_at(&mut buffer[..part], start + done) {
            Ok(0) => break,
            Ok(count) => {
                let count = (count as u64).min(length - done);
                done += count;
                if counts {
                    clock.count(count);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Removes the file's pages from the page cache of this machine, if they are written already.
///
/// # Errors
/// The system's.
pub fn evict(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).map_err(io::Error::from)
}

/// Tells the kernel that `file` is read in no order, so that it reads nothing ahead.
pub fn expect_random(file: &File) {
    // Advice only: without it, the read is right and somewhat slower.
    let _ = rustix::fs::fadvise(file, 0, None, Advice::Random);
}

/// Writes what this machine holds for the file system of `folder` and has not written yet. Such
/// pages cannot be evicted, and writing them later would disturb the measurement.
///
/// # Errors
/// [`StorageError::Io`].
pub fn settle(folder: &Path) -> Result<(), StorageError> {
    let open = File::open(folder).map_err(StorageError::io(folder))?;
    rustix::fs::syncfs(&open).map_err(|e| StorageError::io(folder)(e.into()))
}

/// The bytes that this process had fetched from storage so far.
#[derive(Debug, Clone, Copy)]
pub struct Fetched(Option<u64>);

impl Fetched {
    /// Reads the counter.
    pub fn now() -> Self {
        let text = fs::read_to_string("/proc/self/io").unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("read_bytes:"));
        Self(line.and_then(|bytes| bytes.trim().parse().ok()))
    }

    /// The share of `bytes`, read since the counter was taken, that came from the page cache: 0
    /// to 1. `None` where the file system does not count.
    pub fn cached(self, bytes: u64, system: &System) -> Option<f64> {
        let fetched = Self::now().0?.checked_sub(self.0?)?;
        if bytes == 0 {
            return None;
        }
        if matches!(system.file_system.as_str(), "tmpfs" | "ramfs") {
            return Some(1.0);
        }
        // Only block devices, NFS and SMB are sure to count; elsewhere 0 may mean anything.
        let counts = matches!(system.file_system.as_str(), "nfs" | "nfs4" | "cifs" | "smb3");
        if fetched == 0 && (system.network && !counts || system.file_system == "zfs") {
            return None;
        }
        Some((1.0 - fetched as f64 / bytes as f64).clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::system::system;
    use super::*;

    #[test]
    fn a_buffer_starts_at_a_multiple_of_4096() {
        for length in [1, 4096, CHUNK] {
            let mut buffer = Aligned::new(length);
            let bytes = buffer.bytes_mut();
            assert!(bytes.as_ptr().addr().is_multiple_of(ALIGN) && bytes.len() >= length);
        }
    }

    #[test]
    fn the_length_read_is_that_asked_for_or_that_of_the_file() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![7; 3 * CHUNK + 5]).unwrap();
        let (clock, mut buffer) = (Clock::endless(), Aligned::new(CHUNK));
        let opened = open(file.path(), Cache::Warm).unwrap();
        let mut get = |start, length| read(&opened, start, length, &mut buffer, &clock).unwrap();
        assert_eq!(get(0, u64::MAX), 3 * CHUNK as u64 + 5);
        assert_eq!([get(1, 5000), get(3 << 20, 10)], [5000, 5]);
    }

    #[test]
    fn an_evicted_file_is_fetched_and_a_file_just_read_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let system = system(folder.path()).unwrap();
        let path = folder.path().join("x");
        let mut file = File::create(&path).unwrap();
        file.write_all(&vec![7; 16 << 20]).unwrap();
        file.sync_all().unwrap();
        let (clock, mut buffer) = (Clock::endless(), Aligned::new(CHUNK));
        let mut cached = |evicted: bool| {
            if evicted {
                evict(&path).unwrap();
            }
            let before = Fetched::now();
            let file = open(&path, Cache::Cold).unwrap();
            let bytes = read(&file, 0, 16 << 20, &mut buffer, &clock).unwrap();
            before.cached(bytes, &system)
        };
        let (cold, warm) = (cached(true), cached(false));
        if system.file_system == "tmpfs" {
            assert_eq!((cold, warm), (Some(1.0), Some(1.0)));
        } else if let (Some(cold), Some(warm)) = (cold, warm) {
            assert!(cold < 0.05 && warm > 0.95, "{cold} {warm}");
        }
    }
}
