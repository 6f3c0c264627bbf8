//! Keeps the last measurement of each folder, so that `preprocess --dry-run` can use it.
//!
//! In: a [`Measurement`]. Out: `storage/HASH.json` in the user's cache folder, where HASH is that of
//! the measured folder's path. A measurement of a folder also holds for the folders below it on the
//! same file system.
//!
//! The files are hints: if one is missing, damaged or old, there is no measurement.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::measurement::{Measurement, VERSION};
use crate::error::Fault;
use crate::store;

/// A measurement that is older than this is not used.
const DAYS: u64 = 30;

/// A folder of kept measurements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept(PathBuf);

impl Kept {
    /// The folder of this user: `mammo-pipe/storage` in `XDG_CACHE_HOME`, or in `~/.cache`; `None` if
    /// neither is known.
    pub fn of_user() -> Option<Self> {
        Self::within(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"))
    }

    /// The XDG base directory specification demands that a relative path is ignored.
    fn within(cache: Option<OsString>, home: Option<OsString>) -> Option<Self> {
        let absolute = |path: OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
        let cache = cache
            .and_then(absolute)
            .or_else(|| home.and_then(absolute).map(|home| home.join(".cache")))?;
        Some(Self(cache.join("mammo-pipe").join("storage")))
    }

    /// Keeps `measurement` in place of an earlier one of the same folder.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn put(&self, measurement: &Measurement) -> Result<(), Fault> {
        fs::create_dir_all(&self.0).map_err(Fault::io(&self.0))?;
        store::put(&self.file(&measurement.path), &store::marked_json(measurement))
    }

    /// The measurement of `folder`, or else of the nearest folder above it on the same file system,
    /// if it is less than 30 days old at `now`, in seconds since 1970.
    pub fn find(&self, folder: &Path, now: u64) -> Option<Measurement> {
        let folder = fs::canonicalize(folder).ok()?;
        let device = device(&folder);
        let same = |path: &&Path| device.is_some() && self::device(path) == device;
        let nearest = folder.ancestors().take_while(same).find_map(|path| self.read(path, now));
        nearest.or_else(|| self.read(&folder, now))
    }

    fn read(&self, path: &Path, now: u64) -> Option<Measurement> {
        let text = fs::read(self.file(path)).ok()?;
        let found: Measurement = serde_json::from_slice(&text).ok()?;
        let age = now.checked_sub(found.started)?;
        let is_usable = found.version == VERSION && found.path == path && age < DAYS * 86_400;
        is_usable.then_some(found)
    }

    fn file(&self, path: &Path) -> PathBuf {
        let hash = store::sha256(path.as_os_str().as_encoded_bytes());
        self.0.join(format!("{}.json", &hash[..16]))
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(unix)]
fn device(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|found| found.dev())
}

#[cfg(not(unix))]
fn device(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::storage::verdict::tests::measurement;

    const DAY: u64 = 86_400;

    fn of(path: &Path) -> Measurement {
        let path = fs::canonicalize(path).unwrap();
        Measurement { path, started: 100 * DAY, ..measurement(&[(1, 10.0)], &[(1, 10.0)], 100.0) }
    }

    #[test]
    fn a_measurement_holds_for_its_folder_and_those_below_until_it_is_30_days_old() {
        let folder = tempfile::tempdir().unwrap();
        let (mount, below) = (folder.path().join("mount"), folder.path().join("mount/a/b"));
        fs::create_dir_all(&below).unwrap();
        let kept = Kept(folder.path().join("cache"));
        assert_eq!(kept.find(&mount, 100 * DAY), None);
        kept.put(&of(&mount)).unwrap();
        assert_eq!(kept.find(&mount, 100 * DAY), Some(of(&mount)));
        assert_eq!(kept.find(&below, 129 * DAY), Some(of(&mount)));
        assert_eq!(kept.find(&below, 130 * DAY), None);
        assert_eq!(kept.find(folder.path(), 100 * DAY), None, "the folder above was not measured");
        assert_eq!(kept.find(&mount, 99 * DAY), None, "it is from the future");
        kept.put(&of(&below)).unwrap();
        assert_eq!(kept.find(&below, 101 * DAY), Some(of(&below)));
    }

    #[test]
    fn a_damaged_file_or_one_of_another_layout_is_no_measurement() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept(folder.path().join("cache"));
        let other = Measurement { version: VERSION + 1, ..of(folder.path()) };
        kept.put(&other).unwrap();
        assert_eq!(kept.find(folder.path(), 100 * DAY), None);
        fs::write(kept.file(&other.path), "{").unwrap();
        assert_eq!(kept.find(folder.path(), 100 * DAY), None);
    }

    #[test]
    fn a_relative_cache_folder_is_ignored() {
        let within = |cache: Option<&str>, home: Option<&str>| {
            Kept::within(cache.map(Into::into), home.map(Into::into)).map(|kept| kept.0)
        };
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(within(Some("/c"), Some("/h")), path("/c/mammo-pipe/storage"));
        assert_eq!(within(Some("c"), Some("/h")), path("/h/.cache/mammo-pipe/storage"));
        assert_eq!(within(None, None), None);
    }
}
