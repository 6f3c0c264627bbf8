//! ROC and precision-recall curves, with a confidence band from resampled patients.
//!
//! In: [`Items`]. Out: a [`Band`] on a grid of false positive rates, or of recalls.

use serde::Serialize;

use super::bootstrap::Bootstrap;
use crate::metrics::{Ranked, Undefined, quantile};
use crate::predictions::Items;

/// A curve over evenly spaced points, with an interval at each.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Band {
    /// False positive rate, or recall.
    pub x: Vec<f64>,
    /// True positive rate, or precision.
    pub y: Vec<f64>,
    /// Lower end of the interval at each point.
    pub low: Vec<f64>,
    /// Upper end.
    pub high: Vec<f64>,
}

/// The kind of curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// True positive rate over false positive rate, linear between thresholds.
    Roc,
    /// Precision over recall: at each recall, the precision of the highest threshold that reaches
    /// it.
    PrecisionRecall,
}

/// The curve at `points` evenly spaced values of x from 0 to 1.
///
/// # Errors
/// [`Undefined`] if the curve is not defined.
///
/// # Panics
/// With fewer than two points.
pub fn band(
    items: &Items,
    curve: Curve,
    points: usize,
    bootstrap: &Bootstrap,
) -> Result<Band, Undefined> {
    assert!(points >= 2, "a curve has two ends");
    let x: Vec<f64> = (0..points).map(|i| i as f64 / (points - 1) as f64).collect();
    let ranked = Ranked::new(&items.probabilities, &items.labels)?;
    let at = |weights: &[f64]| -> Result<Vec<f64>, Undefined> {
        match curve {
            Curve::Roc => Ok(along(&ranked.roc(weights)?, &x)),
            Curve::PrecisionRecall => Ok(steps(&ranked.precision_recall(weights)?, &x)),
        }
    };
    let y = at(&vec![1.0; items.len()])?;
    let drawn: Vec<Vec<f64>> =
        bootstrap.resample(&items.patients, at).into_iter().flatten().collect();
    let tail = (1.0 - bootstrap.confidence) / 2.0;
    let ends = (0..points).map(|point| {
        let mut values: Vec<f64> = drawn.iter().map(|curve| curve[point]).collect();
        values.sort_by(f64::total_cmp);
        match values.is_empty() {
            true => (y[point], y[point]),
            false => (quantile(&values, tail), quantile(&values, 1.0 - tail)),
        }
    });
    let (low, high) = ends.unzip();
    Ok(Band { x, y, low, high })
}

/// Linear interpolation: the highest y at each x. The points ascend in x and y.
fn along(curve: &[[f64; 2]], x: &[f64]) -> Vec<f64> {
    let mut last = 0;
    let at = |&x: &f64| {
        while last + 1 < curve.len() && curve[last + 1][0] <= x {
            last += 1;
        }
        let [x0, y0] = curve[last];
        match curve.get(last + 1) {
            Some([x1, y1]) => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
            None => y0,
        }
    };
    x.iter().map(at).collect()
}

/// The y of the first point whose x reaches each of `x`.
fn steps(curve: &[[f64; 2]], x: &[f64]) -> Vec<f64> {
    let mut first = 0;
    let at = |&x: &f64| {
        // Rounding: the sums of weights may end slightly below 1.
        while first + 1 < curve.len() && curve[first][0] < x - 1e-12 {
            first += 1;
        }
        curve[first][1]
    };
    x.iter().map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predictions::Level;
    use crate::predictions::made::made;

    #[test]
    fn a_curve_runs_along_its_points_and_jumps_where_they_stand_above_each_other() {
        let roc = [[0.0, 0.0], [0.0, 0.5], [0.5, 0.5], [0.5, 1.0], [1.0, 1.0]];
        assert_eq!(along(&roc, &[0.0, 0.25, 0.5, 1.0]), [0.5, 0.5, 1.0, 1.0]);
        assert_eq!(along(&[[0.0, 0.0], [1.0, 1.0]], &[0.25]), [0.25], "ties are a slope");
        let recall = [[0.0, 0.0], [0.5, 0.5], [0.5, 0.4], [1.0, 0.5]];
        assert_eq!(steps(&recall, &[0.25, 0.5, 0.75, 1.0]), [0.5, 0.5, 0.5, 0.5]);
    }

    #[test]
    fn a_band_holds_its_curve_and_its_area_is_the_auroc() {
        let items = Items::of(&made(3, 300, 3, 2.0), Level::BreastMean);
        let bootstrap = Bootstrap { resamples: 200, ..Bootstrap::default() };
        let roc = band(&items, Curve::Roc, 1001, &bootstrap).unwrap();
        let area: f64 = roc.y.windows(2).map(|y| (y[0] + y[1]) / 2000.0).sum();
        let auroc = crate::metrics::auroc(&items.probabilities, &items.labels).unwrap();
        assert!((area - auroc).abs() < 2e-3, "{area} {auroc}");
        let inside = (0..1001).filter(|&i| roc.low[i] <= roc.y[i] && roc.y[i] <= roc.high[i]);
        assert!(inside.count() > 950);
        let pr = band(&items, Curve::PrecisionRecall, 11, &bootstrap).unwrap();
        let prevalence = 30.0 / 600.0;
        assert!(pr.y[10] >= prevalence && pr.low[5] < pr.high[5], "{pr:?}");
    }

    #[test]
    fn without_positives_there_is_no_curve() {
        let mut predictions = made(3, 30, 3, 2.0);
        predictions.iter_mut().for_each(|p| p.record.cancer = Some(false));
        let items = Items::of(&predictions, Level::Image);
        let roc = band(&items, Curve::Roc, 11, &Bootstrap::default());
        assert_eq!(roc, Err(Undefined::NoPositives));
    }
}
