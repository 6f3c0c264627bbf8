//! Ensemble predictions for the locked split of a run.
//!
//! In: `fold-<k>/locked.parquet` of every finished fold. Out: one prediction per image. The
//! probabilities of the networks are averaged and the logit is that of the mean, as
//! [`predict`](crate::predict) does for images of new patients, so this evaluates what `predict`
//! would return. Each network is that of the best epoch on its own held-out fold; nothing is
//! chosen on the locked split.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::dataset::Role;
use crate::error::Fault;
use crate::predictions::PredictionsError;
use crate::predictions::{self, Prediction, logit};
use crate::train::folder::RunFolder;
use crate::train::run::RunFacts;

/// The networks evaluated on the locked split.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LockedNetworks {
    /// Networks whose probabilities are averaged.
    pub evaluated_networks: usize,
    /// Networks of the run without predictions for the locked split; finishing the run makes them.
    pub not_evaluated: usize,
    /// Whether the run has a locked split.
    pub has_locked_split: bool,
}

impl LockedNetworks {
    /// Whether some networks of the run are not evaluated yet.
    pub fn is_incomplete(&self) -> bool {
        self.has_locked_split && self.not_evaluated > 0
    }
}

/// The mean prediction of the networks of the run in `run` for its locked split.
///
/// # Errors
/// [`PredictionsError`] if they have predictions of different images; those of reading.
pub fn read(run: &Path, facts: &RunFacts) -> Result<(Vec<Prediction>, LockedNetworks), Fault> {
    let path = |fold: &Option<u16>| RunFolder::new(run).fold(*fold).locked();
    let paths: Vec<PathBuf> =
        facts.held_out.iter().map(path).filter(|path| path.exists()).collect();
    let mut networks = paths.iter().map(|path| predictions::read(path));
    let mut mean = networks.next().transpose()?.unwrap_or_default();
    for (predictions, path) in networks.zip(paths.iter().skip(1)) {
        add(&mut mean, predictions?)
            .map_err(|reason| PredictionsError { path: path.clone(), reason })?;
    }
    for prediction in &mut mean {
        prediction.role = Role::Locked;
        prediction.probability /= paths.len() as f64;
        // With one network its own logit is kept: the logit of its sigmoid has rounding errors.
        if paths.len() > 1 {
            prediction.logit = logit(prediction.probability);
        }
    }
    let networks = LockedNetworks {
        evaluated_networks: paths.len(),
        not_evaluated: facts.held_out.len() - paths.len(),
        has_locked_split: facts.has_locked(),
    };
    Ok((mean, networks))
}

/// Adds another network's probabilities to `sum`, image by image.
fn add(sum: &mut [Prediction], other: Vec<Prediction>) -> Result<(), String> {
    let by_image: HashMap<&str, f64> =
        other.iter().map(|p| (p.record.image_id.as_str(), p.probability)).collect();
    if by_image.len() != sum.len() {
        return Err(format!(
            "has {} images, the file of another fold has {}",
            by_image.len(),
            sum.len()
        ));
    }
    for prediction in sum {
        let id = prediction.record.image_id.as_str();
        let probability = by_image.get(id);
        let probability = probability
            .ok_or_else(|| format!("has no image {id}, the file of another fold has it"))?;
        prediction.probability += probability;
    }
    Ok(())
}
