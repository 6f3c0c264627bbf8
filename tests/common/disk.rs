//! A disk that loses its power: what is left of the calls that a program made.
//!
//! POSIX promises no more than this. Bytes of a file are kept once the file is synced, a name in a
//! folder once the folder is. What was not synced may be kept, lost, or kept in part.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// One call, of the log that the fault shim writes.
#[derive(Debug, Clone)]
pub struct Call {
    name: String,
    path: PathBuf,
    to: Option<PathBuf>,
    bytes: Vec<u8>,
}

/// Reads the log of the shim.
pub fn calls(log: &Path) -> Vec<Call> {
    let log = fs::read(log).unwrap();
    let mut rest = log.as_slice();
    let mut calls = Vec::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap();
        let line = std::str::from_utf8(&rest[..end]).unwrap();
        rest = &rest[end + 1..];
        let mut parts = line.splitn(3, ' ');
        let (name, size) = (parts.next().unwrap(), parts.next().unwrap().parse().unwrap());
        let paths = parts.next().unwrap();
        let (path, to) = match paths.split_once('\t') {
            Some((path, to)) => (path, Some(to.into())),
            None => (paths, None),
        };
        let taken = if name == "write" { size } else { 0 };
        let bytes = rest[..taken].to_vec();
        rest = &rest[taken..];
        calls.push(Call { name: name.into(), path: path.into(), to, bytes });
    }
    calls
}

/// What becomes of that which was not synced.
#[derive(Debug, Clone, Copy)]
pub enum Unsynced {
    Kept,
    Lost,
    /// Each name and each file for itself, by this seed.
    Some(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Folder,
    File(usize),
}

/// Names and contents, as the program sees them and as the disk has them.
#[derive(Debug, Clone)]
pub struct Disk {
    root: PathBuf,
    seen: BTreeMap<PathBuf, Node>,
    durable: BTreeMap<PathBuf, Node>,
    /// The content of each file, and how much of it the disk has.
    files: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Disk {
    /// What lies in the folder `root`, all of it synced.
    pub fn of(root: &Path) -> Self {
        let mut disk = Self {
            root: root.into(),
            seen: BTreeMap::new(),
            durable: BTreeMap::new(),
            files: Vec::new(),
        };
        if root.exists() {
            disk.add(root);
        }
        disk.durable.clone_from(&disk.seen);
        disk
    }

    fn add(&mut self, path: &Path) {
        if path.is_dir() {
            self.seen.insert(path.into(), Node::Folder);
            fs::read_dir(path).unwrap().for_each(|entry| self.add(&entry.unwrap().path()));
        } else {
            let content = fs::read(path).unwrap();
            self.seen.insert(path.into(), Node::File(self.files.len()));
            self.files.push((content.clone(), content));
        }
    }

    /// Does one call.
    pub fn apply(&mut self, call: &Call) {
        let path = &call.path;
        match call.name.as_str() {
            "mkdir" => {
                self.seen.insert(path.clone(), Node::Folder);
                // Without it nothing is left, which is the easy case.
                if *path == self.root {
                    self.durable.insert(path.clone(), Node::Folder);
                }
            }
            "create" | "open" => match self.seen.get(path) {
                Some(Node::File(file)) if call.name == "create" => self.files[*file].0.clear(),
                Some(_) => {}
                None => {
                    self.seen.insert(path.clone(), Node::File(self.files.len()));
                    self.files.push((Vec::new(), Vec::new()));
                }
            },
            "write" => {
                let Some(Node::File(file)) = self.seen.get(path) else { panic!("{call:?}") };
                self.files[*file].0.extend(&call.bytes);
            }
            "fsync" => match self.seen[path] {
                Node::File(file) => {
                    let (content, synced) = &mut self.files[file];
                    synced.clone_from(content);
                }
                Node::Folder => {
                    let is_in = |name: &PathBuf| name.parent() == Some(path);
                    self.durable.retain(|name, _| !is_in(name));
                    let now = self.seen.iter().filter(|(name, _)| is_in(name));
                    self.durable.extend(now.map(|(name, node)| (name.clone(), *node)));
                }
            },
            "rename" => {
                let node = self.seen.remove(path).unwrap();
                self.seen.insert(call.to.clone().unwrap(), node);
            }
            "link" => {
                let node = self.seen[path];
                self.seen.insert(call.to.clone().unwrap(), node);
            }
            "unlink" => {
                self.seen.remove(path);
            }
            other => panic!("{other}"),
        }
    }

    /// Writes what is left into the folder `root`, which is emptied first.
    pub fn lose_power(&self, unsynced: Unsynced) {
        let _ = fs::remove_dir_all(&self.root);
        let mut dice = match unsynced {
            Unsynced::Some(seed) => seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            _ => 1,
        };
        let mut roll = |count: usize| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            (dice >> 11) as usize % count
        };
        let names: BTreeSet<&PathBuf> = self.seen.keys().chain(self.durable.keys()).collect();
        for name in names {
            let is_seen = match unsynced {
                Unsynced::Kept => true,
                Unsynced::Lost => false,
                Unsynced::Some(_) => roll(2) == 0,
            };
            let node = if is_seen { self.seen.get(name) } else { self.durable.get(name) };
            // The folder that it lay in may be lost.
            let (Some(node), true) = (node, *name == self.root || name.parent().unwrap().exists())
            else {
                continue;
            };
            let Node::File(file) = node else {
                let _ = fs::create_dir_all(name);
                continue;
            };
            let (content, synced) = &self.files[*file];
            let left = match unsynced {
                Unsynced::Kept => content.clone(),
                Unsynced::Lost => synced.clone(),
                Unsynced::Some(_) if content == synced => content.clone(),
                // The size may be there before the bytes are.
                Unsynced::Some(_) => match roll(3) {
                    0 => synced.clone(),
                    1 => vec![0; content.len()],
                    _ => content[..roll(content.len() + 1)].to_vec(),
                },
            };
            fs::write(name, left).unwrap();
        }
    }
}
