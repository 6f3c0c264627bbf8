//! How good a model is, and how sure one can be of it.
//!
//! In: [`predictions`], a row an image, as a training run leaves them for every held-out fold.
//! Out: an [`Evaluation`] by image, breast and patient, every figure with an interval from
//! resampled patients. What a figure is not defined for has none, and the reason: an AUROC
//! without positives is null, never 0.5. What is chosen (threshold, temperature) is chosen on
//! other patients than it is judged on.
//!
//! Reading order: `metrics` (a number from scores and labels), `bootstrap` (its interval),
//! `choice` and `calibration` (what is frozen, and by whom), `figures` (all numbers of one set
//! of items), `judge` (the whole), then `run` and `locked` (what it is read from), `maps` (where it
//! looks), `curves`, `compare`,
//! `sweep` and `submission`.

pub mod bootstrap;
pub mod calibration;
pub mod choice;
pub mod figures;
pub mod subgroups;
pub mod judge;
pub mod locked;
pub mod run;
pub mod curves;
pub mod delong;
pub mod compare;
pub mod sweep;
pub mod submission;

pub use bootstrap::{Bootstrap, Estimate};
pub use choice::Given;
pub use compare::{Comparison, compare};
pub use judge::{Evaluation, JudgeError, judge};
