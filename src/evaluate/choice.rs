//! Chooses threshold and temperature, never on the items they are applied to.
//!
//! In: [`Items`] with the role of each. Out: for each item whether it is predicted positive and its
//! calibrated probability, with the chosen values and the items they were chosen on. Held-out
//! folds are cross-fitted: the values applied to a fold are chosen on the other folds. The values
//! applied to a locked split are chosen on all folds.

use std::collections::BTreeSet;

use serde::Serialize;

use super::calibration::Calibration;
use crate::dataset::Role;
use crate::metrics::{Ranked, Undefined};
use crate::predictions::{Items, logit};

/// The data that threshold and temperature were chosen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SelectedOn {
    /// For each fold, on the other folds.
    OtherFolds,
    /// On all held-out folds; they are applied to the locked split.
    AllFolds,
    /// The caller gave the threshold; no temperature was chosen.
    Given,
    /// They were not chosen, because there are no other data to choose them on.
    NotSelected,
}

/// Threshold and calibration of one fold, or of the locked split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Selected {
    /// The fold that they are applied to; `None` for the locked split.
    pub fold: Option<u16>,
    /// Number of items that they were chosen on.
    pub n: usize,
    /// An item is predicted positive if its probability before calibration reaches this. Chosen
    /// for the highest F1.
    pub threshold: Option<f64>,
    /// The calibration.
    pub calibration: Option<Calibration>,
}

/// Threshold and calibration applied to every item.
#[derive(Debug, Clone, PartialEq)]
pub struct Decisions {
    /// The data that threshold and temperature were chosen on.
    pub selected_on: SelectedOn,
    /// The chosen values, one entry per fold.
    pub selected: Vec<Selected>,
    /// Whether each item is predicted positive.
    pub called: Result<Vec<bool>, Undefined>,
    /// Calibrated probability of each item.
    pub calibrated: Result<Vec<f64>, Undefined>,
}

/// Values that are known before the evaluation.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Given {
    /// A threshold that the caller chose.
    pub threshold: Option<f64>,
    /// The shift that sampler and loss added to every logit.
    pub logit_shift: f64,
}

/// Applies to each held-out fold the threshold and calibration chosen on the other folds.
pub fn cross_fitted(items: &Items, roles: &[Role], given: Given) -> Decisions {
    let folds: BTreeSet<u16> = roles.iter().filter_map(fold).collect();
    let chosen: Vec<Selected> = folds
        .iter()
        .map(|&held_out| {
            let other = |i: &usize| fold(&roles[*i]).is_some_and(|fold| fold != held_out);
            let others: Vec<usize> = (0..items.len()).filter(other).collect();
            choose(&items.select(&others), Some(held_out), given)
        })
        .collect();
    let of = |role: &Role| {
        let place = folds.iter().position(|held_out| Some(*held_out) == fold(role));
        &chosen[place.expect("every item belongs to a fold")]
    };
    let by_item: Vec<&Selected> = roles.iter().map(of).collect();
    let selected_on = selected_on(
        given,
        if folds.len() > 1 { SelectedOn::OtherFolds } else { SelectedOn::NotSelected },
    );
    decide(items, &by_item, selected_on, chosen.clone())
}

/// Applies to a locked split the threshold and calibration chosen on the held-out folds, if there
/// are any.
pub fn locked(items: &Items, folds: &Items, given: Given) -> Decisions {
    let chosen = choose(folds, None, given);
    let selected_on = selected_on(
        given,
        if folds.is_empty() { SelectedOn::NotSelected } else { SelectedOn::AllFolds },
    );
    decide(items, &vec![&chosen; items.len()], selected_on, vec![chosen.clone()])
}

fn selected_on(given: Given, otherwise: SelectedOn) -> SelectedOn {
    match (given.threshold, otherwise) {
        (Some(_), SelectedOn::NotSelected) => SelectedOn::Given,
        _ => otherwise,
    }
}

fn fold(role: &Role) -> Option<u16> {
    match role {
        Role::Fold(fold) => Some(*fold),
        _ => None,
    }
}

/// Chooses threshold and calibration on `items`.
fn choose(items: &Items, fold: Option<u16>, given: Given) -> Selected {
    let ones = vec![1.0; items.len()];
    let ranked = Ranked::new(&items.probabilities, &items.labels);
    let best = ranked.and_then(|ranked| ranked.best_threshold(&ones)).ok();
    let logits: Vec<f64> = items.probabilities.iter().map(|p| logit(*p)).collect();
    Selected {
        fold,
        n: items.len(),
        threshold: given.threshold.or(best),
        calibration: Calibration::fit(&logits, &items.labels, -given.logit_shift),
    }
}

fn decide(
    items: &Items,
    chosen: &[&Selected],
    selected_on: SelectedOn,
    all: Vec<Selected>,
) -> Decisions {
    let each = || items.probabilities.iter().zip(chosen);
    let called = each().map(|(p, chosen)| chosen.threshold.map(|threshold| *p >= threshold));
    let calibrated = each().map(|(p, chosen)| chosen.calibration.map(|c| c.apply(logit(*p))));
    Decisions {
        selected_on,
        called: called.collect::<Option<_>>().ok_or(Undefined::NoThreshold),
        calibrated: calibrated.collect::<Option<_>>().ok_or(Undefined::NoTemperature),
        selected: all,
    }
}
