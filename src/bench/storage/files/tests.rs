use super::super::system::system;
use super::*;

const SHORT: Limits = Limits { seconds: 0.1, bytes: 20_000_000 };

#[test]
fn every_order_reads_all_files_and_counts_their_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let stop = Stop::default();
    let limits = Limits { seconds: 60.0, bytes: 20_000_000 };
    let files = made::make(folder.path(), limits, 5, &stop).unwrap();
    let total: u64 = files.iter().map(|file| file.bytes).sum();
    let system = system(folder.path()).unwrap();
    for order in [Order::Plan, Order::Inode, Order::Shuffled] {
        let mut reader = Reader::new(&files, &system, 1, &stop);
        let cold = reader.cold();
        let once = Limits { seconds: 60.0, bytes: total };
        let found = reader.series(Extent::Whole, order, cold, &[3], false, once).unwrap();
        let point = &found.points[0];
        assert_eq!((point.items, point.bytes), (files.len() as f64, total), "{order:?}");
        assert_eq!(reader.measured(), (files.len(), total));
    }
}

#[test]
fn a_prefix_reads_its_share_and_a_missing_file_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let stop = Stop::default();
    let limits = Limits { seconds: 60.0, bytes: 20_000_000 };
    let mut files = made::make(folder.path(), limits, 5, &stop).unwrap();
    let want: u64 = files.iter().map(|file| Extent::Prefix(0.28).bytes(file)).sum();
    files.push(PlannedFile { path: folder.path().join("gone"), bytes: 1_000_000 });
    let system = system(folder.path()).unwrap();
    let mut reader = Reader::new(&files, &system, 1, &stop);
    let extent = Extent::Prefix(0.28);
    let limits = Limits { seconds: 60.0, bytes: want + 1 };
    let found = reader.series(extent, Order::Plan, Cache::Warm, &[1], false, limits);
    let found = found.unwrap();
    assert_eq!(found.points[0].bytes / want, 1, "{found:?}");
    assert!(found.note.contains("gone"), "{}", found.note);
}

#[test]
fn files_that_are_all_gone_are_an_error_and_a_stop_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let stop = Stop::default();
    let files = [PlannedFile { path: folder.path().join("gone"), bytes: 1000 }];
    let system = system(folder.path()).unwrap();
    let mut reader = Reader::new(&files, &system, 1, &stop);
    let mut read = || {
        let cold = reader.cold();
        reader.series(Extent::Whole, Order::Plan, cold, &[2], false, SHORT)
    };
    let found = read();
    assert!(matches!(found, Err(StorageError::AllFailed { count: 1, .. })), "{found:?}");
    stop.raise();
    assert!(matches!(read(), Err(StorageError::Interrupted)));
}
