//! Training: a release of shards becomes a model.

pub mod checkpoint;
mod error;
pub mod log;
pub mod loss;
pub mod objective;
pub mod run;
pub mod schedule;
pub mod state;
pub mod tensorboard;
mod tensors;
pub mod validate;

pub use error::TrainError;
