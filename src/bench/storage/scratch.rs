//! The folder for files that the measurement makes.
//!
//! In: a folder that is no dataset and no release, with enough free space. Out: [`Scratch`], a
//! folder in it named `.mammo-pipe-bench-PID-N`, which is removed when the value is dropped. A
//! file in it tells which process made it. If that process was killed, the next measurement in the
//! same place removes its folder; as long as the process lives, or may live on another machine,
//! its folder stays.

use std::fs::{self, DirBuilder, DirEntry, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::StorageError;
use super::system::free_bytes;

/// How the names of all such folders begin.
pub const PREFIX: &str = ".mammo-pipe-bench-";

/// The file in the folder that tells who made it.
const MARKER: &str = "made-by.json";

/// Free space that stays.
const MARGIN: u64 = 1 << 30;

/// A folder without a marker is left over if it is older than this.
const OLD: Duration = Duration::from_secs(600);

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
    /// [`StorageError::NotAFolder`]; [`StorageError::InData`] for a folder in `dataset`, or in one
    /// that looks like a dataset or a release; [`StorageError::NoRoom`] unless `need` bytes and
    /// 1 GiB are free; [`StorageError::Io`].
    pub fn create(inside: &Path, need: u64, dataset: Option<&Path>) -> Result<Self, StorageError> {
        let inside = fs::canonicalize(inside).map_err(StorageError::io(inside))?;
        if !inside.is_dir() {
            return Err(StorageError::NotAFolder { path: inside });
        }
        if let Some(data) = data_around(&inside, dataset) {
            return Err(StorageError::InData { path: inside, data });
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
            let _ = fs::remove_dir_all(&self.path);
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
        let removed = is_left_over(&entry, here) && fs::remove_dir_all(entry.path()).is_ok();
        if !removed && entry.path().exists() {
            others.push(entry.path());
        }
    }
    Ok(others)
}

fn is_left_over(entry: &DirEntry, here: &Maker) -> bool {
    let marker = entry.path().join(MARKER);
    let text = fs::read(&marker).unwrap_or_default();
    let Ok(maker) = serde_json::from_slice::<Maker>(&text) else {
        // Killed between making the folder and writing the marker. Nothing else is in it then.
        let age = entry.metadata().and_then(|found| found.modified()).ok();
        let old = age.and_then(|made| made.elapsed().ok()).is_some_and(|age| age > OLD);
        let names = fs::read_dir(entry.path()).into_iter().flatten().flatten();
        return old && names.into_iter().all(|found| found.file_name() == MARKER);
    };
    let locked = File::open(&marker)
        .is_ok_and(|file| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)));
    maker.made_by == here.made_by && maker.is_dead(here) && !locked
}

/// The dataset or release that `folder` lies in: `dataset`, or one recognised by its files.
fn data_around(folder: &Path, dataset: Option<&Path>) -> Option<PathBuf> {
    let known = dataset.and_then(|path| fs::canonicalize(path).ok());
    if let Some(known) = known.filter(|known| folder.starts_with(known)) {
        return Some(known);
    }
    let holds = |folder: &Path| {
        let has = |name| folder.join(name).exists();
        let dataset = has("train_images") || has("test_images") || has("DICOMDIR");
        dataset || has("manifest") && (has("manifest.json") || has(crate::store::LOCK))
    };
    if let Some(data) = folder.ancestors().find(|folder| holds(folder)) {
        return Some(data.to_owned());
    }
    // A folder of a patient, or one whose folders are patients.
    let is_dicom =
        |path: &Path| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("dcm"));
    let entries = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).take(1000).collect::<Vec<_>>()
    };
    let inside = entries(folder);
    let below = inside.iter().filter(|path| path.is_dir()).take(100).flat_map(|path| entries(path));
    let found = inside.iter().cloned().chain(below).any(|path| is_dicom(&path));
    found.then(|| folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    fn left_by(folder: &Path, name: &str, maker: &Maker) -> PathBuf {
        let path = folder.join(format!("{PREFIX}{name}"));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("0.bin"), "x").unwrap();
        fs::write(path.join(MARKER), serde_json::to_vec(maker).unwrap()).unwrap();
        path
    }

    #[test]
    fn the_folder_is_removed_on_close_and_on_drop_and_two_are_apart() {
        let folder = tempfile::tempdir().unwrap();
        let one = Scratch::create(folder.path(), 1, None).unwrap();
        let two = Scratch::create(folder.path(), 1, None).unwrap();
        assert_ne!(one.path(), two.path());
        assert_eq!(two.others, [one.path()]);
        fs::write(one.path().join("x"), "x").unwrap();
        one.close().unwrap();
        drop(two);
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn only_what_a_dead_process_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let here = Maker::this_process();
        let reused = Maker { start: here.start + 1, ..here.clone() };
        let booted = Maker { boot: "earlier".into(), ..here.clone() };
        let elsewhere = Maker { host: "another".into(), ..booted.clone() };
        let container = Maker { pid_namespace: "another".into(), ..reused.clone() };
        let foreign = Maker { made_by: "somebody".into(), ..reused.clone() };
        for (name, maker) in [("1", &reused), ("2", &booted)] {
            left_by(folder.path(), name, maker);
        }
        let stay = [("3", &here), ("4", &elsewhere), ("5", &container), ("6", &foreign)];
        let stay = stay.map(|(name, maker)| left_by(folder.path(), name, maker));
        fs::create_dir(folder.path().join(format!("{PREFIX}7"))).unwrap();
        let scratch = Scratch::create(folder.path(), 1, None).unwrap();
        let mut others = scratch.others.clone();
        others.sort();
        assert_eq!(others[..4], stay);
        assert_eq!(others.len(), 5);
    }

    #[test]
    fn nothing_is_written_into_a_dataset_or_without_room() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |inside: &Path, dataset| {
            matches!(Scratch::create(inside, 1, dataset), Err(StorageError::InData { .. }))
        };
        let inside = folder.path().join("a/b");
        fs::create_dir_all(&inside).unwrap();
        assert!(refused(&inside, Some(folder.path())));
        fs::write(inside.join("1.dcm"), "").unwrap();
        assert!(refused(&folder.path().join("a"), None) && refused(&inside, None));
        fs::remove_file(inside.join("1.dcm")).unwrap();
        let found = Scratch::create(&inside, u64::MAX, None);
        assert!(matches!(found, Err(StorageError::NoRoom { .. })), "{found:?}");
        fs::create_dir(folder.path().join("train_images")).unwrap();
        assert!(refused(&inside, None));
        assert_eq!(names(&inside), [""; 0]);
    }
}
