//! Class activation maps, on the crop and on the source image.
//!
//! In: activation and gradient that a [`Backbone`](crate::model::Backbone) stored at a
//! [`Tap`](crate::model::Tap), and a row of the release. Out: a [`gradcam`] map of the crop, 0 to 1;
//! the share of its energy inside the breast; pictures of it; and a DICOM secondary capture in the
//! source's study.
//!
//! A map shows which places raised the score of this network. It does not show that there is a
//! lesion.

pub mod gradcam;
pub mod maps;
pub mod place;
pub mod colour;
pub mod energy;
pub mod overlay;
pub mod select;
pub mod source;
pub mod secondary_capture;
mod error;
mod explanation;
mod run;

pub use error::ExplainError;
pub use explanation::{
    DEFAULT_COUNT, DEFAULT_LAYER, Explained, Explanation, INDEX, Request, ThresholdFrom,
};
pub use run::{explain, measure_energy};
