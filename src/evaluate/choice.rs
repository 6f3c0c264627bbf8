//! Who chose the threshold and the temperature: never the items that are judged by them.
//!
//! In: [`Items`] with the role of each. Out: for each item whether it is called positive and its
//! calibrated probability, with the numbers that were chosen and what they were chosen on.
//! Held-out folds are cross-fitted: each is judged by what the other folds choose. A locked
//! split is judged by what all folds choose.

use std::collections::BTreeSet;

use serde::Serialize;

use super::calibration::Calibration;
use crate::dataset::Role;
use crate::metrics::{Ranked, Undefined};
use crate::predictions::{Items, logit};

/// Where threshold and temperature are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// From the other folds, for each fold anew.
    OtherFolds,
    /// From all held-out folds, none of which is judged here.
    AllFolds,
    /// The threshold was given, the temperature is from nowhere.
    Given,
    /// There is nothing to choose them on.
    Nowhere,
}

/// What was chosen for one fold, or for the locked split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chosen {
    /// The fold judged by it; `None` for the locked split.
    pub fold: Option<u16>,
    /// Items it was chosen on.
    pub chosen_on: usize,
    /// At or above it an item is called positive: the highest F1 there. On the probability
    /// before calibration.
    pub threshold: Option<f64>,
    /// The calibration.
    pub calibration: Option<Calibration>,
}

/// What follows from the choice for every item.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// Where it is from.
    pub source: Source,
    /// What was chosen.
    pub chosen: Vec<Chosen>,
    /// Whether each item is called positive.
    pub called: Result<Vec<bool>, Undefined>,
    /// Calibrated probability of each item.
    pub calibrated: Result<Vec<f64>, Undefined>,
}

/// What is known beforehand.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Given {
    /// A threshold chosen elsewhere.
    pub threshold: Option<f64>,
    /// What sampler and loss added to every logit.
    pub logit_shift: f64,
}

/// Judges each of several held-out folds by the others.
pub fn cross_fitted(items: &Items, roles: &[Role], given: Given) -> Decided {
    let folds: BTreeSet<u16> = roles.iter().filter_map(fold).collect();
    let chosen: Vec<Chosen> = folds
        .iter()
        .map(|&held_out| {
            let other = |i: &usize| fold(&roles[*i]).is_some_and(|fold| fold != held_out);
            let others: Vec<usize> = (0..items.len()).filter(other).collect();
            choose(&items.select(&others), Some(held_out), given)
        })
        .collect();
    let of = |role: &Role| {
        let place = folds.iter().position(|held_out| Some(*held_out) == fold(role));
        &chosen[place.expect("every item judged here is of a fold")]
    };
    let by_item: Vec<&Chosen> = roles.iter().map(of).collect();
    let source = source(given, if folds.len() > 1 { Source::OtherFolds } else { Source::Nowhere });
    decide(items, &by_item, source, chosen.clone())
}

/// Judges a locked split by what the held-out folds choose, if there are any.
pub fn locked(items: &Items, folds: &Items, given: Given) -> Decided {
    let chosen = choose(folds, None, given);
    let source = source(given, if folds.is_empty() { Source::Nowhere } else { Source::AllFolds });
    decide(items, &vec![&chosen; items.len()], source, vec![chosen.clone()])
}

fn source(given: Given, otherwise: Source) -> Source {
    match (given.threshold, otherwise) {
        (Some(_), Source::Nowhere) => Source::Given,
        _ => otherwise,
    }
}

fn fold(role: &Role) -> Option<u16> {
    match role {
        Role::Fold(fold) => Some(*fold),
        _ => None,
    }
}

/// Threshold and calibration from items that are not judged by them.
fn choose(items: &Items, fold: Option<u16>, given: Given) -> Chosen {
    let ones = vec![1.0; items.len()];
    let ranked = Ranked::new(&items.probabilities, &items.labels);
    let best = ranked.and_then(|ranked| ranked.best_threshold(&ones)).ok();
    let logits: Vec<f64> = items.probabilities.iter().map(|p| logit(*p)).collect();
    Chosen {
        fold,
        chosen_on: items.len(),
        threshold: given.threshold.or(best),
        calibration: Calibration::fit(&logits, &items.labels, -given.logit_shift),
    }
}

fn decide(items: &Items, chosen: &[&Chosen], source: Source, all: Vec<Chosen>) -> Decided {
    let each = || items.probabilities.iter().zip(chosen);
    let called = each().map(|(p, chosen)| chosen.threshold.map(|threshold| *p >= threshold));
    let calibrated = each().map(|(p, chosen)| chosen.calibration.map(|c| c.apply(logit(*p))));
    Decided {
        source,
        called: called.collect::<Option<_>>().ok_or(Undefined::NoThreshold),
        calibrated: calibrated.collect::<Option<_>>().ok_or(Undefined::NoTemperature),
        chosen: all,
    }
}
