//! Whether storage keeps up with training: accelerator utilisation (AU) by format and step length.
//!
//! AU is what MLPerf Storage calls so: the time that the accelerator computes, divided by the time
//! of the whole run. Batches are read ahead, so a step of `s` seconds hides up to `s` seconds of
//! reading: a step takes the longer of the two. That is the steady state; the wait for the first
//! batch is not part of it. The CPU time of decompression and augmentation is not part of it
//! either: `mammo-pipe bench loader` measures that.

use serde::{Deserialize, Serialize};

use super::limits::rank;
use crate::bench::storage::knee::by_bytes;
use crate::bench::storage::measurement::{Cache, Measurement, Series};

/// The step lengths in milliseconds that are shown if no step is given.
pub const USUAL_STEPS: [f64; 4] = [25.0, 50.0, 100.0, 200.0];

/// MLPerf Storage's requirement for its medical workload.
pub const ENOUGH: f64 = 0.9;

/// The formats of shards, each with its name and its bytes per byte of pixels. Those of generated
/// mammograms of 1024 x 512 in 8 bits (`benches/README.md`). Real ones can be smaller (0.29 and 0.35
/// were measured), so that storage may serve more of them than is said here.
const FORMATS: [(&str, f64); 3] = [("parquet zstd", 0.47), ("parquet lz4", 0.57), ("tensor", 1.0)];

/// Bytes of the pixels of an image with the default settings: 1024 x 512, 8 bits.
pub const IMAGE_BYTES: f64 = 1024.0 * 512.0;

/// A training step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TrainingStep {
    /// The time that the accelerator computes, in milliseconds; `None` if not known.
    pub step_ms: Option<f64>,
    /// Images per step.
    pub batch: usize,
}

/// Reading shards of one format in one pattern.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// What is read, such as `one page`.
    pub pattern: String,
    /// What the caches held.
    pub cache: Cache,
    /// The format and compression of the shards.
    pub format: String,
    /// Bytes that are read per image.
    pub bytes_per_image: f64,
    /// Threads at the knee.
    pub threads: usize,
    /// Images per second at the knee.
    pub images_per_second: f64,
    /// AU by the length of the step.
    pub utilisation: Vec<Utilisation>,
}

/// AU for one step length.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Utilisation {
    /// Length of the step in milliseconds.
    pub step_ms: f64,
    /// Images per step.
    pub batch: usize,
    /// Images per second that the accelerator takes.
    pub needed: f64,
    /// Accelerator utilisation, 0 to 1.
    pub utilisation: f64,
}

/// AU of a step of `step_ms` on `batch` images that are read at `images_per_second`.
pub fn utilisation(step_ms: f64, batch: usize, images_per_second: f64) -> Utilisation {
    let needed = batch as f64 / (step_ms / 1e3);
    let utilisation = (images_per_second / needed).clamp(0.0, 1.0);
    Utilisation { step_ms, batch, needed, utilisation }
}

/// The rows of `measurement` for `step`. For each pattern the series that says most about reading
/// for the first time is used.
pub fn training(measurement: &Measurement, step: &TrainingStep) -> Vec<Training> {
    let mut patterns: Vec<&Series> = Vec::new();
    for series in measurement.shards.iter().filter(|series| by_bytes(&series.points).is_some()) {
        match patterns.iter_mut().find(|other| other.pattern == series.pattern) {
            Some(other) if rank(series.cache) < rank(other.cache) => *other = series,
            Some(_) => {}
            None => patterns.push(series),
        }
    }
    let rows = |series: &&Series| {
        let series = *series;
        FORMATS.map(|(format, ratio)| row(series, format, ratio * IMAGE_BYTES, step))
    };
    patterns.iter().flat_map(rows).flatten().collect()
}

fn row(
    series: &Series,
    format: &str,
    bytes_per_image: f64,
    step: &TrainingStep,
) -> Option<Training> {
    let knee = by_bytes(&series.points)?;
    let point = series.points.iter().find(|point| point.threads == knee.threads)?;
    let images_per_second = if series.pattern == "one page" {
        // A page is one image. A smaller image takes no less than a page of the measured size,
        // because most of the time is the latency; a larger one takes longer by its size.
        let page = point.bytes as f64 / point.items;
        point.items_per_second() * (page / bytes_per_image).min(1.0)
    } else {
        knee.rate / bytes_per_image
    };
    let steps = step.step_ms.map_or(USUAL_STEPS.to_vec(), |step_ms| vec![step_ms]);
    let utilisation =
        steps.iter().map(|&step_ms| utilisation(step_ms, step.batch, images_per_second)).collect();
    Some(Training {
        pattern: series.pattern.clone(),
        cache: series.cache,
        format: format.to_owned(),
        bytes_per_image,
        threads: knee.threads,
        images_per_second,
        utilisation,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_waits_for_what_storage_cannot_deliver_in_a_step() {
        // 16 images per 50 ms are 320 images/s.
        let found = utilisation(50.0, 16, 160.0);
        assert!((found.needed - 320.0).abs() < 1e-9);
        assert!((found.utilisation - 0.5).abs() < 1e-9);
        assert_eq!(utilisation(50.0, 16, 3200.0).utilisation, 1.0);
        assert_eq!(utilisation(100.0, 16, 160.0).utilisation, 1.0);
    }
}
