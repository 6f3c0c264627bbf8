//! Paired comparison of two models.
//!
//! In: predictions of two runs for the same images. Out: for every metric the difference, second
//! minus first, with an interval and a p-value from resamples that draw the same patients for
//! both runs, and DeLong's test of the AUROC. Runs that were evaluated on different images, or
//! with different labels, cannot be paired and are refused.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::Serialize;
use serde::ser::SerializeMap;

use super::bootstrap::{Bootstrap, Estimate, estimate};
use super::choice::{self, Decisions, Given};
use super::delong::{DeLong, delong};
use super::evaluation::{EvaluatedSplit, EvaluationError, Size, check, roles};
use super::metric_set::{MetricName, Prepared};
use crate::dataset::Role;
use crate::error::faults;
use crate::metrics::MetricValue;
use crate::predictions::{Items, Level, Prediction};

/// The difference of two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Held-out folds first, then the locked split.
    pub parts: Vec<ComparedPart>,
    /// How the intervals were made.
    pub bootstrap: Bootstrap,
}

/// The difference on the folds or on the locked split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedPart {
    /// The data: held-out folds or locked split.
    pub split: EvaluatedSplit,
    /// By image, breast and patient.
    pub levels: Vec<ComparedLevel>,
}

/// The difference at one level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedLevel {
    /// What an item is.
    pub level: Level,
    /// The number of items.
    #[serde(flatten)]
    pub size: Size,
    /// The difference of every metric.
    pub differences: Differences,
    /// DeLong's test of the AUROC; null without both positives and negatives.
    pub delong: Option<DeLong>,
}

/// Differences by metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Differences(pub Vec<(MetricName, Difference)>);

impl Differences {
    /// The difference of `name`.
    pub fn get(&self, name: MetricName) -> Option<&Difference> {
        self.0.iter().find(|(found, _)| *found == name).map(|(_, difference)| difference)
    }
}

impl Serialize for Differences {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, difference) in &self.0 {
            map.serialize_entry(name.key(), difference)?;
        }
        map.end()
    }
}

/// One metric of both runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// Its value in the first run.
    pub first: Option<f64>,
    /// Its value in the second run.
    pub second: Option<f64>,
    /// Second minus first.
    pub difference: Estimate,
    /// Two-sided p-value, from the share of resamples on the other side of 0; at least
    /// 2 / (resamples + 1).
    pub p_value: Option<f64>,
}

/// Two runs that cannot be compared.
#[derive(Debug, thiserror::Error)]
#[error("{first} and {second}: {source}")]
pub struct NotComparable {
    /// The first run.
    pub first: PathBuf,
    /// The second.
    pub second: PathBuf,
    /// Why.
    pub source: CompareError,
}
faults!(NotComparable);

/// Runs that cannot be paired.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// One of them cannot be evaluated.
    #[error("the {which} run: {source}")]
    Evaluate {
        /// First or second.
        which: &'static str,
        /// Why.
        source: EvaluationError,
    },
    /// They have predictions of different images.
    #[error(
        "the runs have predictions of different images: {only_first} only in the first ({}), \
         {only_second} only in the second ({}), {both} in both; train both on the same release \
         and folds",
        .example_first.as_deref().unwrap_or("none"),
        .example_second.as_deref().unwrap_or("none")
    )]
    Images {
        /// Images in the first run only.
        only_first: usize,
        /// Images in the second run only.
        only_second: usize,
        /// Images in both runs.
        both: usize,
        /// An image in the first run only.
        example_first: Option<String>,
        /// An image in the second run only.
        example_second: Option<String>,
    },
    /// They have different labels for an image.
    #[error("image {image_id} has cancer {first} in the first run and {second} in the second")]
    Label {
        /// The image.
        image_id: String,
        /// Label of the first run.
        first: bool,
        /// Label of the second.
        second: bool,
    },
}

/// The predictions of a run, with the values known before the evaluation.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// Its predictions.
    pub predictions: &'a [Prediction],
    /// Threshold, and the shift that sampler and loss added to its logits.
    pub given: Given,
}

/// Compares two runs.
///
/// # Errors
/// [`CompareError`] for runs that cannot be paired.
pub fn compare(
    first: Run<'_>,
    second: Run<'_>,
    bootstrap: &Bootstrap,
) -> Result<Comparison, CompareError> {
    for (which, run) in [("first", first), ("second", second)] {
        check(run.predictions).map_err(|source| CompareError::Evaluate { which, source })?;
    }
    let parts = [EvaluatedSplit::HeldOutFolds, EvaluatedSplit::LockedSplit].map(|split| {
        let [a, b] = [part(first.predictions, split), part(second.predictions, split)];
        let b = paired(&a, &b)?;
        let folds = [first, second].map(|run| part(run.predictions, EvaluatedSplit::HeldOutFolds));
        let givens = [first.given, second.given];
        Ok((!a.is_empty()).then(|| compared(split, [a, b], &folds, givens, bootstrap)))
    });
    let parts = parts.into_iter().filter_map(Result::transpose);
    let parts: Vec<ComparedPart> = parts.collect::<Result<_, CompareError>>()?;
    if parts.is_empty() {
        let rows = first.predictions.len();
        return Err(CompareError::Evaluate {
            which: "first",
            source: EvaluationError::Nothing { rows },
        });
    }
    Ok(Comparison { parts, bootstrap: *bootstrap })
}

/// The labelled predictions of `split`.
fn part(predictions: &[Prediction], split: EvaluatedSplit) -> Vec<Prediction> {
    let of = |p: &&Prediction| {
        p.record.cancer.is_some()
            && match split {
                EvaluatedSplit::HeldOutFolds => matches!(p.role, Role::Fold(_)),
                EvaluatedSplit::LockedSplit => p.role == Role::Locked,
            }
    };
    predictions.iter().filter(of).cloned().collect()
}

/// The second run's predictions in the order of the first's.
pub(super) fn paired(
    first: &[Prediction],
    second: &[Prediction],
) -> Result<Vec<Prediction>, CompareError> {
    type Key<'a> = (&'a str, &'a str);
    fn key(p: &Prediction) -> Key<'_> {
        (p.record.patient_id.as_str(), p.record.image_id.as_str())
    }
    let of_second: HashMap<Key, &Prediction> = second.iter().map(|p| (key(p), p)).collect();
    let of_first: HashMap<Key, &Prediction> = first.iter().map(|p| (key(p), p)).collect();
    let alone = |run: &[Prediction], other: &HashMap<Key, &Prediction>| {
        let alone: Vec<String> = run
            .iter()
            .filter(|p| !other.contains_key(&key(p)))
            .map(|p| p.record.image_id.to_string())
            .collect();
        (alone.len(), alone.into_iter().next())
    };
    let (only_first, example_first) = alone(first, &of_second);
    let (only_second, example_second) = alone(second, &of_first);
    if only_first + only_second > 0 {
        let both = first.len() - only_first;
        return Err(CompareError::Images {
            only_first,
            only_second,
            both,
            example_first,
            example_second,
        });
    }
    let pair = |a: &Prediction| {
        let b = of_second[&key(a)];
        match (a.record.cancer, b.record.cancer) {
            (Some(first), Some(second)) if first != second => {
                let image_id = a.record.image_id.to_string();
                Err(CompareError::Label { image_id, first, second })
            }
            // Both runs are grouped by the first run's record, in case the laterality differs.
            _ => Ok(Prediction { record: a.record.clone(), ..b.clone() }),
        }
    };
    first.iter().map(pair).collect()
}

fn compared(
    split: EvaluatedSplit,
    runs: [Vec<Prediction>; 2],
    folds: &[Vec<Prediction>; 2],
    givens: [Given; 2],
    bootstrap: &Bootstrap,
) -> ComparedPart {
    let level = |level: Level| {
        let items = [0, 1].map(|run| Items::of(&runs[run], level));
        let decided: [Decisions; 2] = [0, 1].map(|run| match split {
            EvaluatedSplit::HeldOutFolds => {
                let roles = roles(&runs[run], &items[run]);
                choice::cross_fitted(&items[run], &roles, givens[run])
            }
            EvaluatedSplit::LockedSplit => {
                choice::locked(&items[run], &Items::of(&folds[run], level), givens[run])
            }
        });
        let prepared = [0, 1].map(|run| Prepared::new(&items[run], &decided[run]));
        let delong = delong(&items[0].probabilities, &items[1].probabilities, &items[0].labels);
        ComparedLevel {
            level,
            size: Size::of(&items[0]),
            differences: differences(&MetricName::ALL, &prepared, &items[0].patients, bootstrap),
            delong: delong.ok(),
        }
    };
    ComparedPart { split, levels: Level::ALL.into_iter().map(level).collect() }
}

/// The differences in `names`; both runs have the same items in the same order.
pub(super) fn differences(
    names: &[MetricName],
    runs: &[Prepared; 2],
    patients: &[u32],
    bootstrap: &Bootstrap,
) -> Differences {
    let difference = |[first, second]: [MetricValue; 2]| -> MetricValue { Ok(second? - first?) };
    let all = |weights: &[f64]| -> Vec<[MetricValue; 2]> {
        let [first, second] = [&runs[0], &runs[1]].map(|run| run.weighted(weights));
        names.iter().map(|&name| [first.metric(name), second.metric(name)]).collect()
    };
    let resampled: Vec<Vec<MetricValue>> =
        bootstrap.resample(patients, |weights| all(weights).into_iter().map(difference).collect());
    let whole = all(&vec![1.0; patients.len()]);
    let of = |(index, &name): (usize, &MetricName)| {
        let values = whole[index];
        let drawn: Vec<f64> = resampled.iter().filter_map(|all| all[index].ok()).collect();
        let value = difference(values);
        let p_value = value.is_ok().then(|| p_value(&drawn)).flatten();
        let difference = estimate(value, drawn, bootstrap);
        (name, Difference { first: values[0].ok(), second: values[1].ok(), difference, p_value })
    };
    Differences(names.iter().enumerate().map(of).collect())
}

/// The two-sided bootstrap p-value of a difference of 0. One is added to the count and to the
/// number of resamples (Davison and Hinkley 1997, 4.11), so that it is never 0.
fn p_value(drawn: &[f64]) -> Option<f64> {
    let count = |side: fn(&f64) -> bool| drawn.iter().filter(|d| side(d)).count() as f64 + 1.0;
    let rarer = count(|d| *d <= 0.0).min(count(|d| *d >= 0.0));
    (!drawn.is_empty()).then(|| (2.0 * rarer / (drawn.len() as f64 + 1.0)).min(1.0))
}

#[cfg(test)]
mod tests;
