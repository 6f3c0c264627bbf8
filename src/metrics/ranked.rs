//! Metrics that depend on the order of the scores alone: the areas under the curves and points on
//! the curves.
//!
//! In: scores and labels, sorted once. Out: metrics for any weights of the items, each in one
//! pass. A weight is how often a resample drew the item. A weight of 2 counts like two equal
//! items, as with scikit-learn's `sample_weight`.

use super::{MetricValue, Undefined, both, check};

/// Scores in descending order, with their labels.
#[derive(Debug, Clone)]
pub struct Ranked {
    /// Items, highest score first.
    order: Vec<u32>,
    /// Their labels, in that order.
    positive: Vec<bool>,
    /// Whether the next item has a lower score, so that a threshold can lie between them.
    ends_tie: Vec<bool>,
    /// Their scores, in that order.
    scores: Vec<f64>,
}

/// A threshold, and the weights of the items at or above it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    /// Index in the order of the last item at or above the threshold.
    at: usize,
    true_positives: f64,
    false_positives: f64,
}

impl Ranked {
    /// Sorts the scores.
    ///
    /// # Errors
    /// [`Undefined::NotANumber`].
    ///
    /// # Panics
    /// Unless there is one label per score.
    pub fn new(scores: &[f64], labels: &[bool]) -> Result<Self, Undefined> {
        check(scores, labels)?;
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        order.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]));
        let sorted: Vec<f64> = order.iter().map(|&i| scores[i as usize]).collect();
        let last = sorted.len().wrapping_sub(1);
        Ok(Self {
            positive: order.iter().map(|&i| labels[i as usize]).collect(),
            ends_tie: (0..sorted.len()).map(|i| i == last || sorted[i] > sorted[i + 1]).collect(),
            scores: sorted,
            order,
        })
    }

    /// Weight of the positives and of the negatives.
    fn totals(&self, weights: &[f64]) -> (f64, f64) {
        let (mut positives, mut all) = (0.0, 0.0);
        for (&item, &positive) in self.order.iter().zip(&self.positive) {
            let weight = weights[item as usize];
            all += weight;
            positives += if positive { weight } else { 0.0 };
        }
        (positives, all - positives)
    }

    /// Visits every possible threshold, from the highest score down.
    fn walk(&self, weights: &[f64], mut visit: impl FnMut(Point)) {
        let mut point = Point { at: 0, true_positives: 0.0, false_positives: 0.0 };
        for (at, (&item, &positive)) in self.order.iter().zip(&self.positive).enumerate() {
            let weight = weights[item as usize];
            point.true_positives += if positive { weight } else { 0.0 };
            point.false_positives += if positive { 0.0 } else { weight };
            if self.ends_tie[at] {
                point.at = at;
                visit(point);
            }
        }
    }

    /// Area under the ROC curve, ties counted half (the Mann-Whitney statistic).
    ///
    /// # Errors
    /// [`Undefined`] unless there are positives and negatives.
    pub fn auroc(&self, weights: &[f64]) -> MetricValue {
        let (positives, negatives) = self.totals(weights);
        let (positives, negatives) = both(positives, negatives)?;
        let (mut area, mut tp, mut fp) = (0.0, 0.0, 0.0);
        self.walk(weights, |point| {
            area += (point.false_positives - fp) * (point.true_positives + tp);
            (tp, fp) = (point.true_positives, point.false_positives);
        });
        Ok(area / (2.0 * positives * negatives))
    }

    /// Area under the ROC curve up to the false positive rate `max_fpr`, standardised by
    /// McClish (1989), as `roc_auc_score(max_fpr=...)` of scikit-learn: 0.5 is chance, 1
    /// perfect.
    ///
    /// # Errors
    /// [`Undefined`] unless there are positives and negatives.
    ///
    /// # Panics
    /// Unless `max_fpr` is above 0 and at most 1.
    pub fn partial_auroc(&self, weights: &[f64], max_fpr: f64) -> MetricValue {
        assert!(max_fpr > 0.0 && max_fpr <= 1.0, "a false positive rate above 0, at most 1");
        let (positives, negatives) = self.totals(weights);
        let (positives, negatives) = both(positives, negatives)?;
        let (mut area, mut tpr, mut fpr) = (0.0, 0.0, 0.0);
        self.walk(weights, |point| {
            let (next_tpr, next_fpr) =
                (point.true_positives / positives, point.false_positives / negatives);
            if fpr < max_fpr && next_fpr > fpr {
                // The last stretch ends at `max_fpr`, on the straight line to the next point.
                let width = next_fpr.min(max_fpr) - fpr;
                let rise = (next_tpr - tpr) * width / (next_fpr - fpr);
                area += width * (tpr + rise / 2.0);
            }
            (tpr, fpr) = (next_tpr, next_fpr);
        });
        let chance = max_fpr * max_fpr / 2.0;
        Ok((1.0 + (area - chance) / (max_fpr - chance)) / 2.0)
    }

    /// Average precision: the precision at each threshold, weighted by the recall that it
    /// adds, as `average_precision_score` of scikit-learn.
    ///
    /// # Errors
    /// [`Undefined`] without positives.
    pub fn auprc(&self, weights: &[f64]) -> MetricValue {
        let (positives, negatives) = self.totals(weights);
        needs_positives(positives, negatives)?;
        let (mut area, mut tp) = (0.0, 0.0);
        self.walk(weights, |point| {
            if point.true_positives > tp {
                let called = point.true_positives + point.false_positives;
                area += (point.true_positives - tp) * (point.true_positives / called);
                tp = point.true_positives;
            }
        });
        Ok(area / positives)
    }

    /// The highest sensitivity of any threshold whose specificity is at least `specificity`:
    /// a point of the ROC curve, not between two.
    ///
    /// # Errors
    /// [`Undefined`] unless there are positives and negatives.
    pub fn sensitivity_at(&self, weights: &[f64], specificity: f64) -> MetricValue {
        let (positives, negatives) = self.totals(weights);
        let (positives, negatives) = both(positives, negatives)?;
        // 1 - 0.9 is not 0.1 in binary, and a threshold exactly at it counts.
        let allowed = (1.0 - specificity + 1e-12) * negatives;
        let mut best = 0.0;
        self.walk(weights, |point| {
            if point.false_positives <= allowed {
                best = point.true_positives;
            }
        });
        Ok(best / positives)
    }

    /// The threshold with the highest F1, of all scores; of equal ones the highest. It is chosen on
    /// one part of the data and applied to another.
    ///
    /// # Errors
    /// [`Undefined`] without positives.
    pub fn best_threshold(&self, weights: &[f64]) -> MetricValue {
        let (positives, negatives) = self.totals(weights);
        needs_positives(positives, negatives)?;
        let (mut best, mut threshold) = (-1.0, f64::NAN);
        self.walk(weights, |point| {
            let tp = point.true_positives;
            let f1 = 2.0 * tp / (tp + point.false_positives + positives);
            if f1 > best {
                (best, threshold) = (f1, self.scores[point.at]);
            }
        });
        Ok(threshold)
    }

    /// False and true positive rate at every threshold, from (0, 0) to (1, 1).
    ///
    /// # Errors
    /// [`Undefined`] unless there are positives and negatives.
    pub fn roc(&self, weights: &[f64]) -> Result<Vec<[f64; 2]>, Undefined> {
        let (positives, negatives) = self.totals(weights);
        let (positives, negatives) = both(positives, negatives)?;
        let mut curve = vec![[0.0, 0.0]];
        self.walk(weights, |p| {
            curve.push([p.false_positives / negatives, p.true_positives / positives]);
        });
        Ok(curve)
    }

    /// Recall and precision at every threshold, from the highest score down.
    ///
    /// # Errors
    /// [`Undefined`] without positives.
    pub fn precision_recall(&self, weights: &[f64]) -> Result<Vec<[f64; 2]>, Undefined> {
        let (positives, negatives) = self.totals(weights);
        needs_positives(positives, negatives)?;
        let mut curve = Vec::new();
        self.walk(weights, |p| {
            let called = p.true_positives + p.false_positives;
            if called > 0.0 {
                curve.push([p.true_positives / positives, p.true_positives / called]);
            }
        });
        Ok(curve)
    }
}

/// Refuses weights without a positive.
fn needs_positives(positives: f64, negatives: f64) -> Result<(), Undefined> {
    match both(positives, negatives) {
        Err(Undefined::NoNegatives) | Ok(_) => Ok(()),
        Err(other) => Err(other),
    }
}
