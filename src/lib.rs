//! Screening mammograms in DICOM to verified training shards.
//!
//! The modules stand in the order in which data flow through them; `ARCHITECTURE.md` has
//! the picture.

pub mod config;
pub mod error;
pub mod plane;
pub mod picture;
pub mod record;
pub mod units;
pub mod flow;
mod random;
pub mod store;
pub mod dicom;
pub mod dataset;
pub mod preprocess;
pub mod shard;
pub mod loader;
pub mod model;
pub mod train;
pub mod evaluate;
pub mod sweep;
pub mod predict;
pub mod explain;
pub mod report;
pub mod bench;
pub mod cli;
