//! Evaluation: the performance of a model, with confidence intervals.
//!
//! In: [predictions](crate::predictions), one row per image, as a training run writes them for every held-out fold.
//! Out: an [`Evaluation`] by image, breast and patient, every metric with an interval from
//! resampled patients. A metric that is not defined has no value, but a reason: an AUROC without
//! positives is null, never 0.5. Threshold and temperature are always chosen on other patients
//! than those they are applied to.
//!
//! Reading order: `metrics` (a number from scores and labels), `bootstrap` (its interval),
//! `choice` and `calibration` (threshold and temperature), `metric_set` (all metrics of one set of
//! items), `evaluation` (all levels, folds and subgroups), `chance` (what they show), then `run` and `locked` (how the
//! predictions of a run are read), `curves`, `compare`, `sweep` and `submission`.

pub mod bootstrap;
pub mod calibration;
pub mod choice;
pub mod metric_set;
pub mod subgroups;
pub mod evaluation;
pub mod chance;
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
pub use evaluation::{Evaluation, EvaluationError, evaluate};
