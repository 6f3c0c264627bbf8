//! What the epochs leave in the folder of a fold: weights, and predictions for the held-out images.

use super::checkpoint::Checkpoint;
use super::folder::FoldFolder;
use crate::error::Fault;
use crate::predictions::{self, Prediction};

/// Saves the predictions of an epoch, counted from 1. Writes through `.tmp` in the fold's folder.
///
/// # Errors
/// [`Fault::Io`].
pub fn keep_epoch(
    fold: &FoldFolder,
    epoch: usize,
    predictions: &[Prediction],
) -> Result<(), Fault> {
    let path = fold.epoch(epoch);
    let folder = path.parent().expect("it is in a folder of epochs");
    std::fs::create_dir_all(folder).map_err(Fault::io(folder))?;
    predictions::write(fold.path(), &path, predictions)
}

/// Checks that what the first `epochs` epochs left is as it was written: a run that resumes would
/// keep it. `held_out` says whether they made predictions.
///
/// # Errors
/// [`Fault::Io`] for a file that is gone; [`TrainError::Checkpoint`](super::TrainError::Checkpoint),
/// [`PredictionsError`](predictions::PredictionsError).
pub fn check(fold: &FoldFolder, epochs: usize, held_out: bool) -> Result<(), Fault> {
    if epochs == 0 {
        return Ok(());
    }
    for weights in [fold.last(), fold.best()] {
        Checkpoint::read(&weights)?;
    }
    if held_out {
        predictions::read(&fold.validation())?;
        for epoch in 1..=epochs {
            predictions::read(&fold.epoch(epoch))?;
        }
    }
    Ok(())
}
