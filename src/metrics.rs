//! Figures of merit: scores against labels.
//!
//! In: a score an item, higher for cancer, and whether it is cancer; scores that are called
//! probabilities lie in [0, 1]. Out: a number, or why there is none ([`Undefined`]).
//!
//! Each figure exists twice: as a function that gives an `Option`, and with a weight an item,
//! on scores that are sorted once, which is what a bootstrap of a thousand resamples needs.

mod decisions;
mod probability;
mod ranked;

use serde::Serialize;

pub use decisions::{BestF1, Confusion, GRID, Grid, all_positive_f1};
pub(crate) use probability::quantile;
pub use probability::{Bin, Binned, Binning, brier, ece, pf1, pf1_weighted, reliability};
pub use ranked::Ranked;

/// Why a figure has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[allow(missing_docs)]
pub enum Undefined {
    #[error("no items")]
    Empty,
    #[error("no positives")]
    NoPositives,
    #[error("no negatives")]
    NoNegatives,
    #[error("nothing is called positive")]
    NothingCalled,
    #[error("a score is not a number")]
    NotANumber,
    #[error("no threshold: there is no other fold to choose it on")]
    NoThreshold,
    #[error("not calibrated: there is no other fold to choose the temperature on")]
    NoTemperature,
    #[error("nothing speaks for cancer in any image")]
    NoMap,
}

impl Serialize for Undefined {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A figure, or why there is none.
pub type Figure = Result<f64, Undefined>;

/// Area under the ROC curve, ties counted half; `None` unless there are positives and negatives.
pub fn auroc(scores: &[f64], labels: &[bool]) -> Option<f64> {
    Ranked::new(scores, labels).ok()?.auroc(&ones(scores)).ok()
}

/// Average precision, the area under the precision-recall curve without interpolation;
/// `None` without positives.
pub fn auprc(scores: &[f64], labels: &[bool]) -> Option<f64> {
    Ranked::new(scores, labels).ok()?.auprc(&ones(scores)).ok()
}

/// Area under the ROC curve up to the false positive rate `max_fpr`, McClish-standardised so
/// that chance is 0.5 and a perfect ranking 1; `None` unless there are positives and negatives.
pub fn partial_auroc(scores: &[f64], labels: &[bool], max_fpr: f64) -> Option<f64> {
    Ranked::new(scores, labels).ok()?.partial_auroc(&ones(scores), max_fpr).ok()
}

/// The highest sensitivity of any threshold whose specificity is at least `specificity`;
/// `None` unless there are positives and negatives.
pub fn sensitivity_at(scores: &[f64], labels: &[bool], specificity: f64) -> Option<f64> {
    Ranked::new(scores, labels).ok()?.sensitivity_at(&ones(scores), specificity).ok()
}

/// F1 at the best of the 50 evenly spaced thresholds k/49, the lowest of equals; `None` without
/// positives.
pub fn best_f1(probabilities: &[f64], labels: &[bool]) -> Option<BestF1> {
    Grid::new(probabilities, labels).ok()?.best_f1(&ones(probabilities)).ok()
}

/// Share of items on the right side of `threshold` (positive from it upwards); `None` without
/// items.
pub fn accuracy(scores: &[f64], labels: &[bool], threshold: f64) -> Option<f64> {
    Confusion::at(scores, labels, threshold).ok()?.accuracy().ok()
}

/// A weight of one for each.
fn ones(scores: &[f64]) -> Vec<f64> {
    vec![1.0; scores.len()]
}

/// Refuses scores that are not numbers.
///
/// # Panics
/// If there is not one label a score.
pub(crate) fn check(scores: &[f64], labels: &[bool]) -> Result<(), Undefined> {
    assert_eq!(scores.len(), labels.len(), "one label a score");
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
