//! Performance and subgroups: the metrics of `evaluate` as cards, curves, tables and a forest plot.

use super::run_data::Evaluated;
use crate::evaluate::Bootstrap;
use crate::evaluate::chance::{Standing, Worth, outside_interval};
use crate::evaluate::choice::SelectedOn;
use crate::evaluate::curves::{Band, Curve, band};
use crate::evaluate::evaluation::{EvaluatedSplit, FEW_POSITIVES, LevelMetrics, Part};
use crate::evaluate::metric_set::MetricName;
use crate::metrics::Bin;

use crate::dataset::Role;
use crate::evaluate::run::Epoch;
use crate::number::count;
use crate::predictions::{Items, Level, Prediction};
use crate::report::page::{Align, Card, Html, Section, Table, cards, details, figure, figures};
use crate::report::svg::{Area, Axis, ForestRow, Line, Stroke, forest, lines, lines_over};

/// The sections of an evaluation: performance and subgroups, for the folds and the locked split.
pub fn sections(evaluated: &Evaluated) -> Vec<Section> {
    let Evaluated { evaluation, epoch, predictions, .. } = evaluated;
    let mut sections = Vec::new();
    for part in &evaluation.parts {
        let (id, title, of) = match part.split {
            EvaluatedSplit::HeldOutFolds => ("performance", "Performance", "subgroups"),
            EvaluatedSplit::LockedSplit => {
                ("locked-performance", "Performance on the locked split", "locked-subgroups")
            }
        };
        let Some(breast) = part.levels.iter().find(|at| at.level == Level::BreastMean) else {
            continue;
        };
        let of_part: Vec<Prediction> =
            predictions.iter().filter(|p| of_part(part.split, p)).cloned().collect();
        let body = worth(breast).and(at_a_glance(breast)).and(curves(
            breast,
            &of_part,
            &evaluation.bootstrap,
        ));
        sections.push(Section {
            id,
            title,
            intro: chosen(part, breast, epoch),
            body: body.and(table(&part.levels)).and(outside(&part.levels)),
        });
        sections.push(groups(of, part, breast));
    }
    sections
}

/// The data that epoch, threshold and temperature were chosen on. This decides how far the metrics
/// can be trusted.
fn chosen(part: &Part, breast: &LevelMetrics, epoch: &Epoch) -> Html {
    let epoch = match (part.split, epoch) {
        (_, Epoch::Last) => "The epoch is the last, because no fold was held out",
        (EvaluatedSplit::LockedSplit, _) => "The epoch was chosen on the held-out folds",
        (EvaluatedSplit::HeldOutFolds, Epoch::OtherFolds { .. }) => {
            "The epoch was chosen on the other folds"
        }
        (EvaluatedSplit::HeldOutFolds, Epoch::ItsOwnFold) => {
            "The epoch of each fold is the best on the fold itself, which is optimistic"
        }
        (EvaluatedSplit::HeldOutFolds, Epoch::Unknown) => "How the epoch was selected is not known",
    };
    let threshold = match breast.selected_on {
        SelectedOn::OtherFolds => "threshold and temperature were chosen on the other folds.",
        SelectedOn::AllFolds => "threshold and temperature were chosen on the held-out folds.",
        SelectedOn::Given => "the threshold was given, and the probabilities are not calibrated.",
        SelectedOn::NotSelected => {
            "there are no other folds to choose threshold and temperature on."
        }
    };
    Html::text(format!(
        "{epoch}; {threshold} A threshold that was chosen on other patients is called frozen. In \
         brackets, intervals from resampled patients. A dash is a metric that is not defined, for \
         example without positives."
    ))
}

/// Whether the network is shown to be better than chance, before any number.
fn worth(at: &LevelMetrics) -> Html {
    match Worth::of(at) {
        None => Html::default(),
        Some(Worth { standing: Standing::Better, text }) => {
            Html::paragraph(Html::text(format!("By breast. {text}")))
        }
        Some(Worth { standing, text }) => {
            let title = match standing {
                Standing::Worse => "Worse than chance.",
                _ => "Not shown to be better than chance.",
            };
            Html::element("p", "verdict fair", Html::text(format!("{title} By breast: {text}")))
        }
    }
}

/// A note where a value lies outside its own interval.
fn outside(levels: &[LevelMetrics]) -> Html {
    outside_interval(levels)
        .map_or(Html::default(), |text| Html::element("p", "note", Html::text(text)))
}

fn at_a_glance(at: &LevelMetrics) -> Html {
    let value = |name| {
        at.metrics.get(name).map_or("–".into(), |e| format!("{:.3}", e).replace(" [", "\n["))
    };
    let split = |name: MetricName| {
        let text: String = value(name);
        match text.split_once('\n') {
            Some((value, interval)) => (value.to_owned(), interval.to_owned()),
            None => (text, String::new()),
        }
    };
    let card = |label, name| {
        let (value, note) = split(name);
        Card { value, label, note }
    };
    let positives = Card {
        value: format!("{} of {}", count(at.size.positives), count(at.size.n)),
        label: "breasts with cancer",
        note: at.size.all_positive_f1.map_or(String::new(), |f1| {
            format!("predicting all of them positive gives an F1 of {f1:.3}")
        }),
    };
    cards(&[
        card("AUROC, by breast", MetricName::Auroc),
        card("AUPRC, by breast", MetricName::Auprc),
        card("F1 at the frozen threshold", MetricName::F1),
        card("sensitivity at 90 % specificity", MetricName::SensitivityAt90),
        positives,
    ])
}

fn of_part(evaluated: EvaluatedSplit, prediction: &Prediction) -> bool {
    match evaluated {
        EvaluatedSplit::HeldOutFolds => matches!(prediction.role, Role::Fold(_)),
        EvaluatedSplit::LockedSplit => prediction.role == Role::Locked,
    }
}

fn curves(at: &LevelMetrics, predictions: &[Prediction], bootstrap: &Bootstrap) -> Html {
    let items = Items::of(predictions, at.level);
    let mut charts = Vec::new();
    for (curve, title, caption) in [
        (
            Curve::Roc,
            "ROC",
            "Each breast has the score of networks that were not trained on it. The band is a \
             pointwise interval from resampled patients.",
        ),
        (
            Curve::PrecisionRecall,
            "Precision and recall",
            "The precision is the share with cancer among the breasts predicted positive. Dashed: \
             the prevalence, which is the precision if all are predicted positive.",
        ),
    ] {
        if let Ok(band) = band(&items, curve, POINTS, bootstrap) {
            let chart = over_chance(curve, &[(band, "by breast".into())], at.size.prevalence);
            charts.push(figure(title, chart, caption));
        }
    }
    let share = |label| Axis { label, range: Some([0.0, 1.0]) };
    let bins = |bins: &[Bin], label: &str, series, stroke| Line {
        label: label.into(),
        series,
        stroke,
        points: bins.iter().map(|bin| [bin.probability, bin.observed]).collect(),
        marks: Vec::new(),
    };
    if !at.reliability.is_empty() {
        let content = lines(
            &[
                bins(&at.reliability, "uncalibrated", 1, Stroke::Whole),
                bins(&at.calibrated_reliability, "calibrated", 0, Stroke::Whole),
                straight([0.0, 0.0], [1.0, 1.0], "perfect calibration"),
            ],
            &share("predicted probability"),
            &share("observed share with cancer"),
        );
        charts.push(figure(
            "Reliability",
            content,
            "The share with cancer among breasts with about the same predicted probability, in bins \
             of equal count.",
        ));
    }
    figures(charts)
}

/// Number of points of a curve with its band.
pub const POINTS: usize = 201;

/// Curves with their bands, and the curve of a classifier at chance level.
pub fn over_chance(curve: Curve, curves: &[(Band, String)], prevalence: Option<f64>) -> Html {
    let area = |(series, (band, _)): (usize, &(Band, String))| {
        let ends = band.low.iter().zip(&band.high);
        Area { series, points: band.x.iter().zip(ends).map(|(x, (a, b))| [*x, *a, *b]).collect() }
    };
    let line = |(series, (band, label)): (usize, &(Band, String))| Line {
        label: label.clone(),
        series,
        stroke: Stroke::Whole,
        points: band.x.iter().zip(&band.y).map(|(x, y)| [*x, *y]).collect(),
        marks: Vec::new(),
    };
    let share = |label| Axis { label, range: Some([0.0, 1.0]) };
    let (chance, x, y) = match curve {
        Curve::Roc => {
            let chance = straight([0.0, 0.0], [1.0, 1.0], "chance");
            (Some(chance), share("1 - specificity"), share("sensitivity"))
        }
        Curve::PrecisionRecall => {
            let all = |p| straight([0.0, p], [1.0, p], "prevalence");
            (prevalence.map(all), share("recall (sensitivity)"), share("precision (PPV)"))
        }
    };
    let areas: Vec<Area> = curves.iter().enumerate().map(area).collect();
    let lines: Vec<Line> = curves.iter().enumerate().map(line).chain(chance).collect();
    lines_over(&areas, &lines, &x, &y)
}

fn straight(from: [f64; 2], to: [f64; 2], label: &str) -> Line {
    Line {
        label: label.into(),
        series: 7,
        stroke: Stroke::Dashed,
        points: vec![from, to],
        marks: Vec::new(),
    }
}

fn table(levels: &[LevelMetrics]) -> Html {
    let mut table = Table::new(&[
        ("Metric", Align::Left),
        ("By image", Align::Right),
        ("By breast, mean", Align::Right),
        ("By breast, max", Align::Right),
        ("By patient", Align::Right),
    ]);
    let cells = |of: &dyn Fn(&LevelMetrics) -> String| -> Vec<Html> {
        let find = |level| levels.iter().find(|at| at.level == level);
        let cell = |level| find(level).map_or("–".into(), |at| Html::text(of(at)));
        Level::ALL.into_iter().map(cell).collect()
    };
    let mut row = |label: &str, of: &dyn Fn(&LevelMetrics) -> String| {
        let mut row = vec![Html::text(label)];
        row.extend(cells(of));
        table.row(row);
    };
    row("n (with cancer)", &|at| format!("{} ({})", count(at.size.n), count(at.size.positives)));
    row("F1 if all positive", &|at| {
        at.size.all_positive_f1.map_or("–".into(), |f1| format!("{f1:.3}"))
    });
    for name in MetricName::ALL {
        row(name.label().trim_start(), &|at| {
            at.metrics.get(name).map_or("–".into(), ToString::to_string)
        });
    }
    table.html()
}

/// Where the axis begins: at 0.5, or at the tenth below the lowest value or interval.
fn lowest(stems: &[ForestRow], reference: Option<f64>) -> f64 {
    let estimates = stems.iter().map(|stem| &stem.estimate);
    let values = estimates.flat_map(|estimate| [estimate.value, estimate.interval.map(|i| i[0])]);
    values
        .chain([reference])
        .flatten()
        .fold(0.5, |least, value| (value * 10.0).floor().min(least * 10.0) / 10.0)
}

fn groups(id: &'static str, part: &Part, breast: &LevelMetrics) -> Section {
    let stems: Vec<ForestRow> = part
        .subgroups
        .iter()
        .filter_map(|group| {
            let estimate = *group.metrics.get(MetricName::Auroc)?;
            // Short, because the value is on the same line: `negatives: difficult (17)`.
            let attribute = group.attribute.label().replace(" that are", ":");
            let positives = count(group.size.positives);
            let mark = if group.size.has_few_positives() { "*" } else { "" };
            let label = format!("{attribute} {} ({positives}{mark})", group.value);
            Some(ForestRow { label, estimate })
        })
        .collect();
    let all = breast.metrics.get(MetricName::Auroc).and_then(|estimate| estimate.value);
    let mut table = Table::new(&[
        ("Subgroup", Align::Left),
        ("n", Align::Right),
        ("With cancer", Align::Right),
        ("AUROC", Align::Right),
        ("AUPRC", Align::Right),
        ("pF1", Align::Right),
    ]);
    for group in &part.subgroups {
        let cell = |name| group.metrics.get(name).map_or("–".into(), Html::text);
        let against = group.against.map_or(String::new(), |who| format!(" and {who}"));
        table.row(vec![
            Html::text(format!("{} {}{against}", group.attribute.label(), group.value)),
            Html::text(count(group.size.n)),
            Html::text(match group.size.has_few_positives() {
                true => format!("{} *", count(group.size.positives)),
                false => count(group.size.positives),
            }),
            cell(MetricName::Auroc),
            cell(MetricName::Auprc),
            cell(MetricName::Pf1),
        ]);
    }
    let plot = figure(
        "AUROC by subgroup",
        forest(&stems, [lowest(&stems, all), 1.0], all),
        format!(
            "The grey line is the AUROC of all breasts; 0.5 is as good as chance, 1 is perfect. In \
             brackets, the number with cancer. A wide interval means a small subgroup, not a bad \
             network. *: with fewer than {FEW_POSITIVES} with cancer even a narrow interval is not \
             reliable."
        ),
    );
    Section {
        id,
        title: "Subgroups",
        intro: "The same metrics for subgroups in which the performance may be lower: sites and \
                machines, dense breasts, implants, difficult cases."
            .into(),
        body: figures([plot]).and(details("Table of all subgroups", table.html())),
    }
}
