//! `model_card.md`: what the networks of a run are for, how good they are, where they fail, and how
//! to make them again.
//!
//! Markdown with front matter in YAML as the Hugging Face hub reads it (`model-index`). What only
//! people know, such as a licence, is named as open and not guessed.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::audit::{Audited, division, locked};
use super::facts;
use super::story::{Judgement, Story};
use crate::evaluate::figures::Name;
use crate::evaluate::judge::{AtLevel, Judged, Part};
use crate::number::count;
use crate::predictions::Level;
use crate::report::dataset::settings::write_yaml;

/// The whole file.
pub fn text(story: &Story, audited: &Audited) -> String {
    let mut out = front_matter(story);
    let _ = writeln!(out, "\n# {}\n", escape(&story.name));
    let _ = writeln!(
        out,
        "{} Trained by mammo-pipe {}; the weights are safetensors in timm's names, the heads as \
         `heads.*`.\n\n\
         ## Intended use\n\n\
         Research on screening mammograms: a score for cancer of a single image, a mean of images \
         for a breast. **Not a medical device**: it is cleared for no clinical use, and its score \
         is no diagnosis. *To be filled in by the authors: role in a workflow, users, licence.*\n",
        escape(&facts::model(story)),
        escape(&story.facts.tool)
    );
    let _ = writeln!(
        out,
        "## Data\n\n{}\n\n{}\n\n{}\n\n*To be filled in by the authors: origin, period, consent and \
         terms of the images; how the label was established.*\n",
        escape(&facts::data(story)),
        escape(&facts::inclusion(story)),
        escape(&facts::preprocessing(story))
    );
    let _ = writeln!(out, "## Folds\n\n{}\n", escape(&division(story)));
    folds(story, audited, &mut out);
    let _ = writeln!(
        out,
        "## Training\n\n{} {}\n",
        escape(&facts::training(story)),
        escape(&facts::initial(story))
    );
    let _ = writeln!(out, "## How good\n\n{}\n", escape(&facts::selection(story)));
    match &story.judged {
        None => out.push_str("No fold was judged yet.\n\n"),
        Some(judged) => figures(story, judged, &mut out),
    }
    out.push_str("## Limits\n\n");
    for limit in facts::limits(story) {
        let _ = writeln!(out, "- {}", escape(&limit));
    }
    hashes(story, &mut out);
    repeat(story, &mut out);
    out
}

/// As in `modelcard.md` of the hub's documentation.
fn front_matter(story: &Story) -> String {
    let network = story.facts.train.model.variant.to_string();
    let parts = story.judged.iter().flat_map(|judged| &judged.evaluation.parts);
    let results: Vec<Value> =
        parts.filter_map(|part| Some(result(story, part, facts::breast(part)?))).collect();
    let tags = ["mammography", "breast-cancer", "medical-imaging", "timm", &network];
    let mut front = Map::new();
    front.insert("library_name".into(), json!("mammo-pipe"));
    front.insert("pipeline_tag".into(), json!("image-classification"));
    front.insert("tags".into(), json!(tags));
    front.insert("metrics".into(), json!(["roc_auc", "f1"]));
    if !results.is_empty() {
        let index = json!([{ "name": story.name, "results": results }]);
        front.insert("model-index".into(), index);
    }
    let mut yaml = String::new();
    write_yaml(&Value::Object(front), 0, &mut yaml);
    format!("---\n{yaml}---\n")
}

fn result(story: &Story, part: &Part, at: &AtLevel) -> Value {
    let (split, of) = match part.judged {
        Judged::HeldOutFolds => ("held-out-folds", "held-out folds"),
        Judged::LockedSplit => ("locked", "locked split"),
    };
    let metric = |(kind, name, label): (&str, Name, &str)| {
        let estimate = at.figures.get(name)?;
        Some(json!({
            "type": kind,
            "name": format!("{label} by breast"),
            "value": estimate.value?,
            "args": { "interval": estimate.interval, "n": at.size.n, "positives": at.size.positives },
        }))
    };
    let metrics: Vec<Value> = [
        ("roc_auc", Name::Auroc, "AUROC"),
        ("average_precision", Name::Auprc, "AUPRC"),
        ("pf1", Name::Pf1, "pF1"),
        ("f1", Name::F1, "F1 at the frozen threshold"),
    ]
    .into_iter()
    .filter_map(metric)
    .collect();
    let release = story.facts.release.file_name().unwrap_or_default().to_string_lossy();
    json!({
        "task": { "type": "image-classification", "name": "Breast cancer in screening mammograms" },
        "dataset": {
            "type": "private",
            "name": format!("{release}, {of}"),
            "split": split,
            "revision": story.facts.release_plan_sha256,
        },
        "metrics": metrics,
    })
}

fn folds(story: &Story, audited: &Audited, out: &mut String) {
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
        "\nNo patient is in two of them: counted when this card was written. {}\n",
        escape(&locked(story, &groups))
    );
}

fn figures(story: &Story, judged: &Judgement, out: &mut String) {
    for part in &judged.evaluation.parts {
        let of = match part.judged {
            Judged::HeldOutFolds => {
                "Held-out folds, each judged by the network that was not trained \
                                     on it"
            }
            Judged::LockedSplit => "The locked split, which no network was trained on",
        };
        let names: Vec<&str> = part.levels.iter().map(|at| at.level.as_str()).collect();
        let _ = writeln!(out, "### {of}\n\n| | {} |", names.join(" | "));
        let _ = writeln!(out, "|---|{}", "---|".repeat(names.len()));
        let row = |label: &str, cell: &dyn Fn(&AtLevel) -> String| {
            let cells: Vec<String> = part.levels.iter().map(cell).collect();
            format!("| {label} | {} |\n", cells.join(" | "))
        };
        *out += &row("n (with cancer)", &|at| {
            format!("{} ({})", count(at.size.n), count(at.size.positives))
        });
        *out += &row("F1 of calling all positive", &|at| {
            at.size.all_positive_f1.map_or("–".into(), |f1| format!("{f1:.3}"))
        });
        *out += &row("threshold and temperature", &|at| facts::threshold(at).into());
        for name in Name::ALL {
            *out += &row(name.label().trim_start(), &|at| {
                at.figures.get(name).map_or("–".into(), ToString::to_string)
            });
        }
        out.push_str("\n#### By group\n\n| group | by | n | with cancer | AUROC | AUPRC |\n");
        out.push_str("|---|---|---|---|---|---|\n");
        for group in &part.subgroups {
            let cell = |name| group.figures.get(name).map_or("–".into(), ToString::to_string);
            let against = group.against.map_or(String::new(), |who| format!(", against {who}"));
            let by = if group.level == Level::Image { "image" } else { "breast" };
            let _ = writeln!(
                out,
                "| {} {}{against} | {by} | {} | {} | {} | {} |",
                group.attribute.label(),
                escape(&group.value),
                count(group.size.n),
                count(group.size.positives),
                cell(Name::Auroc),
                cell(Name::Auprc)
            );
        }
        out.push('\n');
    }
    let _ = writeln!(out, "{} A dash is a figure that is not defined.\n", facts::intervals(story));
}

fn hashes(story: &Story, out: &mut String) {
    let run = &story.facts;
    out.push_str("\n## Hashes (SHA-256)\n\n| | |\n|---|---|\n");
    let mut row = |what: &str, hash: &str| {
        let _ = writeln!(out, "| {what} | `{hash}` |");
    };
    row("program", &run.program_sha256);
    row("plan of the release", &run.release_plan_sha256);
    row("manifest of the release", &run.manifest_sha256);
    row("settings of the training", &super::settings_sha256(run));
    for (fold, hash) in &story.weights {
        let fold = fold.map_or("all patients".into(), |fold| format!("fold {fold}"));
        row(&format!("weights, {fold}"), hash.as_deref().unwrap_or("not there yet"));
    }
}

/// The commands, and the settings that they need.
fn repeat(story: &Story, out: &mut String) {
    let run = &story.facts;
    let held_out: Vec<String> = run
        .held_out
        .iter()
        .map(|fold| fold.map_or("none".into(), |fold| fold.to_string()))
        .collect();
    let fold = if held_out.len() == 1 { held_out[0].clone() } else { "all".into() };
    let init = run.init.as_ref().map_or(String::new(), |init| format!(" --init {}", quoted(init)));
    let name = quoted(&story.name);
    let _ = writeln!(
        out,
        "\n## To make it again\n\nWith mammo-pipe {} and these settings in `settings.yaml`:\n\n\
         ```sh\n\
         mammo-pipe preprocess -c settings.yaml --input DATASET --output release\n\
         mammo-pipe train release -c settings.yaml --fold {fold} --name {name}{init}\n\
         mammo-pipe evaluate runs/{name}\n\
         mammo-pipe report runs/{name}\n\
         ```\n\n\
         The release then has the plan named above, byte for byte, and the same kind of device \
         gives the same weights.\n",
        escape(&run.tool)
    );
    let _ = writeln!(out, "```yaml\n{}```", settings(story));
}

/// The settings of release and training in one file.
fn settings(story: &Story) -> String {
    let run = &story.facts;
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

/// A word of a shell's command.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// Text that Markdown takes for text.
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
