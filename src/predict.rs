//! Inference with trained networks, also on new images.
//!
//! In: the networks of a run, and images from a release's shards or directly from DICOM files,
//! which the preprocess graph turns into the same bytes that the shards would hold. Out: one
//! [`Prediction`] per image, and from those a submission, one row per breast.
//!
//! A network never predicts for a patient that it was trained on, wherever her images come from.

pub mod source;
pub mod batch;
pub mod ensemble;
pub mod networks;
pub mod submission;

use std::path::PathBuf;

use crate::config::{Config, of_settings};
use crate::dataset::Role;
use crate::error::{Fault, faults};
use crate::image::Pixels;
use crate::record::ImageRecord;
use crate::shard::table::Table;
use crate::train::run::RunFacts;

pub use crate::predictions::Prediction;

/// One image as the input of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// The image's row of the table.
    pub record: ImageRecord,
    /// Its role.
    pub role: Role,
    /// The output of the preprocess graph.
    pub pixels: Pixels,
}

/// Why nothing can be predicted.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// A release made with other settings.
    #[error(
        "{path} was made with other settings than the run was trained with:\n  {}\n\
         preprocess the images with the run's settings, or give the folder of the DICOM files",
        differences.join("\n  ")
    )]
    OtherSettings {
        /// The release.
        path: PathBuf,
        /// The settings that differ, one per line.
        differences: Vec<String>,
    },
    /// The run has no network for the requested fold.
    #[error("{path} has no fold {found}; it has {has}")]
    NoFold {
        /// The run.
        path: PathBuf,
        /// The folds requested.
        found: String,
        /// The folds of the run.
        has: String,
    },
    /// There is no image to predict for.
    #[error("no prediction: {0}")]
    Nothing(String),
    /// The user interrupted the command.
    #[error("interrupted; nothing was written")]
    Stopped,
}
faults!(PredictError);

/// The preprocessing settings of the run's networks; the caller sets the paths.
///
/// # Errors
/// [`ConfigError`](crate::config::ConfigError) if this version does not know the settings.
pub fn settings(facts: &RunFacts) -> Result<Config, Fault> {
    let mut config = of_settings(&facts.preprocessing, "the run's preprocessing")?;
    // No release is written, so no path is hidden, and no key is needed.
    config.dataset.keep_paths = true;
    Ok(config)
}

/// Refuses a release whose pixels were made with other settings than those that the run was trained
/// on. Layout of the dataset, assignment of folds and storage of shards do not affect pixels.
///
/// # Errors
/// [`PredictError::OtherSettings`].
pub fn assert_same_pixels(table: &Table, facts: &RunFacts) -> Result<(), Fault> {
    let differences = |key: &str| {
        let of = |settings: &serde_json::Value| settings.get(key).cloned().unwrap_or_default();
        let (found, needed) = (of(&table.plan.settings), of(&facts.preprocessing));
        (found != needed).then(|| format!("{key}: {found}, the run has {needed}"))
    };
    let keys = ["decode", "window", "roi", "spacing", "resize"];
    let differences: Vec<String> = keys.into_iter().filter_map(differences).collect();
    if differences.is_empty() {
        return Ok(());
    }
    Err(PredictError::OtherSettings { path: table.release.clone(), differences }.into())
}
