//! The table of an experiment: one row a weight of the auxiliary targets.
//!
//! In: the held-out predictions of runs that differ in that weight. Out: [`Row`]s as the report
//! has them that this experiment repeats: F1 at the best of the thresholds k/49 in the best
//! fold, the accuracy and threshold there, and which fold that was; with intervals, and beside
//! it the F1 that nothing was picked for: over all folds, at epochs and thresholds that the other
//! folds chose.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;

use super::bootstrap::{Bootstrap, Estimate};
use super::choice::{self, Given};
use super::compare::{Differences, differences, paired};
use super::figures::{Figures, Name, Prepared};
use super::judge::{JudgeError, Size, check, roles};
use crate::dataset::Role;
use crate::metrics::{BestF1, Grid};
use crate::predictions::{Items, Level, Prediction};

/// One run of the experiment.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// Weight of the auxiliary targets; `None` is the network without them.
    pub weight: Option<f64>,
    /// What it said of its held-out folds, each at the epoch that was best there: what the best
    /// fold is picked from.
    pub at_best_epochs: &'a [Prediction],
    /// The same at epochs that the other folds chose: what all folds are judged by.
    pub cross_fitted: &'a [Prediction],
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Weight of the auxiliary targets; null is the network without them.
    pub weight: Option<f64>,
    /// The fold with the highest F1, the lowest of equals.
    pub best_fold: BestFold,
    /// F1 of every fold at its best threshold.
    pub folds: Vec<(u16, Option<f64>)>,
    /// Items of all folds.
    pub size: Size,
    /// Over all folds, at thresholds that the other folds chose.
    pub all_folds: Figures,
    /// What the auxiliary targets added to that, resample by resample on the same patients; null
    /// without a network without them, and for that network itself.
    pub over_cnn_only: Option<Differences>,
}

/// The best fold of a run, picked on the items that it is judged on: it flatters.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BestFold {
    /// Which; null if no fold has a positive.
    pub fold: Option<u16>,
    /// Its items.
    pub size: Size,
    /// F1 at the best of 50 thresholds.
    pub f1: Option<Estimate>,
    /// Accuracy there.
    pub accuracy: Option<Estimate>,
    /// The threshold, k/49.
    pub threshold: Option<f64>,
}

/// What all folds together are judged by.
const ALL_FOLDS: [Name; 5] = [Name::F1, Name::Accuracy, Name::Auroc, Name::Auprc, Name::Pf1];

/// What is compared with the network without auxiliary targets.
const COMPARED: [Name; 2] = [Name::F1, Name::Auroc];

/// Judges the runs, a row each, in their order.
///
/// # Errors
/// [`JudgeError`] for a run that cannot be judged.
pub fn table(
    runs: &[Run<'_>],
    level: Level,
    bootstrap: &Bootstrap,
) -> Result<Vec<Row>, JudgeError> {
    let cnn_only = runs.iter().find(|run| run.weight.is_none());
    let row = |run: &Run<'_>| {
        let mut row = row(run, level, bootstrap)?;
        if let (Some(cnn_only), Some(_)) = (cnn_only, run.weight) {
            row.over_cnn_only = over(cnn_only, run, level, bootstrap)?;
        }
        Ok(row)
    };
    runs.iter().map(row).collect()
}

/// What `run` has over `first`; `None` if they judged different images.
fn over(
    first: &Run<'_>,
    run: &Run<'_>,
    level: Level,
    bootstrap: &Bootstrap,
) -> Result<Option<Differences>, JudgeError> {
    let Ok(second) = paired(first.cross_fitted, run.cross_fitted) else { return Ok(None) };
    let both = [held_out(first.cross_fitted, level)?, held_out(&second, level)?];
    let decided =
        both.each_ref().map(|(items, roles)| choice::cross_fitted(items, roles, Given::default()));
    let prepared = [0, 1].map(|i| Prepared::new(&both[i].0, &decided[i]));
    Ok(Some(differences(&COMPARED, &prepared, &both[0].0.patients, bootstrap)))
}

fn row(run: &Run<'_>, level: Level, bootstrap: &Bootstrap) -> Result<Row, JudgeError> {
    let (items, roles) = held_out(run.at_best_epochs, level)?;
    let folds: BTreeSet<Role> = roles.iter().copied().collect();
    let folds: Vec<(u16, Items, Option<BestF1>)> = folds
        .iter()
        .filter_map(|role| {
            let Role::Fold(fold) = *role else { return None };
            let places: Vec<usize> = (0..items.len()).filter(|i| roles[*i] == *role).collect();
            let items = items.select(&places);
            let best = best_f1(&items);
            Some((fold, items, best))
        })
        .collect();
    let (items, roles) = held_out(run.cross_fitted, level)?;
    let decided = choice::cross_fitted(&items, &roles, Given::default());
    Ok(Row {
        weight: run.weight,
        best_fold: best_fold(&folds, bootstrap),
        folds: folds.iter().map(|(fold, _, best)| (*fold, best.map(|best| best.f1))).collect(),
        size: Size::of(&items),
        all_folds: Prepared::new(&items, &decided).figures(&ALL_FOLDS, bootstrap),
        over_cnn_only: None,
    })
}

/// The items of the held-out folds, with the role of each.
fn held_out(all: &[Prediction], level: Level) -> Result<(Items, Vec<Role>), JudgeError> {
    check(all)?;
    let held_out = |p: &&Prediction| matches!(p.role, Role::Fold(_));
    let predictions: Vec<Prediction> = all.iter().filter(held_out).cloned().collect();
    let items = Items::of(&predictions, level);
    if items.is_empty() {
        return Err(JudgeError::Nothing { rows: all.len() });
    }
    let roles = roles(&predictions, &items);
    Ok((items, roles))
}

fn best_f1(items: &Items) -> Option<BestF1> {
    let grid = Grid::new(&items.probabilities, &items.labels).ok()?;
    grid.best_f1(&vec![1.0; items.len()]).ok()
}

fn best_fold(folds: &[(u16, Items, Option<BestF1>)], bootstrap: &Bootstrap) -> BestFold {
    let judged = folds.iter().filter_map(|(fold, items, best)| Some((*fold, items, (*best)?)));
    let best = judged.reduce(|best, next| if next.2.f1 > best.2.f1 { next } else { best });
    let Some((fold, items, best)) = best else {
        let size = Size::of(&folds[0].1);
        return BestFold { fold: None, size, f1: None, accuracy: None, threshold: None };
    };
    // Nothing of a single fold is frozen, and neither figure asks for it.
    let undecided = choice::locked(items, &items.select(&[]), Given::default());
    let names = [Name::BestF1, Name::BestF1Accuracy];
    let figures = Prepared::new(items, &undecided).figures(&names, bootstrap);
    BestFold {
        fold: Some(fold),
        size: Size::of(items),
        f1: figures.get(Name::BestF1).copied(),
        accuracy: figures.get(Name::BestF1Accuracy).copied(),
        threshold: Some(best.threshold),
    }
}

/// The table as text, with what every F1 has to be held against.
pub fn text(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<9} {:<26} {:<26} {:>9} {:>5} {:>8}  {}\n",
        "weight",
        "F1, best fold",
        "accuracy",
        "threshold",
        "fold",
        "all pos.",
        "F1, all folds, frozen"
    );
    for row in rows {
        let weight = row.weight.map_or("CNN only".to_owned(), |weight| format!("{weight:.1}"));
        let best = &row.best_fold;
        let number = |value: Option<f64>| value.map_or("–".to_owned(), |v| format!("{v:.4}"));
        let fold = best.fold.map_or("–".to_owned(), |fold| fold.to_string());
        let estimate =
            |e: Option<&Estimate>| e.map_or("–".to_owned(), |estimate| format!("{estimate:.4}"));
        writeln!(
            text,
            "{weight:<9} {:<26} {:<26} {:>9} {fold:>5} {:>8}  {}",
            estimate(best.f1.as_ref()),
            estimate(best.accuracy.as_ref()),
            number(best.threshold),
            number(best.size.all_positive_f1),
            estimate(row.all_folds.get(Name::F1)),
        )
        .expect("a string takes all that is written to it");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predictions::made::made;

    #[test]
    fn a_row_names_the_best_fold_and_what_it_reaches_there() {
        let bootstrap = Bootstrap { resamples: 50, ..Bootstrap::default() };
        let runs = [made(1, 120, 3, 0.5), made(1, 120, 3, 3.0)];
        let of = |weight: Option<f64>, run: usize| Run {
            weight,
            at_best_epochs: &runs[run],
            cross_fitted: &runs[run],
        };
        let rows = table(&[of(None, 0), of(Some(0.3), 1)], Level::Image, &bootstrap).unwrap();
        assert_eq!(rows.iter().map(|row| row.weight).collect::<Vec<_>>(), [None, Some(0.3)]);
        for row in &rows {
            let best = row.best_fold.fold.unwrap();
            let f1 = |fold: u16| row.folds.iter().find(|(f, _)| *f == fold).unwrap().1.unwrap();
            assert!((0..3).all(|fold| f1(fold) <= f1(best)));
            assert_eq!(row.best_fold.f1.unwrap().value, Some(f1(best)));
            assert_eq!((row.best_fold.size.n, row.size.n), (160, 480));
            let k = row.best_fold.threshold.unwrap() * 49.0;
            assert!((k - k.round()).abs() < 1e-9);
        }
        assert_eq!(rows[0].over_cnn_only, None);
        for name in COMPARED {
            let over = rows[1].over_cnn_only.as_ref().unwrap().get(name).unwrap();
            let of = |row: &Row| row.all_folds.get(name).unwrap().value;
            assert_eq!((over.first, over.second), (of(&rows[0]), of(&rows[1])));
            assert!(over.difference.interval.unwrap()[0] > 0.0, "it is far better");
        }
        let frozen = |row: &Row| row.all_folds.get(Name::F1).unwrap().value.unwrap();
        assert!(frozen(&rows[1]) > frozen(&rows[0]));
        let text = text(&rows);
        assert!(text.lines().nth(1).unwrap().starts_with("CNN only"), "{text}");
        assert!(text.lines().nth(2).unwrap().starts_with("0.3 "), "{text}");
    }

    #[test]
    fn folds_without_a_positive_have_no_best() {
        let mut predictions = made(1, 30, 3, 1.0);
        predictions.iter_mut().for_each(|p| p.record.cancer = Some(false));
        let run = Run { weight: None, at_best_epochs: &predictions, cross_fitted: &predictions };
        let rows = table(&[run], Level::Image, &Bootstrap::default()).unwrap();
        assert_eq!((rows[0].best_fold.fold, rows[0].best_fold.f1), (None, None));
        assert!(text(&rows).contains('–'));
    }
}
