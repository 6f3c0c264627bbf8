//! Calibration: corrects the logits for the prior, then scales them by a temperature.
//!
//! In: logits and labels of items the model was not trained on. Out: a [`Calibration`], to be
//! applied to other items.
//!
//! A sampler that oversamples positives shifts every logit by a constant
//! ([`Prior::logit_shift`](crate::loader::Prior::logit_shift); Saerens, Latinne and Decaestecker
//! 2002). A loss that weights positives shifts it by the logarithm of the weight. Both shifts are
//! subtracted. Then the logits are divided by a temperature, a positive number (Guo et al. 2017).
//! Neither step changes the order of items within a fold.

use serde::Serialize;

use crate::predictions::sigmoid;

/// How a logit becomes a probability: `sigmoid(logit / temperature + shift)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Calibration {
    /// Above 1 for an overconfident model.
    pub temperature: f64,
    /// Undoes the shift of sampler and loss: below 0 if they favour positives.
    pub shift: f64,
}

/// The highest temperature considered; the lowest is its inverse.
const HOTTEST: f64 = 100.0;

impl Calibration {
    /// The temperature with the highest likelihood of the labels, from 1/100 to 100; `None`
    /// without both positives and negatives, because then no temperature is better than another.
    pub fn fit(logits: &[f64], labels: &[bool], shift: f64) -> Option<Self> {
        if !labels.contains(&true) || !labels.contains(&false) {
            return None;
        }
        // The derivative of the loss by 1 / temperature. The loss is convex, so this rises.
        let slope = |inverse: f64| -> f64 {
            let of = |(z, &label): (&f64, &bool)| {
                (sigmoid(z * inverse + shift) - f64::from(u8::from(label))) * z
            };
            logits.iter().zip(labels).map(of).sum()
        };
        let (mut low, mut high) = (1.0 / HOTTEST, HOTTEST);
        // Each halving on the logarithmic scale; 60 leave a relative error of 1e-17.
        for _ in 0..60 {
            let middle = (low * high).sqrt();
            if slope(middle) > 0.0 { high = middle } else { low = middle }
        }
        Some(Self { temperature: 1.0 / (low * high).sqrt(), shift })
    }

    /// The probability of a logit.
    pub fn apply(&self, logit: f64) -> f64 {
        sigmoid(logit / self.temperature + self.shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loader::Prior;
    use crate::random::Random;

    /// Items whose labels follow `sigmoid(logit / temperature + shift)`.
    fn drawn(temperature: f64, shift: f64) -> (Vec<f64>, Vec<bool>) {
        let mut random = Random::new(11);
        (0..40_000)
            .map(|_| {
                let z = f64::from(3.0 * random.normal() - 1.0);
                (z, f64::from(random.unit()) < sigmoid(z / temperature + shift))
            })
            .unzip()
    }

    #[test]
    fn the_temperature_that_made_the_labels_is_found() {
        for (temperature, shift) in [(2.5, 0.0), (0.7, 0.0), (1.8, -2.0)] {
            let (logits, labels) = drawn(temperature, shift);
            let found = Calibration::fit(&logits, &labels, shift).unwrap().temperature;
            assert!((found / temperature - 1.0).abs() < 0.05, "{found} is not {temperature}");
        }
    }

    #[test]
    fn a_model_trained_on_more_positives_is_right_after_the_shift() {
        // Trained with half of the positives, on which its logits are right, and used where
        // they are 2 %.
        let mut random = Random::new(4);
        let (mut before, mut after, mut n) = (0.0, 0.0, 0.0);
        let shift = -Prior { natural: 0.02, sampled: 0.5 }.logit_shift();
        for _ in 0..200_000 {
            // Unit variance, means 1 and -1: the log likelihood ratio is 2x.
            let positive = f64::from(random.unit()) < 0.02;
            let x = f64::from(random.normal()) + if positive { 1.0 } else { -1.0 };
            before += sigmoid(2.0 * x);
            after += Calibration { temperature: 1.0, shift }.apply(2.0 * x);
            n += 1.0;
        }
        assert!((after / n - 0.02).abs() < 0.002, "{}", after / n);
        assert!(before / n > 0.15, "{}", before / n);
    }

    #[test]
    fn what_cannot_be_fitted_is_not() {
        assert_eq!(Calibration::fit(&[1.0, -1.0], &[true, true], 0.0), None);
        assert_eq!(Calibration::fit(&[], &[], 0.0), None);
        // Told apart without a mistake: as cold as it goes, and finite.
        let cold = Calibration::fit(&[1.0, -1.0], &[true, false], 0.0).unwrap();
        assert!((cold.temperature - 0.01).abs() < 1e-12);
    }
}
