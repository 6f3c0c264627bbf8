//! `--config`, `--set` and `--preset`, for every command that uses settings.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::Value;

use super::failure::UsageError;
use crate::config::presets::PRESETS;
use crate::config::reference::value_at;
use crate::config::{self, Config, ConfigError, Loaded, Preset};

#[derive(Debug, Args)]
pub struct SettingsArgs {
    /// Settings file. `mammo-pipe config --default` prints one with every setting, explained.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Change one setting, for example train.epochs=3 or dataset.columns.patient_id=PatientID. May
    /// be repeated. `mammo-pipe config explain KEY` explains a setting.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Settings for a machine, in place of the defaults: rsna-gpu or laptop. --config, --set and
    /// other flags come after it. `mammo-pipe config --preset NAME` shows them.
    #[arg(long, value_name = "NAME", value_parser = names())]
    preset: Option<String>,
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(PRESETS.iter().map(|preset| preset.name))
}

impl SettingsArgs {
    /// The settings of the preset and the file, if given, with the changes of `--set`.
    ///
    /// # Errors
    /// [`UsageError`].
    pub fn load(&self) -> Result<Config, UsageError> {
        self.load_with(None)
    }

    /// The same, with `more` applied last.
    ///
    /// # Errors
    /// [`UsageError`].
    pub fn load_with(&self, more: Option<String>) -> Result<Config, UsageError> {
        Ok(self.load_layers(more)?.config)
    }

    /// The same, with the origin of every value.
    ///
    /// # Errors
    /// [`UsageError`].
    pub fn load_layers(&self, more: Option<String>) -> Result<Loaded, UsageError> {
        let overrides: Vec<String> = self.overrides.iter().cloned().chain(more).collect();
        config::load_layers(self.preset(), self.config.as_deref(), &overrides).map_err(usage)
    }

    /// The preset, if one was asked for.
    pub fn preset(&self) -> Option<&'static Preset> {
        self.preset.as_deref().and_then(Preset::named)
    }

    /// One line on the preset's settings below `sections` that are in effect, for the start of a
    /// run; `None` without a preset.
    pub fn preset_line(&self, sections: &[&str], more: &str) -> Option<String> {
        let preset = self.preset()?;
        let loaded = self.load_layers(None).ok()?;
        let mut keys = Vec::new();
        leaves(&preset.settings(), "", &mut keys);
        keys.retain(|key| sections.iter().any(|section| key.starts_with(section)));
        keys.retain(|key| *loaded.origin(key) == config::Origin::Preset(preset.name));
        let value = |key: &String| format!("{key}={}", shown(value_at(&loaded.tree, key)));
        let settings: Vec<String> = keys.iter().map(value).collect();
        let settings = [more.trim().to_owned(), settings.join(" ")].join(" ");
        Some(format!(
            "preset {}: {}\n  change any of these with its flag or with --set",
            preset.name,
            settings.trim()
        ))
    }
}

fn shown(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    }
}

/// The dotted paths of all values that are no sections.
pub(super) fn leaves(tree: &Value, path: &str, out: &mut Vec<String>) {
    match tree {
        Value::Object(below) if !below.is_empty() => {
            for (name, value) in below {
                let full = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(value, &full, out);
            }
        }
        _ => out.push(path.to_owned()),
    }
}

fn usage(error: ConfigError) -> UsageError {
    let help = match &error {
        ConfigError::Value { key, .. } => format!("mammo-pipe config explain {key}"),
        ConfigError::Type { key, .. } => format!("mammo-pipe config explain {key}"),
        ConfigError::Augment(error) => {
            format!("mammo-pipe config explain train.augment.{}", error.key)
        }
        ConfigError::Leak { .. } => "mammo-pipe config explain train.auxiliary.inputs".into(),
        ConfigError::NoTable { .. } => "mammo-pipe config explain dataset.tables".into(),
        ConfigError::Unreadable { .. } | ConfigError::Yaml { .. } => {
            "mammo-pipe config --default".into()
        }
        ConfigError::UnknownKey { .. } | ConfigError::NotAnAssignment(_) => {
            "mammo-pipe config explain".into()
        }
    };
    UsageError { message: crate::error::chain(&error), help }
}
