//! How well the pipeline does, held to references.

pub mod labels;
pub mod roi;
