//! Measures time: how long each stage worked, and how long each pool waited.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// All meters of a run, in the order in which its stages were built.
#[derive(Debug, Default)]
pub struct Meters {
    steps: Mutex<Vec<Arc<Meter>>>,
    pools: Mutex<Vec<Arc<PoolMeter>>>,
}

/// The meter of one stage.
#[derive(Debug)]
pub struct Meter {
    name: &'static str,
    items: AtomicU64,
    rejects: AtomicU64,
    busy: AtomicU64,
    fetched: AtomicU64,
}

/// The meter of one pool of workers.
#[derive(Debug)]
pub struct PoolMeter {
    name: &'static str,
    workers: usize,
    starved: AtomicU64,
    blocked: AtomicU64,
}

/// The values of one meter at one moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Snapshot {
    /// The name of the stage or pool.
    pub name: String,
    /// Items seen, rejected ones included (0 for a pool).
    pub items: u64,
    /// Items rejected.
    pub rejects: u64,
    /// Thread-seconds spent working.
    pub busy_s: f64,
    /// Thread-seconds spent waiting for input.
    pub starved_s: f64,
    /// Thread-seconds spent waiting until the next pool accepted the item.
    pub blocked_s: f64,
    /// Threads (0 for a stage).
    pub workers: usize,
    /// Bytes read from storage, for items that were not rejected (0 for a pool).
    #[serde(default)]
    pub fetched_bytes: u64,
}

impl Meters {
    /// A new meter for a stage.
    pub fn step(&self, name: &'static str) -> Arc<Meter> {
        let meter = Arc::new(Meter {
            name,
            items: AtomicU64::new(0),
            rejects: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            fetched: AtomicU64::new(0),
        });
        lock(&self.steps).push(Arc::clone(&meter));
        meter
    }

    /// A new meter for a pool.
    pub fn pool(&self, name: &'static str, workers: usize) -> Arc<PoolMeter> {
        let meter = Arc::new(PoolMeter {
            name,
            workers,
            starved: AtomicU64::new(0),
            blocked: AtomicU64::new(0),
        });
        lock(&self.pools).push(Arc::clone(&meter));
        meter
    }

    /// The values of all stages so far.
    pub fn steps(&self) -> Vec<Snapshot> {
        lock(&self.steps).iter().map(|m| m.snapshot()).collect()
    }

    /// The values of all pools so far.
    pub fn pools(&self) -> Vec<Snapshot> {
        lock(&self.pools).iter().map(|m| m.snapshot()).collect()
    }
}

impl Meter {
    /// Counts one item and the time it took.
    pub fn done(&self, busy: Duration, rejected: bool) {
        self.items.fetch_add(1, Ordering::Relaxed);
        self.rejects.fetch_add(u64::from(rejected), Ordering::Relaxed);
        self.busy.fetch_add(nanos(busy), Ordering::Relaxed);
    }

    /// Counts bytes read from storage.
    pub fn fetched(&self, bytes: u64) {
        self.fetched.fetch_add(bytes, Ordering::Relaxed);
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            name: self.name.into(),
            items: self.items.load(Ordering::Relaxed),
            rejects: self.rejects.load(Ordering::Relaxed),
            busy_s: seconds(&self.busy),
            starved_s: 0.0,
            blocked_s: 0.0,
            workers: 0,
            fetched_bytes: self.fetched.load(Ordering::Relaxed),
        }
    }
}

impl PoolMeter {
    /// Counts time spent waiting for input.
    pub fn starved(&self, time: Duration) {
        self.starved.fetch_add(nanos(time), Ordering::Relaxed);
    }

    /// Counts time spent waiting until the next pool accepted the item.
    pub fn blocked(&self, time: Duration) {
        self.blocked.fetch_add(nanos(time), Ordering::Relaxed);
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            name: self.name.into(),
            items: 0,
            rejects: 0,
            busy_s: 0.0,
            starved_s: seconds(&self.starved),
            blocked_s: seconds(&self.blocked),
            workers: self.workers,
            fetched_bytes: 0,
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn seconds(nanos: &AtomicU64) -> f64 {
    nanos.load(Ordering::Relaxed) as f64 / 1e9
}

/// A list of meters stays consistent if a holder panics: pushing is its only change.
fn lock<T>(list: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    list.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
