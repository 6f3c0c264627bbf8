//! What is known of a run, gathered once for its page and its model card.
//!
//! In: the folder of a run, and its release if it can be reached. What is not there (a fold that
//! was not judged, maps that nobody made, a release that was moved) is absent with a reason, for
//! a page may be asked for at any time.

use std::path::{Path, PathBuf};

use super::{Fold, read_fold};
use crate::error::{Fault, chain};
use crate::evaluate::locked::Spoke;
use crate::evaluate::run::{Epoch, Which, load};
use crate::evaluate::{Bootstrap, Evaluation, judge};
use crate::explain::maps;
use crate::explain::{Explanation, INDEX};
use crate::predict::networks;
use crate::predictions::Prediction;
use crate::shard::manifest::Counts;
use crate::shard::release::read_manifest;
use crate::shard::table::Table;
use crate::store;
use crate::train::folder::RunFolder;
use crate::train::run::{RunFacts, read_facts};

/// A run.
pub struct Story {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// What it is.
    pub facts: RunFacts,
    /// What its folds logged.
    pub folds: Vec<Fold>,
    /// How good it is; `None` before a fold was judged.
    pub judged: Option<Judgement>,
    /// What it was trained on, with the folds as the run had them, or why that cannot be read.
    pub release: Result<Release, String>,
    /// SHA-256 of `best.safetensors` of each fold, where there is one.
    pub weights: Vec<(Option<u16>, Option<String>)>,
    /// The maps that `explain` made.
    pub maps: Vec<Maps>,
    /// How much of all maps lies inside the breast, or why that is not known.
    pub energy: Result<maps::Maps, maps::NoMaps>,
}

/// The figures, and what they are of.
pub struct Judgement {
    /// The figures.
    pub evaluation: Evaluation,
    /// Who chose the epoch.
    pub epoch: Epoch,
    /// What was judged.
    pub predictions: Vec<Prediction>,
    /// Whose networks spoke of the locked split.
    pub spoke: Spoke,
}

/// The release that a run was trained on.
pub struct Release {
    /// Its rows.
    pub table: Table,
    /// What became of every image listed.
    pub counts: Counts,
}

/// What `explain` left for a fold.
pub struct Maps {
    /// Where the pictures are.
    pub folder: PathBuf,
    /// What they show.
    pub explanation: Explanation,
}

impl Story {
    /// Gathers it. `release` is where it is now, if not where the run found it.
    ///
    /// # Errors
    /// A [`Fault`] if the folder holds no run, or predictions that cannot be judged.
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
        let is_judged = held_out().any(|fold| {
            let on_fold = fold.is_some() && of(fold).validation().exists();
            on_fold || of(fold).locked().exists()
        });
        let judged = is_judged.then(|| Judgement::read(folder, bootstrap)).transpose()?;
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
            judged,
            release: Release::read(release.unwrap_or(&facts.release), &facts),
            weights: held_out().map(sha256).collect::<Result<_, Fault>>()?,
            energy: maps::of_run(folder, &facts, bootstrap)?,
            maps: held_out().flatten().filter_map(|fold| Maps::read(folder, fold)).collect(),
            facts,
        })
    }
}

impl Judgement {
    fn read(folder: &Path, bootstrap: &Bootstrap) -> Result<Self, Fault> {
        let loaded = load(folder, Which::CrossFitted)?;
        let (evaluation, _) = judge(&loaded.predictions, loaded.given, bootstrap)?;
        Ok(Self {
            evaluation,
            epoch: loaded.epoch,
            predictions: loaded.predictions,
            spoke: loaded.spoke,
        })
    }
}

impl Release {
    fn read(folder: &Path, facts: &RunFacts) -> Result<Self, String> {
        let told = |fault: Fault| chain(&fault);
        if !folder.exists() {
            let folder = folder.display();
            return Err(format!("{folder} is not there; say where it is with --release DIR"));
        }
        let table = Table::read(folder).map_err(told)?;
        if table.plan_sha256 != facts.release_plan_sha256 {
            return Err(format!(
                "{} has another plan now ({}) than when the run was trained on it ({})",
                folder.display(),
                table.plan_sha256,
                facts.release_plan_sha256
            ));
        }
        let counts = read_manifest(folder).map_err(told)?.counts;
        Ok(Self { table: networks::with_folds(table, facts).map_err(told)?, counts })
    }
}

impl Maps {
    /// Of a fold; `None` where there are none, or those of another version of the tool.
    fn read(run: &Path, fold: u16) -> Option<Self> {
        let folder = RunFolder::new(run).fold(Some(fold)).maps();
        let text = std::fs::read(folder.join(INDEX)).ok()?;
        Some(Self { explanation: serde_json::from_slice(&text).ok()?, folder })
    }
}
