//! Evaluates predictions: makes an [`Evaluation`].
//!
//! In: predictions for held-out folds, for a locked split, or for both. Images of the test table
//! and images left out of the folds are counted and not evaluated. Out: a [`Part`] for the folds
//! and one for the locked split, each with all metrics by image, breast and patient, by fold and
//! by subgroup; and the [`ImageDecision`] of every image.

use std::collections::{BTreeSet, HashMap};

use rayon::prelude::*;
use serde::Serialize;

use super::bootstrap::Bootstrap;
use super::choice::{self, Decisions, Given, Selected, SelectedOn};
use super::metric_set::{ECE_BINS, MetricName, MetricSet, Prepared};
use super::subgroups::{Attribute, groups};
use crate::dataset::Role;
use crate::error::faults;
use crate::metrics::{Bin, Binning, Grid, all_positive_f1, reliability};
use crate::predictions::{self, Items, Level, Prediction};
use crate::shard::records::{boolean, double};

/// The performance of a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// Held-out folds first, then the locked split.
    pub parts: Vec<Part>,
    /// How the intervals were made.
    pub bootstrap: Bootstrap,
    /// Images that are not evaluated.
    pub excluded: Excluded,
}

/// Numbers of images that are not evaluated, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Excluded {
    /// The label is not known.
    pub unlabelled: usize,
    /// Rows of the test table.
    pub test: usize,
    /// Negatives beyond `folds.negatives_per_positive`.
    pub left_out: usize,
}

/// The data that a part is evaluated on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EvaluatedSplit {
    /// The folds, each with the model that was not trained on it.
    HeldOutFolds,
    /// Patients that belong to no fold.
    LockedSplit,
}

/// The performance on the folds or on the locked split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// The data: held-out folds or locked split.
    pub split: EvaluatedSplit,
    /// By image, breast and patient.
    pub levels: Vec<LevelMetrics>,
    /// Subgroups by breast; views by image.
    pub subgroups: Vec<Subgroup>,
}

/// The number of items, and the F1 of predicting all positive as a reference for any F1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Size {
    /// Number of items.
    pub n: usize,
    /// Items with cancer.
    pub positives: usize,
    /// Patients with at least one item.
    pub patients: usize,
    /// Share of items with cancer; null without items.
    pub prevalence: Option<f64>,
    /// F1 if all items are predicted positive, 2p / (1 + p) at prevalence p.
    pub all_positive_f1: Option<f64>,
}

/// With fewer positives than this, resampling gives intervals that are not reliable.
pub const FEW_POSITIVES: usize = 10;

impl Size {
    /// Whether there are some positives, but fewer than [`FEW_POSITIVES`].
    pub fn has_few_positives(&self) -> bool {
        (1..FEW_POSITIVES).contains(&self.positives)
    }

    /// Counts items.
    pub fn of(items: &Items) -> Self {
        let (n, positives) = (items.len(), items.labels.iter().filter(|label| **label).count());
        let prevalence = (n > 0).then(|| positives as f64 / n as f64);
        let patients = items.patients.iter().collect::<BTreeSet<_>>().len();
        let all_positive_f1 = prevalence.map(all_positive_f1);
        Self { n, positives, patients, prevalence, all_positive_f1 }
    }
}

/// All metrics at one level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LevelMetrics {
    /// What an item is.
    pub level: Level,
    /// The number of items.
    #[serde(flatten)]
    pub size: Size,
    /// The data that threshold and temperature were chosen on.
    pub selected_on: SelectedOn,
    /// The chosen thresholds and temperatures.
    pub selected: Vec<Selected>,
    /// The metrics.
    pub metrics: MetricSet,
    /// The threshold, of 50, with the highest F1.
    pub best_f1_threshold: Option<f64>,
    /// Reliability curve before calibration, in bins of equal count.
    pub reliability: Vec<Bin>,
    /// Reliability curve after calibration.
    pub calibrated_reliability: Vec<Bin>,
    /// The same metrics for each fold, without intervals.
    pub folds: Vec<FoldMetrics>,
}

/// The metrics of one fold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FoldMetrics {
    /// The fold's number.
    pub fold: u16,
    /// The number of items.
    #[serde(flatten)]
    pub size: Size,
    /// The metrics.
    pub metrics: MetricSet,
    /// The threshold, of 50, with the highest F1.
    pub best_f1_threshold: Option<f64>,
}

/// The metrics of one subgroup.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Subgroup {
    /// The attribute that defines it.
    pub attribute: Attribute,
    /// Its value.
    pub value: String,
    /// The items of the other class, if the subgroup itself has one class only.
    pub against: Option<&'static str>,
    /// What an item is.
    pub level: Level,
    /// The number of items, including those of `against`.
    #[serde(flatten)]
    pub size: Size,
    /// The metrics.
    pub metrics: MetricSet,
}

/// The decision for one image: columns that are written next to its prediction.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ImageDecision {
    /// Its calibrated probability.
    pub calibrated: Option<f64>,
    /// Whether the image by itself is predicted positive.
    pub called: Option<bool>,
    /// Mean probability of its breast.
    pub breast_probability: Option<f64>,
    /// Calibrated probability of its breast.
    pub breast_calibrated: Option<f64>,
    /// Whether its breast is predicted positive, by the mean.
    pub breast_called: Option<bool>,
}

/// Predictions that cannot be evaluated together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// An image with two predictions.
    #[error("image {0} has two predictions; evaluate one model at a time")]
    Twice(String),
    /// A patient in two folds, or in a fold and in the locked split.
    #[error(
        "patient {patient_id} is in {first} and in {second}, so a model was trained on a patient \
         that it is evaluated on"
    )]
    Divided {
        /// The patient.
        patient_id: String,
        /// The role of some of her images.
        first: Role,
        /// The role of others.
        second: Role,
    },
    /// There is nothing to evaluate.
    #[error("none of {rows} predictions has a label and belongs to a fold or the locked split")]
    Nothing {
        /// Number of predictions.
        rows: usize,
    },
}
faults!(EvaluationError);

/// Evaluates predictions. The decisions are in the order of the predictions. The result does not
/// depend on the number of threads.
///
/// # Errors
/// [`EvaluationError`].
pub fn evaluate(
    predictions: &[Prediction],
    given: Given,
    bootstrap: &Bootstrap,
) -> Result<(Evaluation, Vec<ImageDecision>), EvaluationError> {
    check(predictions)?;
    let rows = |wanted: fn(&Role) -> bool| -> Vec<usize> {
        let of =
            |i: &usize| wanted(&predictions[*i].role) && predictions[*i].record.cancer.is_some();
        (0..predictions.len()).filter(of).collect()
    };
    let (folds, locked) =
        (rows(|role| matches!(role, Role::Fold(_))), rows(|role| *role == Role::Locked));
    if folds.is_empty() && locked.is_empty() {
        return Err(EvaluationError::Nothing { rows: predictions.len() });
    }
    let mut decisions = vec![ImageDecision::default(); predictions.len()];
    let mut parts = Vec::new();
    for (split, places) in
        [(EvaluatedSplit::HeldOutFolds, &folds), (EvaluatedSplit::LockedSplit, &locked)]
    {
        if places.is_empty() {
            continue;
        }
        let pick = |places: &[usize]| -> Vec<Prediction> {
            places.iter().map(|&place| predictions[place].clone()).collect()
        };
        let (own, folds) = (pick(places), pick(&folds));
        let (part, own) = part(split, &own, &folds, given, bootstrap);
        parts.push(part);
        places.iter().zip(own).for_each(|(&place, decision)| decisions[place] = decision);
    }
    let count = |wanted: fn(&Prediction) -> bool| predictions.iter().filter(|p| wanted(p)).count();
    let excluded = Excluded {
        unlabelled: count(|p| {
            p.record.cancer.is_none() && matches!(p.role, Role::Fold(_) | Role::Locked)
        }),
        test: count(|p| p.role == Role::Test),
        left_out: count(|p| p.role == Role::LeftOut),
    };
    Ok((Evaluation { parts, bootstrap: *bootstrap, excluded }, decisions))
}

/// Predictions with their decisions, as the bytes of a Parquet file.
pub fn encode(predictions: &[Prediction], decisions: &[ImageDecision]) -> Vec<u8> {
    let further = vec![
        double("calibrated", "calibrated probability", decisions, |v| v.calibrated),
        boolean("called", "the image by itself is predicted positive", decisions, |v| v.called),
        double("breast_probability", "mean probability of the breast's images", decisions, |v| {
            v.breast_probability
        }),
        double("breast_calibrated", "calibrated probability of the breast", decisions, |v| {
            v.breast_calibrated
        }),
        boolean("breast_called", "the breast is predicted positive, by the mean", decisions, |v| {
            v.breast_called
        }),
    ];
    predictions::encode(predictions, further, &[])
}

/// Refuses images with two predictions and patients with two roles.
pub(super) fn check(predictions: &[Prediction]) -> Result<(), EvaluationError> {
    let mut images = BTreeSet::new();
    let mut patients: HashMap<&str, Role> = HashMap::new();
    for Prediction { record, role, .. } in predictions {
        if !images.insert((record.patient_id.as_str(), record.image_id.as_str())) {
            return Err(EvaluationError::Twice(record.image_id.to_string()));
        }
        let first = *patients.entry(record.patient_id.as_str()).or_insert(*role);
        if first != *role {
            let patient_id = record.patient_id.to_string();
            return Err(EvaluationError::Divided { patient_id, first, second: *role });
        }
    }
    Ok(())
}

fn part(
    split: EvaluatedSplit,
    own: &[Prediction],
    folds: &[Prediction],
    given: Given,
    bootstrap: &Bootstrap,
) -> (Part, Vec<ImageDecision>) {
    let decide = |level: Level| {
        let items = Items::of(own, level);
        let decided = match split {
            EvaluatedSplit::HeldOutFolds => {
                choice::cross_fitted(&items, &roles(own, &items), given)
            }
            EvaluatedSplit::LockedSplit => choice::locked(&items, &Items::of(folds, level), given),
        };
        (items, decided)
    };
    let decided: Vec<(Items, Decisions)> = Level::ALL.into_iter().map(decide).collect();
    let level = |(items, decided): &(Items, Decisions)| at_level(own, items, decided, bootstrap);
    let by = |level: Level| {
        decided.iter().find(|(items, _)| items.level == level).expect("every level is decided")
    };
    let (image, breast) = (by(Level::Image), by(Level::BreastMean));
    let subgroups = Attribute::ALL.into_par_iter().flat_map_iter(|attribute| {
        let (items, decided) = if attribute == Attribute::View { image } else { breast };
        groups(own, items, attribute).into_iter().map(move |group| {
            let (items, decided) = (items.select(&group.places), select(decided, &group.places));
            Subgroup {
                attribute,
                value: group.value,
                against: attribute.against(),
                level: items.level,
                size: Size::of(&items),
                metrics: Prepared::new(&items, &decided)
                    .metrics(&MetricName::OF_SUBGROUPS, bootstrap),
            }
        })
    });
    let subgroups = subgroups.collect();
    let part = Part { split, levels: decided.iter().map(level).collect(), subgroups };
    (part, decisions(own.len(), image, breast))
}

fn at_level(
    own: &[Prediction],
    items: &Items,
    decided: &Decisions,
    bootstrap: &Bootstrap,
) -> LevelMetrics {
    let curve =
        |p: &[f64]| reliability(p, &items.labels, Binning::SameCount(ECE_BINS)).unwrap_or_default();
    LevelMetrics {
        level: items.level,
        size: Size::of(items),
        selected_on: decided.selected_on,
        selected: decided.selected.clone(),
        metrics: Prepared::new(items, decided).metrics(&MetricName::ALL, bootstrap),
        best_f1_threshold: best_threshold(items),
        reliability: curve(&items.probabilities),
        calibrated_reliability: decided.calibrated.as_ref().map_or(vec![], |p| curve(p)),
        folds: by_fold(own, items, decided),
    }
}

fn by_fold(own: &[Prediction], items: &Items, decided: &Decisions) -> Vec<FoldMetrics> {
    let roles = roles(own, items);
    let folds: BTreeSet<Role> = roles.iter().copied().collect();
    let no_intervals = Bootstrap { resamples: 0, ..Bootstrap::default() };
    let of = |role: &Role| {
        let Role::Fold(fold) = *role else { return None };
        let places: Vec<usize> = (0..items.len()).filter(|i| roles[*i] == *role).collect();
        let (items, decided) = (items.select(&places), select(decided, &places));
        Some(FoldMetrics {
            fold,
            size: Size::of(&items),
            metrics: Prepared::new(&items, &decided).metrics(&MetricName::ALL, &no_intervals),
            best_f1_threshold: best_threshold(&items),
        })
    };
    folds.iter().filter_map(of).collect()
}

fn best_threshold(items: &Items) -> Option<f64> {
    let grid = Grid::new(&items.probabilities, &items.labels).ok()?;
    Some(grid.best_f1(&vec![1.0; items.len()]).ok()?.threshold)
}

/// The role of each item: that of its first image, because all images of a patient have one role.
pub(super) fn roles(predictions: &[Prediction], items: &Items) -> Vec<Role> {
    items.rows.iter().map(|rows| predictions[rows[0] as usize].role).collect()
}

fn select(decided: &Decisions, places: &[usize]) -> Decisions {
    let called = decided.called.as_ref().map(|all| places.iter().map(|&i| all[i]).collect());
    let calibrated =
        decided.calibrated.as_ref().map(|all| places.iter().map(|&i| all[i]).collect());
    Decisions {
        selected_on: decided.selected_on,
        selected: decided.selected.clone(),
        called: called.map_err(|reason| *reason),
        calibrated: calibrated.map_err(|reason| *reason),
    }
}

fn decisions(
    count: usize,
    (images, by_image): &(Items, Decisions),
    (breasts, by_breast): &(Items, Decisions),
) -> Vec<ImageDecision> {
    let mut decisions = vec![ImageDecision::default(); count];
    let called = |decided: &Decisions, i: usize| decided.called.as_ref().ok().map(|all| all[i]);
    let calibrated =
        |decided: &Decisions, i: usize| decided.calibrated.as_ref().ok().map(|all| all[i]);
    for (i, rows) in images.rows.iter().enumerate() {
        let decision = &mut decisions[rows[0] as usize];
        decision.calibrated = calibrated(by_image, i);
        decision.called = called(by_image, i);
    }
    for (i, rows) in breasts.rows.iter().enumerate() {
        for row in rows {
            let decision = &mut decisions[*row as usize];
            decision.breast_probability = Some(breasts.probabilities[i]);
            decision.breast_calibrated = calibrated(by_breast, i);
            decision.breast_called = called(by_breast, i);
        }
    }
    decisions
}

#[cfg(test)]
mod tests;
