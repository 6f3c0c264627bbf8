//! The page of a sweep: what each weight of the auxiliary targets comes to.
//!
//! In: the folder of a sweep, in whatever state it is. Out: `sweep.json` and `sweep.html` in it,
//! which are of the same figures. Beside every F1 stand the share of positives it is of and the
//! F1 of calling everything positive.

mod table;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

use serde_json::Value;

use super::dataset::settings::write_yaml;
use super::page::{
    Align, Card, Html, Page, Section, Table, cards, code, code_block, details, figure, figures,
};
use super::svg::{Axis, Line, Measured, SERIES, Stroke, Whisker, lines, whiskers};
use crate::error::Fault;
use crate::evaluate::Estimate;
use crate::evaluate::bootstrap::Bootstrap;
use crate::evaluate::figures::Name;
use crate::evaluate::sweep::Row;
use crate::number::{count, of, percent, short};
use crate::store;
use crate::sweep::results::{AtLevel, Results};

/// Writes `sweep.json` and `sweep.html` of the sweep in `folder`, and gives what they say.
///
/// # Errors
/// A [`Fault`] if the folder holds no sweep, or they cannot be written.
pub fn write(folder: &Path, bootstrap: &Bootstrap) -> Result<Results, Fault> {
    // Two processes that finish a run at once: the later page has both.
    let lock = folder.join(".lock");
    let lock = File::create(&lock).map_err(Fault::io(&lock))?;
    // Where there are no locks, the page of one of them is of a run less until the next one.
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
        run.release.display()
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
        unreachable!("a sweep is judged by breast and by image")
    };
    let (done, all) = (results.finished(), results.runs.len());
    let verdict = match all - done {
        0 => {
            Html::element("p", "verdict good", Html::text(format!("All {all} runs are finished.")))
        }
        left => {
            let text = format!("{done} of {all} runs are finished; {} to go.", of(left, "run"));
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
        title: "What the auxiliary targets are good for",
        intro: "One network learns cancer alone (CNN only); the others learn auxiliary targets \
                beside it, total = (1 - w) · cancer + w · auxiliary, all else the same. An F1 of the \
                best fold at its best threshold flatters: it was picked among folds, epochs and \
                thresholds on the very breasts it is of. F1 of all folds is frozen: other folds \
                chose epoch and threshold. Picking the best weight of the table flatters once more."
            .into(),
        body,
    }
}

fn at_a_glance(rows: &[Row]) -> Html {
    let Some(first) = rows.first() else { return Html::default() };
    let size = &first.size;
    let f1 = |row: &Row| row.all_folds.get(Name::F1).and_then(|estimate| estimate.value);
    let best = rows
        .iter()
        .filter(|row| f1(row).is_some())
        .reduce(|best, next| if f1(next) > f1(best) { next } else { best });
    let number = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.3}"));
    let estimate = |row: &Row| row.all_folds.get(Name::F1).map_or("–".into(), Estimate::to_string);
    let mut all = vec![
        Card {
            value: percent(size.positives, size.n),
            label: "of the breasts have cancer",
            note: format!(
                "{} of {}, of {} patients",
                count(size.positives),
                count(size.n),
                count(size.patients)
            ),
        },
        Card {
            value: number(size.all_positive_f1),
            label: "F1 of calling every breast positive",
            note: "2p / (1 + p): what any F1 here has to beat".into(),
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
    let of_all = |row: &Row| point(row, row.all_folds.get(Name::F1), row.size.all_positive_f1);
    let auroc = |row: &Row| point(row, row.all_folds.get(Name::Auroc), Some(0.5));
    let kind = |label, series, points: Vec<Whisker>| Measured { label, series, points };
    let rows = &at.rows;
    let f1 = [
        kind("best fold (flatters)", 1, rows.iter().filter_map(of_best).collect()),
        kind("all folds, frozen", 0, rows.iter().filter_map(of_all).collect()),
    ];
    let auroc = [kind("all folds", 0, rows.iter().filter_map(auroc).collect())];
    figures([
        figure(
            "F1 by weight",
            whiskers(&f1, "CNN", "calling all positive", 0.0),
            "By breast, with 95 % intervals from resampled patients; those of the best fold do not \
             know that it was picked. The grey strokes are the F1 that needs no network.",
        ),
        figure(
            "AUROC by weight",
            whiskers(&auroc, "CNN", "a coin", 0.0),
            "By breast, over all folds, at epochs that other folds chose.",
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
            "Each fold at its best epoch and threshold. The marks are the folds that the table \
             calls best; how far the lines lie apart is what such a pick is worth.",
        ),
    ])
}

/// A line a fold over the weights, with a mark where it is the best.
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
        None => "the release's".to_owned(),
        Some(folds) => match folds.negatives_per_positive {
            None => "reassigned".to_owned(),
            Some(ratio) => {
                format!("reassigned, with at most {ratio} negative patients for each positive one")
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
        "Settings of the training, but for the weight",
        yaml(&tree(serde_json::to_value(&run.train))),
    ));
    if let Some(folds) = &run.folds {
        body = body.and(details("Settings of the folds", yaml(&tree(serde_json::to_value(folds)))));
    }
    Section {
        id: "settings",
        title: "Settings and hashes",
        intro: "What all runs have in common.".into(),
        body: body.and(details("Settings that made the release", yaml(&run.preprocessing))),
    }
}
