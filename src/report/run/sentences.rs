//! Sentences about a run, used both for the checklist on the page and for the model card, so that
//! the two agree.

use serde_json::Value;

use super::attention_maps::percent;
use super::audit::in_settings;
use super::run_data::{Evaluated, RunData};
use crate::config::train::{Metric, ScheduleKind};
use crate::evaluate::chance::{Standing, Worth};
use crate::evaluate::choice::SelectedOn;
use crate::evaluate::evaluation::{EvaluatedSplit, LevelMetrics, Part};
use crate::evaluate::metric_set::MetricName;
use crate::evaluate::run::Epoch;
use crate::number::{count, of};
use crate::predictions::Level;

/// With fewer positives than this, intervals are wide.
const FEW_POSITIVES: usize = 100;

/// The metrics by breast of a part, if it has them.
pub fn breast(part: &Part) -> Option<&LevelMetrics> {
    part.levels.iter().find(|at| at.level == Level::BreastMean)
}

/// The number of images and patients, and what the label is if it is a proxy.
pub fn data(data: &RunData) -> String {
    let mut text = numbers(data);
    if let Some(condition) = proxy(data) {
        text += &format!(
            " The label is a proxy, not pathology: an image counts as cancer where {condition}."
        );
    }
    text
}

/// The condition of `dataset.label` that stands for the label, if there is one.
pub fn proxy(data: &RunData) -> Option<&str> {
    data.facts.preprocessing["dataset"]["label"].as_str()
}

fn numbers(data: &RunData) -> String {
    match &data.release {
        Err(_) => format!(
            "A release with the plan {}, which is not available now.",
            data.facts.release_plan_sha256
        ),
        Ok(release) => {
            let rows = &release.table.rows;
            let patients: std::collections::HashSet<_> =
                rows.iter().map(|row| row.record.patient_id.as_str()).collect();
            let cancer = rows.iter().filter(|row| row.record.cancer == Some(true)).count();
            format!(
                "{} of {}, {} with cancer.",
                of(rows.len(), "image"),
                of(patients.len(), "patient"),
                count(cancer)
            )
        }
    }
}

/// The images that were excluded, and from what.
pub fn inclusion(data: &RunData) -> String {
    let mut text = match &data.release {
        Err(_) => "The number of rejected images is not known without the release.".to_owned(),
        Ok(release) => {
            let counts = &release.counts;
            format!(
                "Of {} listed, {} were written, {} rejected (each with its reason in \
                 quarantine.csv), {} missing and {} not reached.",
                of(counts.listed, "image"),
                count(counts.written),
                count(counts.rejected),
                count(counts.missing),
                count(counts.unreached)
            )
        }
    };
    if let Some(Evaluated { evaluation, .. }) = &data.evaluated {
        let not = evaluation.excluded;
        for (n, why) in [
            (not.unlabelled, "without a label"),
            (not.left_out, "left out by folds.negatives_per_positive"),
        ] {
            if n > 0 {
                text += &format!(" Not evaluated: {} {why}.", of(n, "image"));
            }
        }
    }
    text
}

/// The preprocessing.
pub fn preprocessing(data: &RunData) -> String {
    let setting = |section: &str, key: &str| match &data.facts.preprocessing[section][key] {
        Value::Null => "not known".to_owned(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    format!(
        "Grey levels by the file's own DICOM window (PS3.3; window.mode {}), breast bright; cropped \
         to the breast's bounding box; resized to {} x {} (height x width, fit {}, filter \
         {}); {} bits.",
        setting("window", "mode"),
        setting("resize", "height"),
        setting("resize", "width"),
        setting("resize", "fit"),
        setting("resize", "filter"),
        setting("window", "bits")
    )
}

/// The network.
pub fn model(data: &RunData) -> String {
    let train = &data.facts.train;
    let auxiliary = &train.auxiliary;
    let names = |columns: &[crate::record::Column]| {
        columns.iter().map(|column| column.as_str()).collect::<Vec<_>>().join(", ")
    };
    let targets = match auxiliary.weight > 0.0 && !auxiliary.targets.is_empty() {
        true => format!("auxiliary heads for {}", names(&auxiliary.targets)),
        false => "no auxiliary targets".to_owned(),
    };
    let inputs = match auxiliary.inputs.is_empty() {
        true => "the image is the only input".to_owned(),
        false => format!("further inputs of the heads are {}", names(&auxiliary.inputs)),
    };
    format!(
        "{} with {} of input and one output, the logit for cancer in one image; {targets}; {inputs}.",
        train.model.variant,
        of(train.model.channels, "channel")
    )
}

/// The initial weights.
pub fn initial(data: &RunData) -> String {
    match &data.facts.init {
        Some(init) => format!("From {init}."),
        None => format!("Random, from seed {}.", data.facts.train.seed),
    }
}

/// The training.
pub fn training(data: &RunData) -> String {
    let train = &data.facts.train;
    let optimizer = &train.optimizer;
    let schedule = match train.schedule.kind {
        ScheduleKind::Cosine => "cosine decay",
        ScheduleKind::OneCycle => "one-cycle schedule",
        ScheduleKind::Step => "step decay",
        ScheduleKind::Constant => "constant",
    };
    let weight = train.auxiliary.weight;
    format!(
        "{} with weight decay {}, learning rate {} ({schedule}), batches of {} images (gradients of {} \
         accumulated per step), at most {}; loss {} for cancer{}; at least {} per batch, each positive \
         at least {} times per epoch; {}; {}.",
        in_settings(&optimizer.kind),
        optimizer.weight_decay,
        optimizer.learning_rate,
        train.batch,
        train.accumulate,
        of(train.epochs, "epoch"),
        in_settings(&train.loss.kind),
        if weight > 0.0 {
            format!(", (1 - w) cancer + w auxiliary with w = {weight}")
        } else {
            "".into()
        },
        of(train.sampling.positives_per_batch, "positive"),
        train.sampling.oversample_positives,
        if train.augment.is_some() { "with augmentation" } else { "without augmentation" },
        match train.ema_decay {
            Some(decay) => format!("exponential moving average of the weights with decay {decay}"),
            None => "no moving average of the weights".into(),
        },
    )
}

/// The selection of the epoch.
pub fn selection(data: &RunData) -> String {
    let metric = metric_name(data.facts.train.early_stopping.metric);
    let saved =
        format!("The saved network of a fold is that of its best epoch by {metric} by breast.");
    let evaluated = match data.evaluated.as_ref().map(|found| &found.epoch) {
        Some(Epoch::OtherFolds { .. }) => {
            " The metrics are those of the epoch that is best on the other folds."
        }
        Some(Epoch::ItsOwnFold) => " The metrics are those of that epoch, which is optimistic.",
        Some(Epoch::Last) => " No fold was held out: the metrics are those of the last epoch.",
        _ => "",
    };
    saved + evaluated
}

/// The metric's name.
pub fn metric_name(metric: Metric) -> &'static str {
    match metric {
        Metric::Auroc => "AUROC",
        Metric::Auprc => "AUPRC",
        Metric::Pf1 => "pF1",
        Metric::F1 => "F1 (best of 50 thresholds)",
    }
}

/// The data that threshold and temperature were chosen on.
pub fn threshold(at: &LevelMetrics) -> &'static str {
    match at.selected_on {
        SelectedOn::OtherFolds => "chosen on the other folds",
        SelectedOn::AllFolds => "chosen on the held-out folds",
        SelectedOn::Given => "given",
        SelectedOn::NotSelected => "not chosen, because there are no other folds",
    }
}

/// The intervals.
pub fn intervals(data: &RunData) -> String {
    let Some(Evaluated { evaluation, .. }) = &data.evaluated else {
        return "Nothing was evaluated yet.".into();
    };
    let bootstrap = &evaluation.bootstrap;
    format!(
        "{:.0} % percentile bootstrap intervals from {} resamples of patients with all their images \
         (seed {}). Resamples in which a metric is not defined are left out, never counted as 0.5.",
        100.0 * bootstrap.confidence,
        count(bootstrap.resamples),
        bootstrap.seed
    )
}

/// The main metrics, in a sentence.
pub fn metrics(part: &Part, at: &LevelMetrics) -> String {
    let value = |name: MetricName| at.metrics.get(name).map_or("–".into(), ToString::to_string);
    let of = match part.split {
        EvaluatedSplit::HeldOutFolds => "held-out folds",
        EvaluatedSplit::LockedSplit => "the locked split",
    };
    format!(
        "By breast on {of} ({} breasts of {} patients, {} with cancer): AUROC {}, AUPRC {}, pF1 {}, \
         F1 {} at a threshold {}, sensitivity {} at 90 % specificity.",
        count(at.size.n),
        count(at.size.patients),
        count(at.size.positives),
        value(MetricName::Auroc),
        value(MetricName::Auprc),
        value(MetricName::Pf1),
        value(MetricName::F1),
        threshold(at),
        value(MetricName::SensitivityAt90)
    )
}

/// The limitations that follow from the facts of the run.
pub fn limits(data: &RunData) -> Vec<String> {
    let mut limits = vec![
        "No external data were evaluated: performance in other hospitals is not known.".to_owned(),
    ];
    if let Some(condition) = proxy(data) {
        limits.push(format!(
            "The label is {condition}, not pathology: the metrics say how well the network \
             reproduces that, and not how well it finds cancer."
        ));
    }
    let Some(found) = &data.evaluated else {
        limits.push("No fold was evaluated yet: there are no metrics.".into());
        return limits;
    };
    let folds = data.facts.held_out.iter().flatten().count();
    let has = |part: EvaluatedSplit| found.evaluation.parts.iter().find(|of| of.split == part);
    if has(EvaluatedSplit::LockedSplit).is_none() {
        limits.push(
            "No locked split was evaluated: the metrics are from cross-validation, with another \
             network for each fold, and not those of a single network."
                .into(),
        );
    }
    if folds == 1 {
        limits.push(
            "Only one fold was held out: the intervals do not include the chance of that division, \
             and there is no other fold to choose epoch, threshold and temperature on."
                .into(),
        );
    }
    if found.epoch == Epoch::ItsOwnFold {
        limits
            .push("The epoch of each fold was selected on that fold, which is optimistic.".into());
    }
    for part in &found.evaluation.parts {
        let Some(at) = breast(part) else { continue };
        if let Some(worth) = Worth::of(at).filter(|worth| worth.standing != Standing::Better) {
            limits
                .push(format!("The network is not shown to be better than chance. {}", worth.text));
        }
        if at.size.positives < FEW_POSITIVES {
            limits.push(format!(
                "{} with cancer were evaluated: differences of a few hundredths can be due to chance.",
                of(at.size.positives, "breast")
            ));
        }
        if let Some((p, f1)) = at.size.prevalence.zip(at.size.all_positive_f1) {
            limits.push(format!(
                "F1, pF1, AUPRC and PPV depend on the prevalence, here {:.2} %: predicting all \
                 breasts positive gives an F1 of {f1:.3}. They do not apply to another prevalence.",
                100.0 * p
            ));
        }
        let undefined: Vec<String> = part
            .subgroups
            .iter()
            .filter(|group| group.metrics.get(MetricName::Auroc).is_some_and(|e| e.value.is_none()))
            .map(|group| format!("{} {}", group.attribute.label(), group.value))
            .collect();
        if !undefined.is_empty() {
            limits.push(format!(
                "The performance in these subgroups is not known, because they have one class only: {}.",
                undefined.join(", ")
            ));
        }
    }
    if let Ok(maps) = &data.energy
        && let Some(outside) = maps.energy.mostly_outside.value.filter(|share| *share > 0.0)
    {
        limits.push(format!(
            "{} of {} have most of their energy outside the breast.",
            percent(Some(outside)),
            of(maps.energy.with_map, "map")
        ));
    }
    if found.locked_networks.is_incomplete() {
        limits.push(format!(
            "{} of the run not evaluated on the locked split yet.",
            of(found.locked_networks.not_evaluated, "network")
        ));
    }
    limits.push(
        "The intervals include the chance of which patients were sampled, not the variation between \
         repeated trainings."
            .into(),
    );
    limits
}
