//! Whether a folder holds data that nothing may be written into.
//!
//! In: a folder. Out: [`Around`]: the dataset or release that it lies in, or whether it looks like a
//! dataset. Looking is bounded, so that it takes no time in a folder of a million files: a folder
//! may hold a dataset that is not found.

use std::fs;
use std::path::{Path, PathBuf};

use super::PREFIX;

/// How DICOM files end.
const DICOM: [&str; 4] = ["dcm", "dicom", "dic", "ima"];

/// How tables end.
const TABLES: [&str; 2] = ["csv", "xlsx"];

/// How deep DICOM files are looked for: in the folder, and in folders below it.
const LEVELS: usize = 4;

/// Most files and folders that are looked at.
const ENTRIES: usize = 2000;

/// Most files and folders of one folder below that are looked at, so that enough are left for the
/// folders below them.
const ENTRIES_BELOW: usize = 250;

/// The data around a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Around {
    /// It lies in this dataset or release.
    Known(PathBuf),
    /// It holds DICOM files, or a table beside folders.
    Likely,
    /// None that is seen.
    Nothing,
}

/// Whether nothing may be written into `folder`, because it holds data or lies in some.
pub fn looks_like_data(folder: &Path) -> bool {
    around(folder, None) != Around::Nothing
}

/// The data around `folder`, an absolute path without links: `dataset`, or what is recognised by its
/// files.
pub(super) fn around(folder: &Path, dataset: Option<&Path>) -> Around {
    let known = dataset.and_then(|path| fs::canonicalize(path).ok());
    if let Some(known) = known.filter(|known| folder.starts_with(known)) {
        return Around::Known(known);
    }
    let holds = |folder: &Path| {
        let has = |name| folder.join(name).exists();
        let dataset = has("train_images") || has("test_images") || has("DICOMDIR");
        dataset || has("manifest") && (has("manifest.json") || has(crate::store::LOCK))
    };
    if let Some(data) = folder.ancestors().find(|folder| holds(folder)) {
        return Around::Known(data.to_owned());
    }
    if is_likely(folder) { Around::Likely } else { Around::Nothing }
}

/// Folders are looked at depth first, so that one of a thousand patients is enough.
fn is_likely(folder: &Path) -> bool {
    let inside = entries(folder, ENTRIES / 2);
    if inside.iter().any(|entry| ends_in(entry, &TABLES)) && inside.iter().any(|e| e.is_folder) {
        return true;
    }
    let mut left = ENTRIES - inside.len();
    let mut found: Vec<(usize, Entry)> = inside.into_iter().map(|entry| (1, entry)).collect();
    while let Some((level, entry)) = found.pop() {
        if ends_in(&entry, &DICOM) {
            return true;
        }
        if entry.is_folder && level < LEVELS {
            let below = entries(&entry.path, left.min(ENTRIES_BELOW));
            left -= below.len();
            found.extend(below.into_iter().map(|entry| (level + 1, entry)));
        }
    }
    false
}

struct Entry {
    path: PathBuf,
    is_folder: bool,
}

/// What `folder` holds besides folders of measurements; nothing if it cannot be read.
fn entries(folder: &Path, most: usize) -> Vec<Entry> {
    let all = fs::read_dir(folder).into_iter().flatten().flatten();
    let others = all.filter(|e| !e.file_name().to_string_lossy().starts_with(PREFIX));
    let entry = |entry: fs::DirEntry| {
        let (path, kind) = (entry.path(), entry.file_type());
        let is_folder = kind.is_ok_and(|k| k.is_dir() || k.is_symlink() && path.is_dir());
        Entry { path, is_folder }
    };
    others.take(most).map(entry).collect()
}

/// Whether it is a file that ends in one of `endings`, in small or capital letters.
fn ends_in(entry: &Entry, endings: &[&str]) -> bool {
    let ending = entry.path.extension().unwrap_or_default();
    !entry.is_folder && endings.iter().any(|one| ending.eq_ignore_ascii_case(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is seen around a folder with these files.
    fn of(files: &[&str]) -> bool {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        is_likely(folder.path())
    }

    #[test]
    fn dicom_files_are_found_by_any_of_their_endings_down_to_the_fourth_level() {
        for file in ["1.dcm", "a/1.DICOM", "a/b/1.dic", "a/b/c/1.Ima"] {
            assert!(of(&[file]), "{file}");
        }
        assert!(!of(&["a/b/c/d/1.dcm"]) && !of(&["1.bin", "a/dcm"]) && !of(&[]));
    }

    #[test]
    fn a_table_is_a_dataset_only_beside_folders() {
        assert!(of(&["list.CSV", "a/1.png"]) && of(&["list.xlsx", "a/1.png"]));
        assert!(!of(&["list.csv", "1.png"]) && !of(&["a/list.csv", "1.png"]));
        assert!(!of(&["list.csv", ".mammo-pipe-bench-1-0/1.bin"]), "a measurement is no dataset");
    }

    #[test]
    fn one_of_many_patients_is_enough_and_looking_ends() {
        let patients: Vec<String> = (0..1200).map(|i| format!("{i}/1/1.dcm")).collect();
        assert!(of(&patients.iter().map(String::as_str).collect::<Vec<_>>()));
        let empty: Vec<String> = (0..3000).map(|i| format!("{}/{i}.png", i / 100)).collect();
        assert!(!of(&empty.iter().map(String::as_str).collect::<Vec<_>>()));
    }
}
