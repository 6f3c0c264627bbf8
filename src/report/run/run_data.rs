//! The data of a run, read once for its page and its model card.
//!
//! In: the folder of a run, and its release if it is available. Data that are not there (a fold
//! without predictions, maps, a release that was moved) are absent with a reason, because a page can
//! be written at any time.

use std::path::{Path, PathBuf};

use super::{Fold, read_fold};
use crate::error::{Fault, chain};
use crate::evaluate::locked::LockedNetworks;
use crate::evaluate::run::{Epoch, EpochRule, load};
use crate::evaluate::{Bootstrap, Evaluation, evaluate};
use crate::explain::maps;
use crate::explain::{Explanation, INDEX};
use crate::predict::networks;
use crate::predictions::Prediction;
use crate::shard::manifest::Counts;
use crate::shard::release::read_manifest;
use crate::shard::table::Table;
use crate::store;
use crate::store::start::without_place;
use crate::train::folder::RunFolder;
use crate::train::run::{RunFacts, read_facts};

/// The data of a run.
pub struct RunData {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Settings and provenance, as in `run.json`.
    pub facts: RunFacts,
    /// The training logs of its folds.
    pub folds: Vec<Fold>,
    /// Its evaluation; `None` before the first fold has predictions.
    pub evaluated: Option<Evaluated>,
    /// The release that it was trained on, with the run's folds, or why it cannot be read.
    pub release: Result<Release, String>,
    /// SHA-256 of `best.safetensors` of each fold, where there is one.
    pub weights: Vec<(Option<u16>, Option<String>)>,
    /// The maps that `explain` made.
    pub maps: Vec<FoldMaps>,
    /// The share of the maps' energy inside the breast, or why it is not known.
    pub energy: Result<maps::RunMaps, maps::NoMaps>,
}

/// An evaluation with its predictions.
pub struct Evaluated {
    /// The metrics.
    pub evaluation: Evaluation,
    /// How the epoch was selected.
    pub epoch: Epoch,
    /// The predictions that were evaluated.
    pub predictions: Vec<Prediction>,
    /// The networks evaluated on the locked split.
    pub locked_networks: LockedNetworks,
}

/// The release that a run was trained on.
pub struct Release {
    /// Its rows.
    pub table: Table,
    /// The number of images by outcome.
    pub counts: Counts,
}

/// The maps that `explain` made for a fold.
pub struct FoldMaps {
    /// The folder of the pictures.
    pub folder: PathBuf,
    /// The content of `explain.json`.
    pub explanation: Explanation,
}

impl RunData {
    /// Reads the data. `release` is the folder of the release, if it is not where the run found it.
    ///
    /// # Errors
    /// A [`Fault`] if the folder holds no run, or predictions that cannot be evaluated.
    pub fn read(
        folder: &Path,
        release: Option<&Path>,
        bootstrap: &Bootstrap,
    ) -> Result<Self, Fault> {
        let facts = read_facts(folder)?;
        let folds = facts.held_out.iter().map(|&held_out| read_fold(folder, held_out));
        let folds = folds.collect::<Result<Vec<_>, Fault>>()?;
        let of = |fold: Option<u16>| RunFolder::new(folder).fold(fold);
        let held_out = || facts.held_out.iter().copied();
        let is_evaluated = held_out().any(|fold| {
            let on_fold = fold.is_some() && of(fold).validation().exists();
            on_fold || of(fold).locked().exists()
        });
        let evaluated = is_evaluated.then(|| Evaluated::read(folder, bootstrap)).transpose()?;
        let sha256 = |fold: Option<u16>| -> Result<_, Fault> {
            let path = of(fold).best();
            if !path.exists() {
                return Ok((fold, None));
            }
            let weights = std::fs::read(&path).map_err(Fault::io(&path))?;
            Ok((fold, Some(store::sha256(&weights))))
        };
        Ok(Self {
            name: folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned(),
            folder: folder.into(),
            folds,
            evaluated,
            release: Release::read(release.unwrap_or(&facts.release), &facts),
            weights: held_out().map(sha256).collect::<Result<_, Fault>>()?,
            energy: maps::of_run(folder, &facts, bootstrap)?,
            maps: held_out().flatten().filter_map(|fold| FoldMaps::read(folder, fold)).collect(),
            facts,
        })
    }
}

impl Evaluated {
    fn read(folder: &Path, bootstrap: &Bootstrap) -> Result<Self, Fault> {
        let loaded = load(folder, EpochRule::CrossFitted)?;
        let (evaluation, _) = evaluate(&loaded.predictions, loaded.given, bootstrap)?;
        Ok(Self {
            evaluation,
            epoch: loaded.epoch,
            predictions: loaded.predictions,
            locked_networks: loaded.locked_networks,
        })
    }
}

impl Release {
    fn read(folder: &Path, facts: &RunFacts) -> Result<Self, String> {
        let reason = |fault: Fault| chain(&fault);
        if !folder.exists() {
            let folder = without_place(folder);
            return Err(format!(
                "{folder} does not exist; give the release's folder with --release DIR"
            ));
        }
        let table = Table::read(folder).map_err(reason)?;
        if table.plan_sha256 != facts.release_plan_sha256 {
            return Err(format!(
                "{} has now another plan ({}) than when the run was trained ({})",
                without_place(folder),
                table.plan_sha256,
                facts.release_plan_sha256
            ));
        }
        let counts = read_manifest(folder).map_err(reason)?.counts;
        Ok(Self { table: networks::with_folds(table, facts).map_err(reason)?, counts })
    }
}

impl FoldMaps {
    /// The maps of a fold; `None` if there are none, or if another version made them.
    fn read(run: &Path, fold: u16) -> Option<Self> {
        let folder = RunFolder::new(run).fold(Some(fold)).maps();
        let text = std::fs::read(folder.join(INDEX)).ok()?;
        Some(Self { explanation: serde_json::from_slice(&text).ok()?, folder })
    }
}
