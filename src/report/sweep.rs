//! The page of a sweep: the effect of the weight of the auxiliary targets.
//!
//! In: the folder of a sweep, in any state. Out: `sweep.json` and `sweep.html` in it, with the same
//! metrics. Every F1 comes with the prevalence and the F1 of predicting all positive.

mod table;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

use serde_json::Value;

use super::dataset::settings::write_yaml;
use super::page::{
    Align, Card, Html, Page, Section, Table, cards, code, code_block, details, figure, figures,
};
use super::svg::{Axis, Line, SERIES, Stroke, Whisker, WhiskerSeries, lines, whiskers};
use crate::error::Fault;
use crate::evaluate::Estimate;
use crate::evaluate::bootstrap::Bootstrap;
use crate::evaluate::metric_set::MetricName;
use crate::evaluate::sweep::Row;
use crate::number::{count, of, percent, short};
use crate::store;
use crate::store::start::without_place;
use crate::sweep::results::{AtLevel, Results};

/// Writes `sweep.json` and `sweep.html` of the sweep in `folder`, and returns their content.
///
/// # Errors
/// A [`Fault`] if the folder holds no sweep, or they cannot be written.
pub fn write(folder: &Path, bootstrap: &Bootstrap) -> Result<Results, Fault> {
    // If two processes finish a run at the same time, the later page has both runs.
    let lock = folder.join(".lock");
    let lock = File::create(&lock).map_err(Fault::io(&lock))?;
    // On a file system without locks, the page may lack one run until the next run is finished.
    let _ = lock.lock();
    let results = Results::read(folder, bootstrap)?;
    store::make_aside(folder)?;
    let mut json = serde_json::to_vec_pretty(&results).expect("plain data becomes JSON");
    json.push(b'\n');
    store::replace(folder, &folder.join("sweep.json"), &json)?;
    let page = page(folder, &results).to_string();
    store::replace(folder, &folder.join("sweep.html"), page.as_bytes())?;
    Ok(results)
}

/// The page.
fn page(folder: &Path, results: &Results) -> Page {
    let name = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let name = name.file_name().unwrap_or(name.as_os_str()).to_string_lossy().into_owned();
    let run = &results.settings.run;
    let subtitle = format!(
        "{} with and without auxiliary targets, {} folds each, on {}",
        run.train.model.variant,
        run.held_out.len(),
        without_place(&run.release)
    );
    Page {
        title: format!("Sweep {name}"),
        subtitle: Html::element("p", "subtitle", Html::text(subtitle)),
        sections: vec![
            weights(results),
            table::of_folds(results),
            table::of_runs(folder, results),
            settings(results),
        ],
        data: Vec::new(),
    }
}

/// The table by breast, with its plots.
fn weights(results: &Results) -> Section {
    let [breasts, others @ ..] = results.levels.as_slice() else {
        unreachable!("a sweep is evaluated by breast and by image")
    };
    let (done, all) = (results.finished(), results.runs.len());
    let verdict = match all - done {
        0 => {
            Html::element("p", "verdict good", Html::text(format!("All {all} runs are finished.")))
        }
        left => {
            let text =
                format!("{done} of {all} runs are finished; {} not finished.", of(left, "run"));
            Html::element("p", "verdict fair", Html::text(text))
        }
    };
    let mut body = verdict.and(at_a_glance(&breasts.rows));
    if !breasts.rows.is_empty() {
        body = body.and(charts(breasts));
    }
    body = body.and(table::of_weights(results, breasts));
    for at in others {
        let summary = format!("Both tables by {}", at.level.as_str());
        body = body.and(details(summary, table::of_weights(results, at)));
    }
    Section {
        id: "weights",
        title: "Effect of the auxiliary targets",
        intro: "One network is trained on cancer alone (CNN only); the others also on auxiliary \
                targets, with the loss (1 - w) · cancer + w · auxiliary and otherwise the same \
                settings. The F1 of the best fold at its best threshold is optimistic: fold, epoch \
                and threshold were selected on the same breasts that it is computed on. The frozen F1 \
                of all folds has epoch and threshold chosen on the other folds. Selecting the best \
                weight of the table is optimistic again."
            .into(),
        body,
    }
}

fn at_a_glance(rows: &[Row]) -> Html {
    let Some(first) = rows.first() else { return Html::default() };
    let size = &first.size;
    let f1 = |row: &Row| row.all_folds.get(MetricName::F1).and_then(|estimate| estimate.value);
    let best = rows
        .iter()
        .filter(|row| f1(row).is_some())
        .reduce(|best, next| if f1(next) > f1(best) { next } else { best });
    let number = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.3}"));
    let estimate =
        |row: &Row| row.all_folds.get(MetricName::F1).map_or("–".into(), Estimate::to_string);
    let mut all = vec![
        Card {
            value: percent(size.positives, size.n),
            label: "of the breasts have cancer",
            note: format!(
                "{} of {}, {} patients",
                count(size.positives),
                count(size.n),
                count(size.patients)
            ),
        },
        Card {
            value: number(size.all_positive_f1),
            label: "F1 if all breasts are predicted positive",
            note: "2p / (1 + p) at prevalence p: the reference for every F1 here".into(),
        },
    ];
    if let Some(best) = best {
        all.push(Card {
            value: number(f1(best)),
            label: "highest frozen F1 of all folds",
            note: format!("{}: {}", table::name(best.weight), estimate(best)),
        });
    }
    if let Some(cnn_only) = rows.iter().find(|row| row.weight.is_none()) {
        all.push(Card {
            value: number(f1(cnn_only)),
            label: "frozen F1 of all folds, CNN only",
            note: estimate(cnn_only),
        });
    }
    cards(&all)
}

fn charts(at: &AtLevel) -> Html {
    let point = |row: &Row, estimate: Option<&Estimate>, reference: Option<f64>| {
        let estimate = *estimate?;
        let (at, name) = (row.weight.unwrap_or(0.0), table::name(row.weight));
        Some(Whisker { at, name, estimate, reference })
    };
    let of_best =
        |row: &Row| point(row, row.best_fold.f1.as_ref(), row.best_fold.size.all_positive_f1);
    let of_all =
        |row: &Row| point(row, row.all_folds.get(MetricName::F1), row.size.all_positive_f1);
    let auroc = |row: &Row| point(row, row.all_folds.get(MetricName::Auroc), Some(0.5));
    let kind = |label, series, points: Vec<Whisker>| WhiskerSeries { label, series, points };
    let rows = &at.rows;
    let f1 = [
        kind("best fold (optimistic)", 1, rows.iter().filter_map(of_best).collect()),
        kind("all folds, frozen", 0, rows.iter().filter_map(of_all).collect()),
    ];
    let auroc = [kind("all folds", 0, rows.iter().filter_map(auroc).collect())];
    figures([
        figure(
            "F1 by weight",
            whiskers(&f1, "CNN", "all positive", 0.0),
            "By breast, with 95 % intervals from resampled patients. The intervals of the best fold do \
             not account for its selection. The grey lines are the F1 if all are predicted positive.",
        ),
        figure(
            "AUROC by weight",
            whiskers(&auroc, "CNN", "chance", 0.0),
            "By breast, over all folds, with epochs chosen on the other folds.",
        ),
        figure(
            "F1 of every fold",
            lines(
                &of_folds(rows),
                &Axis {
                    label: "weight of the auxiliary targets (0: CNN only)",
                    range: Some([0.0, 1.0]),
                },
                &Axis { label: "F1, best of 50 thresholds", range: None },
            ),
            "Each fold at its best epoch and threshold. The marks are the best folds in the table. \
             The spread between the lines shows how much the selection of a fold changes the F1.",
        ),
    ])
}

/// One line per fold over the weights, with a mark where the fold is the best.
fn of_folds(rows: &[Row]) -> Vec<Line> {
    let folds: BTreeSet<u16> =
        rows.iter().flat_map(|row| &row.folds).map(|(fold, _)| *fold).collect();
    let line = |(series, fold): (usize, &u16)| {
        let at = |row: &Row| {
            let f1 = row.folds.iter().find(|(of, _)| of == fold)?.1?;
            Some([row.weight.unwrap_or(0.0), f1])
        };
        let best = rows.iter().filter(|row| row.best_fold.fold == Some(*fold));
        let mark = |row: &Row| {
            Some((at(row)?, format!("{}: {}", table::name(row.weight), short(at(row)?[1]))))
        };
        Line {
            label: format!("fold {fold}"),
            series: series % SERIES,
            stroke: Stroke::Whole,
            points: rows.iter().filter_map(at).collect(),
            marks: best.filter_map(mark).collect(),
        }
    };
    folds.iter().enumerate().map(line).collect()
}

fn settings(results: &Results) -> Section {
    let run = &results.settings.run;
    let mut table = Table::new(&[("What", Align::Left), ("Value", Align::Left)]);
    let mut row = |what: &str, value: Html| table.row(vec![Html::text(what), value]);
    let programs: BTreeSet<&String> =
        results.runs.iter().filter_map(|run| run.program_sha256.as_ref()).collect();
    row("mammo-pipe", code(&run.tool));
    for program in programs {
        row("Program (SHA-256)", code(program));
    }
    row("Plan of the release (SHA-256)", code(&run.release_plan_sha256));
    row("Manifest of the release (SHA-256)", code(&run.manifest_sha256));
    row("Initial weights", run.init.as_ref().map_or("random, the same for all runs".into(), code));
    let folds = match &run.folds {
        None => "as in the release".to_owned(),
        Some(folds) => match folds.negatives_per_positive {
            None => "reassigned".to_owned(),
            Some(ratio) => {
                format!("reassigned, with at most {ratio} negative patients per positive patient")
            }
        },
    };
    row("Folds", folds.into());
    let bootstrap = &results.bootstrap;
    let intervals = format!(
        "{:.0} % of {} resamples of the patients, seed {}",
        100.0 * bootstrap.confidence,
        count(bootstrap.resamples),
        bootstrap.seed
    );
    row("Intervals", intervals.into());
    let yaml = |value: &Value| {
        let mut text = String::new();
        write_yaml(value, 0, &mut text);
        code_block(&text)
    };
    let tree = |value: serde_json::Result<Value>| value.expect("plain data becomes JSON");
    let mut body = table.html().and(details(
        "Settings of the training, except the weight",
        yaml(&tree(serde_json::to_value(&run.train))),
    ));
    if let Some(folds) = &run.folds {
        body = body.and(details("Settings of the folds", yaml(&tree(serde_json::to_value(folds)))));
    }
    Section {
        id: "settings",
        title: "Settings and provenance",
        intro: "Shared by all runs.".into(),
        body: body.and(details("Settings that made the release", yaml(&run.preprocessing))),
    }
}
