//! Validation metrics on the held-out images, by image and by breast.

use serde::{Deserialize, Serialize};

use crate::config::train::Metric;
use crate::metrics::{auprc, auroc, best_f1, pf1};
use crate::predictions::{Items, Level, Prediction};

/// Metrics of a validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Binary cross-entropy with hard labels, a mean over images; `None` without labelled images.
    pub loss: Option<f64>,
    /// By image.
    pub image: ValidationMetrics,
    /// By breast: the mean of its images' probabilities.
    pub breast: ValidationMetrics,
}

/// Metrics over images or breasts; `None` where undefined.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ValidationMetrics {
    /// Number of labelled items.
    pub items: usize,
    /// Number of items with cancer.
    pub positives: usize,
    /// Area under the ROC curve.
    pub auroc: Option<f64>,
    /// Average precision.
    pub auprc: Option<f64>,
    /// Probabilistic F1, the metric of the RSNA competition.
    pub pf1: Option<f64>,
    /// The highest F1 at 50 thresholds.
    pub f1: Option<f64>,
    /// The threshold of that F1.
    pub threshold: Option<f64>,
}

impl Scores {
    /// Computes the metrics of predictions.
    pub fn of(predictions: &[Prediction]) -> Self {
        let metrics = |level| ValidationMetrics::of(&Items::of(predictions, level));
        let losses: Vec<f64> = predictions
            .iter()
            .filter_map(|p| {
                let x = if p.record.cancer? { -p.logit } else { p.logit };
                // log(1 + exp(x)) without overflow.
                Some(x.max(0.0) + (-x.abs()).exp().ln_1p())
            })
            .collect();
        let loss = (!losses.is_empty()).then(|| losses.iter().sum::<f64>() / losses.len() as f64);
        Self { loss, image: metrics(Level::Image), breast: metrics(Level::BreastMean) }
    }

    /// The value of a metric by breast, as used to select the best epoch.
    pub fn metric(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Auroc => self.breast.auroc,
            Metric::Auprc => self.breast.auprc,
            Metric::Pf1 => self.breast.pf1,
            Metric::F1 => self.breast.f1,
        }
    }
}

impl ValidationMetrics {
    fn of(items: &Items) -> Self {
        let (scores, labels) = (&items.probabilities, &items.labels);
        let best = best_f1(scores, labels);
        Self {
            items: labels.len(),
            positives: labels.iter().filter(|label| **label).count(),
            auroc: auroc(scores, labels),
            auprc: auprc(scores, labels),
            pf1: pf1(scores, labels),
            f1: best.map(|best| best.f1),
            threshold: best.map(|best| best.threshold),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Role;
    use crate::predictions::sigmoid;
    use crate::record::{Id, ImageRecord, Laterality};

    fn prediction(patient: &str, image: usize, cancer: Option<bool>, logit: f64) -> Prediction {
        let id = |text: &str| Id::new(text).unwrap();
        let record = ImageRecord::unlabelled(id(patient), id(&image.to_string()));
        let record = ImageRecord { cancer, laterality: Some(Laterality::Left), ..record };
        Prediction { record, role: Role::Fold(0), logit, probability: sigmoid(logit) }
    }

    #[test]
    fn the_probability_of_a_breast_is_the_mean_of_its_images() {
        // By image, one of the cancer's two images ranks below the healthy one's.
        let predictions = [
            prediction("a", 1, Some(true), 3.0),
            prediction("a", 2, Some(true), -2.0),
            prediction("b", 3, Some(false), -1.0),
        ];
        let scores = Scores::of(&predictions);
        assert_eq!((scores.image.auroc, scores.image.items), (Some(0.5), 3));
        assert_eq!((scores.breast.auroc, scores.breast.positives), (Some(1.0), 1));
        let loss = [-sigmoid(3.0).ln(), -sigmoid(-2.0).ln(), -sigmoid(1.0).ln()];
        assert!((scores.loss.unwrap() - loss.iter().sum::<f64>() / 3.0).abs() < 1e-12);
    }

    #[test]
    fn metrics_are_undefined_without_positives() {
        let scores = Scores::of(&[prediction("a", 1, Some(false), 0.0)]);
        assert_eq!(scores.metric(Metric::Auroc), None);
        assert_eq!(Scores::of(&[prediction("a", 1, None, 0.0)]).loss, None);
    }
}
