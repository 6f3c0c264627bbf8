//! How good a model is, and how sure one can be of it.
//!
//! In: [`predictions`], a row an image, as a training run leaves them for every held-out fold.
//! Out: figures of merit by image, breast and patient. What a figure is not defined for has
//! none: an AUROC without positives is `None`, never 0.5.

pub mod metrics;
pub mod predictions;
