//! `--config` and `--set`, for every command that uses settings.

use std::path::PathBuf;

use clap::Args;

use crate::config::{self, Config, ConfigError};

#[derive(Debug, Args)]
pub struct SettingsArgs {
    /// Settings file. The commented pipeline.yaml in the source tree lists all settings.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Change one setting, for example train.epochs=3 or dataset.columns.patient_id=PatientID. May
    /// be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

impl SettingsArgs {
    /// The settings of the file, if given, with the changes of `--set`.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(&self) -> Result<Config, ConfigError> {
        self.load_with(None)
    }

    /// The same, with `more` applied last.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load_with(&self, more: Option<String>) -> Result<Config, ConfigError> {
        let overrides: Vec<String> = self.overrides.iter().cloned().chain(more).collect();
        config::load(self.config.as_deref(), &overrides)
    }
}
