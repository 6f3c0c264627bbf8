//! Why a training run cannot start or continue.

use std::path::PathBuf;

use crate::error::{Fault, faults};
use crate::number::of;
use crate::store::quoted;

/// Why a training run cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// There is a run of that name.
    #[error(
        "{path} holds a run; resume it (mammo-pipe train --resume {}), or give another --name",
        quoted(path)
    )]
    RunExists {
        /// The folder.
        path: PathBuf,
    },
    /// Another process trains the run.
    #[error("{path}: another process is training this run; wait for it or stop it")]
    RunLocked {
        /// The folder.
        path: PathBuf,
    },
    /// A run that is to be removed has trained networks.
    #[error(
        "{path} has {}; to remove them all the same: mammo-pipe runs --rm {} --force",
        of(*networks, "trained network"),
        quoted(path)
    )]
    HasNetworks {
        /// The folder.
        path: PathBuf,
        /// How many.
        networks: usize,
    },
    /// The folder of a run that is to be removed holds more than the run.
    #[error(
        "{path} holds {name}, which is no file of a run: nothing was removed; move it elsewhere, \
         then run the same command again"
    )]
    ForeignFolder {
        /// The folder.
        path: PathBuf,
        /// The name of one of the other files.
        name: String,
    },
    /// There is no run.
    #[error("{path} {}; mammo-pipe runs lists the runs", if path.exists() {
        "holds no run (it has no run.json)"
    } else {
        "does not exist"
    })]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// A saved state is one of another version of the tool, which may compute other numbers.
    #[error(
        "{path}: is a state of mammo-pipe {found}, this is {}: resume with that version, or start \
         a new run",
        env!("CARGO_PKG_VERSION")
    )]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// The version.
        found: String,
    },
    /// A file of a run cannot be used.
    #[error("{path}: {reason}")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The release is not the one that the run began with.
    #[error(
        "{path} has plan {found}, the run started with {needed}: the release was made again with \
         other settings"
    )]
    ReleaseChanged {
        /// The release.
        path: PathBuf,
        /// Its plan hash.
        found: String,
        /// The plan hash of the run.
        needed: String,
    },
    /// The release has the plan of the run, but other images.
    #[error(
        "{path} has manifest {found}, the run started with {needed}: rejected images were made \
         again since, or files were replaced. The run cannot go on with other images; train a new \
         one, or resume it on a copy of the old release with --release DIR"
    )]
    ImagesChanged {
        /// The release.
        path: PathBuf,
        /// SHA-256 of its manifest.
        found: String,
        /// SHA-256 of the manifest that the run began with.
        needed: String,
    },
    /// The release is not where the run began with it.
    #[error(
        "{release} is not there, and the run needs it; if it was moved: \
         mammo-pipe train --resume {} --release DIR",
        quoted(run)
    )]
    ReleaseMoved {
        /// The run.
        run: PathBuf,
        /// The release.
        release: PathBuf,
    },
    /// No such fold.
    #[error("the release has no fold {found}, its folds are {folds:?}")]
    NoFold {
        /// The fold that was asked for.
        found: u16,
        /// The folds of the release.
        folds: Vec<u16>,
    },
    /// A ratio was set, but the release's folds are used, which have another ratio.
    #[error(
        "folds.negatives_per_positive is {found}, the release's folds were assigned with \
         {}: they are used as they are unless train.folds=reassign (`sweep --negatives-per-positive` sets both)",
        released.map_or("all negatives".to_owned(), |ratio| ratio.to_string())
    )]
    Ratio {
        /// The ratio in the settings.
        found: f64,
        /// The ratio of the release.
        released: Option<f64>,
    },
    /// Nothing to train on.
    #[error(
        "{images} images to train on, {positives} of them with cancer: training needs both classes{}",
        if *unlabelled == 0 {
            String::new()
        } else {
            format!(
                "; {unlabelled} have no label. If the dataset has no pathology, state a proxy when \
                 the release is made, such as dataset.label='BIRADS >= 4'"
            )
        }
    )]
    NothingToLearn {
        /// Images to train on.
        images: usize,
        /// Those with cancer.
        positives: usize,
        /// Those without a label.
        unlabelled: usize,
    },
    /// The loss or the gradient is not finite.
    #[error(
        "the loss is not finite: at step {step} it is {loss}, the gradient norm is {gradient}; \
         lower train.optimizer.learning_rate, or set train.optimizer.max_grad_norm; the last \
         saved state is kept"
    )]
    NotFinite {
        /// The step.
        step: u64,
        /// The loss.
        loss: f64,
        /// Norm of the gradient.
        gradient: f64,
    },
}
faults!(TrainError);

impl TrainError {
    /// Whether `fault` is [`TrainError::NotFinite`].
    pub fn is_not_finite(fault: &Fault) -> bool {
        matches!(fault.cause(), Some(Self::NotFinite { .. }))
    }
}
