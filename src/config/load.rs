//! Reads YAML and `--set` overrides into a checked [`Config`].
//!
//! Both are merged into a tree of the default values, so that an unknown key of either is found by
//! its path.

use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::{Config, Preset};
use crate::error::faults;

/// Why settings were refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file is not YAML.
    #[error("{path}: {message}")]
    Yaml {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        message: String,
    },
    /// A key that does not exist.
    #[error("{origin}: unknown key {key}; {hint}")]
    UnknownKey {
        /// The file, or `--set`.
        origin: String,
        /// Dotted path of the key.
        key: String,
        /// The nearest key, or the known ones.
        hint: String,
    },
    /// A value of the wrong type.
    #[error("{key}: {message}")]
    Type {
        /// Dotted path of the key.
        key: String,
        /// The value found, and the type needed.
        message: String,
    },
    /// A `--set` that is not `key=value`.
    #[error("--set {0}: needs key=value, for example roi.margin=0.02")]
    NotAnAssignment(String),
    /// An auxiliary input that leaks the label.
    #[error("train.auxiliary.inputs has {column}, which leaks the label: {reason}")]
    Leak {
        /// Name of the column.
        column: &'static str,
        /// How it leaks the label.
        reason: &'static str,
    },
    /// An augmentation setting that is not allowed.
    #[error("train.{0}")]
    Augment(#[from] super::AugmentError),
    /// A value that is not allowed.
    #[error("{key} is {found}, needs {needed}")]
    Value {
        /// Dotted path of the key.
        key: &'static str,
        /// The value found.
        found: String,
        /// The allowed values.
        needed: &'static str,
    },
}
faults!(ConfigError);

/// Reads the settings of `file`, if given, applies `overrides` such as `roi.margin=0.02` in order,
/// and checks the result. Other settings have their defaults.
///
/// # Errors
/// The first problem, with its key.
pub fn load(file: Option<&Path>, overrides: &[String]) -> Result<Config, ConfigError> {
    let defaults = tree_of_defaults();
    let mut tree = defaults.clone();
    let mut layers = Vec::new();
    if let Some(path) = file {
        layers.push((parse(path)?, path.display().to_string()));
    }
    for assignment in overrides {
        let (key, value) = assignment
            .split_once('=')
            .ok_or_else(|| ConfigError::NotAnAssignment(assignment.clone()))?;
        let value = serde_saphyr::from_str(value).unwrap_or_else(|_| Value::String(value.into()));
        let nested = key
            .trim()
            .rsplit('.')
            .fold(value, |inner, part| Value::Object(Map::from_iter([(part.to_owned(), inner)])));
        layers.push((nested, "--set".to_owned()));
    }
    let preset = layers.iter().rev().find_map(|(typed, _)| typed.get("dataset")?.get("preset"));
    let preset = preset.and_then(|word| Preset::deserialize(word).ok());
    if let Some(settings) = preset.and_then(Preset::settings) {
        merge(&mut tree, settings, &defaults, "preset", "")?;
    }
    for (typed, origin) in layers {
        merge(&mut tree, typed, &defaults, &origin, "")?;
    }
    checked(tree)
}

/// The settings of a release, as its plan stores them: those that its pixels depend on. Other
/// settings have their defaults. `origin` names the release in errors.
///
/// # Errors
/// An unknown key, or a value that is not allowed.
pub fn of_settings(settings: &Value, origin: &str) -> Result<Config, ConfigError> {
    let defaults = tree_of_defaults();
    let mut tree = defaults.clone();
    merge(&mut tree, settings.clone(), &defaults, origin, "")?;
    checked(tree)
}

fn checked(tree: Value) -> Result<Config, ConfigError> {
    let config: Config = serde_path_to_error::deserialize(tree).map_err(|e| ConfigError::Type {
        key: e.path().to_string(),
        message: e.into_inner().to_string(),
    })?;
    config.check()?;
    Ok(config)
}

fn tree_of_defaults() -> Value {
    serde_json::to_value(Config::default()).expect("the defaults hold only strings and numbers")
}

fn parse(path: &Path) -> Result<Value, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.into(), source })?;
    let value: Option<Value> = serde_saphyr::from_str(&text)
        .map_err(|e| ConfigError::Yaml { path: path.into(), message: e.to_string() })?;
    Ok(value.unwrap_or_else(|| Value::Object(Map::new())))
}

/// Replaces values of `tree` by those of `typed`. A map that is empty in `defaults` takes any key;
/// any other map takes only the keys that it has there.
fn merge(
    tree: &mut Value,
    typed: Value,
    defaults: &Value,
    origin: &str,
    path: &str,
) -> Result<(), ConfigError> {
    let (Value::Object(typed), Value::Object(known)) = (&typed, defaults) else {
        *tree = typed;
        return Ok(());
    };
    if !tree.is_object() {
        *tree = Value::Object(Map::new());
    }
    let tree = tree.as_object_mut().expect("made an object above");
    for (name, value) in typed.clone() {
        let full = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match known.get(&name) {
            Some(below) => {
                let slot = tree.entry(name).or_insert(Value::Null);
                merge(slot, value, below, origin, &full)?;
            }
            None if known.is_empty() && !path.is_empty() => match (tree.get_mut(&name), value) {
                (Some(Value::Object(there)), Value::Object(more)) => there.extend(more),
                (_, value) => drop(tree.insert(name, value)),
            },
            None => {
                let hint = hint(&full, defaults, path);
                return Err(ConfigError::UnknownKey { origin: origin.into(), key: full, hint });
            }
        }
    }
    Ok(())
}

fn hint(key: &str, section: &Value, path: &str) -> String {
    let mut all = Vec::new();
    keys(&tree_of_defaults(), "", &mut all);
    let nearest = all.iter().min_by_key(|known| distance(known, key));
    match nearest {
        Some(known) if distance(known, key) <= key.len().div_ceil(3) => {
            format!("did you mean {known}?")
        }
        _ => {
            let names: Vec<_> = section.as_object().into_iter().flat_map(Map::keys).collect();
            let place = if path.is_empty() { "the top level" } else { path };
            format!(
                "{place} has {}",
                names.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(", ")
            )
        }
    }
}

fn keys(tree: &Value, path: &str, out: &mut Vec<String>) {
    for (name, below) in tree.as_object().into_iter().flatten() {
        let full = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        keys(below, &full, out);
        out.push(full);
    }
}

/// The Levenshtein distance.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(overrides: &[&str]) -> Result<Config, String> {
        let overrides: Vec<String> = overrides.iter().map(|s| s.to_string()).collect();
        load(None, &overrides).map_err(|e| e.to_string())
    }

    #[test]
    fn an_override_changes_its_key_and_no_other() {
        let mut expected = Config::default();
        expected.roi.margin = 0.02;
        assert_eq!(set(&["roi.margin=0.02"]), Ok(expected));
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_name() {
        let error = set(&["roi.margn=0.02"]).unwrap_err();
        assert_eq!(error, "--set: unknown key roi.margn; did you mean roi.margin?");
        let error = set(&["colour=red"]).unwrap_err();
        assert!(error.contains("the top level has dataset, decode"), "{error}");
    }

    #[test]
    fn a_value_of_the_wrong_type_names_its_key() {
        let error = set(&["resize.height=tall"]).unwrap_err();
        assert!(error.starts_with("resize.height: invalid type: string \"tall\""), "{error}");
        let error = set(&["roi=5"]).unwrap_err();
        assert!(error.starts_with("roi: "), "{error}");
    }

    #[test]
    fn a_value_that_is_not_allowed_names_the_allowed_ones() {
        let error = set(&["window.bits=12"]).unwrap_err();
        assert_eq!(error, "window.bits is 12, needs 8 or 16");
    }

    #[test]
    fn every_preset_is_a_settings_file_that_the_user_can_change() {
        for preset in Preset::ALL {
            let config = set(&[&format!("dataset.preset={}", preset.as_str())]).unwrap();
            assert_eq!(config.dataset.preset, preset);
            assert_eq!(config.dataset.tables.is_empty(), preset == Preset::Rsna);
            assert_eq!(config.dataset.label, None, "no preset makes a label");
        }
        let changed = ["dataset.values.BIRADS.X=0", "dataset.preset=vindr-mammo"];
        let config = set(&changed).unwrap();
        assert_eq!(config.dataset.values["BIRADS"]["X"], 0);
        assert_eq!(config.dataset.values["BIRADS"]["BI-RADS 4"], 4);
        let error = set(&["dataset.preset=ddsm"]).unwrap_err();
        assert!(error.contains("unknown variant `ddsm`, expected one of `rsna`"), "{error}");
    }

    #[test]
    fn maps_without_defaults_take_any_key() {
        let config = set(&["spacing.by_machine.49={row: 0.07, column: 0.07}"]).unwrap();
        assert_eq!(config.spacing.by_machine["49"].row.0, 0.07);
    }

    #[test]
    fn the_commented_file_at_the_root_lists_the_defaults() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipeline.yaml");
        let typed = parse(&path).unwrap();
        assert_eq!(typed, tree_of_defaults());
    }
}
