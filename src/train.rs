//! Training: a release of shards becomes a model.

pub mod loss;
pub mod objective;
pub mod schedule;
pub mod tensorboard;
