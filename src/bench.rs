//! How well and how fast the pipeline does, held to references.

pub mod labels;
pub mod loader;
pub mod roi;
pub mod train;
