//! The folder of a release, and the names of all files in it.

use std::path::{Path, PathBuf};

/// The path of a release that exists or is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseFolder(PathBuf);

impl ReleaseFolder {
    /// The release in `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The plan. It exists as soon as a run was started.
    pub fn plan(&self) -> PathBuf {
        self.0.join("plan.json")
    }

    /// The manifest. It exists only if the release is complete.
    pub fn manifest(&self) -> PathBuf {
        self.0.join("manifest.json")
    }

    /// Whether a run was started here.
    pub fn is_begun(&self) -> bool {
        self.plan().exists()
    }

    /// Whether the release is complete.
    pub fn is_complete(&self) -> bool {
        self.manifest().exists()
    }

    /// The folder with the entries of the finished shards.
    pub fn entries(&self) -> PathBuf {
        self.0.join("manifest")
    }

    /// The entry of a finished shard.
    pub fn entry(&self, shard: usize) -> PathBuf {
        self.entries().join(format!("shard-{shard:05}.json"))
    }

    /// The number of the shard whose entry has this file name.
    pub fn shard_of_entry(name: &str) -> Option<usize> {
        let number = name.strip_prefix("shard-")?.strip_suffix(".json")?;
        let shard = number.parse().ok()?;
        (format!("{shard:05}") == number).then_some(shard)
    }

    /// The folder with the shards.
    pub fn shards(&self) -> PathBuf {
        self.0.join(SHARDS)
    }

    /// A file that an entry names, such as `shards/shard-00000-0123456789ab.parquet`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The list of quarantined files with the reasons.
    pub fn quarantine(&self) -> PathBuf {
        self.0.join("quarantine.csv")
    }

    /// Size and time of every source, a local file.
    pub fn sources(&self) -> PathBuf {
        self.0.join("sources.jsonl")
    }

    /// The list of files that the last run could not read, while there are any.
    pub fn unreached(&self) -> PathBuf {
        self.0.join("unreached.csv")
    }

    /// The page of the release.
    pub fn report(&self) -> PathBuf {
        self.0.join("report.html")
    }

    /// The output of a run in the background.
    pub fn log(&self) -> PathBuf {
        self.0.join("run.log")
    }
}

/// The name of the folder with the shards.
pub(crate) const SHARDS: &str = "shards";

/// The path of a finished shard below the release: its number and the hash of its content.
pub fn shard_name(shard: usize, sha256: &str, extension: &str) -> String {
    format!("{SHARDS}/shard-{shard:05}-{}.{extension}", &sha256[..12])
}
