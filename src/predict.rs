//! What trained networks say of images that may be new.
//!
//! In: the networks of a run, and images from a release's shards or straight from DICOM files,
//! which the preprocess graph turns into the very bytes that the shards would hold. Out: a
//! [`Prediction`] an image, and from those a submission, one row a breast.
//!
//! A network never speaks of a patient that it was trained on, whichever way her images come.

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

/// One image as a network is fed it.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// What the table says.
    pub record: ImageRecord,
    /// What it is for.
    pub role: Role,
    /// The output of the preprocess graph.
    pub pixels: Pixels,
}

/// Why nothing can be predicted.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// A release made otherwise.
    #[error(
        "{path} was made with other settings than the run was trained with:\n  {}\n\
         preprocess the images with the run's settings, or give the folder of the DICOM files",
        differences.join("\n  ")
    )]
    OtherSettings {
        /// The release.
        path: PathBuf,
        /// What differs, a line each.
        differences: Vec<String>,
    },
    /// The run has no network for that.
    #[error("{path} has no fold {found}; it has {has}")]
    NoFold {
        /// The run.
        path: PathBuf,
        /// What was asked for.
        found: String,
        /// What it has.
        has: String,
    },
    /// No image was left to speak of.
    #[error("no prediction at all: {0}")]
    Nothing(String),
    /// Nobody waits for the end.
    #[error("interrupted; nothing was written")]
    Stopped,
}
faults!(PredictError);

/// The settings that feed the run's networks, places left to the caller.
///
/// # Errors
/// [`ConfigError`] if this tool does not know them any more.
pub fn settings(facts: &RunFacts) -> Result<Config, Fault> {
    Ok(of_settings(&facts.preprocessing, "the run's preprocessing")?)
}

/// Refuses a release whose pixels were made otherwise than those that the run was trained on.
/// How the dataset is laid out, how folds are dealt, and how shards are stored makes no pixel.
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
