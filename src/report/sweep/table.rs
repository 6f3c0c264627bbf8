//! The tables of a sweep's page.

use std::path::Path;

use crate::evaluate::Estimate;
use crate::evaluate::metric_set::MetricName;
use crate::evaluate::run::Epoch;
use crate::evaluate::sweep::Row;
use crate::number::{of, percent};
use crate::report::page::{Align, Html, Section, Table};
use crate::sweep::results::{AtLevel, Results, Standing};

/// The weight as shown in the tables.
pub(super) fn name(weight: Option<f64>) -> String {
    weight.map_or("CNN only".into(), |weight| format!("w = {weight:?}"))
}

fn number(value: Option<f64>, digits: usize) -> Html {
    value.map_or("–".into(), |value| Html::text(format!("{value:.digits$}")))
}

fn estimate(estimate: Option<&Estimate>) -> Html {
    estimate.map_or("–".into(), Html::text)
}

/// Two tables with one row per weight, whether its run is finished or not: the best fold, and all
/// folds.
pub(super) fn of_weights(results: &Results, at: &AtLevel) -> Html {
    let best = Table::new(&[
        ("Weight", Align::Left),
        ("F1", Align::Right),
        ("Accuracy", Align::Right),
        ("Threshold", Align::Right),
        ("Best fold", Align::Right),
        ("With cancer", Align::Right),
        ("F1, all positive", Align::Right),
    ]);
    let all = Table::new(&[
        ("Weight", Align::Left),
        ("F1, frozen", Align::Right),
        ("F1 gain", Align::Right),
        ("With cancer", Align::Right),
        ("F1, all positive", Align::Right),
        ("AUROC", Align::Right),
        ("AUROC gain", Align::Right),
    ]);
    let heading = |text: &'static str| Html::element("h3", "", Html::text(text));
    heading("Best fold, at its best epoch and threshold (optimistic)")
        .and(filled(best, results, at, of_best_fold))
        .and(heading("All folds, epoch and threshold chosen on the other folds"))
        .and(filled(all, results, at, of_all_folds))
        .and(Html::element(
            "p",
            "note",
            "A gain is the paired difference to CNN only, from resamples of the same patients. If its \
             interval contains 0, the gain can be due to chance."
                .into(),
        ))
}

fn filled(
    mut table: Table,
    results: &Results,
    at: &AtLevel,
    finished: fn(&Row) -> [Html; COLUMNS],
) -> Html {
    for run in &results.runs {
        let found = at.rows.iter().find(|row| row.weight == run.weight.of_auxiliary());
        table.row(found.map_or_else(|| waiting(run), finished).into());
    }
    table.html()
}

/// Number of columns of either table.
const COLUMNS: usize = 7;

fn of_best_fold(row: &Row) -> [Html; COLUMNS] {
    let best = &row.best_fold;
    [
        Html::text(name(row.weight)),
        estimate(best.f1.as_ref()),
        estimate(best.accuracy.as_ref()),
        number(best.threshold, 4),
        best.fold.map_or("–".into(), Html::text),
        Html::text(percent(best.size.positives, best.size.n)),
        number(best.size.all_positive_f1, 3),
    ]
}

fn of_all_folds(row: &Row) -> [Html; COLUMNS] {
    let over = |name| {
        let over = row.over_cnn_only.as_ref().and_then(|over| over.get(name));
        over.map_or("–".into(), |over| Html::text(signed(&over.difference)))
    };
    [
        Html::text(name(row.weight)),
        estimate(row.all_folds.get(MetricName::F1)),
        over(MetricName::F1),
        Html::text(percent(row.size.positives, row.size.n)),
        number(row.size.all_positive_f1, 3),
        estimate(row.all_folds.get(MetricName::Auroc)),
        over(MetricName::Auroc),
    ]
}

/// A difference, with its sign.
fn signed(estimate: &Estimate) -> String {
    match (estimate.value, estimate.interval) {
        (None, _) => "–".into(),
        (Some(value), None) => format!("{value:+.3}"),
        (Some(value), Some([low, high])) => format!("{value:+.3} [{low:+.3}, {high:+.3}]"),
    }
}

fn waiting(run: &Standing) -> [Html; COLUMNS] {
    let mut cells = [(); COLUMNS].map(|()| Html::text("–"));
    (cells[0], cells[1]) = (Html::text(run.weight), Html::text(run.state()));
    cells
}

/// F1 of every fold, at its best epoch and threshold.
pub(super) fn of_folds(results: &Results) -> Section {
    let mut table = Table::new(&[
        ("Weight", Align::Left),
        ("By breast", Align::Left),
        ("By image", Align::Left),
    ]);
    let rows = results.levels[0].rows.iter().zip(&results.levels[1].rows);
    for (breasts, images) in rows {
        let cell = |row: &Row| {
            let fold = |(fold, f1): &(u16, Option<f64>)| {
                let f1 = f1.map_or("–".to_owned(), |f1| format!("{f1:.3}"));
                let text = Html::text(format!("{fold}: {f1}"));
                if row.best_fold.fold == Some(*fold) { Html::element("b", "", text) } else { text }
            };
            let parts = row.folds.iter().map(fold).enumerate();
            parts.map(|(i, part)| if i == 0 { part } else { Html::text(" · ").and(part) }).collect()
        };
        table.row(vec![Html::text(name(breasts.weight)), cell(breasts), cell(images)]);
    }
    Section {
        id: "folds",
        title: "Results by fold",
        intro:
            "Number of the fold and its F1 at its own best epoch and threshold; the best fold in \
                bold."
                .into(),
        body: if results.finished() == 0 { "No run is finished yet.".into() } else { table.html() },
    }
}

/// Every run, with a link to its own page.
pub(super) fn of_runs(folder: &Path, results: &Results) -> Section {
    let mut table = Table::new(&[
        ("Run", Align::Left),
        ("State", Align::Left),
        ("Epochs", Align::Left),
        ("Page", Align::Left),
    ]);
    for run in &results.runs {
        let page = format!("{}/report.html", run.folder);
        let page = match folder.join(&page).exists() {
            true => Html::link(&page, &page),
            false => "–".into(),
        };
        let epochs = run.epoch.as_ref().map_or("–".into(), |epoch| Html::text(chosen(epoch)));
        table.row(vec![Html::text(run.weight), Html::text(run.describe()), epochs, page]);
    }
    let working = results.runs.iter().filter(|run| run.holder.is_some()).count();
    let working = match working {
        0 => String::new(),
        n => format!(" {} in training when this page was written.", of(n, "run")),
    };
    Section {
        id: "runs",
        title: "Runs",
        intro: Html::text(format!(
            "Each is a folder as train leaves it, with a page of its own: curves, calibration, \
             subgroups. Epochs are those that the other folds chose.{working}"
        )),
        body: table.html(),
    }
}

fn chosen(epoch: &Epoch) -> String {
    match epoch {
        Epoch::OtherFolds { epochs, .. } => {
            let one = |(fold, epoch): &(u16, usize)| format!("fold {fold}: {epoch}");
            epochs.iter().map(one).collect::<Vec<_>>().join(", ")
        }
        Epoch::ItsOwnFold => "the best of each fold on the fold itself (optimistic)".into(),
        Epoch::Last => "the last of each fold".into(),
        Epoch::Unknown => "not known".into(),
    }
}
