//! What `decode.read: prefix` would take.
//!
//! Of a JPEG 2000 file, `preprocess` then reads only the beginning that a reduced image needs
//! (`decode.reduce` of 1 or more). All other files are read whole. The output has fewer details.

use serde::{Deserialize, Serialize};

use super::DatasetSize;
use super::limits::{StorageLimit, first_read};
use crate::bench::storage::decode::usual_mix;
use crate::bench::storage::knee::by_items;
use crate::bench::storage::measurement::{Measurement, Order};
use crate::preprocess::read::TransferSyntax;

/// Reading the beginning of files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prefix {
    /// Share of the files that are JPEG 2000, 0 to 1.
    pub share: f64,
    /// Mean bytes that are read of such a file.
    pub bytes_per_file: f64,
    /// Such files per second at the knee.
    pub files_per_second: f64,
    /// Threads at the knee.
    pub threads: usize,
    /// Seconds for reading the dataset so, with all other files read whole.
    pub seconds: f64,
    /// Seconds for reading all files whole.
    pub whole_seconds: f64,
}

/// The forecast; `None` if prefixes or whole files were not measured, or no prefix was read to its
/// end with the threads of the knee.
pub fn prefix(
    measurement: &Measurement,
    of: DatasetSize,
    whole: Option<&StorageLimit>,
) -> Option<Prefix> {
    let series = first_read(&measurement.prefixes, Order::Plan)
        .or_else(|| first_read(&measurement.prefixes, Order::Shuffled))?;
    let knee = by_items(&series.points)?;
    let point = series.points.iter().find(|point| point.threads == knee.threads)?;
    point.latency?;
    let share = jpeg_2000_share(measurement);
    let whole_seconds = of.files as f64 / whole?.images_per_second;
    let begun = share * of.files as f64 / knee.rate;
    Some(Prefix {
        share,
        bytes_per_file: point.bytes as f64 / point.items,
        files_per_second: knee.rate,
        threads: knee.threads,
        seconds: begun + (1.0 - share) * whole_seconds,
        whole_seconds,
    })
}

fn jpeg_2000_share(measurement: &Measurement) -> f64 {
    let own = &measurement.data.syntaxes;
    let mix = if own.is_empty() { usual_mix() } else { own.clone() };
    let is_jpeg_2000 =
        |uid: &str| TransferSyntax::from_uid(uid).is_some_and(TransferSyntax::is_jpeg_2000);
    let all: usize = mix.iter().map(|(_, files)| files).sum();
    let some: usize = mix.iter().filter(|(uid, _)| is_jpeg_2000(uid)).map(|(_, n)| n).sum();
    some as f64 / all.max(1) as f64
}
