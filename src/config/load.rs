//! Reads a preset, YAML and `--set` overrides into a checked [`Config`].
//!
//! All are merged into a tree of the default values, so that an unknown key is found by its path,
//! and every value has an [`Origin`].

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::kind::Kind;
use super::presets::Preset;
use super::{Config, DatasetPreset, reference};
use crate::error::faults;
use crate::store::at_home;

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
    #[error("{origin}: {key} is {found}, needs {needed}{hint}")]
    Type {
        /// The file, or `--set`.
        origin: String,
        /// Dotted path of the key.
        key: String,
        /// The value found.
        found: String,
        /// What is needed, in words.
        needed: String,
        /// The nearest word, if the setting is one of some words.
        hint: String,
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
    /// There is no file with the table.
    #[error("there is no table {path}{beside}; {remedy}")]
    NoTable {
        /// Where it was looked for.
        path: PathBuf,
        /// The tables that are there instead, in brackets.
        beside: String,
        /// What would find it.
        remedy: String,
    },
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

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `Config::default()`, as in `pipeline.yaml`.
    Default,
    /// A preset of this name.
    Preset(&'static str),
    /// `dataset.preset` of this name.
    Dataset(&'static str),
    /// A settings file.
    File(PathBuf),
    /// `--set`.
    Set,
    /// A release, whose name is the text.
    Release(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Preset(name) => write!(f, "--preset {name}"),
            Self::Dataset(name) => write!(f, "dataset.preset={name}"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Set => f.write_str("--set"),
            Self::Release(name) => f.write_str(name),
        }
    }
}

/// Settings with the origin of each value.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings, checked.
    pub config: Config,
    /// The same as a tree of values.
    pub tree: Value,
    /// Origins of values that are not defaults, by dotted path.
    origins: BTreeMap<String, Origin>,
}

impl Loaded {
    /// Where the value at a dotted path comes from.
    pub fn origin(&self, key: &str) -> &Origin {
        let above = |key: &str| key.rsplit_once('.').map(|(above, _)| above.len());
        let mut paths = std::iter::successors(Some(key), |key| above(key).map(|len| &key[..len]));
        paths.find_map(|path| self.origins.get(path)).unwrap_or(&Origin::Default)
    }
}

/// Reads the settings of `file`, if given, applies `overrides` such as `roi.margin=0.02` in order,
/// and checks the result. Other settings have their defaults.
///
/// # Errors
/// The first problem, with its key.
pub fn load(file: Option<&Path>, overrides: &[String]) -> Result<Config, ConfigError> {
    Ok(load_layers(None, file, overrides)?.config)
}

/// The same on top of a preset: a value of `file` replaces one of `preset`, and an override
/// replaces both. The settings of `dataset.preset` lie below all of these.
///
/// # Errors
/// The first problem, with its key.
pub fn load_layers(
    preset: Option<&Preset>,
    file: Option<&Path>,
    overrides: &[String],
) -> Result<Loaded, ConfigError> {
    let mut layers = Vec::new();
    if let Some(preset) = preset {
        layers.push((preset.settings(), Origin::Preset(preset.name)));
    }
    if let Some(path) = file {
        layers.push((parse(path)?, Origin::File(path.into())));
    }
    for assignment in overrides {
        let (key, value) = assignment
            .split_once('=')
            .ok_or_else(|| ConfigError::NotAnAssignment(assignment.clone()))?;
        let value = typed(key.trim(), value);
        let nested = key
            .trim()
            .rsplit('.')
            .fold(value, |inner, part| Value::Object(Map::from_iter([(part.to_owned(), inner)])));
        layers.push((nested, Origin::Set));
    }
    let mut tree = Tree::new();
    let preset = layers.iter().rev().find_map(|(typed, _)| typed.get("dataset")?.get("preset"));
    let preset = preset.and_then(|word| DatasetPreset::deserialize(word).ok());
    if let Some((preset, settings)) = preset.and_then(|preset| Some((preset, preset.settings()?))) {
        tree.add(settings, &Origin::Dataset(preset.as_str()))?;
    }
    for (typed, origin) in layers {
        tree.add(typed, &origin)?;
    }
    tree.checked()
}

/// The value of `--set`, which is YAML. What is no YAML is text, and so are braces where text is
/// needed, as in `{path|stem}`.
fn typed(key: &str, value: &str) -> Value {
    let kinds = Kind::of::<Config>();
    let is_text = match kinds.at(key) {
        Some(Kind::OrNull(kind)) => matches!(**kind, Kind::Text),
        kind => matches!(kind, Some(Kind::Text)),
    };
    let yaml = serde_saphyr::from_str(value).ok();
    let yaml = yaml.filter(|yaml: &Value| !(is_text && yaml.is_object()));
    yaml.unwrap_or_else(|| Value::String(value.into()))
}

/// The settings of a release, as its plan stores them: those that its pixels depend on. Other
/// settings have their defaults. `origin` names the release in errors.
///
/// # Errors
/// An unknown key, or a value that is not allowed.
pub fn of_settings(settings: &Value, origin: &str) -> Result<Config, ConfigError> {
    let mut tree = Tree::new();
    tree.add(settings.clone(), &Origin::Release(origin.into()))?;
    Ok(tree.checked()?.config)
}

pub(super) fn tree_of_defaults() -> Value {
    serde_json::to_value(Config::default()).expect("the defaults hold only strings and numbers")
}

fn parse(path: &Path) -> Result<Value, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.into(), source })?;
    let value: Option<Value> = serde_saphyr::from_str(&text)
        .map_err(|e| ConfigError::Yaml { path: path.into(), message: in_words(&e) })?;
    Ok(value.unwrap_or_else(|| Value::Object(Map::new())))
}

/// An error of the YAML reader: its place, and what is wrong there.
fn in_words(error: &serde_saphyr::Error) -> String {
    let error = error.without_snippet();
    let place = error.location().map_or(String::new(), |place| {
        format!("line {}, column {}: ", place.line(), place.column())
    });
    let reason = match error {
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("{key} is there twice; keep one of the two")
        }
        serde_saphyr::Error::DuplicateMappingKey { .. } => "a key is there twice".into(),
        other => {
            let text = other.render_with_formatter(&serde_saphyr::UserMessageFormatter);
            // The place stands in front already.
            let text = text.lines().next().unwrap_or_default();
            text.split(" at line ").next().unwrap_or(text).to_owned()
        }
    };
    format!("{place}{reason}")
}

/// The defaults with what was typed over them.
struct Tree {
    defaults: Value,
    tree: Value,
    origins: BTreeMap<String, Origin>,
}

impl Tree {
    fn new() -> Self {
        let defaults = tree_of_defaults();
        Self { tree: defaults.clone(), defaults, origins: BTreeMap::new() }
    }

    /// Replaces values by those of `typed`.
    fn add(&mut self, typed: Value, origin: &Origin) -> Result<(), ConfigError> {
        if !typed.is_object() {
            return Err(ConfigError::Type {
                origin: origin.to_string(),
                key: "the whole".into(),
                found: shown(&typed),
                needed: "settings such as `roi: {margin: 0.02}`".into(),
                hint: String::new(),
            });
        }
        merge(&mut self.tree, typed, &self.defaults, origin, "", &mut self.origins)
    }

    fn checked(self) -> Result<Loaded, ConfigError> {
        let Self { tree, origins, .. } = self;
        let loaded = Loaded { config: Config::default(), tree, origins };
        if let Some((key, found, kind)) = Kind::of::<Config>().mismatch(&loaded.tree, "") {
            // `b0` is a short name of a variant, which its type knows.
            if serde_json::from_value::<Config>(loaded.tree.clone()).is_err() {
                let nearest = found.as_str().and_then(|f| reference::nearest_word(f, kind.words()));
                return Err(ConfigError::Type {
                    origin: loaded.origin(&key).to_string(),
                    found: shown(found),
                    needed: reference::needs(&key, kind),
                    hint: nearest.map_or(String::new(), |word| format!("; did you mean {word}?")),
                    key,
                });
            }
        }
        let mut config: Config =
            serde_path_to_error::deserialize(&loaded.tree).map_err(|e| ConfigError::Type {
                origin: loaded.origin(&e.path().to_string()).to_string(),
                found: "a value that cannot be read".into(),
                needed: e.inner().to_string(),
                hint: String::new(),
                key: e.path().to_string(),
            })?;
        for path in config.paths_mut() {
            *path = at_home(path);
        }
        config.check()?;
        Ok(Loaded { config, ..loaded })
    }
}

/// A value as the user may have typed it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "empty".into(),
        Value::String(text) => text.clone(),
        Value::Object(_) => "a section".into(),
        other => other.to_string(),
    }
}

/// Replaces values of `tree` by those of `typed`. A map that is empty in `defaults` takes any key;
/// any other map takes only the keys that it has there.
fn merge(
    tree: &mut Value,
    typed: Value,
    defaults: &Value,
    origin: &Origin,
    path: &str,
    origins: &mut BTreeMap<String, Origin>,
) -> Result<(), ConfigError> {
    let (Value::Object(typed), Value::Object(known)) = (&typed, defaults) else {
        *tree = typed;
        let below = format!("{path}.");
        origins.retain(|key, _| !key.starts_with(&below));
        origins.insert(path.to_owned(), origin.clone());
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
                merge(slot, value, below, origin, &full, origins)?;
            }
            None if known.is_empty() && !path.is_empty() => {
                match (tree.get_mut(&name), value) {
                    (Some(Value::Object(there)), Value::Object(more)) => there.extend(more),
                    (_, value) => drop(tree.insert(name, value)),
                }
                origins.insert(full, origin.clone());
            }
            None => {
                let hint = reference::hint(&whole_key(&full, &value));
                let origin = origin.to_string();
                return Err(ConfigError::UnknownKey { origin, key: full, hint });
            }
        }
    }
    Ok(())
}

/// The path of an unknown key with what is below it, as in `--set model.variant=b0`.
fn whole_key(path: &str, value: &Value) -> String {
    match value.as_object().and_then(|below| below.iter().next().filter(|_| below.len() == 1)) {
        Some((name, below)) => whole_key(&format!("{path}.{name}"), below),
        None => path.to_owned(),
    }
}

pub(super) fn keys(tree: &Value, path: &str, out: &mut Vec<String>) {
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
        assert_eq!(error, "--set: resize.height is tall, needs a whole number: 16 to 16384");
        let error = set(&["roi.margin=wide"]).unwrap_err();
        assert_eq!(error, "--set: roi.margin is wide, needs a share of the width, 0 to 0.5");
        let error = set(&["roi=5"]).unwrap_err();
        assert!(error.starts_with("--set: roi is 5, needs a section with extent, "), "{error}");
        let error = set(&["dataset.allow_missing=maybe"]).unwrap_err();
        assert_eq!(error, "--set: dataset.allow_missing is maybe, needs true or false");
        let error = set(&["window.percentiles=5"]).unwrap_err();
        assert!(error.contains("is 5, needs two percentiles"), "{error}");
    }

    #[test]
    fn a_wrong_word_gets_the_nearest_one() {
        let error = set(&["window.mode=dicm"]).unwrap_err();
        assert!(
            error.ends_with("needs dicom, minmax or percentile; did you mean dicom?"),
            "{error}"
        );
        let error = set(&["train.model.variant=efficientnet_b9"]).unwrap_err();
        assert!(error.contains("efficientnet_b7; did you mean efficientnet_b"), "{error}");
        let error = set(&["train.auxiliary.targets=[densty]"]).unwrap_err();
        assert!(error.ends_with("; did you mean density?"), "{error}");
        assert!(set(&["train.model.variant=b0"]).is_ok());
    }

    #[test]
    fn a_file_s_error_names_the_file_and_no_type_or_option_of_a_library() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my.yaml");
        let error = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let error = load(Some(&path), &[]).unwrap_err().to_string();
            for foreign in ["f64", "usize", "Options", "expected `", "Policy", "-->"] {
                assert!(!error.contains(foreign), "{error}");
            }
            let prefix = format!("{}: ", path.display());
            error.strip_prefix(&prefix).unwrap_or_else(|| panic!("{error}")).to_owned()
        };
        assert_eq!(
            error("roi: {margin: wide}"),
            "roi.margin is wide, needs a share of the width, 0 to 0.5"
        );
        assert_eq!(
            error("roi:\n  margin: 0.1\nroi:\n  margin: 0.2\n"),
            "line 3, column 1: roi is there twice; keep one of the two"
        );
        assert!(error("roi: [").starts_with("line "), "{}", error("roi: ["));
        assert!(error("just words").contains("needs settings such as"), "{}", error("just words"));
    }

    #[test]
    fn each_value_knows_where_it_comes_from() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my.yaml");
        std::fs::write(&path, "train: {batch: 6, epochs: 3}").unwrap();
        let preset = Preset::named("laptop").unwrap();
        let loaded = load_layers(Some(preset), Some(&path), &["train.epochs=2".into()]).unwrap();
        assert_eq!((loaded.config.train.batch, loaded.config.train.epochs), (6, 2));
        assert_eq!(loaded.origin("train.epochs"), &Origin::Set);
        assert_eq!(loaded.origin("train.batch"), &Origin::File(path));
        assert_eq!(loaded.origin("train.model.variant"), &Origin::Preset("laptop"));
        assert_eq!(loaded.origin("roi.margin"), &Origin::Default);
    }

    #[test]
    fn a_value_that_is_not_allowed_names_the_allowed_ones() {
        let error = set(&["window.bits=12"]).unwrap_err();
        assert_eq!(error, "window.bits is 12, needs 8 or 16");
    }

    #[test]
    fn every_preset_is_a_settings_file_that_the_user_can_change() {
        for preset in DatasetPreset::ALL {
            let config = set(&[&format!("dataset.preset={}", preset.as_str())]).unwrap();
            assert_eq!(config.dataset.preset, preset);
            assert_eq!(config.dataset.tables.is_empty(), preset == DatasetPreset::Rsna);
            assert_eq!(config.dataset.label, None, "no preset makes a label");
        }
        let changed = ["dataset.values.BIRADS.X=0", "dataset.preset=vindr-mammo"];
        let config = set(&changed).unwrap();
        assert_eq!(config.dataset.values["BIRADS"]["X"], 0);
        assert_eq!(config.dataset.values["BIRADS"]["BI-RADS 4"], 4);
        let error = set(&["dataset.preset=ddsm"]).unwrap_err();
        assert!(error.contains("dataset.preset is ddsm, needs rsna, vindr-mammo"), "{error}");
    }

    #[test]
    fn maps_without_defaults_take_any_key() {
        let config = set(&["spacing.by_machine.49={row: 0.07, column: 0.07}"]).unwrap();
        assert_eq!(config.spacing.by_machine["49"].row.0, 0.07);
        for wrong in
            ["{row: 0, column: 0.07}", "{row: 0.07, column: 70}", "{row: 1e-310, column: 1}"]
        {
            let error = set(&[&format!("spacing.by_machine.49={wrong}")]).unwrap_err();
            assert!(error.contains("needs row and column of 0.001 to 10 mm"), "{error}");
        }
    }

    #[test]
    fn the_commented_file_at_the_root_lists_the_defaults() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipeline.yaml");
        let typed = parse(&path).unwrap();
        assert_eq!(typed, tree_of_defaults());
    }
}
