//! The folder for files that the measurement makes.
//!
//! In: a folder that is no dataset and no release, with enough free space. Out: [`Scratch`], a
//! folder in it named `.mammo-pipe-bench-PID-N`, which is removed when the value is dropped. A
//! file in it tells which process made it. If that process was killed, the next measurement in the
//! same place removes its folder; as long as the process lives, or may live on another machine,
//! its folder stays.

mod data;

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::StorageError;
use super::system::free_bytes;

use data::Around;
pub use data::looks_like_data;

/// How the names of all such folders begin.
pub const PREFIX: &str = ".mammo-pipe-bench-";

/// The file in the folder that tells who made it.
const MARKER: &str = "made-by.json";

/// Free space that stays.
const MARGIN: u64 = 1 << 30;

/// A folder without a marker is left over if it is older than this.
const OLD: Duration = Duration::from_secs(600);

/// A folder that was made before the machine was started is left over if it is older than this.
const OTHER_BOOT: Duration = Duration::from_secs(24 * 3600);

/// A folder for made files, removed when this value is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    /// Folders of other measurements that stay, because they may still run.
    pub others: Vec<PathBuf>,
    /// Locked as long as this value lives.
    marker: Option<File>,
}

/// Who made a folder. Two processes with the same values are one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Maker {
    made_by: String,
    pid: u32,
    /// When the process started, in ticks since the boot. A later process may get the same number.
    start: u64,
    /// Changes with every boot.
    boot: String,
    /// Process numbers mean something only within their namespace, such as a container.
    pid_namespace: String,
    host: String,
}

impl Maker {
    fn this_process() -> Self {
        let pid = std::process::id();
        let line = |path| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        Self {
            made_by: crate::store::MAKER.to_owned(),
            pid,
            start: started(pid).unwrap_or(0),
            boot: line("/proc/sys/kernel/random/boot_id"),
            pid_namespace: namespace.to_string_lossy().into_owned(),
            host: line("/proc/sys/kernel/hostname"),
        }
    }

    /// Whether the process that made a folder is known to be gone.
    fn is_dead(&self, here: &Self) -> bool {
        if self.boot != here.boot {
            // The same machine was restarted; or it is another one, whose processes we cannot see.
            return self.host == here.host;
        }
        self.pid_namespace == here.pid_namespace && started(self.pid) != Some(self.start)
    }
}

/// When the process `pid` started: field 22 of its `stat` (proc(5)). `None` if there is none.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

impl Scratch {
    /// Makes the folder in `inside`, after removing those of killed measurements there.
    ///
    /// # Errors
    /// [`StorageError::NotAFolder`]; [`StorageError::InData`] for a folder in `dataset`, or in
    /// another dataset or release; [`StorageError::LooksLikeData`] for one that holds images;
    /// [`StorageError::NoRoom`] unless `need` bytes and 1 GiB are free; [`StorageError::Io`].
    pub fn create(inside: &Path, need: u64, dataset: Option<&Path>) -> Result<Self, StorageError> {
        let inside = fs::canonicalize(inside).map_err(StorageError::io(inside))?;
        if !inside.is_dir() {
            return Err(StorageError::NotAFolder { path: inside });
        }
        match data::around(&inside, dataset) {
            Around::Known(data) => return Err(StorageError::InData { path: inside, data }),
            Around::Likely => return Err(StorageError::LooksLikeData { path: inside }),
            Around::Nothing => {}
        }
        let here = Maker::this_process();
        let others = clear(&inside, &here).map_err(StorageError::io(&inside))?;
        let free = free_bytes(&inside)?;
        if free < need.saturating_add(MARGIN) {
            return Err(StorageError::NoRoom { path: inside, free, need, margin: MARGIN });
        }
        let path = make(&inside, here.pid)?;
        let mut scratch = Self { path, others, marker: None };
        let marker = scratch.path.join(MARKER);
        let mut file = File::create(&marker).map_err(StorageError::io(&marker))?;
        // Not every network file system has locks. Then the process's number alone must do.
        let _ = file.try_lock();
        file.write_all(&crate::store::json(&here)).map_err(StorageError::io(&marker))?;
        scratch.marker = Some(file);
        Ok(scratch)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the folder.
    ///
    /// # Errors
    /// [`StorageError::Io`]; the next measurement in this place tries again.
    pub fn close(mut self) -> Result<(), StorageError> {
        let path = std::mem::take(&mut self.path);
        drop(self.marker.take());
        fs::remove_dir_all(&path).map_err(StorageError::io(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            drop(self.marker.take());
            // What cannot be removed now, the next measurement removes.
            if let Err(error) = fs::remove_dir_all(&self.path) {
                let path = self.path.display();
                let _ = writeln!(io::stderr(), "{path} could not be removed: {error}");
            }
        }
    }
}

fn make(inside: &Path, pid: u32) -> Result<PathBuf, StorageError> {
    let mut number = 0;
    loop {
        let path = inside.join(format!("{PREFIX}{pid}-{number}"));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1000 => {
                number += 1;
            }
            Err(error) => return Err(StorageError::io(path)(error)),
        }
    }
}

/// Removes the folders of killed measurements from `inside`. Returns those that stay.
fn clear(inside: &Path, here: &Maker) -> io::Result<Vec<PathBuf>> {
    let mut others = Vec::new();
    for entry in fs::read_dir(inside)? {
        let entry = entry?;
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if !ours || !entry.file_type()?.is_dir() {
            continue;
        }
        let removed = is_left_over(&entry.path(), here) && fs::remove_dir_all(entry.path()).is_ok();
        if !removed && entry.path().exists() {
            others.push(entry.path());
        }
    }
    Ok(others)
}

/// Whether nobody needs the folder any more. In doubt it stays.
fn is_left_over(folder: &Path, here: &Maker) -> bool {
    let mut text = Vec::new();
    let marker = match File::open(folder.join(MARKER)) {
        Ok(marker) if (&marker).read_to_end(&mut text).is_ok() => marker,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return is_unmarked(folder),
        _ => return false,
    };
    // A shared lock needs no right to write, which an exclusive one needs on NFS.
    if matches!(marker.try_lock_shared(), Err(fs::TryLockError::WouldBlock)) {
        return false;
    }
    let Ok(maker) = serde_json::from_slice::<Maker>(&text) else { return is_unmarked(folder) };
    // Two machines may have one name. Where they do, the age tells what is running no more.
    let same_boot = maker.boot == here.boot;
    maker.made_by == here.made_by
        && maker.is_dead(here)
        && (same_boot || is_older(folder, OTHER_BOOT))
}

/// Whether the maker was killed between making the folder and writing the marker. Nothing else is in
/// it then.
fn is_unmarked(folder: &Path) -> bool {
    let Ok(mut entries) = fs::read_dir(folder) else { return false };
    is_older(folder, OLD)
        && entries.all(|entry| entry.is_ok_and(|entry| entry.file_name() == MARKER))
}

fn is_older(folder: &Path, than: Duration) -> bool {
    let changed = fs::metadata(folder).and_then(|found| found.modified()).ok();
    changed.and_then(|changed| changed.elapsed().ok()).is_some_and(|age| age > than)
}

#[cfg(test)]
mod tests;
