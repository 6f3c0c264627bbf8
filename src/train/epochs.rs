//! The predictions of every epoch for the held-out images, saved in the folder of a fold.

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
