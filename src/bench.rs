//! Benchmarks: the quality and the speed of parts of the pipeline, compared with references.

pub mod labels;
pub mod loader;
pub mod roi;
pub mod storage;
pub mod train;
