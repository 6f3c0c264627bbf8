//! A run whose files were damaged: resuming it ends with the numbers of a run that was not, or says
//! which file cannot be used. It never goes on with other numbers.

use crate::common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use common::sized;
use mammo_pipe::predictions::{Prediction, read};

use super::train::{SMALL, program, release, wait_for_steps};

/// The files of a folder, by their paths in it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().into(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn put(folder: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    let _ = fs::remove_dir_all(folder);
    for (path, bytes) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// What the run found, without the clock's times.
fn results(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = files(folder);
    files.retain(|path, _| {
        let ends = |ending| path.extension().is_some_and(|found| found == ending);
        ends("safetensors") || ends("parquet") || path.ends_with("last.state")
    });
    files
}

fn predictions(path: &Path) -> Option<Vec<Prediction>> {
    path.extension().is_some_and(|ending| ending == "parquet").then(|| read(path).unwrap())
}

#[test]
fn a_flipped_bit_in_a_run_is_refused_by_name_or_changes_no_number() {
    let folder = tempfile::tempdir().unwrap();
    let release = release(folder.path(), 8).to_string_lossy().into_owned();
    let runs = folder.path().join("runs");
    let begin = |name: &str| {
        let mut command = program(&["train", &release, "--runs"]);
        command.arg(&runs).args(["--name", name]).args(SMALL);
        command
    };
    assert!(begin("whole").status().unwrap().success());
    let whole = results(&runs.join("whole"));
    let run = runs.join("damaged");
    let mut child = begin("damaged").spawn().unwrap();
    // After the first epoch, so that every kind of file is there.
    assert!(wait_for_steps(&run.join("fold-0"), 9, &mut child), "it ended by itself");
    child.kill().unwrap();
    child.wait().unwrap();
    let killed = files(&run);
    let is_whole = |(path, bytes): &(&PathBuf, &Vec<u8>)| {
        !bytes.is_empty() && !path.starts_with("fold-0/.tmp")
    };
    let targets: Vec<_> = killed.iter().filter(is_whole).collect();
    let mut state = 11_u64;
    let (mut refused, mut same) = (0, 0);
    for number in 0..sized(targets.len(), 1000) {
        let (path, bytes) = targets[number % targets.len()];
        // A linear congruential generator; its upper bits are the random ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let bit = (state >> 33) as usize % (8 * bytes.len());
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        put(&run, &killed);
        fs::write(run.join(path), flipped).unwrap();
        let output =
            program(&["train", "--resume"]).arg(&run).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let what = format!("bit {bit} of {}: {said}", path.display());
        match output.status.code() {
            Some(0) => {
                for (name, bytes) in results(&run) {
                    // A table has bytes that hold no value.
                    let is_same = whole[&name] == bytes
                        || predictions(&runs.join("whole").join(&name))
                            .is_some_and(|whole| predictions(&run.join(&name)) == Some(whole));
                    assert!(is_same, "{what}: {} differs", name.display());
                }
                same += 1;
            }
            Some(1) => {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                assert!(said.contains(&name) && !said.contains("panicked"), "{what}");
                refused += 1;
            }
            code => panic!("exit code {code:?}: {what}"),
        }
    }
    println!("{refused} refused by name, {same} with the numbers of an undisturbed run");
    assert!(refused > 0 && same > 0);
}
