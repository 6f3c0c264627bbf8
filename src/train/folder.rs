//! The folders of a run and of its folds, and the name of every file in them.
//!
//! A file of any other name is the user's: `RunFolder::contents` tells them apart, so that nobody
//! else's file is removed with a run.

use std::path::{Path, PathBuf};

use crate::error::Fault;
use crate::store;

/// The name of the file with the output of a run in the background.
pub(super) const LOG: &str = "run.log";

const FACTS: &str = "run.json";
const STATUS: &str = "status.json";
const STARTS: &str = "starts.jsonl";
const REPORT: &str = "report.html";
const MODEL_CARD: &str = "model_card.md";
const EPOCHS: &str = "epochs";
const MAPS: &str = "explain";

const METRICS: &str = "metrics.jsonl";
const STATE: &str = "last.state";
const PREVIOUS_STATE: &str = "previous.state";
const LAST: &str = "last.safetensors";
const BEST: &str = "best.safetensors";
const VALIDATION: &str = "validation.parquet";
const LOCKED: &str = "locked.parquet";

/// The file that describes the explained images, in the folder of a fold's maps.
pub const MAPS_INDEX: &str = "explain.json";
/// The file with the share of every image, in the same folder.
pub const MAPS_ENERGY: &str = "energy.parquet";
/// What the names of pictures of explained images begin with: why the image was selected.
pub const MAPS_KINDS: [&str; 4] =
    ["true_positive", "false_negative", "false_positive", "hard_negative"];

/// The folder of a run, which may not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// The run in `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether the folder holds a run.
    pub fn is_begun(&self) -> bool {
        self.facts().exists()
    }

    /// The file with release, settings and folds of the run.
    pub fn facts(&self) -> PathBuf {
        self.0.join(FACTS)
    }

    /// The file with the progress of the run.
    pub fn status(&self) -> PathBuf {
        self.0.join(STATUS)
    }

    /// When, how and on what the run was started and resumed, one line each.
    pub fn starts(&self) -> PathBuf {
        self.0.join(STARTS)
    }

    /// The output of a run in the background.
    pub fn log(&self) -> PathBuf {
        self.0.join(LOG)
    }

    /// The report page.
    pub fn report(&self) -> PathBuf {
        self.0.join(REPORT)
    }

    /// The model card.
    pub fn model_card(&self) -> PathBuf {
        self.0.join(MODEL_CARD)
    }

    /// What is in the folder; nothing if there is no folder. Links are not followed.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub(super) fn contents(&self, known: Known) -> Result<Contents, Fault> {
        let mut contents = Contents::default();
        if self.0.exists() {
            contents.read(&self.0, Place::Run, known)?;
        }
        Ok(contents)
    }

    /// The number of folds with a trained network, whatever `run.json` says of the folds.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub(super) fn networks(&self) -> Result<usize, Fault> {
        Ok(self.folds()?.iter().filter(|fold| fold.best().exists()).count())
    }

    /// The folders of folds that are there, whatever `run.json` says of the folds.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub(super) fn folds(&self) -> Result<Vec<FoldFolder>, Fault> {
        let mut folds = Vec::new();
        for entry in std::fs::read_dir(&self.0).map_err(Fault::io(&self.0))? {
            let entry = entry.map_err(Fault::io(&self.0))?;
            if is_fold(&entry.file_name().to_string_lossy()) {
                folds.push(FoldFolder::new(entry.path()));
            }
        }
        Ok(folds)
    }

    /// The folder of a fold; `None` for the network trained on all folds.
    pub fn fold(&self, fold: Option<u16>) -> FoldFolder {
        FoldFolder(self.0.join(fold.map_or("fold-none".to_owned(), |fold| format!("fold-{fold}"))))
    }
}

/// The folder of a fold of a run, which may not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldFolder(PathBuf);

impl FoldFolder {
    /// The fold in `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The log: one line per step and per epoch.
    pub fn metrics(&self) -> PathBuf {
        self.0.join(METRICS)
    }

    /// The saved state that a run resumes from.
    pub fn state(&self) -> PathBuf {
        self.0.join(STATE)
    }

    /// The state that was saved before [`FoldFolder::state`], which stands in for a damaged one.
    pub fn previous_state(&self) -> PathBuf {
        self.0.join(PREVIOUS_STATE)
    }

    /// The weights of the last epoch.
    pub fn last(&self) -> PathBuf {
        self.0.join(LAST)
    }

    /// The weights of the best epoch.
    pub fn best(&self) -> PathBuf {
        self.0.join(BEST)
    }

    /// Predictions of the best network for the held-out images.
    pub fn validation(&self) -> PathBuf {
        self.0.join(VALIDATION)
    }

    /// Predictions of the best network for the locked split.
    pub fn locked(&self) -> PathBuf {
        self.0.join(LOCKED)
    }

    /// Predictions of the network of an epoch, counted from 1, for the held-out images.
    pub fn epoch(&self, epoch: usize) -> PathBuf {
        self.0.join(EPOCHS).join(format!("epoch-{epoch:03}.parquet"))
    }

    /// The attention maps of the best network.
    pub fn maps(&self) -> PathBuf {
        self.0.join(MAPS)
    }
}

/// Which files count as a run's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Those that training writes.
    OfTraining,
    /// Those, and what `evaluate`, `report` and `explain` write into the run.
    WithOutputs,
}

/// What is in the folder of a run.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The files of the run.
    pub files: Vec<PathBuf>,
    /// The folders of the run, each after the folders in it.
    pub folders: Vec<PathBuf>,
    /// Whatever else is there: its folder, and its name.
    pub foreign: Option<(PathBuf, String)>,
}

impl Contents {
    fn read(&mut self, folder: &Path, place: Place, known: Known) -> Result<(), Fault> {
        let entries = std::fs::read_dir(folder).map_err(Fault::io(folder))?;
        for entry in entries {
            let entry = entry.map_err(Fault::io(folder))?;
            let (path, name) = (entry.path(), entry.file_name());
            let kind = entry.file_type().map_err(Fault::io(&path))?;
            // A name that is not Unicode is not ours.
            let name_of_ours = name.to_str().unwrap_or_default();
            let below = place.folder(name_of_ours, known).filter(|_| kind.is_dir());
            if let Some(below) = below {
                self.read(&path, below, known)?;
                self.folders.push(path);
            } else if !kind.is_dir() && place.has(name_of_ours, known) && !is_used_lock(&path) {
                self.files.push(path);
            } else {
                let name = name.to_string_lossy().into_owned();
                self.foreign.get_or_insert((folder.into(), name));
            }
        }
        Ok(())
    }
}

/// A folder of a run, by the names that it has.
#[derive(Debug, Clone, Copy)]
enum Place {
    Run,
    Fold,
    Epochs,
    Maps,
    /// The temporary files of the run.
    AsideOfRun,
    /// The temporary files of a fold.
    AsideOfFold,
}

impl Place {
    /// Whether the run has a file of this name here.
    fn has(self, name: &str, known: Known) -> bool {
        match self {
            Self::Run => {
                [FACTS, STATUS, STARTS, LOG, store::LOCK].contains(&name)
                    || known == Known::WithOutputs && is_output(permanent(name))
            }
            Self::Fold => {
                [METRICS, STATE, PREVIOUS_STATE, LAST, BEST, VALIDATION, LOCKED].contains(&name)
                    || is_events(name)
            }
            Self::Epochs => is_epoch(name),
            Self::Maps => is_map(permanent(name)),
            Self::AsideOfRun => {
                [FACTS, STATUS, REPORT, MODEL_CARD].contains(&store::permanent_name(name))
            }
            Self::AsideOfFold => {
                let name = store::permanent_name(name);
                Self::Fold.has(name, known) || is_epoch(name)
            }
        }
    }

    /// The folder of this name here, if the run has it.
    fn folder(self, name: &str, known: Known) -> Option<Self> {
        match (self, name) {
            (Self::Run, store::ASIDE) => Some(Self::AsideOfRun),
            (Self::Run, name) if is_fold(name) => Some(Self::Fold),
            (Self::Fold, store::ASIDE) => Some(Self::AsideOfFold),
            (Self::Fold, EPOCHS) => Some(Self::Epochs),
            (Self::Fold, MAPS) if known == Known::WithOutputs => Some(Self::Maps),
            _ => None,
        }
    }
}

/// Whether a fold writes a temporary file of this name.
pub(super) fn is_temporary_of_fold(name: &str) -> bool {
    Place::AsideOfFold.has(name, Known::OfTraining)
}

/// The name of the file whose temporary file, written beside it by [`store::put`], has this name;
/// any other name stays.
fn permanent(name: &str) -> &str {
    name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp")).unwrap_or(name)
}

/// Whether this is a file named like the lock with something in it: a lock is always empty.
fn is_used_lock(path: &Path) -> bool {
    path.ends_with(store::LOCK) && std::fs::symlink_metadata(path).is_ok_and(|file| file.len() > 0)
}

fn is_fold(name: &str) -> bool {
    let number = |number: &str| number.parse().is_ok_and(|k: u16| k.to_string() == number);
    name.strip_prefix("fold-").is_some_and(|fold| fold == "none" || number(fold))
}

fn is_epoch(name: &str) -> bool {
    let number = name.strip_prefix("epoch-").and_then(|name| name.strip_suffix(".parquet"));
    number.is_some_and(|number| number.len() >= 3 && is_number(number))
}

fn is_events(name: &str) -> bool {
    let step = name.strip_prefix("events.out.tfevents.");
    step.and_then(|step| step.strip_suffix(".mammo-pipe")).is_some_and(is_number)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit())
}

/// A file that `evaluate` or `report` writes.
fn is_output(name: &str) -> bool {
    ["evaluation.json", "predictions.parquet", REPORT, MODEL_CARD].contains(&name)
        || name.starts_with("compared-with-") && name.ends_with(".html")
}

/// A file that `explain` writes.
fn is_map(name: &str) -> bool {
    let is_of_kind =
        |kind: &&str| name.strip_prefix(*kind).is_some_and(|image| image.starts_with('-'));
    [MAPS_INDEX, MAPS_ENERGY].contains(&name)
        || (name.ends_with(".png") || name.ends_with(".dcm")) && MAPS_KINDS.iter().any(is_of_kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_only_looks_like_a_run_s_is_not_one() {
        let ours = ["fold-0", "fold-12", "fold-none"];
        assert!(ours.into_iter().all(is_fold));
        let other = ["fold-", "fold-00", "fold-+1", "fold-a", "fold-0.bak", "fold-99999", "folds"];
        assert!(!other.into_iter().any(is_fold));
        assert!(is_epoch("epoch-001.parquet") && is_epoch("epoch-1000.parquet"));
        assert!(!is_epoch("epoch-1.parquet") && !is_epoch("epoch-best.parquet"));
        assert!(is_events("events.out.tfevents.0000000300.mammo-pipe"));
        assert!(!is_events("events.out.tfevents.1700000000.laptop"));
        assert!(is_map("false_negative-123-source.dcm") && is_map("explain.json"));
        assert!(!is_map("figure.png") && !is_map("true_positives.png"));
        assert_eq!(permanent(".report.html.tmp"), "report.html");
    }
}
