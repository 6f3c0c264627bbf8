//! How good the networks are: the figures of `evaluate` as cards, curves and a forest plot.

use super::story::Judgement;
use crate::evaluate::Bootstrap;
use crate::evaluate::choice::Source;
use crate::evaluate::curves::{Band, Curve, band};
use crate::evaluate::figures::Name;
use crate::evaluate::judge::{AtLevel, Judged, Part};
use crate::metrics::Bin;

use crate::dataset::Role;
use crate::evaluate::run::Epoch;
use crate::number::count;
use crate::predictions::{Items, Level, Prediction};
use crate::report::page::{Align, Card, Html, Section, Table, cards, details, figure, figures};
use crate::report::svg::{Area, Axis, Line, Stem, Stroke, forest, lines, lines_over};

/// The sections of an evaluation: the figures, and the subgroups.
pub fn sections(judged: &Judgement) -> Vec<Section> {
    let Judgement { evaluation, epoch, predictions, .. } = judged;
    let mut sections = Vec::new();
    for part in &evaluation.parts {
        let (id, title, of) = match part.judged {
            Judged::HeldOutFolds => ("judged", "How good", "groups"),
            Judged::LockedSplit => ("locked", "How good on the locked split", "locked-groups"),
        };
        let Some(breast) = part.levels.iter().find(|at| at.level == Level::BreastMean) else {
            continue;
        };
        let of_part: Vec<Prediction> =
            predictions.iter().filter(|p| of_part(part.judged, p)).cloned().collect();
        let body = at_a_glance(breast).and(curves(breast, &of_part, &evaluation.bootstrap));
        sections.push(Section {
            id,
            title,
            intro: chosen(part, breast, epoch),
            body: body.and(table(&part.levels)),
        });
        sections.push(groups(of, part, breast));
    }
    sections
}

/// Who chose epoch, threshold and temperature: what decides how far to trust the figures.
fn chosen(part: &Part, breast: &AtLevel, epoch: &Epoch) -> Html {
    let epoch = match (part.judged, epoch) {
        (_, Epoch::Last) => "The epoch is the last, for nothing was held out",
        (Judged::LockedSplit, _) => "The epoch was chosen on the held-out folds",
        (Judged::HeldOutFolds, Epoch::OtherFolds { .. }) => {
            "The epoch was chosen on the other folds"
        }
        (Judged::HeldOutFolds, Epoch::ItsOwnFold) => {
            "The epoch is the best of each fold itself, which flatters it"
        }
        (Judged::HeldOutFolds, Epoch::NotTold) => "Who chose the epoch is not known",
    };
    let threshold = match breast.chosen_by {
        Source::OtherFolds => "threshold and temperature on the other folds.",
        Source::AllFolds => "threshold and temperature on the held-out folds.",
        Source::Given => "the threshold was given, and nothing is calibrated.",
        Source::Nowhere => "and there are no other folds to choose threshold and temperature on.",
    };
    Html::text(format!(
        "{epoch}; {threshold} In brackets, intervals from resampled patients. A dash is a figure \
         that is not defined, say for want of positives."
    ))
}

fn at_a_glance(at: &AtLevel) -> Html {
    let value = |name| {
        at.figures.get(name).map_or("–".into(), |e| format!("{:.3}", e).replace(" [", "\n["))
    };
    let split = |name: Name| {
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
            format!("calling all of them positive has an F1 of {f1:.3}")
        }),
    };
    cards(&[
        card("AUROC, by breast", Name::Auroc),
        card("AUPRC, by breast", Name::Auprc),
        card("F1 at the frozen threshold", Name::F1),
        card("sensitivity at 90 % specificity", Name::SensitivityAt90),
        positives,
    ])
}

fn of_part(judged: Judged, prediction: &Prediction) -> bool {
    match judged {
        Judged::HeldOutFolds => matches!(prediction.role, Role::Fold(_)),
        Judged::LockedSplit => prediction.role == Role::Locked,
    }
}

fn curves(at: &AtLevel, predictions: &[Prediction], bootstrap: &Bootstrap) -> Html {
    let items = Items::of(predictions, at.level);
    let mut charts = Vec::new();
    for (curve, title, caption) in [
        (
            Curve::Roc,
            "ROC",
            "Each breast by a network that did not see it. The band holds what resampled patients \
             give, at each point by itself.",
        ),
        (
            Curve::PrecisionRecall,
            "Precision and recall",
            "What a recall costs: of the breasts called, the share with cancer. Dashed, calling all.",
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
                bins(&at.reliability, "as it is", 1, Stroke::Whole),
                bins(&at.calibrated_reliability, "calibrated", 0, Stroke::Whole),
                straight([0.0, 0.0], [1.0, 1.0], "perfect"),
            ],
            &share("probability told"),
            &share("share with cancer"),
        );
        charts.push(figure(
            "Reliability",
            content,
            "Of the breasts told a probability, how many have cancer.",
        ));
    }
    figures(charts)
}

/// Points of a curve with its band.
pub const POINTS: usize = 201;

/// Curves with their bands, over what chance would give.
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

fn table(levels: &[AtLevel]) -> Html {
    let mut table = Table::new(&[
        ("Figure", Align::Left),
        ("By image", Align::Right),
        ("By breast, mean", Align::Right),
        ("By breast, max", Align::Right),
        ("By patient", Align::Right),
    ]);
    let cells = |of: &dyn Fn(&AtLevel) -> String| -> Vec<Html> {
        let find = |level| levels.iter().find(|at| at.level == level);
        let cell = |level| find(level).map_or("–".into(), |at| Html::text(of(at)));
        Level::ALL.into_iter().map(cell).collect()
    };
    let mut row = |label: &str, of: &dyn Fn(&AtLevel) -> String| {
        let mut row = vec![Html::text(label)];
        row.extend(cells(of));
        table.row(row);
    };
    row("n (with cancer)", &|at| format!("{} ({})", count(at.size.n), count(at.size.positives)));
    row("F1 of calling all positive", &|at| {
        at.size.all_positive_f1.map_or("–".into(), |f1| format!("{f1:.3}"))
    });
    for name in Name::ALL {
        row(name.label().trim_start(), &|at| {
            at.figures.get(name).map_or("–".into(), ToString::to_string)
        });
    }
    table.html()
}

fn groups(id: &'static str, part: &Part, breast: &AtLevel) -> Section {
    let stems: Vec<Stem> = part
        .subgroups
        .iter()
        .filter_map(|group| {
            let estimate = *group.figures.get(Name::Auroc)?;
            // Briefly, beside the value: `negatives: difficult (17)`.
            let attribute = group.attribute.label().replace(" that are", ":");
            let label = format!("{attribute} {} ({})", group.value, count(group.size.positives));
            Some(Stem { label, estimate })
        })
        .collect();
    let all = breast.figures.get(Name::Auroc).and_then(|estimate| estimate.value);
    let mut table = Table::new(&[
        ("Group", Align::Left),
        ("n", Align::Right),
        ("With cancer", Align::Right),
        ("AUROC", Align::Right),
        ("AUPRC", Align::Right),
        ("pF1", Align::Right),
    ]);
    for group in &part.subgroups {
        let cell = |name| group.figures.get(name).map_or("–".into(), Html::text);
        let against = group.against.map_or(String::new(), |who| format!(", {who}"));
        table.row(vec![
            Html::text(format!("{} {}{against}", group.attribute.label(), group.value)),
            Html::text(count(group.size.n)),
            Html::text(count(group.size.positives)),
            cell(Name::Auroc),
            cell(Name::Auprc),
            cell(Name::Pf1),
        ]);
    }
    let plot = figure(
        "AUROC by group",
        forest(&stems, [0.5, 1.0], all),
        "The grey line is that of all breasts. In brackets, how many have cancer. A wide bar is a \
         small group, not a bad network.",
    );
    Section {
        id,
        title: "For whom",
        intro: "The same figures where the network may do worse: other sites and machines, dense \
                breasts, implants, hard cases."
            .into(),
        body: figures([plot]).and(details("All groups in figures", table.html())),
    }
}
