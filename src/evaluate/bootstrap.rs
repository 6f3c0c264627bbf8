//! Confidence intervals by the cluster bootstrap: patients are resampled.
//!
//! In: the patient of each item, and metrics as a function of the items' weights. Out: one
//! interval per metric. A resample draws as many patients as there are, with replacement, and takes
//! all items of each, because the breasts and images of a patient are correlated (Field and Welsh
//! 2007). A resample is a list of weights, so sorted items stay sorted and it costs a few passes.
//!
//! Resample number `n` depends on the seed and on `n` alone, never on the threads.

use std::fmt;

use rayon::prelude::*;
use serde::Serialize;

use crate::metrics::{MetricValue, Undefined, quantile};
use crate::random::Random;

/// Settings of the intervals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bootstrap {
    /// Number of bootstrap resamples; 0 makes no intervals.
    pub resamples: usize,
    /// Seed of the random draws.
    pub seed: u64,
    /// Confidence level: the share of the resamples, in the middle, that an interval covers.
    pub confidence: f64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 1000, seed: 42, confidence: 0.95 }
    }
}

/// A metric with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The value on all items, each with weight 1.
    pub value: Option<f64>,
    /// Percentiles of the resamples in which the metric is defined.
    pub interval: Option<[f64; 2]>,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undefined: Option<Undefined>,
    /// Resamples in which the metric is not defined; the interval leaves them out.
    #[serde(skip_serializing_if = "is_zero")]
    pub undefined_resamples: usize,
}

/// The value with its interval, to three digits or to the precision of the format; a dash if the
/// value is not defined.
impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(3);
        let text = match (self.value, self.interval) {
            (None, _) => "–".to_owned(),
            (Some(value), None) => format!("{value:.digits$}"),
            (Some(value), Some([low, high])) => {
                format!("{value:.digits$} [{low:.digits$}, {high:.digits$}]")
            }
        };
        f.write_str(&text)
    }
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl Bootstrap {
    /// The values of `metrics` with intervals. The function takes one weight per item and must
    /// return the same number of metrics each time.
    pub fn estimate(
        &self,
        patients: &[u32],
        metrics: impl Fn(&[f64]) -> Vec<MetricValue> + Sync,
    ) -> Vec<Estimate> {
        let values = metrics(&vec![1.0; patients.len()]);
        let resampled = self.resample(patients, metrics);
        let of = |(index, value): (usize, &MetricValue)| {
            let drawn = resampled.iter().filter_map(|metrics| metrics[index].ok());
            estimate(*value, drawn.collect(), self)
        };
        values.iter().enumerate().map(of).collect()
    }

    /// The metrics of every resample, in order.
    pub fn resample<T: Send>(
        &self,
        patients: &[u32],
        metrics: impl Fn(&[f64]) -> T + Sync,
    ) -> Vec<T> {
        let (owners, count) = dense(patients);
        let buffers = || (vec![0.0_f64; count], vec![0.0_f64; owners.len()]);
        let draw = |(drawn, weights): &mut (Vec<f64>, Vec<f64>), number: usize| {
            let mut random = Random::new(Random::seed_of(self.seed, number as u64));
            drawn.fill(0.0);
            for _ in 0..count {
                // Of 64 random bits, the high part of the product is uniform below the count.
                let patient = (u128::from(random.next()) * count as u128) >> 64;
                drawn[patient as usize] += 1.0;
            }
            for (weight, &owner) in weights.iter_mut().zip(&owners) {
                *weight = drawn[owner as usize];
            }
            metrics(weights)
        };
        (0..self.resamples).into_par_iter().map_init(buffers, draw).collect()
    }
}

/// Patients renumbered from 0 without gaps, and the number of patients.
fn dense(patients: &[u32]) -> (Vec<u32>, usize) {
    let mut all = patients.to_vec();
    all.sort_unstable();
    all.dedup();
    let place = |patient: &u32| all.binary_search(patient).expect("it is one of them") as u32;
    (patients.iter().map(place).collect(), all.len())
}

/// A value with its interval, from the values in the resamples.
pub(super) fn estimate(value: MetricValue, mut drawn: Vec<f64>, bootstrap: &Bootstrap) -> Estimate {
    let undefined_resamples = bootstrap.resamples - drawn.len();
    drawn.sort_by(f64::total_cmp);
    let tail = (1.0 - bootstrap.confidence) / 2.0;
    let interval = (!drawn.is_empty() && value.is_ok())
        .then(|| [quantile(&drawn, tail), quantile(&drawn, 1.0 - tail)]);
    Estimate { value: value.ok(), interval, undefined: value.err(), undefined_resamples }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Ranked;

    /// `patients` with two breasts each, whose scores agree within a patient; cancer in a share
    /// of the patients shifts a score by one deviation and a half.
    fn breasts(seed: u64, patients: u32) -> (Vec<f64>, Vec<bool>, Vec<u32>) {
        let mut random = Random::new(seed);
        let (mut scores, mut labels, mut owners) = (vec![], vec![], vec![]);
        for patient in 0..patients {
            let (common, cancer) = (f64::from(random.normal()), random.chance(0.3));
            for _ in 0..2 {
                let own = f64::from(random.normal());
                let noise = 0.8_f64.sqrt() * common + 0.2_f64.sqrt() * own;
                scores.push(noise + if cancer { 1.5 } else { 0.0 });
                labels.push(cancer);
                owners.push(patient);
            }
        }
        (scores, labels, owners)
    }

    fn interval(bootstrap: &Bootstrap, seed: u64, patients: u32) -> Estimate {
        let (scores, labels, owners) = breasts(seed, patients);
        let ranked = Ranked::new(&scores, &labels).unwrap();
        bootstrap.estimate(&owners, |weights| vec![ranked.auroc(weights)])[0]
    }

    #[test]
    fn intervals_cover_the_truth_at_the_nominal_rate() {
        // Both classes are normal up to the tails, with deviation 1 and means 1.5 apart, so the
        // area is close to Phi(1.5 / sqrt 2) = 0.8556; the truth here is that of a large sample.
        let (scores, labels, _) = breasts(1, 200_000);
        let truth = Ranked::new(&scores, &labels).unwrap().auroc(&vec![1.0; 400_000]).unwrap();
        assert!((truth - 0.8556).abs() < 0.004, "{truth}");
        let bootstrap = Bootstrap { resamples: 400, seed: 5, confidence: 0.9 };
        let covers = |repeat: &u64| {
            let [low, high] = interval(&bootstrap, 100 + repeat, 150).interval.unwrap();
            low <= truth && truth <= high
        };
        let covered = (0..200).filter(covers).count();
        // 200 draws at 0.9 lie in 166 to 192 in 998 of 1,000 cases.
        assert!((166..=192).contains(&covered), "{covered} of 200 at a nominal 0.9");
    }

    #[test]
    fn resampling_breasts_instead_of_patients_gives_intervals_that_are_too_narrow() {
        let width = |by_patient: bool| {
            let (scores, labels, owners) = breasts(3, 300);
            let owners = if by_patient { owners } else { (0..600).collect() };
            let ranked = Ranked::new(&scores, &labels).unwrap();
            let figures = |weights: &[f64]| vec![ranked.auroc(weights)];
            let [low, high] = Bootstrap::default().estimate(&owners, figures)[0].interval.unwrap();
            high - low
        };
        assert!(width(true) > 1.15 * width(false), "{} {}", width(true), width(false));
    }

    #[test]
    fn the_threads_do_not_matter_and_the_seed_does() {
        let bootstrap = Bootstrap { resamples: 50, ..Bootstrap::default() };
        let with = |threads: usize, bootstrap: &Bootstrap| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| interval(bootstrap, 9, 60))
        };
        assert_eq!(with(1, &bootstrap), with(7, &bootstrap));
        assert_ne!(with(1, &bootstrap), with(1, &Bootstrap { seed: 43, ..bootstrap }));
    }

    #[test]
    fn a_resample_without_positives_is_left_out_and_counted() {
        let scores: Vec<f64> = (0..12).map(f64::from).collect();
        let labels: Vec<bool> = (0..12).map(|i| i == 7).collect();
        let owners: Vec<u32> = (0..12).map(|i| 100 * i).collect();
        let ranked = Ranked::new(&scores, &labels).unwrap();
        let figures = |weights: &[f64]| vec![ranked.auroc(weights)];
        let estimate = Bootstrap::default().estimate(&owners, figures)[0];
        // Nobody draws the one positive with probability (11/12)^12 = 0.352.
        assert!((300..400).contains(&estimate.undefined_resamples), "{estimate:?}");
        assert_eq!(estimate.value, Some(7.0 / 11.0));

        let never = [false; 12];
        let ranked = Ranked::new(&scores, &never).unwrap();
        let figures = |weights: &[f64]| vec![ranked.auroc(weights)];
        let none = Bootstrap::default().estimate(&owners, figures)[0];
        assert_eq!((none.value, none.interval), (None, None));
        assert_eq!(none.undefined, Some(Undefined::NoPositives));
    }
}
