//! Metrics that depend on the probabilities themselves, not on their order alone.
//!
//! In: probabilities and labels. Out: pF1, the Brier score, the reliability curve and the
//! expected calibration error. The metrics of a resample take weights, as in
//! [`Ranked`](super::Ranked).

use serde::Serialize;

use super::{MetricValue, Undefined, check, ones};

/// Probabilistic F1, the metric of the RSNA competition. Every item counts as a positive
/// prediction by its probability, clipped to [0, 1]; 0 if all positives have probability 0. `None`
/// without positives.
pub fn pf1(probabilities: &[f64], labels: &[bool]) -> Option<f64> {
    check(probabilities, labels).ok()?;
    pf1_weighted(probabilities, labels, &ones(probabilities)).ok()
}

/// [`pf1`] with weights: `2 PR / (P + R)`, where `true` is the sum of the probabilities of
/// positives and `false` that of negatives, the precision P is `true / (true + false)` and the
/// recall R is `true / positives`.
///
/// # Errors
/// [`Undefined`] without positives.
pub fn pf1_weighted(probabilities: &[f64], labels: &[bool], weights: &[f64]) -> MetricValue {
    let (mut all, mut positives, mut called_true, mut called) = (0.0, 0.0, 0.0, 0.0);
    for ((p, &label), weight) in probabilities.iter().zip(labels).zip(weights) {
        let share = weight * p.clamp(0.0, 1.0);
        all += weight;
        called += share;
        if label {
            positives += weight;
            called_true += share;
        }
    }
    match (positives > 0.0, all > 0.0) {
        (false, false) => Err(Undefined::Empty),
        (false, true) => Err(Undefined::NoPositives),
        // The harmonic mean of precision and recall, written without dividing twice.
        (true, _) if called_true > 0.0 => Ok(2.0 * called_true / (called + positives)),
        (true, _) => Ok(0.0),
    }
}

/// Brier score: mean squared distance of probability and outcome.
///
/// # Errors
/// [`Undefined::Empty`].
pub fn brier(probabilities: &[f64], labels: &[bool], weights: &[f64]) -> MetricValue {
    let (mut sum, mut all) = (0.0, 0.0);
    for ((p, &label), weight) in probabilities.iter().zip(labels).zip(weights) {
        sum += weight * (p - f64::from(u8::from(label))).powi(2);
        all += weight;
    }
    if all > 0.0 { Ok(sum / all) } else { Err(Undefined::Empty) }
}

/// How [0, 1] is divided into bins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binning {
    /// This number of bins of equal width.
    SameWidth(usize),
    /// This number of bins with about equal numbers of items. At 2 % positives nearly all items
    /// lie in the first bins of equal width, which hides how they are calibrated.
    SameCount(usize),
}

/// One point of a reliability curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bin {
    /// Lower edge; it belongs to the first bin only.
    pub above: f64,
    /// Upper edge, which belongs to the bin.
    pub up_to: f64,
    /// Number of items, or sum of their weights.
    pub n: f64,
    /// Mean of their probabilities.
    pub probability: f64,
    /// Share of the items that are positive.
    pub observed: f64,
}

impl Binning {
    /// Edges of the bins in ascending order, computed with the same rounding as numpy, because an
    /// item may lie on an edge.
    fn edges(self, probabilities: &[f64]) -> Vec<f64> {
        match self {
            Self::SameWidth(bins) => (0..=bins).map(|k| even(k, bins)).collect(),
            Self::SameCount(bins) => {
                let mut sorted = probabilities.to_vec();
                sorted.sort_by(f64::total_cmp);
                (0..=bins).map(|k| quantile(&sorted, even(k, bins) * 100.0 / 100.0)).collect()
            }
        }
    }
}

/// `linspace(0, 1, bins + 1)[k]`.
fn even(k: usize, bins: usize) -> f64 {
    if k == bins { 1.0 } else { k as f64 * (1.0 / bins as f64) }
}

/// The quantile `q` of sorted values, with linear interpolation (numpy's default); NaN without
/// values.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = last as f64 * q;
    let below = (place.floor() as usize).min(last);
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    let t = place - below as f64;
    // numpy starts from the nearer end, so that t = 1 gives the end exactly.
    if t < 0.5 { low + (high - low) * t } else { high - (high - low) * (1.0 - t) }
}

/// The reliability curve: bins in ascending order, empty ones left out.
///
/// # Errors
/// [`Undefined::NotANumber`]; [`Undefined::Empty`].
pub fn reliability(
    probabilities: &[f64],
    labels: &[bool],
    binning: Binning,
) -> Result<Vec<Bin>, Undefined> {
    Binned::new(probabilities, labels, binning)?.bins(&ones(probabilities))
}

/// Expected calibration error: the mean over the bins, weighted by their items, of the distance
/// between mean probability and share of positives (Guo et al. 2017).
///
/// # Errors
/// [`Undefined::NotANumber`]; [`Undefined::Empty`].
pub fn ece(probabilities: &[f64], labels: &[bool], binning: Binning) -> MetricValue {
    Binned::new(probabilities, labels, binning)?.ece(&ones(probabilities))
}

/// Items sorted into bins once, for any weights.
#[derive(Debug, Clone)]
pub struct Binned {
    /// Bin, probability, label.
    items: Vec<(u32, f64, bool)>,
    edges: Vec<f64>,
}

impl Binned {
    /// Puts every item into its bin: the first whose upper edge is not below the item.
    ///
    /// # Errors
    /// [`Undefined::NotANumber`].
    pub fn new(
        probabilities: &[f64],
        labels: &[bool],
        binning: Binning,
    ) -> Result<Self, Undefined> {
        check(probabilities, labels)?;
        let edges = binning.edges(probabilities);
        let inner = &edges[1..edges.len() - 1];
        let bin = |p: f64| inner.partition_point(|edge| *edge < p) as u32;
        let items = probabilities.iter().zip(labels).map(|(&p, &label)| (bin(p), p, label));
        Ok(Self { items: items.collect(), edges })
    }

    /// The bins that are not empty.
    ///
    /// # Errors
    /// [`Undefined::Empty`].
    pub fn bins(&self, weights: &[f64]) -> Result<Vec<Bin>, Undefined> {
        let mut sums = vec![[0.0; 3]; self.edges.len() - 1];
        for (&(bin, p, label), weight) in self.items.iter().zip(weights) {
            let sum = &mut sums[bin as usize];
            sum[0] += weight;
            sum[1] += weight * p;
            sum[2] += if label { *weight } else { 0.0 };
        }
        let bins = sums.iter().zip(self.edges.windows(2)).filter(|([n, ..], _)| *n > 0.0);
        let bins: Vec<Bin> = bins
            .map(|(&[n, p, positive], edge)| Bin {
                above: edge[0],
                up_to: edge[1],
                n,
                probability: p / n,
                observed: positive / n,
            })
            .collect();
        if bins.is_empty() { Err(Undefined::Empty) } else { Ok(bins) }
    }

    /// [`ece`] with weights.
    ///
    /// # Errors
    /// [`Undefined::Empty`].
    pub fn ece(&self, weights: &[f64]) -> MetricValue {
        let bins = self.bins(weights)?;
        let all: f64 = bins.iter().map(|bin| bin.n).sum();
        Ok(bins.iter().map(|bin| bin.n / all * (bin.observed - bin.probability).abs()).sum())
    }
}
