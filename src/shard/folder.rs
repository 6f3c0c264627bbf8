//! The folder of a release, and the name of every file in it.

use std::path::{Path, PathBuf};

/// Where a release is, or is to be.
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

    /// What is to be done. It is there as soon as a run was begun.
    pub fn plan(&self) -> PathBuf {
        self.0.join("plan.json")
    }

    /// All of the release. It is there only when the release is complete.
    pub fn manifest(&self) -> PathBuf {
        self.0.join("manifest.json")
    }

    /// Whether a run was begun here.
    pub fn is_begun(&self) -> bool {
        self.plan().exists()
    }

    /// Whether all of it is here.
    pub fn is_complete(&self) -> bool {
        self.manifest().exists()
    }

    /// The entries of the finished shards.
    pub fn entries(&self) -> PathBuf {
        self.0.join("manifest")
    }

    /// The entry of a finished shard.
    pub fn entry(&self, shard: usize) -> PathBuf {
        self.entries().join(format!("shard-{shard:05}.json"))
    }

    /// The files of the shards.
    pub fn shards(&self) -> PathBuf {
        self.0.join(SHARDS)
    }

    /// A file that an entry names, such as `shards/shard-00000-0123456789ab.parquet`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// What was set aside, with the reason.
    pub fn quarantine(&self) -> PathBuf {
        self.0.join("quarantine.csv")
    }

    /// The page to look at.
    pub fn report(&self) -> PathBuf {
        self.0.join("report.html")
    }

    /// What a run in the background prints.
    pub fn log(&self) -> PathBuf {
        self.0.join("run.log")
    }
}

const SHARDS: &str = "shards";

/// The name below the release of a finished shard: its number and the hash of its content.
pub fn shard_name(shard: usize, sha256: &str, extension: &str) -> String {
    format!("{SHARDS}/shard-{shard:05}-{}.{extension}", &sha256[..12])
}
