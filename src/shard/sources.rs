//! What is known of the files that a release is made of: `sources.jsonl`.
//!
//! In: the listed files. Out: each with its size and its time of modification, one JSON line per
//! file, and the files that differ from them later. The file is local: it is in no manifest, no hash
//! and no comparison, because times differ between copies of a dataset.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::folder::ReleaseFolder;
use crate::dataset::listing::File;
use crate::error::Fault;
use crate::store;
use crate::store::keyed_hash;

/// The files of a dataset, as they are now.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'a> {
    /// The folder of the dataset.
    pub input: &'a Path,
    /// Its files, sorted by path.
    pub files: &'a [File],
    /// The key of the names that stand for their paths in the release; `None`: the paths themselves.
    pub key: Option<&'a [u8]>,
}

/// What is known of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The path below the folder of the dataset.
    pub path: String,
    /// What stands for the path in the release, if not the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The size in bytes.
    pub bytes: u64,
    /// The time of modification in nanoseconds since 1970; null if the system does not tell it.
    pub modified: Option<i64>,
    /// SHA-256 of the content with which the file was refused last; empty if it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// The paths for which the names of a release stand.
#[derive(Debug, Clone, Default)]
pub struct Places(HashMap<String, String>);

impl Places {
    /// Those of the release in `folder`, as its `sources.jsonl` tells them.
    pub fn of(folder: &Path) -> Self {
        let sources = Sources::read(&ReleaseFolder::new(folder)).unwrap_or_default();
        let named = |source: Source| Some((source.name?, source.path));
        Self(sources.0.into_values().filter_map(named).collect())
    }

    /// The path below the folder of the dataset; the name itself if nothing is known of it.
    pub fn path_of<'a>(&'a self, name: &'a str) -> &'a str {
        self.0.get(name).map_or(name, String::as_str)
    }
}

/// The last line, which tells whether the others are as they were written.
#[derive(Serialize, Deserialize)]
struct Seal {
    lines_sha256: String,
}

/// What is known of all files, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources(pub BTreeMap<String, Source>);

/// The number of refused files whose content is remembered; of more, a whole copy is meant.
const REMEMBERED: usize = 100;

impl Sources {
    /// The files as they are now.
    pub fn of(listed: Listed) -> Self {
        let source = |file: &File| {
            let path = file.relative.clone();
            let name = listed.key.map(|key| keyed_hash(key, &path));
            let (bytes, modified) = (file.bytes, file.modified);
            (path.clone(), Source { path, name, bytes, modified, refused: None })
        };
        Self(listed.files.iter().map(source).collect())
    }

    /// Reads `sources.jsonl`; `None` if it is missing or damaged, so that nothing is known.
    pub fn read(folder: &ReleaseFolder) -> Option<Self> {
        let text = fs::read_to_string(folder.sources()).ok()?;
        let (lines, seal) = text.strip_suffix('\n')?.rsplit_once('\n')?;
        let seal: Seal = serde_json::from_str(seal).ok()?;
        if seal.lines_sha256 != store::sha256(lines.as_bytes()) {
            return None;
        }
        let source = |line| {
            let source: Source = serde_json::from_str(line).ok()?;
            Some((source.path.clone(), source))
        };
        lines.lines().map(source).collect::<Option<_>>().map(Self)
    }

    /// Writes `sources.jsonl`.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn write(&self, folder: &ReleaseFolder) -> Result<(), Fault> {
        let line = |source| serde_json::to_string(source).expect("plain data becomes JSON");
        let lines: Vec<String> = self.0.values().map(line).collect();
        let lines = lines.join("\n");
        let lines_sha256 = store::sha256(lines.as_bytes());
        let seal = serde_json::to_string(&Seal { lines_sha256 }).expect("plain data becomes JSON");
        store::replace(folder.path(), &folder.sources(), format!("{lines}\n{seal}\n").as_bytes())
    }

    /// The files that are new, gone or of another size: the path of each, and what has changed.
    pub fn changes(&self, files: &[File]) -> Vec<(String, String)> {
        let now: BTreeMap<&str, u64> =
            files.iter().map(|f| (f.relative.as_str(), f.bytes)).collect();
        let mut changes = Vec::new();
        for (path, source) in &self.0 {
            match now.get(path.as_str()) {
                None => changes.push((path.clone(), "is gone".to_owned())),
                Some(bytes) if *bytes != source.bytes => {
                    changes
                        .push((path.clone(), format!("had {} bytes, has {bytes}", source.bytes)));
                }
                Some(_) => {}
            }
        }
        let added = now.keys().filter(|path| !self.0.contains_key(**path));
        changes.extend(added.map(|path| ((*path).to_owned(), "is new".to_owned())));
        changes
    }

    /// Remembers the content with which files were refused, so that a file that is put back is known
    /// by another one, whatever its time.
    ///
    /// # Errors
    /// [`Fault::Io`] if `sources.jsonl` cannot be written.
    pub fn refuse(
        &mut self,
        folder: &ReleaseFolder,
        input: &Path,
        paths: &[&str],
    ) -> Result<(), Fault> {
        if paths.len() > REMEMBERED {
            return Ok(());
        }
        let content = |path: &&str| {
            let found = store::hash_file(&input.join(path));
            found.map(|(_, sha256)| sha256).unwrap_or_default()
        };
        let found: Vec<String> = paths.par_iter().map(content).collect();
        for (path, sha256) in paths.iter().copied().zip(found) {
            if let Some(source) = self.0.get_mut(path) {
                source.refused = Some(sha256);
            }
        }
        self.write(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(files: &[File]) -> Listed<'_> {
        Listed { input: "".as_ref(), files, key: None }
    }

    fn file(relative: &str, bytes: u64, modified: i64) -> File {
        File { relative: relative.into(), bytes, modified: Some(modified) }
    }

    #[test]
    fn what_is_written_is_read_and_what_is_changed_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let folder = ReleaseFolder::new(parent.path());
        store::make_aside(parent.path()).unwrap();
        for files in [vec![], vec![file("a/ä \"1\".dcm", 3, 7), file("b.dcm", 1, -1)]] {
            let sources = Sources::of(listed(&files));
            sources.write(&folder).unwrap();
            assert_eq!(Sources::read(&folder), Some(sources));
        }
        let text = fs::read(folder.sources()).unwrap();
        for at in 0..text.len() {
            let mut flipped = text.clone();
            flipped[at] ^= 1;
            fs::write(folder.sources(), flipped).unwrap();
            assert_eq!(Sources::read(&folder), None, "byte {at}");
        }
    }

    #[test]
    fn every_change_has_the_name_of_its_file() {
        let before = Sources::of(listed(&[file("a", 1, 0), file("b", 2, 0), file("c", 3, 0)]));
        let changes = before.changes(&[file("a", 1, 9), file("c", 4, 0), file("d", 1, 0)]);
        let lines: Vec<String> =
            changes.iter().map(|(path, what)| format!("{path} {what}")).collect();
        assert_eq!(lines, ["b is gone", "c had 3 bytes, has 4", "d is new"]);
    }
}
