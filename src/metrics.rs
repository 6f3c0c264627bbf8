//! Metrics of scores against labels.
//!
//! In: one score per item, higher for cancer, and its label; probabilities lie in [0, 1]. Out: a
//! number, or the reason why it is not defined ([`Undefined`]).
//!
//! Each metric has two forms: a function that returns an `Option`; and one that takes one weight
//! per item and scores sorted once, as a bootstrap of a thousand resamples needs.

mod decisions;
mod probability;
mod ranked;

use serde::Serialize;

pub use decisions::{BestF1, Confusion, GRID, Grid, all_positive_f1};
pub(crate) use probability::quantile;
pub use probability::{Bin, Binned, Binning, brier, ece, pf1, pf1_weighted, reliability};
pub use ranked::Ranked;

/// Why a metric is not defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[allow(missing_docs)]
pub enum Undefined {
    #[error("no items")]
    Empty,
    #[error("no positives")]
    NoPositives,
    #[error("no negatives")]
    NoNegatives,
    #[error("no item is predicted positive")]
    NothingCalled,
    #[error("a score is not a number")]
    NotANumber,
    #[error("no threshold: there is no other fold to choose it on")]
    NoThreshold,
    #[error("not calibrated: there is no other fold to choose the temperature on")]
    NoTemperature,
    #[error("every map is empty: no place raised the cancer score")]
    NoMap,
}

impl Serialize for Undefined {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The value of a metric, or the reason why it is not defined.
pub type MetricValue = Result<f64, Undefined>;

/// Area under the ROC curve, ties counted half; `None` without both positives and negatives.
pub fn auroc(scores: &[f64], labels: &[bool]) -> Option<f64> {
    Ranked::new(scores, labels).ok()?.auroc(&ones(scores)).ok()
}

/// Average precision, the area under the precision-recall curve without interpolation;
/// `None` without positives.
pub fn auprc(scores: &[f64], labels: &[bool]) -> Option<f64> {
    Ranked::new(scores, labels).ok()?.auprc(&ones(scores)).ok()
}

/// Area under the ROC curve up to the false positive rate `max_fpr`, McClish-standardised so
/// that chance is 0.5 and a perfect ranking 1; `None` without both positives and negatives.
pub fn partial_auroc(scores: &[f64], labels: &[bool], max_fpr: f64) -> Option<f64> {
    Ranked::new(scores, labels).ok()?.partial_auroc(&ones(scores), max_fpr).ok()
}

/// The highest sensitivity of any threshold whose specificity is at least `specificity`;
/// `None` without both positives and negatives.
pub fn sensitivity_at(scores: &[f64], labels: &[bool], specificity: f64) -> Option<f64> {
    Ranked::new(scores, labels).ok()?.sensitivity_at(&ones(scores), specificity).ok()
}

/// F1 at the best of the 50 evenly spaced thresholds k/49, of equal ones the lowest; `None`
/// without positives.
pub fn best_f1(probabilities: &[f64], labels: &[bool]) -> Option<BestF1> {
    Grid::new(probabilities, labels).ok()?.best_f1(&ones(probabilities)).ok()
}

/// Share of items predicted correctly at `threshold` (positive at or above it); `None` without
/// items.
pub fn accuracy(scores: &[f64], labels: &[bool], threshold: f64) -> Option<f64> {
    Confusion::at(scores, labels, threshold).ok()?.accuracy().ok()
}

/// Weight 1 for every item.
fn ones(scores: &[f64]) -> Vec<f64> {
    vec![1.0; scores.len()]
}

/// Refuses scores that are not numbers.
///
/// # Panics
/// Unless there is one label per score.
pub(crate) fn check(scores: &[f64], labels: &[bool]) -> Result<(), Undefined> {
    assert_eq!(scores.len(), labels.len(), "one label per score");
    match scores.iter().any(|score| score.is_nan()) {
        true => Err(Undefined::NotANumber),
        false => Ok(()),
    }
}

/// Weight of positives and of negatives, both above 0.
pub(crate) fn both(positives: f64, negatives: f64) -> Result<(f64, f64), Undefined> {
    match (positives > 0.0, negatives > 0.0) {
        (false, false) => Err(Undefined::Empty),
        (false, true) => Err(Undefined::NoPositives),
        (true, false) => Err(Undefined::NoNegatives),
        (true, true) => Ok((positives, negatives)),
    }
}

#[cfg(test)]
mod tests;
