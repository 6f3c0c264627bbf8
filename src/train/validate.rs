//! How good the network is on the images held out, by image and by breast.

use serde::{Deserialize, Serialize};

use crate::config::train::Metric;
use crate::metrics::{auprc, auroc, best_f1, pf1};
use crate::predictions::{Items, Level, Prediction};

/// Figures of a validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Binary cross-entropy of the plain labels, a mean over images; `None` without any.
    pub loss: Option<f64>,
    /// Each image by itself.
    pub image: Merits,
    /// Each breast by the mean of its images.
    pub breast: Merits,
}

/// Figures of merit; `None` where they are undefined.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Merits {
    /// Items with a label.
    pub items: usize,
    /// Those with cancer.
    pub positives: usize,
    /// Area under the ROC curve.
    pub auroc: Option<f64>,
    /// Average precision.
    pub auprc: Option<f64>,
    /// Probabilistic F1, the competition's.
    pub pf1: Option<f64>,
    /// F1 at the best of 50 thresholds.
    pub f1: Option<f64>,
    /// That threshold.
    pub threshold: Option<f64>,
}

impl Scores {
    /// Judges predictions.
    pub fn of(predictions: &[Prediction]) -> Self {
        let merits = |level| Merits::of(&Items::of(predictions, level));
        let losses: Vec<f64> = predictions
            .iter()
            .filter_map(|p| {
                let wrong_way = if p.record.cancer? { -p.logit } else { p.logit };
                Some(wrong_way.max(0.0) + (-wrong_way.abs()).exp().ln_1p())
            })
            .collect();
        let loss = (!losses.is_empty()).then(|| losses.iter().sum::<f64>() / losses.len() as f64);
        Self { loss, image: merits(Level::Image), breast: merits(Level::BreastMean) }
    }

    /// The figure that the best epoch is best at, by breast.
    pub fn metric(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Auroc => self.breast.auroc,
            Metric::Auprc => self.breast.auprc,
            Metric::Pf1 => self.breast.pf1,
            Metric::F1 => self.breast.f1,
        }
    }
}

impl Merits {
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
    fn a_breast_is_judged_by_the_mean_of_its_images() {
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
    fn without_positives_nothing_is_made_up() {
        let scores = Scores::of(&[prediction("a", 1, Some(false), 0.0)]);
        assert_eq!(scores.metric(Metric::Auroc), None);
        assert_eq!(Scores::of(&[prediction("a", 1, None, 0.0)]).loss, None);
    }
}
