//! The folder of a release while it is written: opened under a plan, committed shard by shard.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::manifest::{Entry, Manifest, PlanFacts, Quarantined};
use crate::error::Fault;
use crate::store::{self, Aside, Written};

/// A release open for writing. The lock on it is held as long as this lives.
#[derive(Debug)]
pub struct Release {
    folder: PathBuf,
    _lock: File,
}

impl Release {
    /// Opens `folder` for `plan`, empty or as an earlier run of the same plan left it.
    ///
    /// # Errors
    /// [`Fault::PlanChanged`] with what differs, [`Fault::NotARelease`] if the folder holds
    /// other things, [`Fault::Locked`] while another run writes it, [`Fault::Io`].
    pub fn open(folder: &Path, plan: &PlanFacts) -> Result<Self, Fault> {
        let plan_path = folder.join("plan.json");
        if folder.exists() && !plan_path.exists() && holds_other_things(folder)? {
            return Err(Fault::NotARelease { path: folder.into() });
        }
        for part in [".tmp", "shards", "manifest"] {
            let path = folder.join(part);
            fs::create_dir_all(&path).map_err(Fault::io(&path))?;
        }
        // Some network file systems have no locks; creating entries in one step still holds.
        let lock = store::lock(folder)?.ok_or_else(|| Fault::Locked { path: folder.into() })?;
        if let Some(before) = read_plan(folder)?
            && before != *plan
        {
            let differences = plan.differences(&before);
            return Err(Fault::PlanChanged { path: folder.into(), differences });
        }
        let tmp = folder.join(".tmp");
        for left in fs::read_dir(&tmp).map_err(Fault::io(&tmp))? {
            let path = left.map_err(Fault::io(&tmp))?.path();
            fs::remove_file(&path).map_err(Fault::io(&path))?;
        }
        store::create(folder, &plan_path, &json(plan))?;
        Ok(Self { folder: folder.into(), _lock: lock })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The shards that earlier runs finished, whose file is still there.
    ///
    /// # Errors
    /// [`Fault::Io`], [`Fault::Json`].
    pub fn finished(&self) -> Result<BTreeMap<usize, Entry>, Fault> {
        let folder = self.folder.join("manifest");
        let mut entries = BTreeMap::new();
        for file in fs::read_dir(&folder).map_err(Fault::io(&folder))? {
            let entry: Entry = read_json(&file.map_err(Fault::io(&folder))?.path())?;
            if self.is_there(&entry) {
                entries.insert(entry.shard, entry);
            }
        }
        Ok(entries)
    }

    fn is_there(&self, entry: &Entry) -> bool {
        entry.file.as_ref().is_none_or(|file| {
            fs::metadata(self.folder.join(file)).is_ok_and(|meta| meta.len() == entry.bytes)
        })
    }

    /// Takes back a finished shard, so that it is made again.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn withdraw(&self, entry: &Entry) -> Result<(), Fault> {
        let path = self.entry_path(entry.shard);
        fs::remove_file(&path).map_err(Fault::io(&path))?;
        if let Some(file) = &entry.file {
            let path = self.folder.join(file);
            fs::remove_file(&path).map_err(Fault::io(&path))?;
        }
        let manifest = self.folder.join("manifest.json");
        if manifest.exists() {
            fs::remove_file(&manifest).map_err(Fault::io(&manifest))?;
        }
        Ok(())
    }

    /// Starts the file of a shard, aside.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn start(&self, shard: usize, extension: &str) -> Result<Aside, Fault> {
        Aside::create(&self.folder, &format!("shard-{shard:05}.{extension}"))
    }

    /// Puts a shard in place under its content's name, then its entry: from here on it is
    /// finished.
    ///
    /// # Errors
    /// [`Fault::Io`]; [`Fault::Conflict`] if the entry is there with other content.
    pub fn commit(&self, mut entry: Entry, file: Option<Written>) -> Result<Entry, Fault> {
        if let Some(written) = file {
            let extension = written.path.extension().unwrap_or_default().to_string_lossy();
            let name =
                format!("shards/shard-{:05}-{}.{extension}", entry.shard, &written.sha256[..12]);
            written.place(&self.folder.join(&name))?;
            entry.file = Some(name);
            entry.bytes = written.bytes;
            entry.sha256 = written.sha256;
        }
        store::create(&self.folder, &self.entry_path(entry.shard), &json(&entry))?;
        Ok(entry)
    }

    fn entry_path(&self, shard: usize) -> PathBuf {
        self.folder.join(format!("manifest/shard-{shard:05}.json"))
    }

    /// Writes `quarantine.csv` and gives its SHA-256.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn write_quarantine(&self, rows: &[Quarantined]) -> Result<String, Fault> {
        let csv = super::quarantine::to_csv(rows);
        store::replace(&self.folder, &self.folder.join("quarantine.csv"), &csv)?;
        Ok(store::sha256(&csv))
    }

    /// Writes `manifest.json`, with which the release is complete.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn complete(&self, manifest: &Manifest) -> Result<(), Fault> {
        store::replace(&self.folder, &self.folder.join("manifest.json"), &json(manifest))
    }
}

/// The plan that the release in `folder` was begun under, if there is one.
///
/// # Errors
/// [`Fault::Json`], [`Fault::Io`].
pub fn read_plan(folder: &Path) -> Result<Option<PlanFacts>, Fault> {
    let path = folder.join("plan.json");
    if path.exists() { read_json(&path).map(Some) } else { Ok(None) }
}

/// Reads `manifest.json` of the release in `folder`.
///
/// # Errors
/// [`Fault::NoManifest`] if there is none, [`Fault::NewerRelease`] if this tool is too old for
/// it, [`Fault::Json`], [`Fault::Io`].
pub fn read_manifest(folder: &Path) -> Result<Manifest, Fault> {
    let path = folder.join("manifest.json");
    if !path.exists() {
        let started = folder.join("plan.json").exists();
        return Err(Fault::NoManifest { path: folder.into(), started });
    }
    let manifest: Manifest = read_json(&path)?;
    let (found, known) = (manifest.plan.format_version, super::manifest::FORMAT_VERSION);
    if found > known {
        return Err(Fault::NewerRelease { path, found, known });
    }
    Ok(manifest)
}

fn holds_other_things(folder: &Path) -> Result<bool, Fault> {
    let known = [".tmp", "shards", "manifest", ".lock", "run.log"];
    for entry in fs::read_dir(folder).map_err(Fault::io(folder))? {
        let name = entry.map_err(Fault::io(folder))?.file_name();
        if !known.iter().any(|known| name == *known) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn json<T: serde::Serialize>(value: &T) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("plain data becomes JSON");
    text.push(b'\n');
    text
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Fault> {
    let text = fs::read(path).map_err(Fault::io(path))?;
    serde_json::from_slice(&text).map_err(|source| Fault::Json { path: path.into(), source })
}
