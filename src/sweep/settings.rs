//! The settings of a sweep: fixed when it starts, the same for every run and every machine.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SweepError;
use crate::config::{Config, TrainConfig};
use crate::error::Fault;
use crate::shard::manifest::compare;
use crate::store;
use crate::train::run::RunFacts;
use crate::train::split::check_ratio;

/// Version of the folder's layout; a reader refuses a higher one.
pub const FORMAT_VERSION: u32 = 1;

/// Name of the settings file in the folder of a sweep.
const FILE: &str = "sweep-settings.json";

/// Weight of the auxiliary targets in a run; 0 is the network without them.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Weight(f64);

impl Weight {
    /// The eleven default weights, those of the report that this project follows: without auxiliary
    /// targets, then 0.1 to 1.0.
    pub fn of_the_report() -> Vec<Self> {
        (0..=10).map(|tenth| Self(f64::from(tenth) / 10.0)).collect()
    }

    /// The weight as a number from 0 to 1.
    pub fn value(self) -> f64 {
        self.0
    }

    /// The weight; `None` for the network without auxiliary targets.
    pub fn of_auxiliary(self) -> Option<f64> {
        (self.0 > 0.0).then_some(self.0)
    }

    /// Name of the run's folder.
    pub fn folder(self) -> String {
        self.of_auxiliary().map_or("cnn-only".to_owned(), |weight| format!("w-{weight:?}"))
    }

    /// The weight of the run whose folder has this name.
    pub fn of_folder(name: &str) -> Option<Self> {
        let weight = match name {
            "cnn-only" => Self(0.0),
            _ => name.strip_prefix("w-")?.parse().ok()?,
        };
        (weight.folder() == name).then_some(weight)
    }
}

/// The name of the run in the table.
impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of_auxiliary() {
            None => f.write_str("CNN only"),
            Some(weight) => write!(f, "w = {weight:?}"),
        }
    }
}

impl FromStr for Weight {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = if text == "cnn" { Some(0.0) } else { text.parse().ok() };
        // Adding 0 turns -0 into 0.
        let number = number.filter(|weight| (0.0..=1.0).contains(weight)).map(|w: f64| w + 0.0);
        number.map(Self).ok_or_else(|| "needs cnn or numbers from 0 to 1".to_owned())
    }
}

/// `sweep-settings.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// [`FORMAT_VERSION`] of the tool.
    pub format_version: u32,
    /// The facts of every run; `train.auxiliary.weight` is 0 here.
    pub run: RunFacts,
}

impl Settings {
    /// The settings of a sweep whose runs have these facts except for the weight.
    pub fn new(run: RunFacts) -> Self {
        let mut settings = Self { format_version: FORMAT_VERSION, run };
        settings.run.train.auxiliary.weight = 0.0;
        settings
    }

    /// Whether `folder` holds a sweep.
    pub fn are_in(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// Reads the settings of the sweep in `folder`.
    ///
    /// # Errors
    /// [`SweepError::NoSweep`], [`SweepError::Newer`], [`Fault::Json`], [`Fault::Io`].
    pub fn read(folder: &Path) -> Result<Self, Fault> {
        let path = folder.join(FILE);
        if !path.exists() {
            return Err(SweepError::NoSweep { path: folder.into() }.into());
        }
        let text = std::fs::read(&path).map_err(Fault::io(&path))?;
        let json = |source| Fault::Json { path: path.clone(), source };
        let tree: Value = serde_json::from_slice(&text).map_err(json)?;
        match tree["format_version"].as_u64() {
            Some(found) if found > u64::from(FORMAT_VERSION) => {
                Err(SweepError::Newer { path, found, known: FORMAT_VERSION }.into())
            }
            _ => serde_json::from_value(tree).map_err(json),
        }
    }

    /// Writes the settings to `folder`, or compares them with those that are there.
    ///
    /// # Errors
    /// [`SweepError::Changed`] with every field that differs; [`Fault::Io`].
    pub fn write_or_compare(&self, folder: &Path) -> Result<(), Fault> {
        store::make_aside(folder)?;
        if !Self::are_in(folder) {
            let mut text = serde_json::to_vec_pretty(self).expect("plain data becomes JSON");
            text.push(b'\n');
            // If two processes start at once, the second finds the settings of the first.
            match store::create(folder, &folder.join(FILE), &text) {
                Ok(()) | Err(Fault::Conflict { .. }) => {}
                Err(fault) => return Err(fault),
            }
        }
        let differences = differences(&Self::read(folder)?.run, &self.run);
        if differences.is_empty() {
            return Ok(());
        }
        Err(SweepError::Changed { path: folder.into(), differences }.into())
    }

    /// The facts of the run with `weight`.
    pub fn of(&self, weight: Weight) -> RunFacts {
        let mut facts = self.run.clone();
        facts.train.auxiliary.weight = weight.value();
        facts
    }
}

/// One line for every field that differs. The program and the folder of the release may differ.
pub fn differences(before: &RunFacts, now: &RunFacts) -> Vec<String> {
    let tree = |facts: &RunFacts| {
        let mut tree = serde_json::to_value(facts).expect("plain data becomes JSON");
        let fields = tree.as_object_mut().expect("a struct becomes an object");
        for field in ["tool", "program_sha256", "release"] {
            fields.remove(field);
        }
        tree
    };
    let mut lines = Vec::new();
    compare("", &tree(before), &tree(now), &mut lines);
    lines
}

/// Refuses settings with which one of the runs cannot be trained, and settings that would have no
/// effect.
///
/// # Errors
/// [`crate::train::TrainError::Ratio`]; [`crate::config::ConfigError`] of the first run that cannot
/// be trained.
pub fn check(config: &Config, weights: &[Weight], release: &Value) -> Result<(), Fault> {
    check_ratio(config, release)?;
    for weight in weights {
        let mut train: TrainConfig = config.train.clone();
        train.auxiliary.weight = weight.value();
        train.check()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings() -> Settings {
        Settings::new(RunFacts::fixture(vec![Some(0), Some(1)]))
    }

    #[test]
    fn a_weight_is_a_folder_and_a_folder_is_a_weight() {
        let weights = Weight::of_the_report();
        assert_eq!(weights.len(), 11);
        let names: Vec<String> = weights.iter().map(|weight| weight.folder()).collect();
        assert_eq!([&names[0], &names[3], &names[10]], ["cnn-only", "w-0.3", "w-1.0"]);
        for weight in weights {
            assert_eq!(Weight::of_folder(&weight.folder()), Some(weight));
        }
        for other in ["w-2", "w-0.10", "w-", "claims", "w-nan"] {
            assert_eq!(Weight::of_folder(other), None, "{other}");
        }
        assert_eq!("cnn".parse(), Ok(Weight(0.0)));
        assert!("1.1".parse::<Weight>().is_err() && "a".parse::<Weight>().is_err());
    }

    #[test]
    fn changed_settings_are_named_and_program_and_release_folder_may_change() {
        let folder = tempfile::tempdir().unwrap();
        let first = settings();
        first.write_or_compare(folder.path()).unwrap();
        let mut other = first.clone();
        other.run.release = "/mnt/elsewhere".into();
        other.run.program_sha256 = "q".into();
        other.write_or_compare(folder.path()).unwrap();
        assert_eq!(Settings::read(folder.path()).unwrap(), first, "the first ones stay");

        other.run.train.optimizer.learning_rate = 0.5;
        other.run.manifest_sha256 = "n".into();
        let fault = other.write_or_compare(folder.path()).unwrap_err();
        let Some(SweepError::Changed { differences, .. }) = fault.cause() else {
            panic!("accepted")
        };
        assert_eq!(
            *differences,
            [
                "manifest_sha256: was \"m\", is \"n\"",
                "train.optimizer.learning_rate: was 0.0003, is 0.5"
            ]
        );
    }

    #[test]
    fn runs_differ_only_in_their_weight() {
        let mut with = settings().of("0.7".parse().unwrap());
        assert_eq!(with.train.auxiliary.weight, 0.7);
        with.train.auxiliary.weight = 0.0;
        assert_eq!(with, settings().run);
    }

    #[test]
    fn a_ratio_without_effect_is_refused() {
        let mut config = Config::default();
        let all = Weight::of_the_report();
        let released = json!({"folds": {"negatives_per_positive": null}});
        check(&config, &all, &released).unwrap();
        config.folds.negatives_per_positive = Some(2.0);
        let fault = check(&config, &all, &released).unwrap_err();
        assert!(fault.to_string().contains("train.folds=reassign"), "{fault}");
        check(&config, &all, &json!({"folds": {"negatives_per_positive": 2.0}})).unwrap();
        config.train.folds = crate::config::train::Folds::Reassign;
        check(&config, &all, &released).unwrap();
        config.train.auxiliary.targets.clear();
        assert!(check(&config, &all, &released).is_err(), "0.1 of no target");
        check(&config, &all[..1], &released).unwrap();
    }
}
