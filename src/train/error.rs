//! Why a training run cannot start or go on.

use std::path::PathBuf;

use crate::error::{Fault, faults};

/// Why a training run cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The name is taken.
    #[error("{path} holds a run; go on with it by --resume, or give another --name")]
    RunExists {
        /// The folder.
        path: PathBuf,
    },
    /// Another process writes the run.
    #[error("{path}: another process is training this run; wait for it or stop it")]
    RunLocked {
        /// The folder.
        path: PathBuf,
    },
    /// There is no run.
    #[error("{path} holds no run (it has no run.json)")]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// A file of a run is not what it should be.
    #[error("{path}: {reason}")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The release is not the one that the run began with.
    #[error("{path} has plan {found}, the run began with {needed}: it was made anew")]
    ReleaseChanged {
        /// The release.
        path: PathBuf,
        /// Its plan hash.
        found: String,
        /// The plan hash of the run.
        needed: String,
    },
    /// No such fold.
    #[error("the release has no fold {found}, its folds are {folds:?}")]
    NoFold {
        /// What was asked for.
        found: u16,
        /// Those there are.
        folds: Vec<u16>,
    },
    /// The ratio was typed and the release's folds are taken, which have another.
    #[error(
        "folds.negatives_per_positive is {found}, the release's folds were dealt with {}: they are \
         taken as they are unless train.folds=reassign (`sweep --negatives-per-positive` sets both)",
        released.map_or("all negatives".to_owned(), |ratio| ratio.to_string())
    )]
    Ratio {
        /// What was typed.
        found: f64,
        /// What the release has.
        released: Option<f64>,
    },
    /// Nothing to train on.
    #[error(
        "{images} images to train on, {positives} of them with cancer: needs some of both kinds"
    )]
    NothingToLearn {
        /// Images to train on.
        images: usize,
        /// Those with cancer.
        positives: usize,
    },
    /// The loss is no number.
    #[error(
        "the loss of step {step} is {loss}, its gradient {gradient} long: lower train.optimizer.learning_rate, or set \
         train.optimizer.max_grad_norm; the state of the last save is kept"
    )]
    NotFinite {
        /// The step.
        step: u64,
        /// What was found.
        loss: f64,
        /// Length of the gradient.
        gradient: f64,
    },
}
faults!(TrainError);

impl TrainError {
    /// Whether `fault` says that the loss of a run became no number.
    pub fn is_not_finite(fault: &Fault) -> bool {
        matches!(fault.cause(), Some(Self::NotFinite { .. }))
    }
}
