//! The page of a comparison.

use serde_json::Value;

use super::{Compared, Pair, Setting, p_value, signed};
use crate::dataset::Role;
use crate::evaluate::compare::{ComparedLevel, ComparedPart};
use crate::evaluate::curves::{Curve, band};
use crate::evaluate::evaluation::{EvaluatedSplit, LevelMetrics};
use crate::evaluate::metric_set::MetricName;
use crate::evaluate::run::Epoch;
use crate::number::count;
use crate::predictions::{Items, Level, Prediction};
use crate::report::page::{Align, Html, Page, Section, Table, code, details, figure, figures};
use crate::report::run::performance::{POINTS, over_chance};
use crate::report::svg::{ForestRow, forest};
use crate::store::start::without_place;

/// The metrics in the plot of differences and in the table of runs.
const FIRST: [MetricName; 5] = [
    MetricName::Auroc,
    MetricName::Auprc,
    MetricName::Pf1,
    MetricName::F1,
    MetricName::SensitivityAt90,
];

/// The page.
pub fn page(compared: &Compared) -> Page {
    let names: Vec<&str> = compared.runs.iter().map(|run| run.name.as_str()).collect();
    let folders: Vec<String> = compared.runs.iter().map(|run| without_place(&run.folder)).collect();
    Page {
        title: names.join(" and "),
        subtitle: Html::element(
            "p",
            "subtitle",
            Html::text(format!("Comparison of runs: {}", folders.join(", "))),
        ),
        sections: vec![differences(compared), side_by_side(compared), settings(compared)],
        data: vec![(
            "comparison",
            serde_json::to_string(compared).expect("plain data becomes JSON"),
        )],
    }
}

fn differences(compared: &Compared) -> Section {
    let bootstrap = &compared.comparisons[0].comparison.bootstrap;
    let mut body = Html::default();
    for pair in &compared.comparisons {
        for part in &pair.comparison.parts {
            body = body.and(of_pair(pair, part));
        }
    }
    Section {
        id: "differences",
        title: "Paired differences",
        intro: Html::text(format!(
            "Both runs of a pair were evaluated on the same images. The difference is the second \
             run minus the first, with a {:.0} % interval from {} resamples that draw the same \
             patients for both runs; p is two-sided. An interval that contains 0 does not show a \
             difference, and does not show that there is none. With so many metrics, about one in \
             twenty differs by chance: choose the primary metric before you look.",
            100.0 * bootstrap.confidence,
            count(bootstrap.resamples)
        )),
        body,
    }
}

fn of_pair(pair: &Pair, part: &ComparedPart) -> Html {
    let of = match part.split {
        EvaluatedSplit::HeldOutFolds => "held-out folds",
        EvaluatedSplit::LockedSplit => "the locked split",
    };
    let heading = format!("{} minus {}, on {of}", pair.second, pair.first);
    let mut body = Html::element("h3", "", heading.into());
    let at = |level| part.levels.iter().find(|at| at.level == level);
    if let Some(breast) = at(Level::BreastMean) {
        body = body.and(verdict(pair, breast)).and(figures([plot(breast)]));
    }
    for at in &part.levels {
        let title = format!(
            "By {}: {} ({} with cancer)",
            at.level.as_str(),
            count(at.size.n),
            count(at.size.positives)
        );
        body = body.and(match at.level {
            Level::BreastMean => Html::element("p", "", Html::text(title)).and(table(pair, at)),
            _ => details(title, table(pair, at)),
        });
    }
    body
}

/// The difference in AUROC by breast, in a sentence.
fn verdict(pair: &Pair, at: &ComparedLevel) -> Html {
    let Some(auroc) = at.differences.get(MetricName::Auroc) else { return Html::default() };
    let (value, interval) = (auroc.difference.value, auroc.difference.interval);
    let text = match value.zip(interval) {
        None => "The AUROC is not defined here.".to_owned(),
        Some((_, [low, high])) if low <= 0.0 && high >= 0.0 => format!(
            "No significant difference in AUROC: {} (p {}).",
            signed(&auroc.difference),
            p_value(auroc.p_value)
        ),
        Some((value, _)) => format!(
            "{} has the higher AUROC: {} (p {}).",
            if value > 0.0 { &pair.second } else { &pair.first },
            signed(&auroc.difference),
            p_value(auroc.p_value)
        ),
    };
    Html::element("p", "verdict fair", text.into())
}

fn plot(at: &ComparedLevel) -> Html {
    let stems: Vec<ForestRow> = FIRST
        .into_iter()
        .filter_map(|name| {
            let estimate = at.differences.get(name)?.difference;
            Some(ForestRow { label: name.label().trim_start().into(), estimate })
        })
        .collect();
    let ends = stems.iter().flat_map(|stem| stem.estimate.interval.into_iter().flatten());
    let widest = ends.fold(0.01_f64, |widest, end| widest.max(end.abs()));
    figure(
        "Differences by breast",
        forest(&stems, [-widest, widest], Some(0.0)),
        "The grey line marks no difference. To the right of it, the second run is better.",
    )
}

fn table(pair: &Pair, at: &ComparedLevel) -> Html {
    let mut table = Table::new(&[
        ("Metric", Align::Left),
        ("First", Align::Right),
        ("Second", Align::Right),
        ("Difference", Align::Right),
        ("p", Align::Right),
    ]);
    let value = |value: Option<f64>| value.map_or("–".into(), |v| Html::text(format!("{v:.3}")));
    for (name, difference) in &at.differences.0 {
        table.row(vec![
            Html::text(name.label().trim_start()),
            value(difference.first),
            value(difference.second),
            Html::text(signed(&difference.difference)),
            Html::text(p_value(difference.p_value)),
        ]);
    }
    if let Some(delong) = at.delong {
        table.row(vec![
            "AUROC, by DeLong's test".into(),
            value(Some(delong.auroc[0])),
            value(Some(delong.auroc[1])),
            Html::text(format!("{:+.3} (se {:.3})", delong.difference, delong.standard_error)),
            Html::text(p_value(delong.p_value)),
        ]);
    }
    let note = match at.level {
        Level::Image => {
            "DeLong's test assumes independent items, and images of one patient are not: use the \
             interval from resamples."
        }
        _ => "DeLong's test assumes independent items; breasts of one patient nearly are.",
    };
    let who = format!(
        "First: {}. Second: {}. For Brier score and ECE lower is better. {note}",
        pair.first, pair.second
    );
    table.html().and(Html::element("p", "note", who.into()))
}

/// The metrics and curves of each run.
fn side_by_side(compared: &Compared) -> Section {
    let breasts: Vec<Option<&LevelMetrics>> = compared
        .runs
        .iter()
        .map(|run| {
            let part = run.evaluation.parts.first()?;
            part.levels.iter().find(|at| at.level == Level::BreastMean)
        })
        .collect();
    let prevalence = breasts.first().and_then(|at| at.as_ref()?.size.prevalence);
    let mut charts = Vec::new();
    for (curve, title) in [(Curve::Roc, "ROC"), (Curve::PrecisionRecall, "Precision and recall")] {
        let curves: Vec<_> = compared
            .runs
            .iter()
            .filter_map(|run| {
                let folds: Vec<Prediction> = (run.predictions.iter())
                    .filter(|p| matches!(p.role, Role::Fold(_)))
                    .cloned()
                    .collect();
                let items = Items::of(&folds, Level::BreastMean);
                let band = band(&items, curve, POINTS, &run.evaluation.bootstrap).ok()?;
                Some((band, run.name.clone()))
            })
            .collect();
        let caption = "By breast, on held-out folds. Overlapping bands do not show that the runs \
                       are equal: both runs have the same patients, and only the paired differences \
                       above take that into account.";
        charts.push(figure(title, over_chance(curve, &curves, prevalence), caption));
    }
    let mut table = Table::new(&[
        ("Run", Align::Left),
        ("AUROC", Align::Right),
        ("AUPRC", Align::Right),
        ("pF1", Align::Right),
        ("F1, frozen threshold", Align::Right),
        ("Sensitivity at 90 % spec.", Align::Right),
        ("Epoch chosen on", Align::Left),
    ]);
    for (run, at) in compared.runs.iter().zip(breasts) {
        let mut cells = vec![code(&run.name)];
        cells.extend(FIRST.map(|name| {
            let estimate = at.and_then(|at| at.metrics.get(name));
            estimate.map_or("–".into(), Html::text)
        }));
        cells.push(
            match run.epoch {
                Epoch::OtherFolds { .. } => "the other folds",
                Epoch::ItsOwnFold => "each fold itself (optimistic)",
                _ => "not known",
            }
            .into(),
        );
        table.row(cells);
    }
    Section {
        id: "runs",
        title: "Performance of each run",
        intro: "By breast. The intervals are those of each run alone, not of the difference."
            .into(),
        body: figures(charts).and(table.html()),
    }
}

fn settings(compared: &Compared) -> Section {
    let body = match compared.differing.is_empty() {
        true => Html::element("p", "note", "No setting differs.".into()),
        false => table_of(&compared.differing, compared),
    };
    let summary = format!("{} settings that all runs share", count(compared.same.len()));
    Section {
        id: "settings",
        title: "Differences in settings",
        intro: "Settings, releases and programs that differ between the runs.".into(),
        body: body.and(details(summary, table_of(&compared.same, compared))),
    }
}

fn table_of(settings: &[Setting], compared: &Compared) -> Html {
    let mut table = Table::new(&[("Setting", Align::Left), ("Value in each run", Align::Left)]);
    for Setting { key, values } in settings {
        let is_same = values.iter().all(|value| *value == values[0]);
        let typed = |value: &Value| match value {
            Value::String(text) => code(text),
            value => code(value),
        };
        let each = values.iter().zip(&compared.runs).map(|(value, run)| {
            let name = Html::text(format!("{}: ", run.name));
            Html::element("div", "", name.and(typed(value)))
        });
        let cell = if is_same { typed(&values[0]) } else { each.collect() };
        table.row(vec![code(key), cell]);
    }
    table.html()
}
