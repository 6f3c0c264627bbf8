//! The description of a release: `manifest.json`, and before that one entry per finished shard.
//!
//! Neither contains a time or a host's name: the same plan gives the same bytes on every machine.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::folder::{SHARDS, shard_name};
use crate::record::Split;

/// The version of the release's layout. A reader refuses a higher one.
pub const FORMAT_VERSION: u32 = 1;

/// The version of the processing. It is raised whenever any pixel or column may change for the same
/// input and settings, so that no release is continued by a tool that would make its rows
/// differently.
pub const PIXEL_VERSION: u32 = 5;

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The plan of the release.
    pub plan: PlanFacts,
    /// SHA-256 of `plan`.
    pub plan_sha256: String,
    /// The version of the tool that wrote it.
    pub tool: String,
    /// Numbers of all listed images by outcome.
    pub counts: Counts,
    /// The columns of every shard, in order: name and Arrow type.
    pub columns: Vec<(String, String)>,
    /// Patients, prevalence and machines of each fold.
    pub folds: Value,
    /// The shards, in the plan's order.
    pub shards: Vec<Entry>,
    /// SHA-256 of `quarantine.csv`.
    pub quarantine_sha256: String,
}

/// The part of the plan that decides a release's bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanFacts {
    /// [`FORMAT_VERSION`] of the tool.
    pub format_version: u32,
    /// [`PIXEL_VERSION`] of the tool.
    pub pixel_version: u32,
    /// The settings that decide the content.
    pub settings: Value,
    /// SHA-256 of the tables, one after the other.
    pub table_sha256: String,
    /// SHA-256 over the sorted list of all files' paths and sizes.
    pub listing_sha256: String,
    /// Files with a row.
    pub images: usize,
    /// Bytes of those files.
    pub bytes: u64,
    /// Rows without a file.
    pub missing: usize,
    /// Files without a row.
    pub strays: usize,
}

/// Numbers of all listed images (rows and files, joined) by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All of them.
    pub listed: usize,
    /// Images in a shard.
    pub written: usize,
    /// Images in `quarantine.csv`, including files without a row.
    pub rejected: usize,
    /// Rows without a file.
    pub missing: usize,
    /// Images that were not processed because the run was stopped.
    pub unreached: usize,
}

impl Counts {
    /// Whether nothing was lost and nothing counted twice.
    pub fn conserved(&self) -> bool {
        let parts = [self.written, self.rejected, self.missing, self.unreached];
        let sum = parts.into_iter().try_fold(0_usize, usize::checked_add);
        sum == Some(self.listed)
    }
}

/// One finished shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Number of the shard, from 0.
    pub shard: usize,
    /// The index in the plan of its first image.
    pub first: usize,
    /// The number of the plan's images that belong to it.
    pub planned: usize,
    /// The path of its file below the release; null if every image was rejected.
    pub file: Option<String>,
    /// Rows in the file.
    pub rows: usize,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The images that were rejected.
    pub rejected: Vec<Quarantined>,
    /// The number of rows with each [note](super::notes), by its code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notes: BTreeMap<String, usize>,
}

impl Entry {
    /// Whether this can be the entry of shard number `shard`, which the plan gives these images.
    ///
    /// # Errors
    /// What does not fit.
    pub fn check(&self, shard: usize, images: Range<usize>) -> Result<(), String> {
        let is_hash = self.sha256.len() == 64 && self.sha256.bytes().all(|c| c.is_ascii_hexdigit());
        let is_named = self.file.as_ref().map_or(self.rows == 0, |file| {
            let extension = Path::new(file).extension().unwrap_or_default().to_string_lossy();
            is_hash && self.rows > 0 && *file == shard_name(shard, &self.sha256, &extension)
        });
        let is_planned = (self.shard, self.first, self.planned, images.is_empty())
            == (shard, images.start, images.len(), false);
        let is_whole = self.rows.checked_add(self.rejected.len()) == Some(self.planned);
        if is_named && is_planned && is_whole {
            return Ok(());
        }
        Err("its entry is not that of the plan".into())
    }

    /// Whether its file lies in the release's folder of shards.
    pub fn is_inside(&self) -> bool {
        let name = |file: &str| {
            let parts: Vec<_> = Path::new(file).components().collect();
            let is_plain = |part: &Component| matches!(part, Component::Normal(_));
            parts.len() == 2 && parts.iter().all(is_plain) && file.starts_with(SHARDS)
        };
        self.file.as_deref().is_none_or(name)
    }
}

/// One line of `quarantine.csv`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// The table; null for a file without a row.
    pub split: Option<Split>,
    /// Line of the table; null for a file without a row.
    pub line: Option<u64>,
    /// The patient; null for a file without a row.
    pub patient_id: Option<String>,
    /// The image; null for a file without a row.
    pub image_id: Option<String>,
    /// The file, below the input folder.
    pub path: String,
    /// The stage that rejected it; `list` if row and file could not be joined.
    pub stage: String,
    /// The reason: what was found and what was needed.
    pub reason: String,
}

impl PlanFacts {
    /// The SHA-256 that identifies the plan.
    pub fn sha256(&self) -> String {
        let text = serde_json::to_vec(self).expect("facts are strings and numbers");
        crate::store::sha256(&text)
    }

    /// The differences between `before` and `self` (now), one per line.
    pub fn differences(&self, before: &Self) -> Vec<String> {
        let tree = |facts: &Self| serde_json::to_value(facts).expect("as above");
        let mut lines = Vec::new();
        compare("", &tree(before), &tree(self), &mut lines);
        lines
    }
}

/// Adds a line for every leaf below `path` that differs.
pub(crate) fn compare(path: &str, before: &Value, now: &Value, lines: &mut Vec<String>) {
    match (before, now) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let full = match path {
                    "" | "settings" => key.clone(),
                    _ => format!("{path}.{key}"),
                };
                let absent = Value::Null;
                let side = |map: &serde_json::Map<_, _>| map.get(key).unwrap_or(&absent).clone();
                compare(&full, &side(a), &side(b), lines);
            }
        }
        _ if before != now => lines.push(format!("{path}: was {before}, is {now}")),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn facts() -> PlanFacts {
        PlanFacts {
            format_version: 1,
            pixel_version: 1,
            settings: json!({"roi": {"margin": 0.01, "extent": "breast"}}),
            table_sha256: "t".into(),
            listing_sha256: "l".into(),
            images: 3,
            bytes: 9,
            missing: 0,
            strays: 0,
        }
    }

    #[test]
    fn a_changed_setting_is_named_with_both_values() {
        let mut now = facts();
        now.settings["roi"]["margin"] = json!(0.02);
        now.images = 4;
        assert_ne!(now.sha256(), facts().sha256());
        assert_eq!(
            now.differences(&facts()),
            ["images: was 3, is 4", "roi.margin: was 0.01, is 0.02"]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        // A release is verified by hashing the facts that were read back. serde_json reads
        // some fractions one bit off unless it is built with `float_roundtrip`.
        #[test]
        fn facts_that_are_read_back_have_the_same_hash(
            fractions in [0.0_f64..0.5, 0.0..0.5, 50.0..100.0],
        ) {
            let mut written = facts();
            written.settings = json!({ "fractions": fractions });
            let text = serde_json::to_vec(&written).unwrap();
            let read: PlanFacts = serde_json::from_slice(&text).unwrap();
            prop_assert_eq!(read.sha256(), written.sha256());
            prop_assert_eq!(read.differences(&written), Vec::<String>::new());
        }
    }

    #[test]
    fn a_lost_image_breaks_conservation() {
        let counts = Counts { listed: 4, written: 1, rejected: 1, missing: 1, unreached: 1 };
        assert!(counts.conserved());
        assert!(!Counts { listed: 5, ..counts }.conserved());
    }
}
