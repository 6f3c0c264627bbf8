//! What `bench storage` measures: plain figures, as they are written to JSON and read back.
//!
//! Throughput is in bytes (or files, or operations) per second of wall time, latency in
//! milliseconds. A megabyte is 1,000,000 bytes.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// [`Measurement::version`] of this program.
pub const VERSION: u32 = 2;

/// Everything that one run of `bench storage` measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Version of this layout.
    pub version: u32,
    /// The version of the program.
    pub program: String,
    /// Seconds since 1970 at the start.
    pub started: u64,
    /// Wall time of the whole run in seconds.
    pub seconds: f64,
    /// `quick`, `default` or `full`.
    pub effort: Effort,
    /// The folder that was measured, as an absolute path.
    pub path: PathBuf,
    /// The file system, memory and cores.
    pub system: System,
    /// The files that were read.
    pub data: Data,
    /// Operations on names: list, stat, open, create, unlink.
    pub metadata: Vec<Operation>,
    /// Whole files by order, cache and threads.
    pub files: Vec<Series>,
    /// The first part of each file, as `decode.read: prefix` reads it.
    pub prefixes: Vec<Series>,
    /// Reading pages and row groups of shards.
    pub shards: Vec<Series>,
    /// Writing a shard with sync and commit; order and cache of this series mean nothing.
    pub writes: Vec<Series>,
    /// Decoding by one core, by transfer syntax.
    pub decode: Vec<DecodeRate>,
    /// What a reader has to know beside the figures: what was skipped and why, which folder was
    /// written to, what other measurements left.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    /// About half a minute.
    Quick,
    /// About two minutes.
    #[default]
    Default,
    /// Makes data of five times the memory. Of a dataset it reads for 15 s with each number of
    /// threads.
    Full,
}

/// Where the files lie, and what the process may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct System {
    /// The type of the file system, such as `ext4` or `nfs4`.
    pub file_system: String,
    /// The device or the server that is mounted.
    pub source: String,
    /// Mount options.
    pub options: String,
    /// Whether the data lie on another machine, whose cache cannot be emptied from here.
    pub network: bool,
    /// Free space in bytes.
    pub free_bytes: u64,
    /// Memory in bytes, or the limit of the cgroup if that is lower.
    pub memory_bytes: u64,
    /// Cores that this process may use: affinity and the quota of the cgroup.
    pub cores: f64,
}

/// The files that were read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// Whether they are the dataset's own files; otherwise they were made for the measurement.
    pub own: bool,
    /// Number of files in the whole dataset (or made).
    pub files: usize,
    /// Bytes in the whole dataset (or made).
    pub bytes: u64,
    /// Number of files measured.
    pub measured_files: usize,
    /// Bytes of these.
    pub measured_bytes: u64,
    /// Number of files by transfer syntax UID, in a sample; empty where they were made.
    pub syntaxes: Vec<(String, usize)>,
    /// Whether the measured files were larger than the memory.
    pub larger_than_memory: bool,
}

/// The order in which files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// That of a release: by patient and image.
    Plan,
    /// By inode, which is often the order on the disk.
    Inode,
    /// At random, with a fixed seed.
    Shuffled,
}

impl Order {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan order",
            Self::Inode => "by inode",
            Self::Shuffled => "shuffled",
        }
    }
}

/// What the caches held before a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cache {
    /// Emptied on this machine, and checked by the bytes that were then fetched from storage.
    Cold,
    /// Emptied on this machine; the cache of the server is not known.
    ClientCold,
    /// Not asked: `O_DIRECT`.
    Direct,
    /// Read before.
    Warm,
}

impl Cache {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::ClientCold => "client cold",
            Self::Direct => "direct",
            Self::Warm => "warm",
        }
    }
}

/// One pattern of access by number of threads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What is read or written, such as `whole files`, `prefix`, `one page`, `row group`, `shard`.
    pub pattern: String,
    /// Order of the files.
    pub order: Order,
    /// State of the caches.
    pub cache: Cache,
    /// One entry per number of threads, rising. Empty if it could not be measured; `note` says why.
    pub points: Vec<Point>,
    /// What a reader has to know of the points: why some are absent, what the caches held after all,
    /// how many items were cut off. Empty if there is nothing.
    pub note: String,
}

/// A pattern with one number of threads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Number of threads.
    pub threads: usize,
    /// Files, pages or row groups read or written. Parts that the end of the time cut off count as
    /// shares.
    pub items: f64,
    /// Bytes of these.
    pub bytes: u64,
    /// Wall time in seconds until the last thread was done.
    pub seconds: f64,
    /// Wall time in seconds until the first thread was done.
    pub first_done: f64,
    /// Share of the bytes that the page cache held before the read, 0 to 1, of all that was read,
    /// also after the end of the time; `None` if not known.
    pub cached: Option<f64>,
    /// Time per item: open, read and close. Pages and row groups: read alone. Writes: create, write,
    /// sync, rename, sync of the folder. `None` if no item was finished.
    pub latency: Option<Latency>,
}

impl Point {
    /// Bytes per second.
    pub fn bytes_per_second(&self) -> f64 {
        self.bytes as f64 / self.seconds
    }

    /// Items per second.
    pub fn items_per_second(&self) -> f64 {
        self.items / self.seconds
    }
}

/// A distribution of times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Latency {
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// One operation on names, by number of threads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// `list`, `stat`, `open`, `create_sync_link` or `unlink`.
    pub name: String,
    /// One entry per number of threads, rising; `bytes` is 0.
    pub points: Vec<Point>,
}

/// Decoding files of one transfer syntax: the work of one core while all cores decode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecodeRate {
    /// The transfer syntax's UID.
    pub syntax: String,
    /// Whether the dataset's own files were decoded; otherwise phantoms made in memory.
    pub own: bool,
    /// Number of images.
    pub images: usize,
    /// CPU time per image in milliseconds, for the whole path from bytes to a sample.
    pub cpu_ms: f64,
    /// Mean size of the file in bytes.
    pub file_bytes: f64,
}
