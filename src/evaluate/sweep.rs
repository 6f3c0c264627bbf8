//! The table of a sweep: one row per weight of the auxiliary targets.
//!
//! In: the held-out predictions of runs that differ in that weight. Out: [`Row`]s in the form of
//! the published report that this experiment repeats: the F1 of the best fold at the best of the
//! thresholds k/49, with accuracy, threshold and fold number. Each has an interval. Next to it
//! stands the cross-fitted F1 over all folds, with epoch and threshold chosen on the other folds.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;

use super::bootstrap::{Bootstrap, Estimate};
use super::choice::{self, Given};
use super::compare::{Differences, differences, paired};
use super::evaluation::{EvaluationError, Size, check, roles};
use super::metric_set::{MetricName, MetricSet, Prepared};
use crate::dataset::Role;
use crate::metrics::{BestF1, Grid};
use crate::predictions::{Items, Level, Prediction};

/// One run of the sweep.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// Weight of the auxiliary targets; `None` is the network without them.
    pub weight: Option<f64>,
    /// Its predictions for the held-out folds, each at its own best epoch: the best fold is
    /// selected from these.
    pub at_best_epochs: &'a [Prediction],
    /// Its predictions for the held-out folds, each at the epoch chosen on the other folds: the
    /// metrics over all folds use these.
    pub cross_fitted: &'a [Prediction],
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Weight of the auxiliary targets; null is the network without them.
    pub weight: Option<f64>,
    /// The fold with the highest F1; of equal folds the one with the lowest number.
    pub best_fold: BestFold,
    /// F1 of every fold at its best threshold.
    pub folds: Vec<(u16, Option<f64>)>,
    /// Number of items in all folds.
    pub size: Size,
    /// Metrics over all folds, with thresholds chosen on the other folds.
    pub all_folds: MetricSet,
    /// Paired differences to the network without auxiliary targets; null for that network itself,
    /// or if it was not trained.
    pub over_cnn_only: Option<Differences>,
}

/// The best fold of a run. It is selected on the items it is evaluated on, so it is optimistic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BestFold {
    /// Its number; null if no fold has a positive.
    pub fold: Option<u16>,
    /// Number of its items.
    pub size: Size,
    /// F1 at the best of 50 thresholds.
    pub f1: Option<Estimate>,
    /// Accuracy at that threshold.
    pub accuracy: Option<Estimate>,
    /// The threshold, k/49.
    pub threshold: Option<f64>,
}

/// The metrics over all folds.
const ALL_FOLDS: [MetricName; 5] =
    [MetricName::F1, MetricName::Accuracy, MetricName::Auroc, MetricName::Auprc, MetricName::Pf1];

/// The metrics compared with the network without auxiliary targets.
const COMPARED: [MetricName; 2] = [MetricName::F1, MetricName::Auroc];

/// Evaluates the runs: one row per run, in their order.
///
/// # Errors
/// [`EvaluationError`] for a run that cannot be evaluated.
pub fn table(
    runs: &[Run<'_>],
    level: Level,
    bootstrap: &Bootstrap,
) -> Result<Vec<Row>, EvaluationError> {
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

/// The differences of `run` minus `first`; `None` if they have predictions of different images.
fn over(
    first: &Run<'_>,
    run: &Run<'_>,
    level: Level,
    bootstrap: &Bootstrap,
) -> Result<Option<Differences>, EvaluationError> {
    let Ok(second) = paired(first.cross_fitted, run.cross_fitted) else { return Ok(None) };
    let both = [held_out(first.cross_fitted, level)?, held_out(&second, level)?];
    let decided =
        both.each_ref().map(|(items, roles)| choice::cross_fitted(items, roles, Given::default()));
    let prepared = [0, 1].map(|i| Prepared::new(&both[i].0, &decided[i]));
    Ok(Some(differences(&COMPARED, &prepared, &both[0].0.patients, bootstrap)))
}

fn row(run: &Run<'_>, level: Level, bootstrap: &Bootstrap) -> Result<Row, EvaluationError> {
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
        all_folds: Prepared::new(&items, &decided).metrics(&ALL_FOLDS, bootstrap),
        over_cnn_only: None,
    })
}

/// The items of the held-out folds, with the role of each.
fn held_out(all: &[Prediction], level: Level) -> Result<(Items, Vec<Role>), EvaluationError> {
    check(all)?;
    let held_out = |p: &&Prediction| matches!(p.role, Role::Fold(_));
    let predictions: Vec<Prediction> = all.iter().filter(held_out).cloned().collect();
    let items = Items::of(&predictions, level);
    if items.is_empty() {
        return Err(EvaluationError::Nothing { rows: all.len() });
    }
    let roles = roles(&predictions, &items);
    Ok((items, roles))
}

fn best_f1(items: &Items) -> Option<BestF1> {
    let grid = Grid::new(&items.probabilities, &items.labels).ok()?;
    grid.best_f1(&vec![1.0; items.len()]).ok()
}

fn best_fold(folds: &[(u16, Items, Option<BestF1>)], bootstrap: &Bootstrap) -> BestFold {
    let scored = folds.iter().filter_map(|(fold, items, best)| Some((*fold, items, (*best)?)));
    let best = scored.reduce(|best, next| if next.2.f1 > best.2.f1 { next } else { best });
    let Some((fold, items, best)) = best else {
        let size = Size::of(&folds[0].1);
        return BestFold { fold: None, size, f1: None, accuracy: None, threshold: None };
    };
    // A single fold has no threshold from other folds, and neither of these metrics needs one.
    let undecided = choice::locked(items, &items.select(&[]), Given::default());
    let names = [MetricName::BestF1, MetricName::BestF1Accuracy];
    let metrics = Prepared::new(items, &undecided).metrics(&names, bootstrap);
    BestFold {
        fold: Some(fold),
        size: Size::of(items),
        f1: metrics.get(MetricName::BestF1).copied(),
        accuracy: metrics.get(MetricName::BestF1Accuracy).copied(),
        threshold: Some(best.threshold),
    }
}

/// The table as text, with the F1 of predicting all positive as a reference.
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
            estimate(row.all_folds.get(MetricName::F1)),
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
        let frozen = |row: &Row| row.all_folds.get(MetricName::F1).unwrap().value.unwrap();
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
