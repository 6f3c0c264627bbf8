//! A release while it is written: opened for a plan, and committed shard by shard.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::error::{ReleaseError, first_of};
use super::folder::{ReleaseFolder, SHARDS, shard_name};
use super::manifest::{Entry, Manifest, PlanFacts, Quarantined};
use super::seal;
use super::sources::{Listed, Sources};
use crate::error::Fault;
use crate::store::{self, Aside, Lock, Written};

/// A release that is open for writing. It holds the lock on the folder as long as it lives.
#[derive(Debug)]
pub struct Release {
    names: ReleaseFolder,
    lock: Lock,
}

/// What earlier runs left.
#[derive(Debug, Default)]
pub struct Stock {
    /// The shards that are finished and sound.
    pub finished: BTreeMap<usize, Entry>,
    /// The shards that were finished and have to be made again, each with the reason.
    pub again: Vec<String>,
}

impl Release {
    /// Whether `folder` can be opened for `plan`. Writes nothing, and does not see whether another
    /// run writes it.
    ///
    /// # Errors
    /// As [`Release::open`].
    pub fn check(folder: &Path, plan: &PlanFacts, listed: Listed) -> Result<(), Fault> {
        refuse_other_things(folder)?;
        let Some(before) = read_plan(folder)?.filter(|before| before != plan) else {
            return Ok(());
        };
        let known = Sources::read(&ReleaseFolder::new(folder));
        let files = known.map(|known| known.changes(listed.files)).unwrap_or_default();
        let mut differences = plan.differences(&before);
        let of_files = ["listing_sha256:", "images:", "bytes:", "missing:", "strays:"];
        let is_of_files = |line: &String| of_files.iter().any(|key| line.starts_with(key));
        if !files.is_empty() && differences.iter().all(is_of_files) {
            return Err(ReleaseError::sources_changed(folder, &files).into());
        }
        differences.extend(first_of(&files));
        Err(ReleaseError::PlanChanged { path: folder.into(), differences }.into())
    }

    /// Opens `folder` for `plan`. The folder is empty, or as an earlier run of the same plan left
    /// it.
    ///
    /// # Errors
    /// [`ReleaseError::PlanChanged`] with the differences, [`ReleaseError::SourcesChanged`] with the
    /// names of the files, [`ReleaseError::NotARelease`] if the folder holds other files,
    /// [`ReleaseError::Locked`] while another run writes it, [`Fault::Io`].
    pub fn open(folder: &Path, plan: &PlanFacts, listed: Listed) -> Result<Self, Fault> {
        let names = ReleaseFolder::new(folder);
        refuse_other_things(folder)?;
        store::make_aside(folder)?;
        for path in [names.shards(), names.entries()] {
            fs::create_dir_all(&path).map_err(Fault::io(&path))?;
        }
        // The folder itself may be new. A parent that cannot be opened is no reason to stop.
        let _ = store::sync_folder_of(folder);
        // Some network file systems have no locks; creating entries in one step protects the
        // release there.
        let lock =
            store::lock(folder)?.ok_or_else(|| ReleaseError::Locked { path: folder.into() })?;
        store::sweep_aside(folder, &lock)?;
        let known = Sources::read(&names).filter(|_| names.is_begun());
        if let Err(fault) = Self::check(folder, plan, listed) {
            if let Some(mut known) = known {
                let changes = known.changes(listed.files);
                let paths: Vec<&str> = changes.iter().map(|(path, _)| path.as_str()).collect();
                known.refuse(&names, listed.input, &paths)?;
            }
            return Err(fault);
        }
        // Before the plan, so that a release that is begun has it.
        if known.is_none() {
            Sources::of(listed).write(&names)?;
        }
        store::create(folder, &names.plan(), &store::json(plan))?;
        Ok(Self { names, lock })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.names.path()
    }

    /// Reads every entry and every shard that earlier runs finished. What is damaged, or is not what
    /// `planned` says of a shard, is withdrawn. Then every shard without an entry is removed, which a
    /// killed run may have left.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn stock(&self, planned: impl Fn(usize) -> Range<usize> + Sync) -> Result<Stock, Fault> {
        let found = entry_files(&self.names)?;
        let entries = found.par_iter().map(|(shard, path)| {
            let entry = seal::read(path)?;
            let entry = entry.and_then(|entry| {
                entry.check(*shard, planned(*shard))?;
                Ok(entry)
            });
            match entry {
                Ok(entry) => Ok((*shard, self.compare(&entry)?.map(|()| entry))),
                Err(why) => Ok((*shard, Err(why))),
            }
        });
        let entries: Vec<(usize, Result<Entry, String>)> = entries.collect::<Result<_, Fault>>()?;
        let mut stock = Stock::default();
        let mut unsound = Vec::new();
        for (shard, entry) in entries {
            match entry {
                Ok(entry) => {
                    stock.finished.insert(shard, entry);
                }
                Err(why) => {
                    unsound.push(shard);
                    stock.again.push(format!("shard {shard} is made again: {why}"));
                }
            }
        }
        self.withdraw(&unsound)?;
        self.sweep_shards(&stock.finished)?;
        Ok(stock)
    }

    /// Whether the shard of `entry` is the one that was written.
    fn compare(&self, entry: &Entry) -> Result<Result<(), String>, Fault> {
        let Some(name) = &entry.file else { return Ok(Ok(())) };
        let path = self.names.file(name);
        Ok(match store::hash_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Err("its file is missing".into()),
            // The disk may answer another time: then nothing has to be made again.
            Err(error) => return Err(Fault::io(path)(error)),
            Ok(found) if found != (entry.bytes, entry.sha256.clone()) => {
                Err("its file is damaged".into())
            }
            Ok(_) => Ok(()),
        })
    }

    /// Makes shards unfinished, so that they are made again. The release is incomplete before the
    /// first of them is touched, and a shard is without an entry before it is removed, so the program
    /// may be killed at any moment.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn withdraw(&self, shards: &[usize]) -> Result<(), Fault> {
        if shards.is_empty() {
            return Ok(());
        }
        store::remove(&self.names.manifest())?;
        // It shows a complete release.
        store::remove(&self.names.report())?;
        store::sync_folder_of(&self.names.manifest())?;
        for shard in shards {
            store::remove(&self.names.entry(*shard))?;
        }
        store::sync_folder_of(&self.names.entry(0))
    }

    /// Removes the shards that no entry names, unless another process may be about to name them.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn sweep_shards(&self, finished: &BTreeMap<usize, Entry>) -> Result<(), Fault> {
        if !self.lock.is_exclusive() {
            return Ok(());
        }
        let named: BTreeSet<_> = finished.values().filter_map(|entry| entry.file.clone()).collect();
        let shards = self.names.shards();
        for file in fs::read_dir(&shards).map_err(Fault::io(&shards))? {
            let file = file.map_err(Fault::io(&shards))?;
            let name = file.file_name().to_string_lossy().into_owned();
            if name.starts_with("shard-") && !named.contains(&format!("{SHARDS}/{name}")) {
                store::remove(&file.path())?;
            }
        }
        Ok(())
    }

    /// Creates the temporary file of a shard.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn start(&self, shard: usize, extension: &str) -> Result<Aside, Fault> {
        Aside::create(self.folder(), &format!("shard-{shard:05}.{extension}"))
    }

    /// Moves a shard to its place, named by its content, and then writes its entry: now it is
    /// finished.
    ///
    /// # Errors
    /// [`Fault::Io`]; [`Fault::Conflict`] if the entry exists with other content.
    pub fn commit(&self, mut entry: Entry, file: Option<Written>) -> Result<Entry, Fault> {
        if let Some(written) = file {
            let extension = written.path.extension().unwrap_or_default().to_string_lossy();
            let name = shard_name(entry.shard, &written.sha256, &extension);
            written.place(&self.names.file(&name))?;
            entry.file = Some(name);
            entry.bytes = written.bytes;
            entry.sha256 = written.sha256;
        }
        store::create(self.folder(), &self.names.entry(entry.shard), &seal::sealed(&entry))?;
        Ok(entry)
    }

    /// Writes `quarantine.csv` and returns its SHA-256.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn write_quarantine(&self, rows: &[Quarantined]) -> Result<String, Fault> {
        let csv = super::quarantine::to_csv(rows);
        store::replace(self.folder(), &self.names.quarantine(), &csv)?;
        Ok(store::sha256(&csv))
    }

    /// Writes `unreached.csv`, or removes it if `rows` is empty.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn write_unreached(&self, rows: &[Quarantined]) -> Result<(), Fault> {
        let path = self.names.unreached();
        if rows.is_empty() {
            return store::remove(&path);
        }
        store::replace(self.folder(), &path, &super::quarantine::to_csv(rows))
    }

    /// Writes `manifest.json`, which completes the release.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn complete(&self, manifest: &Manifest) -> Result<(), Fault> {
        store::replace(self.folder(), &self.names.manifest(), &store::sealed_json(manifest))
    }
}

/// The entries of the shards that are finished, by number. A damaged one is left out: the next run
/// makes its shard again.
///
/// # Errors
/// [`Fault::Io`].
pub fn read_entries(folder: &ReleaseFolder) -> Result<BTreeMap<usize, Entry>, Fault> {
    let mut entries = BTreeMap::new();
    for (shard, path) in entry_files(folder)? {
        if let Ok(entry) = seal::read(&path)?
            && entry.shard == shard
        {
            entries.insert(shard, entry);
        }
    }
    Ok(entries)
}

/// The files of the entries, with the shards that they are called after.
fn entry_files(folder: &ReleaseFolder) -> Result<Vec<(usize, PathBuf)>, Fault> {
    let entries = folder.entries();
    let mut found = Vec::new();
    for file in fs::read_dir(&entries).map_err(Fault::io(&entries))? {
        let file = file.map_err(Fault::io(&entries))?;
        let shard = ReleaseFolder::shard_of_entry(&file.file_name().to_string_lossy());
        found.extend(shard.map(|shard| (shard, file.path())));
    }
    found.sort_unstable();
    Ok(found)
}

/// The files that the last run on an unfinished release could not read; none if there is no list.
pub fn read_unreached(folder: &ReleaseFolder) -> Vec<Quarantined> {
    let rows = csv::Reader::from_path(folder.unreached());
    rows.map(|mut rows| rows.deserialize().filter_map(Result::ok).collect()).unwrap_or_default()
}

/// The plan of the release in `folder`, if there is one.
///
/// # Errors
/// [`Fault::Json`], [`Fault::Io`].
pub fn read_plan(folder: &Path) -> Result<Option<PlanFacts>, Fault> {
    let path = ReleaseFolder::new(folder).plan();
    if path.exists() { store::read_json(&path).map(Some) } else { Ok(None) }
}

/// Reads `manifest.json` of the release in `folder`.
///
/// # Errors
/// [`ReleaseError::NoManifest`] if there is none, [`ReleaseError::NewerRelease`] if this tool is
/// too old for it, [`Fault::Json`], [`Fault::Io`].
pub fn read_manifest(folder: &Path) -> Result<Manifest, Fault> {
    let names = ReleaseFolder::new(folder);
    let path = names.manifest();
    if !path.exists() {
        let (started, unreached) = (names.is_begun(), read_unreached(&names).len());
        return Err(ReleaseError::NoManifest { path: folder.into(), started, unreached }.into());
    }
    let manifest: Manifest = store::read_sealed(&path)?;
    let (found, known) = (manifest.plan.format_version, super::manifest::FORMAT_VERSION);
    if found > known {
        return Err(ReleaseError::NewerRelease { path, found, known }.into());
    }
    // A release may come from elsewhere: it names no file but its own.
    if let Some(entry) = manifest.shards.iter().find(|entry| !entry.is_inside()) {
        let reason = format!("the file of shard {} is not in its folder {SHARDS}", entry.shard);
        return Err(ReleaseError::Shard { path, reason }.into());
    }
    Ok(manifest)
}

fn refuse_other_things(folder: &Path) -> Result<(), Fault> {
    let is_begun = ReleaseFolder::new(folder).is_begun();
    if folder.exists() && !is_begun && holds_other_things(folder)? {
        return Err(ReleaseError::NotARelease { path: folder.into() }.into());
    }
    Ok(())
}

fn holds_other_things(folder: &Path) -> Result<bool, Fault> {
    let names = ReleaseFolder::new(folder);
    let ours = [names.shards(), names.entries(), names.log(), names.sources()];
    let ours = ours.into_iter().chain([store::ASIDE, store::LOCK].map(|name| folder.join(name)));
    let ours: Vec<PathBuf> = ours.collect();
    for entry in fs::read_dir(folder).map_err(Fault::io(folder))? {
        if !ours.contains(&entry.map_err(Fault::io(folder))?.path()) {
            return Ok(true);
        }
    }
    Ok(false)
}
