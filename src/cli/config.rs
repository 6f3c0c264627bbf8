//! `mammo-pipe config`: the settings in effect, their explanations, their schema.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::colour::{self, Stream, paint};
use super::failure::UsageError;
use super::progress::print;
use super::settings::{SettingsArgs, leaves};
use crate::config::reference::{self, PIPELINE_YAML, Setting, value_at};
use crate::config::{Loaded, Origin};
use crate::error::Fault;

/// Show the settings in effect and where each comes from; explain a setting.
///
///   mammo-pipe config --default > pipeline.yaml       # every setting, explained; edit it
///   mammo-pipe config -c pipeline.yaml --changed      # what differs from the defaults
///   mammo-pipe config --preset laptop --changed
///   mammo-pipe config -c pipeline.yaml --set train.batch=8
///   mammo-pipe config explain roi.margin
///
/// Prints YAML that -c reads again, with the origin of each value behind it: default, the preset,
/// the file, or --set. A later one of these replaces an earlier one. Exit code 2 if a setting is
/// wrong, so this checks a file before a long run.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, args_conflicts_with_subcommands = true)]
pub struct ConfigArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Print pipeline.yaml: every setting with its default and an explanation.
    #[arg(long, conflicts_with_all = ["config", "overrides", "preset", "changed", "json"])]
    default: bool,
    /// Print only what differs from the defaults.
    #[arg(long)]
    changed: bool,
    /// Print value and origin of every setting as JSON.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Explain a setting or a section: what it does, its default, what it may be.
    ///
    ///   mammo-pipe config explain roi.margin
    ///   mammo-pipe config explain batch            # the last part of a name is enough
    ///   mammo-pipe config explain train.schedule   # all settings of a section
    ///   mammo-pipe config explain                  # the sections
    #[command(verbatim_doc_comment)]
    Explain {
        /// Its name, such as roi.margin.
        key: Option<String>,
    },
    /// Print a JSON schema of the settings, for completion and checks in an editor.
    ///
    ///   mammo-pipe config schema > pipeline.schema.json
    ///
    /// Editors with a YAML language server read the first line of pipeline.yaml, which names the
    /// schema: `# yaml-language-server: $schema=pipeline.schema.json`. Put the file beside it.
    #[command(verbatim_doc_comment)]
    Schema,
}

impl ConfigArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// [`UsageError`] for wrong settings, and for a name that no setting has.
    pub fn run(self) -> Result<ExitCode, Fault> {
        match &self.part {
            Some(Part::Explain { key }) => print(explain(key.as_deref())?.trim_end()),
            Some(Part::Schema) => {
                let schema = serde_json::to_string_pretty(&reference::schema());
                print(&schema.expect("plain data becomes JSON"));
            }
            None if self.default => print(PIPELINE_YAML.trim_end()),
            None => {
                let loaded = self.settings.load_layers(None)?;
                if self.json {
                    print(&as_json(&loaded).to_string());
                } else {
                    print(self.as_yaml(&loaded).trim_end());
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn as_yaml(&self, loaded: &Loaded) -> String {
        let mut text = String::new();
        if let Some(preset) = self.settings.preset() {
            let flags = format!(
                "# train --preset {}: --fold {} --init {} --device {}\n",
                preset.name, preset.fold, preset.init, preset.device
            );
            text += &paint(Stream::Out, colour::DIM, &flags);
        }
        let before = text.len();
        let keep = |key: &str| !self.changed || *loaded.origin(key) != Origin::Default;
        section(&loaded.tree, "", 0, loaded, &keep, &mut text);
        if text.len() == before {
            text += "# every setting has its default: mammo-pipe config --default\n";
        }
        text
    }
}

/// Writes the settings below `path` that are kept, as YAML with origins.
fn section(
    tree: &Value,
    path: &str,
    depth: usize,
    loaded: &Loaded,
    keep: &dyn Fn(&str) -> bool,
    out: &mut String,
) {
    for name in ordered(tree, path) {
        let (value, full) = (&tree[&name], join(path, &name));
        let mut below = Vec::new();
        leaves(value, &full, &mut below);
        if !below.iter().any(|key| keep(key)) {
            continue;
        }
        let indent = "  ".repeat(depth);
        if value.as_object().is_some_and(|below| !below.is_empty()) {
            let _ = writeln!(out, "{indent}{}:", quoted(&name));
            section(value, &full, depth + 1, loaded, keep, out);
            continue;
        }
        let origin = loaded.origin(&full);
        let style = if *origin == Origin::Default { colour::DIM } else { colour::CHANGED };
        let line = format!("{indent}{}: {}", quoted(&name), yaml(value));
        let origin = paint(Stream::Out, style, &format!("# {origin}"));
        let _ = writeln!(out, "{line:<40}  {origin}");
    }
}

/// The names of a section in the order of `pipeline.yaml`, names that the user chose at the end.
fn ordered(tree: &Value, path: &str) -> Vec<String> {
    let all = reference::names();
    let place = |name: &String| {
        let full = join(path, name);
        all.iter().position(|known| *known == full).unwrap_or(usize::MAX)
    };
    let mut names: Vec<String> =
        tree.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    names.sort_by_key(place);
    names
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// A value as YAML on one line; JSON is YAML too, but plain words need no quotes.
fn yaml(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(yaml).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    let is_word = !text.is_empty()
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '.')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c))
        && !["true", "false", "null", "yes", "no", "on", "off"]
            .contains(&text.to_lowercase().as_str());
    if is_word { text.to_owned() } else { Value::from(text).to_string() }
}

fn as_json(loaded: &Loaded) -> Value {
    let mut keys = Vec::new();
    leaves(&loaded.tree, "", &mut keys);
    let entry = |key: String| {
        let value = value_at(&loaded.tree, &key).cloned().unwrap_or(Value::Null);
        let origin = loaded.origin(&key).to_string();
        (key, json!({"value": value, "origin": origin}))
    };
    Value::Object(keys.into_iter().map(entry).collect())
}

/// The explanation of a setting, of a section, or the list of sections.
fn explain(key: Option<&str>) -> Result<String, UsageError> {
    let Some(key) = key else {
        let sections = reference::all().into_iter().filter(|setting| !setting.key.contains('.'));
        let names: Vec<String> = sections.map(|setting| setting.key).collect();
        return Ok(format!(
            "sections: {}\n\nnext: mammo-pipe config explain train, or with the last part of a \
             name: mammo-pipe config explain margin",
            names.join(", ")
        ));
    };
    let mut found = reference::named(key.trim());
    match found.len() {
        0 => {
            let message = reference::unknown(key.trim());
            Err(UsageError { message, help: "mammo-pipe config explain".into() })
        }
        1 => Ok(explained(&found.remove(0))),
        _ => {
            let lines = found.iter().map(one_line).collect::<Vec<_>>().join("\n");
            Ok(format!("{} settings end in {key}:\n{lines}", found.len()))
        }
    }
}

fn explained(setting: &Setting) -> String {
    let Setting { key, explanation, default, needs, below } = setting;
    let title = paint(Stream::Out, colour::HEADING, key);
    if !below.is_empty() {
        let all = reference::all();
        let rows = all.iter().filter(|one| below.contains(&one.key)).map(one_line);
        let text =
            if explanation.is_empty() { String::new() } else { format!("{explanation}\n\n") };
        let rows = rows.collect::<Vec<_>>().join("\n");
        return format!("{title}\n\n{}{rows}", wrap(&text));
    }
    let command = match key.split('.').next() {
        Some("train") => "train RELEASE",
        _ => "preprocess",
    };
    let example = match default {
        Value::Null => "VALUE".to_owned(),
        value => yaml(value),
    };
    let quote = if example.contains([' ', '{', '[', '"']) { "'" } else { "" };
    format!(
        "{title}\n\n{}\n\n  default  {}\n  needs    {needs}\n  changes  {}\n\n\
         mammo-pipe {command} --set {quote}{key}={example}{quote}",
        wrap(explanation),
        yaml(default),
        changes(key)
    )
}

/// What depends on a setting.
fn changes(key: &str) -> &'static str {
    let is = |section: &str| key == section || key.starts_with(&format!("{section}."));
    match () {
        () if is("train") => "how a network is trained; no release",
        () if is("limits") => "how a run behaves; no byte of a release",
        () if is("output") || is("dataset.input") || is("dataset.allow_missing") => {
            "where files are and what is expected; no byte of a release"
        }
        () => "what is in a release, so a release with another value needs another folder",
    }
}

fn one_line(setting: &Setting) -> String {
    let first = setting.explanation.split(". ").next().unwrap_or_default().trim_end_matches('.');
    let short: String = first.chars().take(60).collect();
    let short = if short.len() < first.len() { format!("{}…", short.trim_end()) } else { short };
    let value = match setting.below.is_empty() {
        true => format!("{} = {}", setting.key, yaml(&setting.default)),
        false => format!("{}.*", setting.key),
    };
    format!("  {value:<42}  {short}").trim_end().to_owned()
}

/// Text in lines of up to 90 columns.
fn wrap(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("begins with one line");
        if !line.is_empty() && line.chars().count() + word.chars().count() >= 90 {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_layers;

    fn settings(overrides: &[&str], changed: bool) -> String {
        let overrides: Vec<String> = overrides.iter().map(|s| s.to_string()).collect();
        let loaded = load_layers(None, None, &overrides).unwrap();
        let keep = |key: &str| !changed || *loaded.origin(key) != Origin::Default;
        let mut text = String::new();
        section(&loaded.tree, "", 0, &loaded, &keep, &mut text);
        text
    }

    #[test]
    fn what_is_printed_is_read_again_as_the_same_settings() {
        let overrides = [
            "roi.margin=0.02",
            "dataset.columns.patient_id=Patient ID",
            "spacing.by_machine.49={row: 0.07, column: 0.08}",
            "dataset.input=/data/with space",
            "train.augment.crop.probability=0",
        ];
        for changed in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("again.yaml");
            std::fs::write(&path, settings(&overrides, changed)).unwrap();
            let again = load_layers(None, Some(&path), &[]).unwrap().config;
            let overrides: Vec<String> = overrides.iter().map(|s| s.to_string()).collect();
            assert_eq!(again, load_layers(None, None, &overrides).unwrap().config);
        }
    }

    #[test]
    fn an_origin_stands_behind_each_value() {
        let text = settings(&["roi.margin=0.02"], false);
        let line = |start: &str| {
            let line = text.lines().find(|line| line.trim_start().starts_with(start));
            line.unwrap_or_else(|| panic!("{start} in {text}"))
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(line("margin:"), "margin: 0.02 # --set");
        assert_eq!(line("margin_mm:"), "margin_mm: null # default");
        assert_eq!(settings(&["roi.margin=0.02"], true).lines().count(), 2);
    }

    #[test]
    fn a_name_that_no_setting_has_gets_the_nearest() {
        let error = explain(Some("roi.margn")).unwrap_err().to_string();
        assert!(error.contains("did you mean roi.margin?"), "{error}");
        let text = explain(Some("kind")).unwrap();
        assert!(text.starts_with("3 settings end in kind"), "{text}");
        assert!(explain(Some("train.loss")).unwrap().contains("train.loss.focal_gamma = 2.0"));
    }
}
