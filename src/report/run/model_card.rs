//! `model_card.md`: intended use, data, training, performance and limitations of a run's networks,
//! and the commands to reproduce them.
//!
//! Markdown with YAML front matter as the Hugging Face hub reads it (`model-index`). Items that only
//! the authors know, such as a licence, are marked as open.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::audit::{Audited, division, locked};
use super::run_data::{Evaluated, RunData};
use super::sentences;
use crate::evaluate::chance::{Standing, Worth, outside_interval};
use crate::evaluate::evaluation::{EvaluatedSplit, LevelMetrics, Part};
use crate::evaluate::metric_set::MetricName;
use crate::number::count;
use crate::predictions::Level;
use crate::report::dataset::settings::write_yaml;
use crate::store::quoted;

/// The whole file.
pub fn text(data: &RunData, audited: &Audited) -> String {
    let mut out = front_matter(data);
    let _ = writeln!(out, "\n# {}\n", escape(&data.name));
    let _ = writeln!(
        out,
        "{} Trained with mammo-pipe {}. The weights are safetensors with timm's names; the heads are \
         named `heads.*`.\n\n\
         ## Intended use\n\n\
         Research on screening mammograms: a score for cancer for a single image, and the mean over \
         the images for a breast. **Not a medical device**: it is not cleared for clinical use, and \
         its score is not a diagnosis. *To be filled in by the authors: role in a workflow, users, \
         licence.*\n",
        escape(&sentences::model(data)),
        escape(&data.facts.tool)
    );
    let _ = writeln!(
        out,
        "## Data\n\n{}\n\n{}\n\n{}\n\n*To be filled in by the authors: origin, period, consent and \
         terms of the images; how the label was established.*\n",
        escape(&sentences::data(data)),
        escape(&sentences::inclusion(data)),
        escape(&sentences::preprocessing(data))
    );
    let _ = writeln!(out, "## Folds\n\n{}\n", escape(&division(data)));
    folds(data, audited, &mut out);
    let _ = writeln!(
        out,
        "## Training\n\n{} {}\n",
        escape(&sentences::training(data)),
        escape(&sentences::initial(data))
    );
    let _ = writeln!(out, "## Performance\n\n{}\n", escape(&sentences::selection(data)));
    match &data.evaluated {
        None => out.push_str("No fold was evaluated yet.\n\n"),
        Some(found) => performance(data, found, &mut out),
    }
    out.push_str("## Limitations\n\n");
    for limit in sentences::limits(data) {
        let _ = writeln!(out, "- {}", escape(&limit));
    }
    hashes(data, &mut out);
    repeat(data, &mut out);
    out
}

/// The front matter, as described in the Hugging Face hub's documentation of model cards.
fn front_matter(data: &RunData) -> String {
    let network = data.facts.train.model.variant.to_string();
    let parts = data.evaluated.iter().flat_map(|found| &found.evaluation.parts);
    let results: Vec<Value> =
        parts.filter_map(|part| Some(result(data, part, sentences::breast(part)?))).collect();
    let tags = ["mammography", "breast-cancer", "medical-imaging", "timm", &network];
    let mut front = Map::new();
    front.insert("library_name".into(), json!("mammo-pipe"));
    front.insert("pipeline_tag".into(), json!("image-classification"));
    front.insert("tags".into(), json!(tags));
    front.insert("metrics".into(), json!(["roc_auc", "f1"]));
    if !results.is_empty() {
        let index = json!([{ "name": data.name, "results": results }]);
        front.insert("model-index".into(), index);
    }
    let mut yaml = String::new();
    write_yaml(&Value::Object(front), 0, &mut yaml);
    format!("---\n{yaml}---\n")
}

fn result(data: &RunData, part: &Part, at: &LevelMetrics) -> Value {
    let (split, of) = match part.split {
        EvaluatedSplit::HeldOutFolds => ("held-out-folds", "held-out folds"),
        EvaluatedSplit::LockedSplit => ("locked", "locked split"),
    };
    let metric = |(kind, name, label): (&str, MetricName, &str)| {
        let estimate = at.metrics.get(name)?;
        Some(json!({
            "type": kind,
            "name": format!("{label} by breast"),
            "value": estimate.value?,
            "args": { "interval": estimate.interval, "n": at.size.n, "positives": at.size.positives },
        }))
    };
    let metrics: Vec<Value> = [
        ("roc_auc", MetricName::Auroc, "AUROC"),
        ("average_precision", MetricName::Auprc, "AUPRC"),
        ("pf1", MetricName::Pf1, "pF1"),
        ("f1", MetricName::F1, "F1 at the frozen threshold"),
    ]
    .into_iter()
    .filter_map(metric)
    .collect();
    let release = data.facts.release.file_name().unwrap_or_default().to_string_lossy();
    json!({
        "task": { "type": "image-classification", "name": "Breast cancer in screening mammograms" },
        "dataset": {
            "type": "private",
            "name": format!("{release}, {of}"),
            "split": split,
            "revision": data.facts.release_plan_sha256,
        },
        "metrics": metrics,
    })
}

fn folds(data: &RunData, audited: &Audited, out: &mut String) {
    let audit = match &audited.audit {
        Ok(audit) => audit,
        Err(error) => {
            let _ = writeln!(out, "**{}**\n", escape(&error.to_string()));
            return;
        }
    };
    let groups: Vec<_> = audit.groups.iter().filter(|group| group.all.images > 0).collect();
    if groups.is_empty() {
        return;
    }
    out.push_str("| | patients | breasts | images | images with cancer |\n|---|---|---|---|---|\n");
    for group in &groups {
        let (all, cancer) = (group.all, group.cancer);
        let cells = [all.patients, all.breasts, all.images, cancer.images].map(count);
        let _ = writeln!(out, "| {} | {} |", group.role, cells.join(" | "));
    }
    let _ = writeln!(
        out,
        "\nNo patient is in two of them: checked when this card was written. {}\n",
        escape(&locked(data, &groups))
    );
}

fn performance(data: &RunData, evaluated: &Evaluated, out: &mut String) {
    for part in &evaluated.evaluation.parts {
        let of = match part.split {
            EvaluatedSplit::HeldOutFolds => {
                "Held-out folds, each evaluated with the network that was not trained on it"
            }
            EvaluatedSplit::LockedSplit => "The locked split, which no network was trained on",
        };
        let names: Vec<&str> = part.levels.iter().map(|at| at.level.as_str()).collect();
        let _ = writeln!(out, "### {of}\n");
        if let Some(worth) = sentences::breast(part).and_then(Worth::of) {
            let text = escape(&format!("By breast. {}", worth.text));
            let _ = match worth.standing {
                Standing::Better => writeln!(out, "{text}\n"),
                Standing::Worse => writeln!(out, "**Worse than chance.** {text}\n"),
                _ => writeln!(out, "**Not shown to be better than chance.** {text}\n"),
            };
        }
        let _ = writeln!(out, "| | {} |", names.join(" | "));
        let _ = writeln!(out, "|---|{}", "---|".repeat(names.len()));
        let row = |label: &str, cell: &dyn Fn(&LevelMetrics) -> String| {
            let cells: Vec<String> = part.levels.iter().map(cell).collect();
            format!("| {label} | {} |\n", cells.join(" | "))
        };
        *out += &row("n (with cancer)", &|at| {
            format!("{} ({})", count(at.size.n), count(at.size.positives))
        });
        *out += &row("F1 if all positive", &|at| {
            at.size.all_positive_f1.map_or("–".into(), |f1| format!("{f1:.3}"))
        });
        *out += &row("threshold and temperature", &|at| sentences::threshold(at).into());
        for name in MetricName::ALL {
            *out += &row(name.label().trim_start(), &|at| {
                at.metrics.get(name).map_or("–".into(), ToString::to_string)
            });
        }
        if let Some(outside) = outside_interval(&part.levels) {
            let _ = writeln!(out, "\n{}", escape(&outside));
        }
        out.push_str("\n#### By subgroup\n\n| subgroup | by | n | with cancer | AUROC | AUPRC |\n");
        out.push_str("|---|---|---|---|---|---|\n");
        for group in &part.subgroups {
            let cell = |name| group.metrics.get(name).map_or("–".into(), ToString::to_string);
            let against = group.against.map_or(String::new(), |who| format!(" and {who}"));
            let by = if group.level == Level::Image { "image" } else { "breast" };
            let _ = writeln!(
                out,
                "| {} {}{against} | {by} | {} | {} | {} | {} |",
                group.attribute.label(),
                escape(&group.value),
                count(group.size.n),
                count(group.size.positives),
                cell(MetricName::Auroc),
                cell(MetricName::Auprc)
            );
        }
        out.push('\n');
    }
    let _ =
        writeln!(out, "{} A dash is a metric that is not defined.\n", sentences::intervals(data));
}

fn hashes(data: &RunData, out: &mut String) {
    let run = &data.facts;
    out.push_str("\n## Provenance (SHA-256)\n\n| | |\n|---|---|\n");
    let mut row = |what: &str, hash: &str| {
        let _ = writeln!(out, "| {what} | `{hash}` |");
    };
    row("program", &run.program_sha256);
    row("plan of the release", &run.release_plan_sha256);
    row("manifest of the release", &run.manifest_sha256);
    row("settings of the training", &super::settings_sha256(run));
    for (fold, hash) in &data.weights {
        let fold = fold.map_or("all patients".into(), |fold| format!("fold {fold}"));
        row(&format!("weights, {fold}"), hash.as_deref().unwrap_or("not written yet"));
    }
}

/// The commands to reproduce the run, and the settings that they need.
fn repeat(data: &RunData, out: &mut String) {
    let run = &data.facts;
    let held_out: Vec<String> = run
        .held_out
        .iter()
        .map(|fold| fold.map_or("none".into(), |fold| fold.to_string()))
        .collect();
    let fold = if held_out.len() == 1 { held_out[0].clone() } else { "all".into() };
    let init = run.init.as_ref().map_or(String::new(), |init| format!(" --init {}", quoted(init)));
    let name = quoted(&data.name);
    let _ = writeln!(
        out,
        "\n## Reproduction\n\nWith mammo-pipe {} and these settings in `settings.yaml`:\n\n\
         ```sh\n\
         mammo-pipe preprocess -c settings.yaml --input DATASET --output release\n\
         mammo-pipe train release -c settings.yaml --fold {fold} --name {name}{init}\n\
         mammo-pipe evaluate runs/{name}\n\
         mammo-pipe report runs/{name}\n\
         ```\n\n\
         The release then has the same plan as above and the same bytes, and the same kind of device \
         gives the same weights.\n",
        escape(&run.tool)
    );
    let _ = writeln!(out, "```yaml\n{}```", settings(data));
}

/// The settings of release and training as one YAML file.
fn settings(data: &RunData) -> String {
    let run = &data.facts;
    let json = |value: Result<Value, _>| value.expect("plain data becomes JSON");
    let mut all = run.preprocessing.as_object().cloned().unwrap_or_default();
    if let Some(folds) = &run.folds {
        all.insert("folds".into(), json(serde_json::to_value(folds)));
    }
    all.insert("train".into(), json(serde_json::to_value(&run.train)));
    let mut yaml = String::new();
    write_yaml(&Value::Object(all), 0, &mut yaml);
    yaml
}

/// Escapes the characters that have a meaning in Markdown.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_text_to_markdown_and_one_word_to_a_shell() {
        assert_eq!(escape("<b>|a_b|\n"), "\\<b\\>\\|a\\_b\\| ");
        assert_eq!(quoted("b4-1"), "b4-1");
        assert_eq!(quoted("it's; rm"), r"'it'\''s; rm'");
    }
}
