//! What can be said of a run from its facts alone, in sentences: for the checklist on the page and
//! for the model card, so that the two cannot differ.

use serde_json::Value;

use super::audit::in_settings;
use super::looks::percent;
use super::story::{Judgement, Story};
use crate::config::train::{Metric, ScheduleKind};
use crate::evaluate::choice::Source;
use crate::evaluate::figures::Name;
use crate::evaluate::judge::{AtLevel, Judged, Part};
use crate::evaluate::run::Epoch;
use crate::number::{count, of};
use crate::predictions::Level;

/// Fewer positives than these, and no figure is narrow.
const FEW_POSITIVES: usize = 100;

/// The figures of breasts of a part, if they were judged.
pub fn breast(part: &Part) -> Option<&AtLevel> {
    part.levels.iter().find(|at| at.level == Level::BreastMean)
}

/// What is trained on, counted.
pub fn data(story: &Story) -> String {
    match &story.release {
        Err(_) => format!(
            "A release with the plan {}, which is not at hand now.",
            story.facts.release_plan_sha256
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

/// What was listed and is not there, and what is there and not judged.
pub fn inclusion(story: &Story) -> String {
    let mut text = match &story.release {
        Err(_) => "What was rejected is not known without the release.".to_owned(),
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
    if let Some(Judgement { evaluation, .. }) = &story.judged {
        let not = evaluation.not_judged;
        for (n, why) in [
            (not.unlabelled, "without a label"),
            (not.left_out, "left out by folds.negatives_per_positive"),
        ] {
            if n > 0 {
                text += &format!(" Not judged: {} {why}.", of(n, "image"));
            }
        }
    }
    text
}

/// How pixels became what the network sees.
pub fn preprocessing(story: &Story) -> String {
    let setting = |section: &str, key: &str| match &story.facts.preprocessing[section][key] {
        Value::Null => "not told".to_owned(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    format!(
        "Grey levels by the file's own DICOM window (PS3.3; window.mode {}), breast bright; cropped \
         to the breast's box; resized to {} x {} (height x width, fit {}) by the area mean; {} bits.",
        setting("window", "mode"),
        setting("resize", "height"),
        setting("resize", "width"),
        setting("resize", "fit"),
        setting("window", "bits")
    )
}

/// What the network is.
pub fn model(story: &Story) -> String {
    let train = &story.facts.train;
    let auxiliary = &train.auxiliary;
    let names = |columns: &[crate::record::Column]| {
        columns.iter().map(|column| column.as_str()).collect::<Vec<_>>().join(", ")
    };
    let targets = match auxiliary.weight > 0.0 && !auxiliary.targets.is_empty() {
        true => format!("auxiliary heads for {}", names(&auxiliary.targets)),
        false => "no auxiliary targets".to_owned(),
    };
    let inputs = match auxiliary.inputs.is_empty() {
        true => "nothing but the image goes in".to_owned(),
        false => format!("the heads are also told {}", names(&auxiliary.inputs)),
    };
    format!(
        "{} for {} of input, with a head for cancer in one image, a logit; {targets}; {inputs}.",
        train.model.variant,
        of(train.model.channels, "channel")
    )
}

/// Where its weights began.
pub fn initial(story: &Story) -> String {
    match &story.facts.init {
        Some(init) => format!("From {init}."),
        None => format!("Random, from seed {}.", story.facts.train.seed),
    }
}

/// How it was trained.
pub fn training(story: &Story) -> String {
    let train = &story.facts.train;
    let optimizer = &train.optimizer;
    let schedule = match train.schedule.kind {
        ScheduleKind::Cosine => "half a cosine",
        ScheduleKind::OneCycle => "one cycle",
        ScheduleKind::Step => "falling in steps",
        ScheduleKind::Constant => "level",
    };
    let weight = train.auxiliary.weight;
    format!(
        "{} with weight decay {}, learning rate {} ({schedule}), batches of {} images ({} to a step), at most {}; \
         loss {} for cancer{}; at least {} to a batch, each positive at least {} times an epoch; {}; {}.",
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
        if train.augment.is_some() { "augmented" } else { "not augmented" },
        match train.ema_decay {
            Some(decay) => format!("weights averaged with decay {decay}"),
            None => "weights not averaged".into(),
        },
    )
}

/// How the epoch was chosen.
pub fn selection(story: &Story) -> String {
    let metric = metric_name(story.facts.train.early_stopping.metric);
    let kept = format!("The epoch that is kept is the best of its fold by {metric} of breasts.");
    let judged = match story.judged.as_ref().map(|judged| &judged.epoch) {
        Some(Epoch::OtherFolds { .. }) => {
            " The figures are those of the epoch that is best on the other folds."
        }
        Some(Epoch::ItsOwnFold) => " The figures are those of that epoch, which flatters them.",
        Some(Epoch::Last) => " Nothing was held out: the figures are those of the last epoch.",
        _ => "",
    };
    kept + judged
}

/// The figure's name.
pub fn metric_name(metric: Metric) -> &'static str {
    match metric {
        Metric::Auroc => "AUROC",
        Metric::Auprc => "AUPRC",
        Metric::Pf1 => "pF1",
        Metric::F1 => "F1 (best of 50 thresholds)",
    }
}

/// Who chose threshold and temperature.
pub fn threshold(at: &AtLevel) -> &'static str {
    match at.chosen_by {
        Source::OtherFolds => "chosen on the other folds",
        Source::AllFolds => "chosen on the held-out folds",
        Source::Given => "given",
        Source::Nowhere => "not chosen, for want of other folds",
    }
}

/// How intervals were made.
pub fn intervals(story: &Story) -> String {
    let Some(Judgement { evaluation, .. }) = &story.judged else {
        return "Nothing was judged yet.".into();
    };
    let bootstrap = &evaluation.bootstrap;
    format!(
        "{:.0} % percentile intervals from {} resamples of patients with all their images (seed \
         {}). Figures that are not defined are left out, never taken as 0.5.",
        100.0 * bootstrap.confidence,
        count(bootstrap.resamples),
        bootstrap.seed
    )
}

/// The main figures in a sentence.
pub fn figures(part: &Part, at: &AtLevel) -> String {
    let value = |name: Name| at.figures.get(name).map_or("–".into(), ToString::to_string);
    let of = match part.judged {
        Judged::HeldOutFolds => "held-out folds",
        Judged::LockedSplit => "the locked split",
    };
    format!(
        "By breast on {of} ({} breasts of {} patients, {} with cancer): AUROC {}, AUPRC {}, pF1 {}, \
         F1 {} at a threshold {}, sensitivity {} at 90 % specificity.",
        count(at.size.n),
        count(at.size.patients),
        count(at.size.positives),
        value(Name::Auroc),
        value(Name::Auprc),
        value(Name::Pf1),
        value(Name::F1),
        threshold(at),
        value(Name::SensitivityAt90)
    )
}

/// How far to trust it, as far as the facts tell.
pub fn limits(story: &Story) -> Vec<String> {
    let mut limits =
        vec!["No external data were judged: nothing here speaks for other hospitals.".to_owned()];
    let Some(judged) = &story.judged else {
        limits.push("No fold was judged yet: there are no figures.".into());
        return limits;
    };
    let folds = story.facts.held_out.iter().flatten().count();
    let has = |part: Judged| judged.evaluation.parts.iter().find(|of| of.judged == part);
    if has(Judged::LockedSplit).is_none() {
        limits.push(
            "No locked split was judged: the figures are those of the folds, each judged by a \
             network of its own, and of no single network."
                .into(),
        );
    }
    if folds == 1 {
        limits.push(
            "One fold alone was held out: luck of that division is in no interval, and there is no \
             other fold to choose epoch, threshold and temperature on."
                .into(),
        );
    }
    if judged.epoch == Epoch::ItsOwnFold {
        limits.push("Each fold chose its own epoch, which flatters its figures.".into());
    }
    for part in &judged.evaluation.parts {
        let Some(at) = breast(part) else { continue };
        if at.size.positives < FEW_POSITIVES {
            limits.push(format!(
                "{} with cancer were judged: differences of some hundredths are within chance.",
                of(at.size.positives, "breast")
            ));
        }
        if let Some((p, f1)) = at.size.prevalence.zip(at.size.all_positive_f1) {
            limits.push(format!(
                "F1, pF1, AUPRC and PPV depend on the share with cancer, here {:.2} %: calling all \
                 breasts positive has an F1 of {f1:.3}. They hold for no other share.",
                100.0 * p
            ));
        }
        let undefined: Vec<String> = part
            .subgroups
            .iter()
            .filter(|group| group.figures.get(Name::Auroc).is_some_and(|e| e.value.is_none()))
            .map(|group| format!("{} {}", group.attribute.label(), group.value))
            .collect();
        if !undefined.is_empty() {
            limits.push(format!(
                "Of these groups nothing is known, for they have cases of one class only: {}.",
                undefined.join(", ")
            ));
        }
    }
    if let Ok(maps) = &story.energy
        && let Some(outside) = maps.energy.mostly_outside.value.filter(|share| *share > 0.0)
    {
        limits.push(format!(
            "{} of {} have most of their energy outside the breast.",
            percent(Some(outside)),
            of(maps.energy.with_map, "map")
        ));
    }
    if judged.spoke.is_incomplete() {
        limits.push(format!(
            "{} of the run did not speak of the locked split yet.",
            of(judged.spoke.silent, "network")
        ));
    }
    limits.push("Intervals hold the chance of who was sampled, not that of training anew.".into());
    limits
}
