//! Turns screening mammograms in DICOM into verified training shards, trains a network on them and
//! evaluates it.
//!
//! The modules are listed from the ground up: each names only modules listed before it
//! (`tests/layers.rs` checks that). `ARCHITECTURE.md` has a drawing.

// Units, errors, numbers as text, random numbers, rows of the table: used everywhere.
pub mod units;
pub mod error;
pub mod number;
mod random;
pub mod record;
// Ordered multi-threaded work, atomic file writes, DICOM writing, metrics.
pub mod flow;
pub mod store;
pub mod dicom;
pub mod metrics;
// The network with its heads, the settings, and images in memory.
pub mod model;
pub mod config;
pub mod image;
// The dataset's table and files; the format of a release.
pub mod dataset;
pub mod shard;
// The preprocessing of images; generated datasets; the survey of a dataset.
pub mod preprocess;
pub mod synth;
pub mod inspect;
// Batches for training, predictions of a network, the training loop, prediction for new images.
pub mod loader;
pub mod predictions;
pub mod train;
pub mod predict;
// Evaluation, attention maps, the sweep over auxiliary weights, benchmarks.
pub mod evaluate;
pub mod explain;
pub mod sweep;
pub mod bench;
// HTML pages and the command line.
pub mod report;
pub mod cli;
