//! How good the networks are: the figures of `evaluate` as cards, curves and a forest plot.

use crate::evaluate::Evaluation;
use crate::evaluate::choice::Source;
use crate::evaluate::figures::Name;
use crate::evaluate::judge::{AtLevel, Judged, Part};
use crate::evaluate::metrics::{Bin, Ranked};
use crate::evaluate::predictions::{Items, Level, Prediction};
use crate::evaluate::run::Epoch;
use crate::report::number::count;
use crate::report::page::{Align, Card, Html, Section, Table, cards, figure, figures};
use crate::report::svg::{Axis, Line, Stem, Stroke, forest, lines};

/// The sections of an evaluation: the figures, and the subgroups.
pub fn sections(
    evaluation: &Evaluation,
    epoch: &Epoch,
    predictions: &[Prediction],
) -> Vec<Section> {
    let mut sections = Vec::new();
    for part in &evaluation.parts {
        let (id, title, of) = match part.judged {
            Judged::HeldOutFolds => ("judged", "How good", "groups"),
            Judged::LockedSplit => ("locked", "How good on the locked split", "locked-groups"),
        };
        let Some(breast) = part.levels.iter().find(|at| at.level == Level::BreastMean) else {
            continue;
        };
        let mut body = at_a_glance(breast);
        if part.judged == Judged::HeldOutFolds {
            body = body.and(curves(breast, predictions));
        }
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

fn curves(at: &AtLevel, predictions: &[Prediction]) -> Html {
    let items = Items::of(predictions, at.level);
    let ones = vec![1.0; items.len()];
    let curve = |points: Vec<[f64; 2]>, label: &str| Line {
        label: label.into(),
        series: 0,
        stroke: Stroke::Whole,
        points: thinned(points),
        marks: Vec::new(),
    };
    let chance = |from: [f64; 2], to: [f64; 2], label: &str| Line {
        label: label.into(),
        series: 7,
        stroke: Stroke::Dashed,
        points: vec![from, to],
        marks: Vec::new(),
    };
    let share = |label| Axis { label, range: Some([0.0, 1.0]) };
    let ranked = Ranked::new(&items.probabilities, &items.labels);
    let mut charts = Vec::new();
    if let Ok(roc) = ranked.as_ref().map_err(|e| *e).and_then(|ranked| ranked.roc(&ones)) {
        let content = lines(
            &[curve(roc, "by breast"), chance([0.0, 0.0], [1.0, 1.0], "chance")],
            &share("1 - specificity"),
            &share("sensitivity"),
        );
        charts.push(figure(
            "ROC",
            content,
            "All folds together, each breast by the network that did not see it.",
        ));
    }
    if let (Ok(points), Some(prevalence)) = (
        ranked.as_ref().map_err(|e| *e).and_then(|ranked| ranked.precision_recall(&ones)),
        at.size.prevalence,
    ) {
        let content = lines(
            &[
                curve(points, "by breast"),
                chance([0.0, prevalence], [1.0, prevalence], "prevalence"),
            ],
            &share("recall (sensitivity)"),
            &share("precision (PPV)"),
        );
        charts.push(figure(
            "Precision and recall",
            content,
            "What a recall costs: of the breasts called, the share with cancer.",
        ));
    }
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
                chance([0.0, 0.0], [1.0, 1.0], "perfect"),
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

/// At most some hundred points of a curve, its ends among them.
fn thinned(points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    let step = points.len().div_ceil(400).max(1);
    let last = points.len().saturating_sub(1);
    let keep = |i: usize| i.is_multiple_of(step) || i == last;
    points.into_iter().enumerate().filter(|(i, _)| keep(*i)).map(|(_, point)| point).collect()
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
            let label = format!(
                "{} {} ({} of {})",
                group.attribute.label(),
                group.value,
                count(group.size.positives),
                count(group.size.n)
            );
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
        "The grey line is that of all breasts. In brackets, how many have cancer. A wide bar \
         is a small group, not a bad network.",
    );
    Section {
        id,
        title: "For whom",
        intro: "The same figures where the network may do worse: other sites and machines, dense \
                breasts, implants, hard cases."
            .into(),
        body: figures([plot]).and(table.html()),
    }
}
