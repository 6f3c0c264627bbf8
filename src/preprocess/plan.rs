//! The plan of a run: everything is decided before the first pixel is read.
//!
//! In: a checked [`Config`] and the dataset's folder. Out: [`Plan`], in which every image has its
//! place. The order of the rows and the division into shards depend on the tables alone, so the
//! output is the same for any number of workers, machines or restarts.

use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;

use serde_json::Value;

use super::read::{ReadError, retry::retried};
use crate::config::{Config, ConfigError, PatientFrom};
use crate::dataset::folds::Audit;
use crate::dataset::{self, FileFacts, Job, Joined};
use crate::error::Fault;
use crate::shard::manifest::{FORMAT_VERSION, PIXEL_VERSION, PlanFacts, Quarantined};
use crate::shard::release;
use crate::shard::sources::Listed;
use crate::store::keyed_hash;

/// A run that is ready to start.
#[derive(Debug)]
pub struct Plan {
    /// The checked settings.
    pub config: Config,
    /// Rows and files, each once; `joined.jobs` is in the order of the release.
    pub joined: Joined,
    /// Patients, prevalence and machines of each fold, after the check that no patient is in two.
    pub audit: Audit,
    /// The facts that identify the plan.
    pub facts: PlanFacts,
    /// The key of the names that stand for paths in the release; `None`: the paths themselves.
    key: Option<Vec<u8>>,
}

impl Plan {
    /// Lists and joins the dataset of `config`.
    ///
    /// # Errors
    /// A [`Fault`] if the configuration or the tables are wrong, or the folder cannot be read.
    pub fn new(mut config: Config) -> Result<Self, Fault> {
        config.check()?;
        let key = if config.dataset.keep_paths { None } else { key(&config)? };
        let mut joined = join(&config)?;
        for job in &mut joined.jobs {
            job.name = name(key.as_deref(), &job.relative);
        }
        let audit = joined.audit(&config.folds)?;
        for (column, numbers) in joined.words.columns() {
            let values = config.dataset.values.entry((*column).to_owned()).or_default();
            for (name, number) in numbers {
                values.entry(name.clone()).or_insert(Value::from(*number));
            }
        }
        let facts = PlanFacts {
            format_version: FORMAT_VERSION,
            pixel_version: PIXEL_VERSION,
            settings: settings(&config),
            table_sha256: joined.table_sha256.clone(),
            listing_sha256: joined.listing_sha256.clone(),
            images: joined.jobs.len(),
            bytes: joined.jobs.iter().map(|job| job.bytes).sum(),
            missing: joined.missing.len(),
            strays: joined.strays.len(),
        };
        Ok(Self { config, joined, audit, facts, key })
    }

    /// Whether the output folder holds a release of another plan.
    ///
    /// # Errors
    /// A [`Fault`] if it cannot be read.
    pub fn differs_from_release(&self) -> Result<bool, Fault> {
        Ok(release::read_plan(&self.config.output)?.is_some_and(|before| before != self.facts))
    }

    /// The files of the dataset as they were listed.
    pub fn listed(&self) -> Listed<'_> {
        let (input, files) = (&self.config.dataset.input, &self.joined.listing);
        Listed { input, files, key: self.key.as_deref() }
    }

    /// The number of shards.
    pub fn shards(&self) -> usize {
        self.joined.jobs.len().div_ceil(self.config.shard.rows)
    }

    /// The images of shard `number`.
    pub fn shard(&self, number: usize) -> Range<usize> {
        let rows = self.config.shard.rows;
        let images = self.joined.jobs.len();
        let at = |number: usize| number.saturating_mul(rows).min(images);
        at(number)..at(number.saturating_add(1))
    }

    /// Image `index` of the plan.
    pub fn job(&self, index: usize) -> &Job {
        &self.joined.jobs[index]
    }

    /// Rows and files that cannot be joined: rows without a file (missing), then files without a
    /// row (rejected).
    pub fn not_joined(&self) -> impl Iterator<Item = Quarantined> + '_ {
        let missing = self.joined.missing.iter().map(|m| Quarantined {
            split: Some(m.record.split),
            line: Some(m.record.line),
            patient_id: Some(m.record.patient_id.to_string()),
            image_id: Some(m.record.image_id.to_string()),
            path: name(self.key.as_deref(), &m.relative),
            stage: "list".into(),
            reason: "missing: the row has no file at this path".into(),
        });
        let strays = self.joined.strays.iter().map(|s| Quarantined {
            split: None,
            line: None,
            patient_id: None,
            image_id: None,
            path: name(self.key.as_deref(), &s.relative),
            stage: "list".into(),
            reason: s.reason.to_string(),
        });
        missing.chain(strays)
    }
}

/// Lists and joins the dataset of `config`. A header that the machine cannot read must not look like
/// one that tells nothing, or the plan would depend on it.
fn join(config: &Config) -> Result<Joined, Fault> {
    let headers = headers(config)?;
    let failed = Mutex::new(None);
    let facts = |path: &Path| match retried(config.limits.retries, path, sleep, || headers(path)) {
        Err(error) if error.is_of_the_machine() => {
            let fault = Fault::io(path)(std::io::Error::other(error));
            failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
            None
        }
        facts => facts.ok(),
    };
    let joined = dataset::join_with_headers(&config.dataset, &config.folds, &facts);
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(fault) => Err(fault),
        None => joined,
    }
}

/// What a release names the file at `relative`.
fn name(key: Option<&[u8]>, relative: &str) -> String {
    key.map_or_else(|| relative.to_owned(), |key| keyed_hash(key, relative))
}

/// Reads the facts of a file's header, with identifiers hashed under the key of
/// `dataset.patient_key`.
///
/// # Errors
/// A [`Fault`] if the key is needed and cannot be read, is too short to keep anything secret, or lies
/// in the release.
pub fn headers(
    config: &Config,
) -> Result<impl Fn(&Path) -> Result<FileFacts, ReadError> + Sync, Fault> {
    let key = key(config)?;
    Ok(move |path: &Path| super::read::facts(path, key.as_deref()))
}

/// The key of `dataset.patient_key`.
fn key(config: &Config) -> Result<Option<Vec<u8>>, Fault> {
    let dataset = &config.dataset;
    let from_header = dataset.no_table && dataset.patient_from == PatientFrom::Header;
    Ok(match &dataset.patient_key {
        Some(path) => {
            let key = std::fs::read(path).map_err(Fault::io(path))?;
            let is_in_release = dataset::real(path).starts_with(dataset::real(&config.output));
            if key.trim_ascii().len() < 16 || is_in_release {
                let found = path.display().to_string();
                let needed = "a file of 16 bytes or more outside the release, for example made by: \
                              openssl rand -hex 32";
                return Err(ConfigError::Value { key: "dataset.patient_key", found, needed }.into());
            }
            Some(key.trim_ascii().to_vec())
        }
        None if from_header || !dataset.keep_paths => {
            let needed = "a file with a secret key, for example made by: openssl rand -hex 32 (a hash \
                          without a key can be guessed)";
            let (key, found) = ("dataset.patient_key", "null".to_owned());
            return Err(ConfigError::Value { key, found, needed }.into());
        }
        None => None,
    })
}

/// The settings that decide the content of a release: all except paths, limits and the training
/// section.
pub(crate) fn settings(config: &Config) -> Value {
    let mut tree = serde_json::to_value(config).expect("settings are strings and numbers");
    let top = tree.as_object_mut().expect("a struct becomes an object");
    top.remove("output");
    top.remove("limits");
    top.remove("train");
    let dataset = top["dataset"].as_object_mut().expect("a struct becomes an object");
    for place in ["input", "train_csv", "test_csv", "allow_missing", "patient_key"] {
        dataset.remove(place);
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_data_lie_what_a_run_may_use_and_training_are_no_part_of_a_plan() {
        let mut other = Config { output: "elsewhere".into(), ..Config::default() };
        other.dataset.input = "/mnt/array".into();
        other.dataset.allow_missing = true;
        other.limits.memory_mb = 99;
        other.train.batch = 99;
        assert_eq!(settings(&other), settings(&Config::default()));
        other.roi.margin = 0.5;
        assert_ne!(settings(&other), settings(&Config::default()));
    }

    #[test]
    fn a_key_in_the_release_is_refused_whatever_path_leads_there() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("release");
        std::fs::create_dir(&output).unwrap();
        let refused = |key: &Path| {
            std::fs::write(key, "0123456789abcdef0123456789abcdef").unwrap();
            let mut config = Config { output: output.clone(), ..Config::default() };
            config.dataset.patient_key = Some(key.to_owned());
            headers(&config).err().is_some_and(|fault| fault.to_string().contains("outside"))
        };
        assert!(refused(&output.join("key")));
        assert!(refused(&output.join("../release/key")));
        assert!(!refused(&folder.path().join("key")));
        assert!(!refused(&output.join("../key")), "the folder above");
        #[cfg(unix)]
        {
            let link = folder.path().join("link");
            std::os::unix::fs::symlink(&output, &link).unwrap();
            assert!(refused(&link.join("key")));
        }
    }

    #[test]
    fn a_plan_s_settings_give_the_config_back_that_made_its_pixels() {
        let mut config = Config::default();
        config.roi.margin = 0.5;
        config.window.bits = 16;
        config.dataset.columns.insert("age".into(), "years".into());
        config.shard.compression = Some(crate::config::Compression::Lz4);
        let back = crate::config::of_settings(&settings(&config), "here").unwrap();
        assert_eq!(back, config);
    }
}
