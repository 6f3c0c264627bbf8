use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::bench::storage::options::Limits;

/// All paths below `folder`.
fn below(folder: &Path) -> BTreeSet<PathBuf> {
    let (mut found, mut folders) = (BTreeSet::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path.clone());
            }
            found.insert(path);
        }
    }
    found
}

/// A budget of a second in all.
fn run_with(
    options: &Options,
    files: Option<&[PlannedFile]>,
    progress: &(dyn Fn(&str) + Sync),
    stop: &Stop,
) -> Result<Measurement, StorageError> {
    let system = system(&options.path)?;
    let mut budget = options.budget(system.memory_bytes)?;
    budget.all_patterns = true;
    budget.metadata_seconds = 0.01;
    budget.made = Limits { seconds: 5.0, bytes: 25_000_000 };
    budget.shards = Limits { seconds: 0.1, bytes: 60_000_000 };
    for limits in [&mut budget.files, &mut budget.warm, &mut budget.parts] {
        limits.seconds = 0.02;
    }
    let (scratch_system, notes) = (None, Vec::new());
    Run { options, budget, system, scratch_system, progress, stop, notes }.all(files)
}

fn options(path: &Path) -> Options {
    Options { path: path.to_owned(), threads: Some(vec![1, 2]), ..Options::default() }
}

#[test]
fn a_folder_without_data_is_measured_in_every_part_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = fs::canonicalize(folder.path()).unwrap();
    let found = run_with(&options(&path), None, &|_| (), &Stop::default()).unwrap();
    assert!(!found.data.own && found.data.measured_files > 0, "{:?}", found.data);
    assert_eq!(found.metadata.len(), 5);
    let caches: Vec<_> = found.files.iter().map(|series| (series.order, series.cache)).collect();
    assert_eq!(caches.len(), 5, "{caches:?}");
    let direct = &found.files[3];
    assert!(direct.points.len() == 2 || direct.note.contains("no direct reads"), "{direct:?}");
    let series = found.prefixes.iter().chain(&found.shards).chain(&found.writes);
    assert_eq!(series.filter(|series| series.points.len() == 2).count(), 6);
    assert_eq!(below(&path), BTreeSet::new());
}

#[test]
fn a_dataset_is_only_read_and_what_would_be_written_is_named_as_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let path = fs::canonicalize(folder.path()).unwrap();
    let limits = Limits { seconds: 60.0, bytes: 20_000_000 };
    let files = made::make(&path.join("images"), limits, 1, &Stop::default()).unwrap();
    let before = below(&path);
    let same = |_: &str| assert_eq!(below(&path), before);
    let found = run_with(&options(&path), Some(&files), &same, &Stop::default()).unwrap();
    assert!(found.data.own && found.metadata.len() == 3);
    assert!(found.writes[0].points.is_empty() && found.writes[0].note.contains("--scratch"));
    assert!(found.notes.iter().any(|note| note.contains("nothing is written")));
    let inside = Options { scratch: Some(path.join("images")), ..options(&path) };
    let refused = run_with(&inside, Some(&files), &same, &Stop::default());
    assert!(matches!(refused, Err(StorageError::InData { .. })), "{refused:?}");
    let scratch = tempfile::tempdir().unwrap();
    let beside = Options { scratch: Some(scratch.path().to_owned()), ..options(&path) };
    let found = run_with(&beside, Some(&files), &same, &Stop::default()).unwrap();
    assert_eq!((found.metadata.len(), found.writes[0].points.len()), (5, 2));
    assert_eq!(below(scratch.path()), BTreeSet::new());
    assert_eq!(below(&path), before);
}

#[test]
fn with_scratch_a_folder_that_only_looks_like_a_dataset_is_not_written_to() {
    let (data, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [path, other] = [&data, &scratch].map(|folder| fs::canonicalize(folder.path()).unwrap());
    let with = |scratch: Option<&PathBuf>| Options { scratch: scratch.cloned(), ..options(&path) };
    let (same, notes) = place(with(Some(&other)), false).unwrap();
    assert_eq!((same.path, notes.len()), (path.clone(), 0), "an empty folder is measured itself");
    fs::write(path.join("1.IMA"), "").unwrap();
    let (instead, notes) = place(with(Some(&other)), false).unwrap();
    assert_eq!((instead.path, instead.scratch, notes.len()), (other.clone(), None, 1));
    assert_eq!(place(with(Some(&other)), true).unwrap().0.path, path, "its own files are read");
    let refused = run_with(&with(None), None, &|_| (), &Stop::default());
    assert!(matches!(refused, Err(StorageError::LooksLikeData { .. })), "{refused:?}");
}

#[test]
fn a_stop_at_the_begin_of_any_part_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = fs::canonicalize(folder.path()).unwrap();
    for part in 0..14 {
        let (stop, count) = (Stop::default(), std::sync::atomic::AtomicUsize::new(0));
        let raise = |_: &str| {
            if count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == part {
                stop.raise();
            }
        };
        let found = run_with(&options(&path), None, &raise, &stop);
        assert!(matches!(found, Err(StorageError::Interrupted)), "{part}: {found:?}");
        assert_eq!(below(&path), BTreeSet::new(), "{part}");
    }
}
