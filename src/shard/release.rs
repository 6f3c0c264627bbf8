//! A release while it is written: opened for a plan, and committed shard by shard.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::error::ReleaseError;
use super::folder::{ReleaseFolder, shard_name};
use super::manifest::{Entry, Manifest, PlanFacts, Quarantined};
use crate::error::Fault;
use crate::store::{self, Aside, Written};

/// A release that is open for writing. It holds the lock on the folder as long as it lives.
#[derive(Debug)]
pub struct Release {
    names: ReleaseFolder,
    _lock: File,
}

impl Release {
    /// Whether `folder` can be opened for `plan`. Writes nothing, and does not see whether another
    /// run writes it.
    ///
    /// # Errors
    /// As [`Release::open`].
    pub fn check(folder: &Path, plan: &PlanFacts) -> Result<(), Fault> {
        if folder.exists() && !ReleaseFolder::new(folder).is_begun() && holds_other_things(folder)?
        {
            return Err(ReleaseError::NotARelease { path: folder.into() }.into());
        }
        match read_plan(folder)? {
            Some(before) if before != *plan => {
                let differences = plan.differences(&before);
                Err(ReleaseError::PlanChanged { path: folder.into(), differences }.into())
            }
            _ => Ok(()),
        }
    }

    /// Opens `folder` for `plan`. The folder is empty, or as an earlier run of the same plan left
    /// it.
    ///
    /// # Errors
    /// [`ReleaseError::PlanChanged`] with the differences, [`ReleaseError::NotARelease`] if the
    /// folder holds other files, [`ReleaseError::Locked`] while another run writes it,
    /// [`Fault::Io`].
    pub fn open(folder: &Path, plan: &PlanFacts) -> Result<Self, Fault> {
        let names = ReleaseFolder::new(folder);
        Self::check(folder, plan)?;
        let tmp = store::make_aside(folder)?;
        for path in [names.shards(), names.entries()] {
            fs::create_dir_all(&path).map_err(Fault::io(&path))?;
        }
        // Some network file systems have no locks; creating entries in one step protects the
        // release there.
        let lock =
            store::lock(folder)?.ok_or_else(|| ReleaseError::Locked { path: folder.into() })?;
        // Another run may have written its plan meanwhile.
        Self::check(folder, plan)?;
        for left in fs::read_dir(&tmp).map_err(Fault::io(&tmp))? {
            let path = left.map_err(Fault::io(&tmp))?.path();
            fs::remove_file(&path).map_err(Fault::io(&path))?;
        }
        store::create(folder, &names.plan(), &store::json(plan))?;
        Ok(Self { names, _lock: lock })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.names.path()
    }

    /// The shards that earlier runs finished, and whose file still exists.
    ///
    /// # Errors
    /// [`Fault::Io`], [`Fault::Json`].
    pub fn finished(&self) -> Result<BTreeMap<usize, Entry>, Fault> {
        let mut entries = read_entries(&self.names)?;
        entries.retain(|_, entry| self.is_there(entry));
        Ok(entries)
    }

    fn is_there(&self, entry: &Entry) -> bool {
        entry.file.as_ref().is_none_or(|file| {
            fs::metadata(self.names.file(file)).is_ok_and(|meta| meta.len() == entry.bytes)
        })
    }

    /// Removes the entry of a finished shard, so that it is made again.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn withdraw(&self, entry: &Entry) -> Result<(), Fault> {
        let path = self.names.entry(entry.shard);
        fs::remove_file(&path).map_err(Fault::io(&path))?;
        if let Some(file) = &entry.file {
            let path = self.names.file(file);
            fs::remove_file(&path).map_err(Fault::io(&path))?;
        }
        let manifest = self.names.manifest();
        if manifest.exists() {
            fs::remove_file(&manifest).map_err(Fault::io(&manifest))?;
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
        store::create(self.folder(), &self.names.entry(entry.shard), &store::json(&entry))?;
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

    /// Writes `manifest.json`, which completes the release.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn complete(&self, manifest: &Manifest) -> Result<(), Fault> {
        store::replace(self.folder(), &self.names.manifest(), &store::json(manifest))
    }
}

/// The entries of the shards that are finished, by number.
///
/// # Errors
/// [`Fault::Json`], [`Fault::Io`].
pub fn read_entries(folder: &ReleaseFolder) -> Result<BTreeMap<usize, Entry>, Fault> {
    let entries = folder.entries();
    let files = fs::read_dir(&entries).map_err(Fault::io(&entries))?;
    let entry = |file: std::io::Result<fs::DirEntry>| {
        let entry: Entry = store::read_json(&file.map_err(Fault::io(&entries))?.path())?;
        Ok((entry.shard, entry))
    };
    files.map(entry).collect()
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
        let started = names.is_begun();
        return Err(ReleaseError::NoManifest { path: folder.into(), started }.into());
    }
    let manifest: Manifest = store::read_json(&path)?;
    let (found, known) = (manifest.plan.format_version, super::manifest::FORMAT_VERSION);
    if found > known {
        return Err(ReleaseError::NewerRelease { path, found, known }.into());
    }
    Ok(manifest)
}

fn holds_other_things(folder: &Path) -> Result<bool, Fault> {
    let names = ReleaseFolder::new(folder);
    let ours = [names.shards(), names.entries(), names.log()];
    let ours = ours.into_iter().chain([store::ASIDE, store::LOCK].map(|name| folder.join(name)));
    let ours: Vec<PathBuf> = ours.collect();
    for entry in fs::read_dir(folder).map_err(Fault::io(folder))? {
        if !ours.contains(&entry.map_err(Fault::io(folder))?.path()) {
            return Ok(true);
        }
    }
    Ok(false)
}
