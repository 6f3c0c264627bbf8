//! What a release says of itself: `manifest.json`, and one entry a shard before that.
//!
//! Neither carries a time or a host's name: the same plan gives the same bytes anywhere.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::record::Split;

/// Version of the release's layout; a reader refuses a higher one.
pub const FORMAT_VERSION: u32 = 1;

/// Version of what the tool makes of a file. Raised whenever any pixel or column of the
/// output may change for the same input and settings, so that a release is never continued
/// by a tool that would make its rows differently.
pub const PIXEL_VERSION: u32 = 3;

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// What was to be done.
    pub plan: PlanFacts,
    /// SHA-256 of `plan`.
    pub plan_sha256: String,
    /// The release of the tool that wrote it.
    pub tool: String,
    /// What became of every image listed.
    pub counts: Counts,
    /// Columns of every shard, in order: name and Arrow type.
    pub columns: Vec<(String, String)>,
    /// Patients, prevalence and machines by fold.
    pub folds: Value,
    /// The shards, in the plan's order.
    pub shards: Vec<Entry>,
    /// SHA-256 of `quarantine.csv`.
    pub quarantine_sha256: String,
}

/// What a run is to do, as far as it decides a release's bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanFacts {
    /// [`FORMAT_VERSION`] of the tool.
    pub format_version: u32,
    /// [`PIXEL_VERSION`] of the tool.
    pub pixel_version: u32,
    /// The settings that decide what the data become.
    pub settings: Value,
    /// SHA-256 of the tables, one after the other.
    pub table_sha256: String,
    /// SHA-256 over every file's path and size, sorted.
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

/// What became of every image listed, rows and files joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All of them.
    pub listed: usize,
    /// In a shard.
    pub written: usize,
    /// In `quarantine.csv`, files without a row among them.
    pub rejected: usize,
    /// Rows without a file.
    pub missing: usize,
    /// Not looked at, because the run was stopped.
    pub unreached: usize,
}

impl Counts {
    /// Whether nothing was lost and nothing counted twice.
    pub fn conserved(&self) -> bool {
        self.listed == self.written + self.rejected + self.missing + self.unreached
    }
}

/// One finished shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Number of the shard, from 0.
    pub shard: usize,
    /// First image of the plan in it.
    pub first: usize,
    /// Images of the plan that fall to it.
    pub planned: usize,
    /// Its file below the release; null if every image was rejected.
    pub file: Option<String>,
    /// Rows in the file.
    pub rows: usize,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The images that were set aside.
    pub rejected: Vec<Quarantined>,
}

/// One line of `quarantine.csv`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Which table; null for a file without a row.
    pub split: Option<Split>,
    /// Line of the table; null for a file without a row.
    pub line: Option<u64>,
    /// The patient; null for a file without a row.
    pub patient_id: Option<String>,
    /// The image; null for a file without a row.
    pub image_id: Option<String>,
    /// The file, below the input folder.
    pub path: String,
    /// The stage that refused it; `list` for what the join found.
    pub stage: String,
    /// What was found and what was needed.
    pub reason: String,
}

impl PlanFacts {
    /// SHA-256 that stands for the plan.
    pub fn sha256(&self) -> String {
        let text = serde_json::to_vec(self).expect("facts are strings and numbers");
        crate::store::sha256(&text)
    }

    /// What `self` (now) has that differs from `before`, a line each.
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

    #[test]
    fn a_lost_image_breaks_conservation() {
        let counts = Counts { listed: 4, written: 1, rejected: 1, missing: 1, unreached: 1 };
        assert!(counts.conserved());
        assert!(!Counts { listed: 5, ..counts }.conserved());
    }
}
