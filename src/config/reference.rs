//! Every setting with its explanation, its default and what it may be.
//!
//! In: the commented `pipeline.yaml`, which is part of the program, and the settings' types. Out:
//! [`Setting`]s for `mammo-pipe config explain`, for messages, and for the JSON schema.

use serde_json::{Value, json};

use super::kind::Kind;
use super::load::{distance, keys, tree_of_defaults};
use super::{Config, ConfigError};

/// The commented file with every default.
pub const PIPELINE_YAML: &str = include_str!("../../pipeline.yaml");

/// One setting, or a section of settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Dotted path.
    pub key: String,
    /// What it does: its comment in `pipeline.yaml`.
    pub explanation: String,
    /// Its default.
    pub default: Value,
    /// What it may be, in words: the type, and the range where there is one.
    pub needs: String,
    /// For a section: the settings in it.
    pub below: Vec<String>,
}

/// The names of all settings and sections, in the order of `pipeline.yaml`.
pub fn names() -> Vec<String> {
    commented(PIPELINE_YAML).into_iter().map(|(key, _)| key).collect()
}

/// All settings and sections, in the order of `pipeline.yaml`.
pub fn all() -> Vec<Setting> {
    let (defaults, kind) = (tree_of_defaults(), Kind::of::<Config>());
    let setting = |(key, explanation): (String, String)| {
        let default = value_at(&defaults, &key).cloned().unwrap_or(Value::Null);
        let below = match &default {
            Value::Object(below) => below.keys().map(|name| format!("{key}.{name}")).collect(),
            _ => Vec::new(),
        };
        let needs = kind.at(&key).map_or("a value".into(), |kind| needs(&key, kind));
        Setting { key, explanation, default, needs, below }
    };
    commented(PIPELINE_YAML).into_iter().map(setting).collect()
}

/// The settings that `name` may mean: the one of this full name, else all whose last parts it is.
pub fn named(name: &str) -> Vec<Setting> {
    let mut all = all();
    if let Some(at) = all.iter().position(|setting| setting.key == name) {
        return vec![all.swap_remove(at)];
    }
    let end = format!(".{name}");
    all.retain(|setting| setting.key.ends_with(&end));
    all
}

/// The value at a dotted path.
pub fn value_at<'a>(tree: &'a Value, key: &str) -> Option<&'a Value> {
    key.split('.').try_fold(tree, |tree, name| tree.get(name))
}

/// The message for a name that no setting has.
pub fn unknown(key: &str) -> String {
    format!("there is no setting {key}; {}", hint(key))
}

/// What a user may have meant by a key that does not exist: the full name of a setting whose last
/// part it is, else the nearest name, else what there is in its section.
pub(super) fn hint(key: &str) -> String {
    let tree = tree_of_defaults();
    let mut all = Vec::new();
    keys(&tree, "", &mut all);
    all.reverse();
    let leaf = key.rsplit('.').next().unwrap_or(key);
    let end = format!(".{leaf}");
    let mut meant: Vec<&str> = Vec::new();
    if !key.contains('.') {
        meant = all.iter().filter(|known| known.ends_with(&end)).map(String::as_str).collect();
    }
    if meant.is_empty() {
        let far = |known: &str| {
            let last = known.rsplit('.').next().unwrap_or(known);
            let whole = distance(known, key);
            // `margn` is near `roi.margin`, and `model.variant` means `train.model.variant`.
            if known.ends_with(&format!(".{key}")) {
                return 0;
            }
            if key.contains('.') { whole } else { whole.min(distance(last, key)) }
        };
        let nearest = all.iter().map(|known| far(known)).min().unwrap_or(usize::MAX);
        if nearest <= key.len().div_ceil(3) {
            meant = all.iter().filter(|known| far(known) == nearest).map(String::as_str).collect();
        }
    }
    meant.sort_unstable();
    if !meant.is_empty() && meant.len() <= 4 {
        return format!("did you mean {}?", or(&meant));
    }
    let section = std::iter::successors(Some(key), |key| key.rsplit_once('.').map(|(up, _)| up));
    let section = section.skip(1).find_map(|path| Some((path, value_at(&tree, path)?)));
    let (place, below) = section.unwrap_or(("the top level", &tree));
    let names = below.as_object().into_iter().flat_map(|names| names.keys());
    format!("{place} has {}", names.map(String::as_str).collect::<Vec<_>>().join(", "))
}

/// The nearest of `words`, if one is near enough to be meant.
pub(super) fn nearest_word(typed: &str, words: &'static [&'static str]) -> Option<&'static str> {
    let typed = typed.to_lowercase();
    let near = words.iter().min_by_key(|word| distance(word, &typed))?;
    let begins = typed.len() >= 2 && near.starts_with(&typed);
    (begins || distance(near, &typed) <= typed.len().div_ceil(3)).then_some(near)
}

fn or(names: &[&str]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => names.concat(),
    }
}

/// What a setting of this kind needs, in words: the type, and the range where there is one.
pub(super) fn needs(key: &str, kind: &Kind) -> String {
    let (plain, or_null) = match kind {
        Kind::OrNull(of) => (&**of, ", or null"),
        _ => (kind, ""),
    };
    let Some(range) = allowed(key) else { return kind.in_words() };
    let or_null = if range.contains("null") { "" } else { or_null };
    match plain {
        _ if range.starts_with("a ") || range.starts_with("two ") => format!("{range}{or_null}"),
        Kind::Whole(..) => format!("a whole number: {range}{or_null}"),
        _ => format!("{}: {range}{or_null}", plain.in_words()),
    }
}

/// The allowed values of a setting, as its check states them: the check is asked with values that
/// no setting allows, and says what it needs.
fn allowed(key: &str) -> Option<String> {
    let wrong = [json!(-1e12), json!([-1e12, -2e12]), json!(u64::MAX), json!(0), json!(255)];
    wrong.iter().find_map(|value| {
        let mut tree = tree_of_defaults();
        let (section, name) = key.rsplit_once('.')?;
        let section = section.split('.').try_fold(&mut tree, |tree, name| tree.get_mut(name))?;
        *section.get_mut(name)? = value.clone();
        let config: Config = serde_json::from_value(tree).ok()?;
        match config.check() {
            Err(ConfigError::Value { key: found, needed, .. }) if found == key => {
                Some(needed.to_owned())
            }
            Err(ConfigError::Augment(error)) if key == format!("train.augment.{}", error.key) => {
                Some(error.needed.to_owned())
            }
            _ => None,
        }
    })
}

/// The keys of a commented YAML file with the comment above each. A key without a comment has that
/// of the key before it in its section, or else that of its section.
fn commented(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut sections: Vec<(usize, String, String)> = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    // What a key without a comment of its own takes: the depth that it is for, and the text.
    let mut last: Option<(usize, String)> = None;
    for line in text.lines() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        if let Some(words) = trimmed.strip_prefix('#') {
            comment.push(words.trim());
            continue;
        }
        let key = trimmed.split_once(':').map(|(key, _)| key);
        let Some(key) = key
            .filter(|key| !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_'))
        else {
            comment.clear();
            // Behind an empty line another section begins, which takes nothing from the one before.
            last = None;
            continue;
        };
        sections.retain(|(depth, ..)| *depth < indent);
        let path = sections.last().map_or(key.to_owned(), |(_, path, _)| format!("{path}.{key}"));
        let own = comment.join(" ");
        comment.clear();
        let explanation = match (&last, sections.last()) {
            _ if !own.is_empty() => own,
            (Some((depth, text)), _) if *depth == indent => text.clone(),
            (_, Some((.., text))) => text.clone(),
            _ => String::new(),
        };
        last = Some((indent, explanation.clone()));
        found.push((path.clone(), explanation.clone()));
        sections.push((indent, path, explanation));
    }
    found
}

/// The settings as a JSON schema, for editors.
pub fn schema() -> Value {
    let all = all();
    let describe = |path: &str, schema: &mut Value| {
        let Some(setting) = all.iter().find(|setting| setting.key == path) else { return };
        let needs = (setting.below.is_empty()).then(|| format!("Needs {}.", setting.needs));
        let parts = [Some(setting.explanation.clone()), needs];
        let parts: Vec<String> = parts.into_iter().flatten().filter(|p| !p.is_empty()).collect();
        schema["description"] = parts.join(" ").into();
        if setting.below.is_empty() {
            schema["default"] = setting.default.clone();
        }
    };
    let mut schema = Kind::of::<Config>().schema("", &describe);
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    schema["title"] = "Settings of mammo-pipe (pipeline.yaml)".into();
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_explained() {
        let mut known = Vec::new();
        keys(&tree_of_defaults(), "", &mut known);
        let all = all();
        for key in known {
            let setting = all.iter().find(|setting| setting.key == key);
            let setting = setting.unwrap_or_else(|| panic!("{key} is not in pipeline.yaml"));
            let is_section = !setting.below.is_empty();
            assert!(is_section || !setting.explanation.is_empty(), "{key} has no comment");
        }
    }

    #[test]
    fn an_explanation_has_the_comment_the_default_and_the_range() {
        let [margin] = &named("margin")[..] else { panic!("one setting ends in .margin") };
        assert_eq!(margin.key, "roi.margin");
        assert!(margin.explanation.starts_with("Added around the breast"), "{margin:?}");
        assert_eq!(margin.needs, "a share of the width, 0 to 0.5");
        assert_eq!(margin.default, json!(0.01));
        let words = |key: &str| named(key).remove(0);
        assert_eq!(words("window.bits").needs, "a whole number: 8 or 16");
        assert_eq!(words("train.batch").needs, "a whole number: 2 or more");
        assert_eq!(
            words("train.augment.crop.smallest").explanation,
            words("train.augment.crop").explanation
        );
        assert_eq!(named("kind").len(), 3);
    }

    #[test]
    fn a_name_without_its_section_gets_its_full_name() {
        assert_eq!(hint("margin"), "did you mean roi.margin?");
        assert_eq!(hint("batch"), "did you mean train.batch?");
        assert_eq!(hint("margn"), "did you mean roi.margin?");
        assert_eq!(hint("roi.margn"), "did you mean roi.margin?");
        assert_eq!(hint("model.variant"), "did you mean train.model.variant?");
        assert_eq!(
            hint("kind"),
            "did you mean train.loss.kind, train.optimizer.kind or train.schedule.kind?"
        );
        assert!(hint("colour").starts_with("the top level has"), "{}", hint("colour"));
        assert!(hint("roi.purple").starts_with("roi has aspect"), "{}", hint("roi.purple"));
    }

    #[test]
    fn the_schema_at_the_root_is_that_of_the_settings() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("pipeline.schema.json");
        let made = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == made, "write it again: mammo-pipe config schema > pipeline.schema.json");
        let first = PIPELINE_YAML.lines().next().unwrap();
        assert_eq!(first, "# yaml-language-server: $schema=pipeline.schema.json");
    }
}
