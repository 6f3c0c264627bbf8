//! The folders of a run and of its folds, and the name of every file in them.

use std::path::{Path, PathBuf};

/// Where a run is, or is to be.
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

    /// Whether a run was begun here.
    pub fn is_begun(&self) -> bool {
        self.facts().exists()
    }

    /// What the run is: release, settings, folds.
    pub fn facts(&self) -> PathBuf {
        self.0.join("run.json")
    }

    /// How far it is.
    pub fn status(&self) -> PathBuf {
        self.0.join("status.json")
    }

    /// What a run in the background prints.
    pub fn log(&self) -> PathBuf {
        self.0.join("run.log")
    }

    /// The page to look at.
    pub fn report(&self) -> PathBuf {
        self.0.join("report.html")
    }

    /// The model card.
    pub fn model_card(&self) -> PathBuf {
        self.0.join("model_card.md")
    }

    /// The folder of a fold; `None` is the network trained on all patients.
    pub fn fold(&self, fold: Option<u16>) -> FoldFolder {
        FoldFolder(self.0.join(fold.map_or("fold-none".to_owned(), |fold| format!("fold-{fold}"))))
    }
}

/// Where a fold of a run is, or is to be.
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

    /// A line for every step and every epoch.
    pub fn metrics(&self) -> PathBuf {
        self.0.join("metrics.jsonl")
    }

    /// All that the training needs to go on.
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

    /// What the best network predicts for the images held out.
    pub fn validation(&self) -> PathBuf {
        self.0.join("validation.parquet")
    }

    /// What the best network predicts for the locked split.
    pub fn locked(&self) -> PathBuf {
        self.0.join("locked.parquet")
    }

    /// Predictions of the network of an epoch, counted from 1, for the held-out images.
    pub fn epoch(&self, epoch: usize) -> PathBuf {
        self.0.join("epochs").join(format!("epoch-{epoch:03}.parquet"))
    }

    /// The maps of the best network.
    pub fn maps(&self) -> PathBuf {
        self.0.join("explain")
    }
}
