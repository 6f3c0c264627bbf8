//! Where a network looks: class activation maps, on the crop and on the source.
//!
//! In: what a [`Backbone`](crate::model::Backbone) left at a [`Tap`](crate::model::Tap), and a
//! row of the release. Out: a [`gradcam`] map of the crop, 0 to 1; its share inside the breast;
//! pictures of it; and a DICOM secondary capture that files into the source's study.
//!
//! A map says which places moved the score of this network. It does not say that there is a
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
pub use run::{explain, look_at_all};
