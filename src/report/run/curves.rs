//! Training curves: loss and metric by epoch, overfitting, learning rate, data wait.

use super::Fold;
use crate::number::{count, of, short};
use crate::report::page::{Align, Html, Section, Table, figure, figures};
use crate::report::svg::{Axis, Line, SERIES, Stroke, lines};
use crate::train::log::EpochLine;
use crate::train::run::RunFacts;

/// The largest number of points of a curve over steps.
const MOST_POINTS: usize = 400;

/// The section.
pub fn section(folds: &[Fold], facts: &RunFacts) -> Section {
    let metric = facts.train.early_stopping.metric;
    let validation_loss = |e: &EpochLine| e.validation.as_ref().and_then(|scores| scores.loss);
    let best_at = |e: &EpochLine| e.validation.as_ref().and_then(|scores| scores.metric(metric));
    let epoch = Axis { label: "epoch", range: None };
    let mut losses = by_epoch(folds, "validation", Stroke::Whole, validation_loss);
    losses.extend(by_epoch(folds, "training", Stroke::Dashed, |e| Some(e.loss)));
    losses.extend(overfitting(folds, validation_loss));
    let charts = [
        figure(
            "Loss",
            lines(&losses, &epoch, &Axis { label: "loss", range: None }),
            "Dashed: training loss, with augmentation, sampling and auxiliary targets, so the two \
             curves are not on the same scale. Solid: loss for cancer on the held-out images. The \
             mark is the best epoch.",
        ),
        figure(
            "Validation metric by breast",
            lines(
                &by_epoch(folds, "", Stroke::Whole, best_at),
                &epoch,
                &Axis { label: metric_name(facts), range: None },
            ),
            "The metric by which the epoch is selected. The best of many epochs is optimistic: the \
             values to report are under Performance.",
        ),
        figure(
            "Learning rate",
            lines(
                &by_step(folds, |line| line.learning_rate),
                &Axis { label: "optimizer step", range: None },
                &Axis { label: "learning rate", range: None },
            ),
            "The same for every fold.",
        ),
        figure(
            "Data wait",
            lines(
                &by_step(folds, |line| 100.0 * line.data_wait / line.seconds.max(1e-9)),
                &Axis { label: "optimizer step", range: None },
                &Axis { label: "% of the step's time", range: Some([0.0, 100.0]) },
            ),
            "The share of a step in which the network waited for data.",
        ),
    ];
    Section {
        id: "training",
        title: "Training",
        intro:
            "One curve per fold. If the training loss still falls while the validation loss has risen \
                from its minimum, the network overfits. Where this lasts for two epochs or more, the \
                curve is highlighted."
                .into(),
        body: figures(charts).and(table(folds)),
    }
}

fn metric_name(facts: &RunFacts) -> &'static str {
    use crate::config::train::Metric;
    match facts.train.early_stopping.metric {
        Metric::Auroc => "AUROC",
        Metric::Auprc => "AUPRC",
        Metric::Pf1 => "pF1",
        Metric::F1 => "F1, best of 50 thresholds",
    }
}

fn by_epoch(
    folds: &[Fold],
    what: &str,
    stroke: Stroke,
    value: impl Fn(&EpochLine) -> Option<f64>,
) -> Vec<Line> {
    let line = |(series, fold): (usize, &Fold)| {
        let point = |e: &EpochLine| value(e).map(|value| [e.epoch as f64, value]);
        // `best` means best so far; the last such epoch is the best of all.
        let kept = fold.epochs.iter().rfind(|e| e.best && stroke == Stroke::Whole);
        let mark =
            |e: &EpochLine| point(e).map(|at| (at, format!("epoch {}: {}", e.epoch, short(at[1]))));
        Line {
            label: format!("{} {what}", fold.name()),
            series: series % SERIES,
            stroke,
            points: fold.epochs.iter().filter_map(point).collect(),
            marks: kept.and_then(mark).into_iter().collect(),
        }
    };
    folds.iter().enumerate().map(line).collect()
}

/// The parts of the validation curves with overfitting.
fn overfitting(folds: &[Fold], value: impl Fn(&EpochLine) -> Option<f64>) -> Vec<Line> {
    let mut lines = Vec::new();
    for (series, fold) in folds.iter().enumerate() {
        for stretch in fold.epochs.chunk_by(|a, b| a.overfitting == b.overfitting) {
            if !stretch[0].overfitting {
                continue;
            }
            let point = |e: &EpochLine| Some([e.epoch as f64, value(e)?]);
            let mut points: Vec<[f64; 2]> = stretch.iter().filter_map(point).collect();
            // The single point is doubled, because a path of one point is not drawn.
            points.extend((points.len() == 1).then(|| points[0]));
            let label = if lines.is_empty() { "overfitting" } else { "" };
            lines.push(Line {
                label: label.into(),
                series: series % SERIES,
                stroke: Stroke::Glow,
                points,
                marks: Vec::new(),
            });
        }
    }
    lines
}

fn by_step(folds: &[Fold], value: impl Fn(&crate::train::log::StepLine) -> f64) -> Vec<Line> {
    let line = |(series, fold): (usize, &Fold)| {
        let width = fold.steps.len().div_ceil(MOST_POINTS).max(1);
        let mean = |steps: &[crate::train::log::StepLine]| {
            let sum: f64 = steps.iter().map(&value).sum();
            [steps[0].step as f64, sum / steps.len() as f64]
        };
        Line {
            label: fold.name(),
            series: series % SERIES,
            stroke: Stroke::Whole,
            points: fold.steps.chunks(width).map(mean).collect(),
            marks: Vec::new(),
        }
    };
    folds.iter().enumerate().map(line).collect()
}

/// The epochs with overfitting, such as `1, 4 to 6`.
fn stretches(epochs: &[EpochLine]) -> String {
    let text = |stretch: &[EpochLine]| match stretch {
        [one] => one.epoch.to_string(),
        _ => format!("{} to {}", stretch[0].epoch, stretch[stretch.len() - 1].epoch),
    };
    let all: Vec<String> = epochs
        .chunk_by(|a, b| a.overfitting == b.overfitting)
        .filter(|stretch| stretch[0].overfitting)
        .map(text)
        .collect();
    if all.is_empty() { "none".into() } else { all.join(", ") }
}

fn table(folds: &[Fold]) -> Html {
    let mut table = Table::new(&[
        ("Fold", Align::Left),
        ("Epochs", Align::Right),
        ("Best epoch", Align::Right),
        ("Overfitting", Align::Right),
        ("Images/s", Align::Right),
        ("Data wait", Align::Right),
    ]);
    for fold in folds {
        let seconds: f64 = fold.steps.iter().map(|step| step.seconds).sum();
        let waited: f64 = fold.steps.iter().map(|step| step.data_wait).sum();
        let images: usize = fold.steps.iter().map(|step| step.images).sum();
        let share = |part: f64, unit: &str| match seconds > 0.0 {
            true => Html::text(format!("{}{unit}", short(part / seconds))),
            false => "–".into(),
        };
        let number =
            |epoch: Option<&EpochLine>| epoch.map_or("–".into(), |epoch| Html::text(epoch.epoch));
        table.row(vec![
            Html::text(fold.name()),
            Html::text(format!("{} ({})", count(fold.epochs.len()), of(fold.steps.len(), "step"))),
            number(fold.epochs.iter().rfind(|epoch| epoch.best)),
            Html::text(stretches(&fold.epochs)),
            share(images as f64, ""),
            share(100.0 * waited, " %"),
        ]);
    }
    table.html()
}
