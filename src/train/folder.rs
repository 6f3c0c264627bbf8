//! The folders of a run and of its folds, and the name of every file in them.

use std::path::{Path, PathBuf};

/// The name of the file with the output of a run in the background.
pub(super) const LOG: &str = "run.log";

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
        self.0.join("run.json")
    }

    /// The file with the progress of the run.
    pub fn status(&self) -> PathBuf {
        self.0.join("status.json")
    }

    /// When, how and on what the run was started and resumed, one line each.
    pub fn starts(&self) -> PathBuf {
        self.0.join("starts.jsonl")
    }

    /// The output of a run in the background.
    pub fn log(&self) -> PathBuf {
        self.0.join(LOG)
    }

    /// The report page.
    pub fn report(&self) -> PathBuf {
        self.0.join("report.html")
    }

    /// The model card.
    pub fn model_card(&self) -> PathBuf {
        self.0.join("model_card.md")
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
        self.0.join("metrics.jsonl")
    }

    /// The saved state that a run resumes from.
    pub fn state(&self) -> PathBuf {
        self.0.join("last.state")
    }

    /// The weights of the last epoch.
    pub fn last(&self) -> PathBuf {
        self.0.join("last.safetensors")
    }

    /// The weights of the best epoch.
    pub fn best(&self) -> PathBuf {
        self.0.join("best.safetensors")
    }

    /// Predictions of the best network for the held-out images.
    pub fn validation(&self) -> PathBuf {
        self.0.join("validation.parquet")
    }

    /// Predictions of the best network for the locked split.
    pub fn locked(&self) -> PathBuf {
        self.0.join("locked.parquet")
    }

    /// Predictions of the network of an epoch, counted from 1, for the held-out images.
    pub fn epoch(&self, epoch: usize) -> PathBuf {
        self.0.join("epochs").join(format!("epoch-{epoch:03}.parquet"))
    }

    /// The attention maps of the best network.
    pub fn maps(&self) -> PathBuf {
        self.0.join("explain")
    }
}
