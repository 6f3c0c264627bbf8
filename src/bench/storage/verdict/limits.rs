//! The two limits of preprocessing: what storage delivers, and what a core decodes.

use serde::{Deserialize, Serialize};

use crate::bench::storage::decode::usual_mix;
use crate::bench::storage::knee::{Knee, by_bytes};
use crate::bench::storage::measurement::{Cache, Latency, Measurement, Order, Point, Series};

/// What storage delivers in one order of the files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StorageLimit {
    /// The order.
    pub order: Order,
    /// What the caches held. `Warm` only if nothing else was measured.
    pub cache: Cache,
    /// The knee, in bytes per second.
    pub knee: Knee,
    /// Images per second at the knee, for images of the dataset's mean size.
    pub images_per_second: f64,
    /// Time per file at the knee, in milliseconds; `None` if no file was read to its end.
    pub latency: Option<Latency>,
    /// Share of the bytes at the knee that this machine's cache held before the read; `None` if not
    /// known.
    pub cached: Option<f64>,
}

/// What one core decodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CpuLimit {
    /// CPU time per image of the dataset's mean size, in milliseconds.
    pub cpu_ms: f64,
    /// Images per second on one core.
    pub images_per_core_second: f64,
    /// Whether the dataset's own files were decoded, and not phantoms.
    pub own: bool,
}

/// The series of whole files in `order` that says most about reading for the first time: caches
/// emptied, else not asked, else warm.
pub fn whole_files(measurement: &Measurement, order: Order) -> Option<&Series> {
    first_read(&measurement.files, order)
}

/// The same among any series.
pub(super) fn first_read(series: &[Series], order: Order) -> Option<&Series> {
    let measured = |s: &&Series| s.order == order && by_bytes(&s.points).is_some();
    series.iter().filter(measured).min_by_key(|series| rank(series.cache))
}

/// The trust in a state of the caches; 0 is the highest. Preprocessing reads through the page cache
/// and finds it empty.
pub(super) fn rank(cache: Cache) -> u8 {
    match cache {
        Cache::Cold => 0,
        Cache::ClientCold => 1,
        Cache::Direct => 2,
        Cache::Warm => 3,
    }
}

/// The limit of storage for files of `mean_bytes`; `None` if this order was not measured.
pub fn storage(measurement: &Measurement, order: Order, mean_bytes: f64) -> Option<StorageLimit> {
    let series = whole_files(measurement, order)?;
    let knee = by_bytes(&series.points)?;
    let point = series.points.iter().find(|point| point.threads == knee.threads)?;
    Some(StorageLimit {
        order,
        cache: series.cache,
        knee,
        images_per_second: knee.rate / mean_bytes,
        latency: point.latency,
        cached: point.cached,
    })
}

/// The limit of one core for files of `mean_bytes`; `None` if nothing was decoded.
///
/// The syntaxes count as often as they occur in the dataset. CPU time is taken to grow with the
/// size of the file, because the time of entropy coding does.
pub fn cpu(measurement: &Measurement, mean_bytes: f64) -> Option<CpuLimit> {
    let usual;
    let mix = if measurement.data.syntaxes.is_empty() {
        usual = usual_mix();
        &usual
    } else {
        &measurement.data.syntaxes
    };
    let (mut cpu_ms, mut bytes) = (0.0, 0.0);
    for rate in &measurement.decode {
        let files = mix.iter().find(|(uid, _)| *uid == rate.syntax).map_or(0, |(_, files)| *files);
        cpu_ms += files as f64 * rate.cpu_ms;
        bytes += files as f64 * rate.file_bytes;
    }
    if cpu_ms <= 0.0 || bytes <= 0.0 {
        return None;
    }
    let cpu_ms = cpu_ms / bytes * mean_bytes;
    Some(CpuLimit {
        cpu_ms,
        images_per_core_second: 1e3 / cpu_ms,
        own: measurement.decode.iter().all(|rate| rate.own),
    })
}

/// The measured bytes per second of `series` with at most `threads` threads: those of the largest
/// number of threads measured that is not above it. `None` if only more threads were measured.
pub fn at_threads(series: &Series, threads: usize) -> Option<f64> {
    let usable = |point: &&Point| point.threads <= threads && point.seconds > 0.0;
    let point = series.points.iter().filter(usable).max_by_key(|point| point.threads)?;
    Some(point.bytes_per_second())
}
