//! What every epoch predicted for the images held out, kept in a fold's folder.

use super::folder::FoldFolder;
use crate::error::Fault;
use crate::predictions::{self, Prediction};

/// Keeps what the network of an epoch (from 0) predicted, through `.tmp` in the fold's folder.
///
/// # Errors
/// [`Fault::Io`].
pub fn keep_epoch(
    fold: &FoldFolder,
    epoch: usize,
    predictions: &[Prediction],
) -> Result<(), Fault> {
    let path = fold.epoch(epoch);
    let folder = path.parent().expect("it lies in a folder of epochs");
    std::fs::create_dir_all(folder).map_err(Fault::io(folder))?;
    predictions::write(fold.path(), &path, predictions)
}
