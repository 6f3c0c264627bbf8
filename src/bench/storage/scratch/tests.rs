use std::time::SystemTime;

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

fn make_older(path: &Path, days: u64) {
    let then = SystemTime::now() - Duration::from_secs(days * 86_400);
    File::open(path).unwrap().set_modified(then).unwrap();
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
        make_older(&left_by(folder.path(), name, maker), 2);
    }
    let stay = [("3", &here), ("4", &elsewhere), ("5", &container), ("6", &foreign)];
    let stay = stay.map(|(name, maker)| {
        let path = left_by(folder.path(), name, maker);
        make_older(&path, 2);
        path
    });
    let young = left_by(folder.path(), "7", &booted);
    fs::create_dir(folder.path().join(format!("{PREFIX}8"))).unwrap();
    let scratch = Scratch::create(folder.path(), 1, None).unwrap();
    let mut others = scratch.others.clone();
    others.sort();
    assert_eq!(others[..4], stay);
    assert_eq!((&others[4], others.len()), (&young, 6));
}

#[test]
fn a_folder_whose_lock_is_held_stays_though_its_process_is_dead() {
    let folder = tempfile::tempdir().unwrap();
    let here = Maker::this_process();
    let dead = Maker { start: here.start + 1, ..here };
    let path = left_by(folder.path(), "1", &dead);
    let held = File::options().write(true).open(path.join(MARKER)).unwrap();
    held.lock().unwrap();
    let others = || Scratch::create(folder.path(), 1, None).unwrap().others.clone();
    assert_eq!(others(), std::slice::from_ref(&path));
    assert!(path.join("0.bin").exists());
    drop(held);
    assert!(others().is_empty());
    assert!(!path.exists());
}

#[test]
fn a_folder_whose_marker_is_no_marker_stays_unless_it_is_old_and_empty() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, file: Option<&str>, days| {
        let path = folder.path().join(format!("{PREFIX}{name}"));
        fs::create_dir(&path).unwrap();
        fs::write(path.join(MARKER), "{").unwrap();
        if let Some(file) = file {
            fs::write(path.join(file), "x").unwrap();
        }
        make_older(&path, days);
        path
    };
    let stay = [make("1", None, 0), make("2", Some("0.bin"), 2)];
    let gone = make("3", None, 2);
    // A marker that cannot be read.
    let unreadable = folder.path().join(format!("{PREFIX}4"));
    fs::create_dir_all(unreadable.join(MARKER)).unwrap();
    make_older(&unreadable, 2);
    let mut others = Scratch::create(folder.path(), 1, None).unwrap().others.clone();
    others.sort();
    assert_eq!(others, [&stay[0], &stay[1], &unreadable].map(PathBuf::clone));
    assert!(!gone.exists());
}

#[test]
fn nothing_is_written_into_a_dataset_or_without_room() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |inside: &Path, dataset| {
        let found = Scratch::create(inside, 1, dataset);
        matches!(found, Err(StorageError::InData { .. } | StorageError::LooksLikeData { .. }))
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
