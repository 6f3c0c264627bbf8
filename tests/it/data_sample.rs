//! The sample in `data/sample` is what `synth` draws and nothing else, so no real image can hide in
//! it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A guest in every clone should be small.
const MOST_BYTES: usize = 2_000_000;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data")
}

/// The command by which `data/README.md` says that the sample is made, behind the folder.
fn documented() -> Vec<String> {
    let text = fs::read_to_string(data().join("README.md")).unwrap();
    let command = text.lines().find_map(|line| line.strip_prefix("mammo-pipe synth data/sample "));
    command
        .expect("data/README.md says how the sample is made")
        .split(' ')
        .map(Into::into)
        .collect()
}

/// Every file below `folder`, hidden ones too, by its path there.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            if kind.is_dir() {
                folders.push(path);
            } else {
                assert!(kind.is_file(), "{} is no file of its own", path.display());
                let bytes = fs::read(&path).unwrap();
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), bytes);
            }
        }
    }
    found
}

// Phantoms are drawn with the C library's exponentials, whose last bits differ between libraries.
#[cfg_attr(
    not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")),
    ignore = "needs glibc on x86-64, whose exponentials drew the sample"
)]
#[test]
fn the_sample_is_made_again_byte_for_byte() {
    let temporary = tempfile::tempdir().unwrap();
    let again = temporary.path().join("sample");
    let mut synth = Command::new(env!("CARGO_BIN_EXE_mammo-pipe"));
    let output = synth.arg("synth").arg(&again).arg("--quiet").args(documented()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let (kept, made) = (files(&data().join("sample")), files(&again));
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&kept), names(&made));
    let differ: Vec<_> = kept.iter().filter(|(path, bytes)| made[*path] != **bytes).collect();
    assert!(
        differ.is_empty(),
        "not what synth draws: {:?}",
        differ.iter().map(|(path, _)| path).collect::<Vec<_>>()
    );
}

#[test]
fn the_sample_is_small_and_has_images_with_and_without_cancer() {
    let files = files(&data().join("sample"));
    let bytes: usize = files.values().map(Vec::len).sum();
    assert!(bytes <= MOST_BYTES, "{bytes} bytes");

    let mut table = csv_rows(&files[Path::new("train.csv")]);
    let header = table.remove(0);
    let column = |name: &str| header.iter().position(|column| column == name).unwrap();
    let (patient, image, cancer) = (column("patient_id"), column("image_id"), column("cancer"));
    for row in &table {
        let path = format!("train_images/{}/{}.dcm", row[patient], row[image]);
        assert!(files.contains_key(Path::new(&path)), "{path}");
    }
    for label in ["0", "1"] {
        assert!(table.iter().any(|row| row[cancer] == label), "no image has cancer {label}");
    }
}

fn csv_rows(bytes: &[u8]) -> Vec<Vec<String>> {
    let text = std::str::from_utf8(bytes).unwrap();
    text.lines().map(|line| line.split(',').map(Into::into).collect()).collect()
}
