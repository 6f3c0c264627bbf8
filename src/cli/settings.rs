//! `--config` and `--set`, as every command has them that goes by settings.

use std::path::PathBuf;

use clap::Args;

use crate::config::{self, Config, ConfigError};

#[derive(Debug, Args)]
pub struct SettingsArgs {
    /// Settings; the commented pipeline.yaml of the source tree has them all.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting, for example train.epochs=3 or dataset.columns.patient_id=PatientID; may be
    /// repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

impl SettingsArgs {
    /// The settings of the file, if any, changed as told.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(&self) -> Result<Config, ConfigError> {
        self.load_with(None)
    }

    /// The same, and changed by `more` behind all else.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load_with(&self, more: Option<String>) -> Result<Config, ConfigError> {
        let overrides: Vec<String> = self.overrides.iter().cloned().chain(more).collect();
        config::load(self.config.as_deref(), &overrides)
    }
}
