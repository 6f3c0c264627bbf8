//! Times of operations on names, by number of threads: list a folder, ask for the properties of a
//! file, open and close it, create a small file as a commit does, unlink.
//!
//! In: the files of a dataset or made ones, and a folder for made files, if there is one. Out:
//! [`Operation`]s. Nothing is created or unlinked but in that folder.
//!
//! Names were listed before, so this machine may know them already; the times are then those of
//! its cache, not of the server. Each point takes other files, as long as there are enough.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::error::StorageError;
use super::measurement::{Operation, Point};
use super::options::{Budget, Limits, PlannedFile};
use super::shards::sync_folder;
use super::workers::series;
use super::workers::{Clock, Part, timed};
use crate::flow::Stop;

/// Bytes of a created file: about those of a shard's entry.
const ENTRY: usize = 1024;

/// Most files created with one number of threads.
const MOST_CREATED: usize = 20_000;

/// What the operations need.
pub struct Names<'a> {
    /// The files, in plan order.
    pub files: &'a [PlannedFile],
    /// Seconds and threads.
    pub budget: &'a Budget,
    /// Ends everything.
    pub stop: &'a Stop,
}

impl Names<'_> {
    /// Measures `list`, `stat` and `open`. Listing counts folders.
    ///
    /// # Errors
    /// [`StorageError::Interrupted`]; [`StorageError::AllFailed`] if nothing could be read.
    pub fn read(&self) -> Result<Vec<Operation>, StorageError> {
        let mut folders: Vec<&Path> = self.files.iter().filter_map(|f| f.path.parent()).collect();
        folders.sort_unstable();
        folders.dedup();
        let files: Vec<&Path> = self.files.iter().map(|file| file.path.as_path()).collect();
        Ok(vec![
            self.each("list", &folders, |path| {
                fs::read_dir(path)?.try_for_each(|entry| entry.map(drop))
            })?,
            self.each("stat", &files, |path| fs::metadata(path).map(drop))?,
            self.each("open", &files, |path| File::open(path).map(drop))?,
        ])
    }

    /// Measures `create_sync_link` and `unlink` in `folder`, which exists and is empty.
    ///
    /// # Errors
    /// [`StorageError::Interrupted`], [`StorageError::AllFailed`].
    pub fn write(&self, folder: &Path) -> Result<Vec<Operation>, StorageError> {
        let name = |number| folder.join(format!("entry-{number:05}.json"));
        let paths: Vec<PathBuf> = (0..MOST_CREATED).map(name).collect();
        let all: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        let (mut created, mut unlinked) = (Vec::new(), Vec::new());
        for &threads in &self.budget.metadata_threads {
            let (point, taken) =
                self.point(threads, &all, self.seconds(), |path| create(folder, path))?;
            created.push(point);
            // All of them, so that the next point begins with an empty folder.
            let made: Vec<&Path> = all[..taken].iter().copied().filter(|p| p.exists()).collect();
            let unlink = |path: &Path| fs::remove_file(path);
            unlinked.push(self.point(threads, &made, f64::INFINITY, unlink)?.0);
        }
        let operation = |name: &str, points| Operation { name: name.into(), points };
        Ok(vec![operation("create_sync_link", created), operation("unlink", unlinked)])
    }

    fn seconds(&self) -> f64 {
        self.budget.metadata_seconds
    }

    fn each(
        &self,
        name: &str,
        paths: &[&Path],
        work: impl Fn(&Path) -> io::Result<()> + Sync,
    ) -> Result<Operation, StorageError> {
        let (mut points, mut begin) = (Vec::new(), 0);
        for &threads in &self.budget.metadata_threads {
            let mut list = paths.to_vec();
            list.rotate_left(begin % paths.len().max(1));
            let (point, taken) = self.point(threads, &list, self.seconds(), &work)?;
            points.push(point);
            begin += taken;
        }
        Ok(Operation { name: name.into(), points })
    }

    fn point(
        &self,
        threads: usize,
        paths: &[&Path],
        seconds: f64,
        work: impl Fn(&Path) -> io::Result<()> + Sync,
    ) -> Result<(Point, usize), StorageError> {
        let run = |(): &mut (), path: &&Path, _: &Clock| work(path).map(|()| Part::whole(0));
        let limits = Limits { seconds, bytes: u64::MAX };
        let mut taken = 0;
        let (point, all) = series::point(threads, limits, |left| {
            let timed = timed(threads, paths, left, self.stop, |_| 0, || (), run)?;
            taken = timed.taken;
            Ok(series::Pass { timed, cached: None, exhausted: false })
        })?;
        all.check(self.stop, |item| paths[item])?;
        Ok((point, taken))
    }
}

/// Creates `path` as a release commits a shard: a file aside, synced, linked, the folder synced.
fn create(folder: &Path, path: &Path) -> io::Result<()> {
    let aside = path.with_extension("tmp");
    let mut file = File::create(&aside)?;
    file.write_all(&[b' '; ENTRY])?;
    file.sync_all()?;
    drop(file);
    match fs::hard_link(&aside, path) {
        Ok(()) => fs::remove_file(&aside)?,
        // The file system has no hard links.
        Err(_) => fs::rename(&aside, path)?,
    }
    sync_folder(folder)
}

#[cfg(test)]
mod tests {
    use super::super::options::Options;
    use super::*;

    #[test]
    fn every_operation_is_measured_with_every_number_of_threads_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let made = folder.path().join("made");
        fs::create_dir(&made).unwrap();
        let files: Vec<PlannedFile> = (0..30)
            .map(|i| PlannedFile { path: folder.path().join(format!("{i}")), bytes: 1 })
            .collect();
        for file in &files {
            fs::write(&file.path, "x").unwrap();
        }
        let options = Options { threads: Some(vec![1, 4]), ..Options::default() };
        let mut budget = options.budget(1).unwrap();
        budget.metadata_seconds = 0.05;
        let stop = Stop::default();
        let names = Names { files: &files, budget: &budget, stop: &stop };
        let mut found = names.read().unwrap();
        found.extend(names.write(&made).unwrap());
        let of: Vec<_> = found.iter().map(|operation| operation.name.as_str()).collect();
        assert_eq!(of, ["list", "stat", "open", "create_sync_link", "unlink"]);
        for operation in &found {
            let threads: Vec<_> = operation.points.iter().map(|point| point.threads).collect();
            assert_eq!(threads, [1, 4], "{operation:?}");
            assert!(operation.points.iter().all(|p| p.items > 0.0 && p.latency.unwrap().p50 > 0.0));
        }
        assert_eq!(found[1].points[0].items, 30.0);
        assert_eq!(found[3].points[1].items, found[4].points[1].items);
        assert_eq!(fs::read_dir(&made).unwrap().count(), 0);
        stop.raise();
        assert!(matches!(names.read(), Err(StorageError::Interrupted)));
    }
}
