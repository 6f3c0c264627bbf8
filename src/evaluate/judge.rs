//! The whole judgement: predictions to an [`Evaluation`].
//!
//! In: predictions of held-out folds, of a locked split, or of both; images of the test table
//! and those left out are counted and not judged. Out: a [`Part`] for the folds and one for the
//! locked split, each with all figures by image, breast and patient, by fold and by subgroup,
//! and what was decided for every image.

use std::collections::{BTreeSet, HashMap};

use rayon::prelude::*;
use serde::Serialize;

use super::bootstrap::Bootstrap;
use super::choice::{self, Chosen, Decided, Given, Source};
use super::figures::{ECE_BINS, Figures, Name, Prepared};
use super::subgroups::{Attribute, groups};
use crate::dataset::Role;
use crate::error::faults;
use crate::metrics::{Bin, Binning, Grid, all_positive_f1, reliability};
use crate::predictions::{self, Items, Level, Prediction};
use crate::shard::records::{boolean, double};

/// How good the model is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// Held-out folds first, then the locked split.
    pub parts: Vec<Part>,
    /// How the intervals were made.
    pub bootstrap: Bootstrap,
    /// Images that are not judged.
    pub not_judged: NotJudged,
}

/// Images that are not judged, by why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct NotJudged {
    /// No label is known.
    pub unlabelled: usize,
    /// Rows of the test table.
    pub test: usize,
    /// Negatives beyond `folds.negatives_per_positive`.
    pub left_out: usize,
}

/// What a part is judged on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Judged {
    /// Each fold by the model that was not trained on it.
    HeldOutFolds,
    /// Patients that no fold holds.
    LockedSplit,
}

/// The judgement on the folds or on the locked split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// Which it is.
    pub judged: Judged,
    /// By image, breast and patient.
    pub levels: Vec<AtLevel>,
    /// By breast; views by image.
    pub subgroups: Vec<Subgroup>,
}

/// How many there are, and what an F1 has to be held against.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Size {
    /// Items.
    pub n: usize,
    /// Of them with cancer.
    pub positives: usize,
    /// Whose they are.
    pub patients: usize,
    /// Share with cancer; null of none.
    pub prevalence: Option<f64>,
    /// F1 when everything is called positive, 2p / (1 + p).
    pub all_positive_f1: Option<f64>,
}

impl Size {
    /// Counts items.
    pub fn of(items: &Items) -> Self {
        let (n, positives) = (items.len(), items.labels.iter().filter(|label| **label).count());
        let prevalence = (n > 0).then(|| positives as f64 / n as f64);
        let patients = items.patients.iter().collect::<BTreeSet<_>>().len();
        let all_positive_f1 = prevalence.map(all_positive_f1);
        Self { n, positives, patients, prevalence, all_positive_f1 }
    }
}

/// All figures of one level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AtLevel {
    /// What an item is.
    pub level: Level,
    /// How many there are.
    #[serde(flatten)]
    pub size: Size,
    /// Who chose threshold and temperature.
    pub chosen_by: Source,
    /// What they chose.
    pub chosen: Vec<Chosen>,
    /// The figures.
    pub figures: Figures,
    /// Threshold of the best F1 of 50.
    pub best_f1_threshold: Option<f64>,
    /// Before calibration, in bins of the same count.
    pub reliability: Vec<Bin>,
    /// After it.
    pub calibrated_reliability: Vec<Bin>,
    /// The same figures fold by fold, without intervals.
    pub folds: Vec<AtFold>,
}

/// The figures of one fold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AtFold {
    /// Which.
    pub fold: u16,
    /// How many items it has.
    #[serde(flatten)]
    pub size: Size,
    /// The figures.
    pub figures: Figures,
    /// Threshold of its best F1 of 50.
    pub best_f1_threshold: Option<f64>,
}

/// The figures of one subgroup.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Subgroup {
    /// What tells it apart.
    pub attribute: Attribute,
    /// Its value.
    pub value: String,
    /// What it is held against, where it has one class only.
    pub against: Option<&'static str>,
    /// What an item is.
    pub level: Level,
    /// How many there are, those it is held against among them.
    #[serde(flatten)]
    pub size: Size,
    /// The figures.
    pub figures: Figures,
}

/// What was decided for an image: for a file beside the predictions.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Verdict {
    /// Its calibrated probability.
    pub calibrated: Option<f64>,
    /// Whether it is called positive by itself.
    pub called: Option<bool>,
    /// Mean probability of its breast.
    pub breast_probability: Option<f64>,
    /// The same, calibrated.
    pub breast_calibrated: Option<f64>,
    /// Whether its breast is called positive by the mean.
    pub breast_called: Option<bool>,
}

/// Predictions that cannot be judged together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JudgeError {
    /// An image that is there twice.
    #[error("image {0} is predicted twice; judge one model at a time")]
    Twice(String),
    /// A patient in two folds, or in a fold and in the locked split.
    #[error("patient {patient_id} is in {first} and in {second}, so one was trained on")]
    Divided {
        /// The patient.
        patient_id: String,
        /// Where some images are.
        first: Role,
        /// Where others are.
        second: Role,
    },
    /// There is nothing to judge.
    #[error("none of {rows} predictions has a label and is of a fold or the locked split")]
    Nothing {
        /// Predictions.
        rows: usize,
    },
}
faults!(JudgeError);

/// Judges predictions; the verdicts are in their order. The same bytes for any number of
/// threads.
///
/// # Errors
/// [`JudgeError`].
pub fn judge(
    predictions: &[Prediction],
    given: Given,
    bootstrap: &Bootstrap,
) -> Result<(Evaluation, Vec<Verdict>), JudgeError> {
    check(predictions)?;
    let rows = |wanted: fn(&Role) -> bool| -> Vec<usize> {
        let of =
            |i: &usize| wanted(&predictions[*i].role) && predictions[*i].record.cancer.is_some();
        (0..predictions.len()).filter(of).collect()
    };
    let (folds, locked) =
        (rows(|role| matches!(role, Role::Fold(_))), rows(|role| *role == Role::Locked));
    if folds.is_empty() && locked.is_empty() {
        return Err(JudgeError::Nothing { rows: predictions.len() });
    }
    let mut verdicts = vec![Verdict::default(); predictions.len()];
    let mut parts = Vec::new();
    for (judged, places) in [(Judged::HeldOutFolds, &folds), (Judged::LockedSplit, &locked)] {
        if places.is_empty() {
            continue;
        }
        let pick = |places: &[usize]| -> Vec<Prediction> {
            places.iter().map(|&place| predictions[place].clone()).collect()
        };
        let (own, folds) = (pick(places), pick(&folds));
        let (part, own) = part(judged, &own, &folds, given, bootstrap);
        parts.push(part);
        places.iter().zip(own).for_each(|(&place, verdict)| verdicts[place] = verdict);
    }
    let count = |wanted: fn(&Prediction) -> bool| predictions.iter().filter(|p| wanted(p)).count();
    let not_judged = NotJudged {
        unlabelled: count(|p| {
            p.record.cancer.is_none() && matches!(p.role, Role::Fold(_) | Role::Locked)
        }),
        test: count(|p| p.role == Role::Test),
        left_out: count(|p| p.role == Role::LeftOut),
    };
    Ok((Evaluation { parts, bootstrap: *bootstrap, not_judged }, verdicts))
}

/// Predictions with what was decided for them, as the bytes of a Parquet file.
pub fn encode(predictions: &[Prediction], verdicts: &[Verdict]) -> Vec<u8> {
    let further = vec![
        double("calibrated", "calibrated probability", verdicts, |v| v.calibrated),
        boolean("called", "the image is called positive by itself", verdicts, |v| v.called),
        double("breast_probability", "mean over the breast's images", verdicts, |v| {
            v.breast_probability
        }),
        double("breast_calibrated", "calibrated probability of the breast", verdicts, |v| {
            v.breast_calibrated
        }),
        boolean("breast_called", "the breast is called positive by the mean", verdicts, |v| {
            v.breast_called
        }),
    ];
    predictions::encode(predictions, further, &[])
}

/// Refuses images that are there twice and patients that are divided.
pub(super) fn check(predictions: &[Prediction]) -> Result<(), JudgeError> {
    let mut images = BTreeSet::new();
    let mut patients: HashMap<&str, Role> = HashMap::new();
    for Prediction { record, role, .. } in predictions {
        if !images.insert((record.patient_id.as_str(), record.image_id.as_str())) {
            return Err(JudgeError::Twice(record.image_id.to_string()));
        }
        let first = *patients.entry(record.patient_id.as_str()).or_insert(*role);
        if first != *role {
            let patient_id = record.patient_id.to_string();
            return Err(JudgeError::Divided { patient_id, first, second: *role });
        }
    }
    Ok(())
}

fn part(
    judged: Judged,
    own: &[Prediction],
    folds: &[Prediction],
    given: Given,
    bootstrap: &Bootstrap,
) -> (Part, Vec<Verdict>) {
    let decide = |level: Level| {
        let items = Items::of(own, level);
        let decided = match judged {
            Judged::HeldOutFolds => choice::cross_fitted(&items, &roles(own, &items), given),
            Judged::LockedSplit => choice::locked(&items, &Items::of(folds, level), given),
        };
        (items, decided)
    };
    let decided: Vec<(Items, Decided)> = Level::ALL.into_iter().map(decide).collect();
    let level = |(items, decided): &(Items, Decided)| at_level(own, items, decided, bootstrap);
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
                figures: Prepared::new(&items, &decided).figures(&Name::OF_SUBGROUPS, bootstrap),
            }
        })
    });
    let subgroups = subgroups.collect();
    let part = Part { judged, levels: decided.iter().map(level).collect(), subgroups };
    (part, verdicts(own.len(), image, breast))
}

fn at_level(
    own: &[Prediction],
    items: &Items,
    decided: &Decided,
    bootstrap: &Bootstrap,
) -> AtLevel {
    let curve =
        |p: &[f64]| reliability(p, &items.labels, Binning::SameCount(ECE_BINS)).unwrap_or_default();
    AtLevel {
        level: items.level,
        size: Size::of(items),
        chosen_by: decided.source,
        chosen: decided.chosen.clone(),
        figures: Prepared::new(items, decided).figures(&Name::ALL, bootstrap),
        best_f1_threshold: best_threshold(items),
        reliability: curve(&items.probabilities),
        calibrated_reliability: decided.calibrated.as_ref().map_or(vec![], |p| curve(p)),
        folds: by_fold(own, items, decided),
    }
}

fn by_fold(own: &[Prediction], items: &Items, decided: &Decided) -> Vec<AtFold> {
    let roles = roles(own, items);
    let folds: BTreeSet<Role> = roles.iter().copied().collect();
    let no_intervals = Bootstrap { resamples: 0, ..Bootstrap::default() };
    let of = |role: &Role| {
        let Role::Fold(fold) = *role else { return None };
        let places: Vec<usize> = (0..items.len()).filter(|i| roles[*i] == *role).collect();
        let (items, decided) = (items.select(&places), select(decided, &places));
        Some(AtFold {
            fold,
            size: Size::of(&items),
            figures: Prepared::new(&items, &decided).figures(&Name::ALL, &no_intervals),
            best_f1_threshold: best_threshold(&items),
        })
    };
    folds.iter().filter_map(of).collect()
}

fn best_threshold(items: &Items) -> Option<f64> {
    let grid = Grid::new(&items.probabilities, &items.labels).ok()?;
    Some(grid.best_f1(&vec![1.0; items.len()]).ok()?.threshold)
}

/// The role of each item: that of any of its images, for a patient is never divided.
pub(super) fn roles(predictions: &[Prediction], items: &Items) -> Vec<Role> {
    items.rows.iter().map(|rows| predictions[rows[0] as usize].role).collect()
}

fn select(decided: &Decided, places: &[usize]) -> Decided {
    let called = decided.called.as_ref().map(|all| places.iter().map(|&i| all[i]).collect());
    let calibrated =
        decided.calibrated.as_ref().map(|all| places.iter().map(|&i| all[i]).collect());
    Decided {
        source: decided.source,
        chosen: decided.chosen.clone(),
        called: called.map_err(|reason| *reason),
        calibrated: calibrated.map_err(|reason| *reason),
    }
}

fn verdicts(
    count: usize,
    (images, by_image): &(Items, Decided),
    (breasts, by_breast): &(Items, Decided),
) -> Vec<Verdict> {
    let mut verdicts = vec![Verdict::default(); count];
    let called = |decided: &Decided, i: usize| decided.called.as_ref().ok().map(|all| all[i]);
    let calibrated =
        |decided: &Decided, i: usize| decided.calibrated.as_ref().ok().map(|all| all[i]);
    for (i, rows) in images.rows.iter().enumerate() {
        let verdict = &mut verdicts[rows[0] as usize];
        verdict.calibrated = calibrated(by_image, i);
        verdict.called = called(by_image, i);
    }
    for (i, rows) in breasts.rows.iter().enumerate() {
        for row in rows {
            let verdict = &mut verdicts[*row as usize];
            verdict.breast_probability = Some(breasts.probabilities[i]);
            verdict.breast_calibrated = calibrated(by_breast, i);
            verdict.breast_called = called(by_breast, i);
        }
    }
    verdicts
}

#[cfg(test)]
mod tests;
