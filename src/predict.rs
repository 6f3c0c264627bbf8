//! What trained networks say of images that may be new.
//!
//! In: networks, and images from a release's shards or straight from DICOM files, which the
//! preprocess graph turns into the very bytes that the shards would hold. Out: a [`Prediction`]
//! an image, and from those a submission, one row a breast.
//!
//! A network never speaks of a patient that it was trained on, whichever way her images come.

pub mod ensemble;
pub mod source;
pub mod submission;

use crate::dataset::Role;
use crate::preprocess::resize::Pixels;
use crate::record::ImageRecord;

pub use crate::evaluate::predictions::Prediction;

/// One image as a network is fed it.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// What the table says.
    pub record: ImageRecord,
    /// What it is for.
    pub role: Role,
    /// The output of the preprocess graph.
    pub pixels: Pixels,
}
