//! Screening mammograms in DICOM to verified training shards.
//!
//! The modules stand on floors, from the ground up: each names only those listed before it
//! (`tests/layers.rs` sees to that). `ARCHITECTURE.md` has the picture.

// What everything speaks.
pub mod units;
pub mod error;
pub mod number;
mod random;
pub mod record;
// Work moved in order, bytes put in place, DICOM elements written, figures of merit.
pub mod flow;
pub mod store;
pub mod dicom;
pub mod metrics;
// The network, what was typed and checked, planes and geometry.
pub mod model;
pub mod config;
pub mod image;
// Table and files to jobs; the release's format.
pub mod dataset;
pub mod shard;
// One image through all stages; phantoms; what is in a dataset.
pub mod preprocess;
pub mod synth;
pub mod inspect;
// Batches; what a network said; the loop; new images.
pub mod loader;
pub mod predictions;
pub mod train;
pub mod predict;
// How good, where it looks, the report's experiment, how fast.
pub mod evaluate;
pub mod explain;
pub mod sweep;
pub mod bench;
// Pages and commands.
pub mod report;
pub mod cli;
