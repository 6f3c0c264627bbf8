//! What the networks of a run say of the locked split, as one opinion.
//!
//! In: `fold-<k>/locked.parquet` of every fold that is through. Out: one prediction an image.
//! Probabilities are averaged and the logit is that of the average, as [`predict`](crate::predict)
//! does with images of new patients: what is judged here is what `predict` would say. Every
//! network speaks at the epoch that its own held-out fold chose; the locked split chose nothing.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::dataset::Role;
use crate::error::Fault;
use crate::predictions::PredictionsError;
use crate::predictions::{self, Prediction, logit};
use crate::train::folder::RunFolder;
use crate::train::run::RunFacts;

/// Whose networks spoke of the locked split.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Spoke {
    /// Networks whose probabilities are averaged.
    pub networks: usize,
    /// Networks of the run that have not spoken of it; finishing the run lets them.
    pub silent: usize,
    /// Whether the run locked patients away at all.
    pub has_locked: bool,
}

impl Spoke {
    /// Whether the run would have more to say.
    pub fn is_incomplete(&self) -> bool {
        self.has_locked && self.silent > 0
    }
}

/// The mean of what the networks of the run in `run` say of its locked split.
///
/// # Errors
/// [`PredictionsError`] if they spoke of different images; those of reading.
pub fn read(run: &Path, facts: &RunFacts) -> Result<(Vec<Prediction>, Spoke), Fault> {
    let path = |fold: &Option<u16>| RunFolder::new(run).fold(*fold).locked();
    let paths: Vec<PathBuf> =
        facts.held_out.iter().map(path).filter(|path| path.exists()).collect();
    let mut said = paths.iter().map(|path| predictions::read(path));
    let mut mean = said.next().transpose()?.unwrap_or_default();
    for (said, path) in said.zip(paths.iter().skip(1)) {
        add(&mut mean, said?).map_err(|reason| PredictionsError { path: path.clone(), reason })?;
    }
    for prediction in &mut mean {
        prediction.role = Role::Locked;
        prediction.probability /= paths.len() as f64;
        // One network's logit is exact, the logit of its sigmoid is not.
        if paths.len() > 1 {
            prediction.logit = logit(prediction.probability);
        }
    }
    let silent = facts.held_out.len() - paths.len();
    Ok((mean, Spoke { networks: paths.len(), silent, has_locked: facts.has_locked() }))
}

/// Adds another network's probabilities to `sum`, image by image.
fn add(sum: &mut [Prediction], said: Vec<Prediction>) -> Result<(), String> {
    let by_image: HashMap<&str, f64> =
        said.iter().map(|p| (p.record.image_id.as_str(), p.probability)).collect();
    if by_image.len() != sum.len() {
        return Err(format!("{} images, another fold's has {}", by_image.len(), sum.len()));
    }
    for prediction in sum {
        let id = prediction.record.image_id.as_str();
        let probability = by_image.get(id);
        let probability = probability.ok_or_else(|| format!("image {id} is in another fold's"))?;
        prediction.probability += probability;
    }
    Ok(())
}
