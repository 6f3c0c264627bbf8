//! Measures storage, and says what it means: which of storage and CPU limits `preprocess`, how long
//! a dataset takes, whether training would wait.
//!
//! ```text
//! PATH ─ join, if it is a dataset ─> files in plan order ─> [ run ] ────> Measurement ─> Verdict
//!                                    └ a sample of them ──> [ decode ] ─────┘
//! ```
//! In: a folder. Out: a [`Measurement`] of names, whole files, prefixes and shards, each by number of
//! threads with the distribution of its times, and of decoding by transfer syntax; and a
//! [`Verdict`]. Nothing is written into a dataset, and all that is made elsewhere is removed.
//!
//! `run` and the modules that it uses measure; [`knee`] and [`verdict`] conclude; [`kept`] remembers
//! for `preprocess --dry-run`.

pub mod measurement;
pub mod error;
pub mod options;
mod system;
mod latency;
mod scratch;
mod access;
mod workers;
mod metadata;
mod files;
mod shards;
pub mod run;
pub mod decode;
pub mod knee;
pub mod verdict;
pub mod kept;
pub mod step;

use std::fs;
use std::path::Path;

use crate::config::{Config, SplitChoice};
use crate::dataset::{self, Joined, table};
use crate::error::Fault;
use crate::flow::Stop;
use crate::record::Split;

pub use error::StorageError;
pub use kept::Kept;
pub use measurement::Measurement;
pub use options::{Options, PlannedFile};
pub use verdict::Verdict;

use decode::Detail;
use measurement::Effort;

/// Measures the folder of `options`: storage, then decoding. `config` says how to find the dataset
/// in it. `progress` gets a line for every part that begins.
///
/// # Errors
/// [`StorageError`], with [`StorageError::Interrupted`] if `stop` is raised; a [`Fault`] if the
/// tables of a dataset are wrong.
pub fn measure(
    options: &Options,
    config: &Config,
    progress: &(dyn Fn(&str) + Sync),
    stop: &Stop,
) -> Result<Measurement, Fault> {
    let path = fs::canonicalize(&options.path).map_err(StorageError::io(&options.path))?;
    let joined = join(&path, config, progress)?;
    let files: Option<Vec<PlannedFile>> = joined.as_ref().map(|joined| {
        let file = |job: &dataset::Job| PlannedFile { path: job.path.clone(), bytes: job.bytes };
        joined.jobs.iter().map(file).collect()
    });
    let options = Options { path, ..options.clone() };
    let mut measurement = run::run(&options, files.as_deref(), progress, stop)?;
    let begun = std::time::Instant::now();
    let decoding = match &joined {
        Some(joined) => decode::of_dataset(&joined.jobs, config, progress, stop)?,
        None if options.effort == Effort::Quick => {
            decode::of_phantoms(Detail::Two, progress, stop)?
        }
        None => decode::of_phantoms(Detail::All, progress, stop)?,
    };
    if stop.is_raised() {
        return Err(StorageError::Interrupted.into());
    }
    measurement.decode = decoding.rates;
    measurement.data.syntaxes = decoding.syntaxes;
    measurement.seconds += begun.elapsed().as_secs_f64();
    Ok(measurement)
}

/// The dataset in `path`; `None` if there is no table.
fn join(path: &Path, config: &Config, progress: &dyn Fn(&str)) -> Result<Option<Joined>, Fault> {
    let mut config = config.clone();
    config.dataset.input = path.to_owned();
    let has = |split, config: &Config| table::path_of(split, &config.dataset).is_file();
    let wanted = config.dataset.split.splits();
    if !wanted.iter().any(|split| has(*split, &config)) {
        if !has(Split::Test, &config) {
            return Ok(None);
        }
        config.dataset.split = SplitChoice::Test;
    }
    progress(&format!("listing {}", path.display()));
    config.check()?;
    Ok(Some(dataset::join(&config.dataset, &config.folds)?))
}
