//! Whose fault is it?
//!
//! Could another file succeed? Then it is a [`Reject`]: the file is quarantined and the run
//! goes on. Otherwise it is a [`Fault`]: the run stops, with nothing half-written.

use std::path::PathBuf;

use crate::dataset::folds::FoldsError;
use crate::dataset::table::TableErrors;
use crate::preprocess::decode::DecodeError;
use crate::preprocess::read::ReadError;
use crate::preprocess::roi::RoiError;
use crate::preprocess::window::WindowError;

/// Why one file is set aside.
#[derive(Debug, thiserror::Error)]
pub enum Reject {
    /// It is no readable DICOM image.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its pixel data cannot be decoded.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Its grey scale cannot be computed.
    #[error(transparent)]
    Window(#[from] WindowError),
    /// No region can be cut.
    #[error(transparent)]
    Roi(#[from] RoiError),
    /// It alone is too large for the memory there is.
    #[error("needs {need} bytes of memory to decode, limits.memory_mb leaves {have}")]
    Memory {
        /// What it takes.
        need: usize,
        /// What is there for all images being decoded.
        have: usize,
    },
    /// The stage panicked, which is a bug; its worker goes on from a pristine clone.
    #[error("panicked: {0}")]
    Panicked(String),
}

/// Why a run stops.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The configuration cannot run.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// A generated dataset cannot be made.
    #[error(transparent)]
    Synth(#[from] crate::dataset::synth::SynthError),
    /// Labels to measure against cannot be used.
    #[error(transparent)]
    Labels(#[from] crate::bench::labels::LabelsError),
    /// A file is there with another content than this run would give it.
    #[error("{path} is there already, with another content")]
    Conflict {
        /// The file.
        path: PathBuf,
    },
    /// A file is there that this program did not make.
    #[error(
        "{path} is there already and was not made by mammo-pipe; give another name, or --force \
         to replace it"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The release was begun under another plan.
    #[error(
        "{path} holds a release made otherwise:\n  {}\n\
         go back to that, write to another folder, or pass --new-release",
        differences.join("\n  ")
    )]
    PlanChanged {
        /// The release.
        path: PathBuf,
        /// What differs, a line each.
        differences: Vec<String>,
    },
    /// The output folder is in use for something else.
    #[error("{path} is not empty and holds no release; give an empty or new folder")]
    NotARelease {
        /// The folder.
        path: PathBuf,
    },
    /// Another run writes the release.
    #[error("{path}: another run is writing this release; wait for it or stop it")]
    Locked {
        /// The release.
        path: PathBuf,
    },
    /// There is no complete release.
    #[error(
        "{path} has no manifest.json: {}",
        if *started {
            "the release is not finished; run preprocess again to go on"
        } else {
            "it is no release"
        }
    )]
    NoManifest {
        /// The folder.
        path: PathBuf,
        /// Whether a run was begun there.
        started: bool,
    },
    /// The release is of a later version of the tool.
    #[error("{path} has format version {found}, this tool reads up to {known}")]
    NewerRelease {
        /// Its manifest.
        path: PathBuf,
        /// The version it names.
        found: u32,
        /// The version known here.
        known: u32,
    },
    /// The one file that was asked for is one that the pipeline sets aside.
    #[error("{path}")]
    Rejected {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<Reject>,
    },
    /// A file of the release is not the JSON it should be.
    #[error("{path}")]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        source: serde_json::Error,
    },
    /// The memory does not do for a single image.
    #[error("limits.memory_mb is {found_mb}, these settings and threads need {needed_mb}")]
    TooLittleMemory {
        /// What would do.
        needed_mb: usize,
        /// What was given.
        found_mb: usize,
    },
    /// Most images are rejected: it is not the images.
    #[error(
        "{rejected} of the first {seen} images are rejected, the last one by {last}; \
         see quarantine.csv, or raise limits.max_rejected_share"
    )]
    TooManyRejected {
        /// Rejected so far.
        rejected: usize,
        /// Seen so far.
        seen: usize,
        /// Stage and reason of the last.
        last: String,
    },
    /// A shard cannot be read or written.
    #[error("{path}: {reason}")]
    Shard {
        /// The shard.
        path: PathBuf,
        /// What the format's library said.
        reason: String,
    },
    /// A file of predictions holds something else.
    #[error("{path}: {reason}")]
    Predictions {
        /// The file.
        path: PathBuf,
        /// The first thing that is wrong with it.
        reason: String,
    },
    /// Predictions cannot be judged together.
    #[error(transparent)]
    Judge(#[from] crate::evaluate::JudgeError),
    /// Two runs cannot be compared.
    #[error("{first} and {second}: {source}")]
    Compare {
        /// The first run.
        first: PathBuf,
        /// The second.
        second: PathBuf,
        /// Why.
        source: crate::evaluate::compare::CompareError,
    },
    /// A submission or its labels are wrong.
    #[error(transparent)]
    Submission(#[from] crate::evaluate::submission::SubmissionError),
    /// A row of a shard is not what was written.
    #[error("{path}: row {row}, image {image_id}: {reason}")]
    Row {
        /// The shard.
        path: PathBuf,
        /// Which of its rows, from 0.
        row: usize,
        /// The image.
        image_id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Rows cannot be loaded as asked.
    #[error(transparent)]
    Loader(#[from] crate::loader::LoaderError),
    /// The tables are wrong.
    #[error(transparent)]
    Table(#[from] TableErrors),
    /// The patients cannot be divided as asked, or are not.
    #[error(transparent)]
    Folds(#[from] FoldsError),
    /// The network refused.
    #[error(transparent)]
    Model(#[from] crate::model::ModelError),
    /// A training run cannot start or go on.
    #[error(transparent)]
    Train(#[from] crate::train::TrainError),
    /// A sweep cannot begin or go on.
    #[error(transparent)]
    Sweep(#[from] crate::sweep::SweepError),
    /// Nothing can be explained.
    #[error(transparent)]
    Explain(#[from] crate::explain::ExplainError),
    /// Nothing can be predicted.
    #[error(transparent)]
    Predict(#[from] crate::predict::PredictError),
    /// The system refused a file operation.
    #[error("{path}")]
    Io {
        /// What it was about.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Fault {
    /// Adds the path to an input/output error, for `map_err`.
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

/// An error and all its causes on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
