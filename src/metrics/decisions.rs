//! Metrics of the confusion matrix.
//!
//! In: scores and a threshold, or decisions. Out: the confusion matrix and the metrics that follow
//! from it. An item at the threshold is predicted positive.

use serde::Serialize;

use super::{MetricValue, Undefined, check};

/// Number of thresholds of the grid: k/49 for k from 0 to 49.
pub const GRID: usize = 50;

/// The confusion matrix, in items or weights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Confusion {
    /// Cancer, predicted positive.
    pub true_positives: f64,
    /// No cancer, predicted positive.
    pub false_positives: f64,
    /// Cancer, predicted negative.
    pub false_negatives: f64,
    /// No cancer, predicted negative.
    pub true_negatives: f64,
}

impl Confusion {
    /// Predicts positive every item with a score of at least `threshold`.
    ///
    /// # Errors
    /// [`Undefined::NotANumber`].
    pub fn at(scores: &[f64], labels: &[bool], threshold: f64) -> Result<Self, Undefined> {
        check(scores, labels)?;
        let mut confusion = Self::default();
        for (score, &label) in scores.iter().zip(labels) {
            confusion.add(label, *score >= threshold, 1.0);
        }
        Ok(confusion)
    }

    /// Counts given decisions.
    pub fn of(decisions: &[bool], labels: &[bool], weights: &[f64]) -> Self {
        let mut confusion = Self::default();
        for ((&called, &label), &weight) in decisions.iter().zip(labels).zip(weights) {
            confusion.add(label, called, weight);
        }
        confusion
    }

    fn add(&mut self, label: bool, called: bool, weight: f64) {
        *match (label, called) {
            (true, true) => &mut self.true_positives,
            (false, true) => &mut self.false_positives,
            (true, false) => &mut self.false_negatives,
            (false, false) => &mut self.true_negatives,
        } += weight;
    }

    fn positives(&self) -> f64 {
        self.true_positives + self.false_negatives
    }

    fn negatives(&self) -> f64 {
        self.false_positives + self.true_negatives
    }

    fn all(&self) -> f64 {
        self.positives() + self.negatives()
    }

    /// Harmonic mean of sensitivity and PPV; 0 if no item is predicted positive.
    ///
    /// # Errors
    /// [`Undefined`] without positives.
    pub fn f1(&self) -> MetricValue {
        let tp = self.true_positives;
        match (self.positives() > 0.0, self.all() > 0.0) {
            (true, _) => Ok(2.0 * tp / (2.0 * tp + self.false_positives + self.false_negatives)),
            (false, true) => Err(Undefined::NoPositives),
            (false, false) => Err(Undefined::Empty),
        }
    }

    /// Share of items predicted correctly.
    ///
    /// # Errors
    /// [`Undefined::Empty`].
    pub fn accuracy(&self) -> MetricValue {
        share(self.true_positives + self.true_negatives, self.all(), Undefined::Empty)
    }

    /// Share of the items with cancer that are predicted positive.
    ///
    /// # Errors
    /// [`Undefined`] without positives.
    pub fn sensitivity(&self) -> MetricValue {
        share(self.true_positives, self.positives(), Undefined::NoPositives)
    }

    /// Share of the items without cancer that are predicted negative.
    ///
    /// # Errors
    /// [`Undefined`] without negatives.
    pub fn specificity(&self) -> MetricValue {
        share(self.true_negatives, self.negatives(), Undefined::NoNegatives)
    }

    /// Share of items predicted positive: patients recalled for further examination.
    ///
    /// # Errors
    /// [`Undefined::Empty`].
    pub fn recall_rate(&self) -> MetricValue {
        share(self.true_positives + self.false_positives, self.all(), Undefined::Empty)
    }

    /// Positive predictive value: the share of the items predicted positive that have cancer.
    ///
    /// # Errors
    /// [`Undefined::NothingCalled`].
    pub fn ppv(&self) -> MetricValue {
        let called = self.true_positives + self.false_positives;
        share(self.true_positives, called, Undefined::NothingCalled)
    }
}

fn share(part: f64, whole: f64, otherwise: Undefined) -> MetricValue {
    if whole > 0.0 { Ok(part / whole) } else { Err(otherwise) }
}

/// F1 if all items are predicted positive at prevalence p, 2p / (1 + p): the reference for any F1.
pub fn all_positive_f1(prevalence: f64) -> f64 {
    2.0 * prevalence / (1.0 + prevalence)
}

/// F1 at the best of the thresholds k/49.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BestF1 {
    /// F1.
    pub f1: f64,
    /// Accuracy at the same threshold.
    pub accuracy: f64,
    /// The threshold, k/49; of equal ones the lowest.
    pub threshold: f64,
}

/// For each probability the number of thresholds k/49 that it reaches: counted once for any
/// weights.
#[derive(Debug, Clone)]
pub struct Grid {
    /// Number of thresholds reached, and the label.
    items: Vec<(u8, bool)>,
}

impl Grid {
    /// Counts for each probability the thresholds at or below it.
    ///
    /// # Errors
    /// [`Undefined::NotANumber`].
    pub fn new(probabilities: &[f64], labels: &[bool]) -> Result<Self, Undefined> {
        check(probabilities, labels)?;
        let reached = |p: f64| (0..GRID).filter(|&k| p >= threshold(k)).count() as u8;
        let items = probabilities.iter().zip(labels).map(|(&p, &label)| (reached(p), label));
        Ok(Self { items: items.collect() })
    }

    /// The confusion matrix at each threshold, from k = 0.
    pub fn confusions(&self, weights: &[f64]) -> [Confusion; GRID] {
        let mut histogram = [[0.0; 2]; GRID + 1];
        for (&(reached, label), weight) in self.items.iter().zip(weights) {
            histogram[usize::from(reached)][usize::from(label)] += weight;
        }
        let all = histogram.iter().fold([0.0; 2], |a, b| [a[0] + b[0], a[1] + b[1]]);
        let mut below = [0.0; 2];
        std::array::from_fn(|k| {
            below = [below[0] + histogram[k][0], below[1] + histogram[k][1]];
            Confusion {
                true_positives: all[1] - below[1],
                false_positives: all[0] - below[0],
                false_negatives: below[1],
                true_negatives: below[0],
            }
        })
    }

    /// F1 at the best threshold of the grid.
    ///
    /// # Errors
    /// [`Undefined`] without positives.
    pub fn best_f1(&self, weights: &[f64]) -> Result<BestF1, Undefined> {
        let confusions = self.confusions(weights);
        let mut best: Option<BestF1> = None;
        for (k, confusion) in confusions.iter().enumerate() {
            let f1 = confusion.f1()?;
            if best.is_none_or(|best| f1 > best.f1) {
                let accuracy = confusion.accuracy()?;
                best = Some(BestF1 { f1, accuracy, threshold: threshold(k) });
            }
        }
        Ok(best.expect("the grid has thresholds"))
    }
}

/// The threshold of index `k`.
fn threshold(k: usize) -> f64 {
    k as f64 / (GRID - 1) as f64
}
