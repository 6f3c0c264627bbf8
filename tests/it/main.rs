//! The tests of the library and the program as others use them, in one binary: to link it once is
//! what a change costs.
//!
//! A test that needs a process of its own stands beside this folder (`tests/memory.rs` measures
//! the peak of its process).

#[path = "../common/mod.rs"]
mod common;

mod audit;
mod bad_files;
mod bombs;
mod cli;
mod comparison;
mod conservation;
mod corpus;
mod damaged_runs;
mod data_sample;
mod dataset;
mod decode;
mod decode_truth;
mod dicom_peer;
mod evaluate;
mod explain;
#[cfg(target_os = "linux")]
mod faults;
mod field_files;
mod first_hour;
mod flag_rates;
mod flow;
mod honesty;
mod identifiers;
mod inspect;
mod interop;
mod lesions;
mod loader;
mod locked;
mod metrics;
mod near_misses;
mod pages;
mod power_loss;
mod precision;
mod predict;
mod prefix;
mod read;
mod render;
mod report;
mod resume;
mod roi;
mod run_report;
mod shapes;
mod snapshots;
mod storage;
mod sweep;
mod teaching;
mod train;
mod version;
mod wrong_usage;
