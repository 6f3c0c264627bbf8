//! DeLong's test for the difference of two AUROCs on the same items.
//!
//! In: two scores and one label per item. Out: both AUROCs, their difference, its standard error
//! and a two-sided p-value (DeLong, DeLong and Clarke-Pearson 1988, by the midranks of Sun and Xu
//! 2014, in O(n log n)).
//!
//! The test assumes independent items. The two breasts of a patient are nearly independent, her
//! images are not: for images use the paired bootstrap of [`compare`](super::compare()).

use serde::Serialize;

use crate::metrics::Undefined;

/// Outcome of the test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DeLong {
    /// AUROC of each score.
    pub auroc: [f64; 2],
    /// Second minus first.
    pub difference: f64,
    /// Standard error of the difference.
    pub standard_error: f64,
    /// Two-sided; `None` if both scores rank all items the same way, so that there is nothing to
    /// test.
    pub p_value: Option<f64>,
}

/// Compares two scores of the same items.
///
/// # Errors
/// [`Undefined`] without both positives and negatives, and for scores that are NaN.
///
/// # Panics
/// Unless there are two scores and one label per item.
pub fn delong(a: &[f64], b: &[f64], labels: &[bool]) -> Result<DeLong, Undefined> {
    assert!(a.len() == labels.len() && b.len() == labels.len(), "one score and label per item");
    let [a, b] = [Components::new(a, labels)?, Components::new(b, labels)?];
    let [positives, negatives] = [a.positives.len() as f64, a.negatives.len() as f64];
    let auroc = [mean(&a.positives), mean(&b.positives)];
    let difference: fn(&[f64], &[f64]) -> Vec<f64> =
        |a, b| a.iter().zip(b).map(|(a, b)| b - a).collect();
    // The variance of a difference is that of the differences of the components.
    let variance = sample_variance(&difference(&a.positives, &b.positives)) / positives
        + sample_variance(&difference(&a.negatives, &b.negatives)) / negatives;
    let (difference, standard_error) = (auroc[1] - auroc[0], variance.sqrt());
    let p_value = (variance > 0.0).then(|| two_sided(difference / standard_error));
    Ok(DeLong { auroc, difference, standard_error, p_value })
}

/// For each positive the share of negatives with a lower score, and for each negative the share of
/// positives with a higher score.
struct Components {
    positives: Vec<f64>,
    negatives: Vec<f64>,
}

impl Components {
    fn new(scores: &[f64], labels: &[bool]) -> Result<Self, Undefined> {
        crate::metrics::check(scores, labels)?;
        let of = |class: bool| {
            let both = scores.iter().zip(labels).filter(|(_, label)| **label == class);
            both.map(|(score, _)| *score).collect::<Vec<f64>>()
        };
        let (positives, negatives) = (of(true), of(false));
        crate::metrics::both(positives.len() as f64, negatives.len() as f64)?;
        let (ranks, own_positive, own_negative) =
            (midranks(scores), midranks(&positives), midranks(&negatives));
        let share = |class: bool, own: &[f64], others: usize| {
            let ranked = ranks.iter().zip(labels).filter(|(_, label)| **label == class);
            ranked.zip(own).map(|((all, _), own)| (all - own) / others as f64).collect::<Vec<f64>>()
        };
        let beaten = share(false, &own_negative, positives.len());
        Ok(Self {
            positives: share(true, &own_positive, negatives.len()),
            negatives: beaten.into_iter().map(|share| 1.0 - share).collect(),
        })
    }
}

/// Ranks from 1, the mean rank where scores are equal.
fn midranks(scores: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let mut ranks = vec![0.0; scores.len()];
    let mut below = 0;
    for alike in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let rank = below as f64 + (alike.len() + 1) as f64 / 2.0;
        alike.iter().for_each(|&item| ranks[item] = rank);
        below += alike.len();
    }
    ranks
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// With the divisor n - 1, as in DeLong's paper; 0 for a single value.
fn sample_variance(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    squares / (values.len().max(2) - 1) as f64
}

/// The probability that a standard normal number lies at least as far from 0 as `z`.
pub(super) fn two_sided(z: f64) -> f64 {
    let x = z.abs() * std::f64::consts::FRAC_1_SQRT_2;
    let scale = (-x * x).exp() / std::f64::consts::PI.sqrt();
    if x < 2.5 {
        // erf x = 2 e^(-x^2) / sqrt(pi) * sum of (2^n x^(2n+1) / (2n+1)!!) (Abramowitz and
        // Stegun 7.1.6): all terms are positive.
        let terms = std::iter::successors(Some((x, 1.0)), |(term, odd)| {
            Some((term * 2.0 * x * x / (odd + 2.0), odd + 2.0))
        });
        1.0 - 2.0 * scale * terms.take(80).map(|(term, _)| term).sum::<f64>()
    } else {
        // erfc x = e^(-x^2) / sqrt(pi) / (x + (1/2)/(x + (2/2)/(x + ...))) (7.1.14).
        scale / (1..=80).rev().fold(x, |tail, n| x + f64::from(n) / 2.0 / tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scores_share_their_mean_rank() {
        assert_eq!(midranks(&[0.3, 0.1, 0.3, 0.9, 0.3]), [3.0, 1.0, 3.0, 5.0, 3.0]);
    }

    #[test]
    fn the_normal_tail_is_that_of_scipy() {
        // scipy 1.17.1: 2 * scipy.stats.norm.sf(z)
        for (z, p) in [
            (0.0, 1.0),
            (0.5, 0.6170750774519738),
            (-1.959963984540054, 0.05),
            (3.5, 0.00046525815807105003),
            (3.6, 0.00031821718031506727),
            (8.0, 1.244192114854348e-15),
        ] {
            let found = two_sided(z);
            assert!((found - p).abs() < 1e-12 * p + 1e-15, "{z}: {found} is not {p}");
        }
    }

    #[test]
    fn two_scores_that_rank_alike_cannot_be_told_apart() {
        let labels = [true, false, true, false, false];
        let a = [0.9, 0.2, 0.4, 0.5, 0.1];
        let b = a.map(|score| score * score / 2.0);
        let same = delong(&a, &b, &labels).unwrap();
        assert_eq!((same.difference, same.standard_error, same.p_value), (0.0, 0.0, None));
        assert_eq!(delong(&a, &b, &[true; 5]), Err(Undefined::NoNegatives));
    }
}
