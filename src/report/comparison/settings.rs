//! The settings in which runs differ.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::train::run::RunFacts;

/// A setting, and its value in each run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// Such as `train.auxiliary.weight`.
    pub key: String,
    /// In the order of the runs; null if a run has no such setting.
    pub values: Vec<Value>,
}

/// The settings that differ and those that do not, sorted by key.
pub fn sorted(runs: &[RunFacts]) -> (Vec<Setting>, Vec<Setting>) {
    let trees: Vec<BTreeMap<String, Value>> = runs.iter().map(flat).collect();
    let mut keys: Vec<&String> = trees.iter().flat_map(BTreeMap::keys).collect();
    keys.sort();
    keys.dedup();
    let setting = |key: &String| Setting {
        key: key.clone(),
        values: trees.iter().map(|tree| tree.get(key).cloned().unwrap_or(Value::Null)).collect(),
    };
    keys.into_iter()
        .map(setting)
        .partition(|setting| setting.values.iter().any(|value| *value != setting.values[0]))
}

/// Everything that determines the result of a run, by dotted key.
fn flat(facts: &RunFacts) -> BTreeMap<String, Value> {
    let tree = json!({
        "program_sha256": facts.program_sha256,
        "tool": facts.tool,
        "release_plan_sha256": facts.release_plan_sha256,
        "manifest_sha256": facts.manifest_sha256,
        "init": facts.init,
        "held_out": facts.held_out,
        "preprocessing": facts.preprocessing,
        "folds": facts.folds,
        "train": facts.train,
    });
    let mut out = BTreeMap::new();
    walk(String::new(), tree, &mut out);
    out
}

fn walk(key: String, value: Value, out: &mut BTreeMap<String, Value>) {
    let join = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
    match value {
        Value::Object(map) if !map.is_empty() => {
            map.into_iter().for_each(|(name, value)| walk(join(&name), value, out));
        }
        value => {
            out.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_flat_by_dotted_key_and_an_empty_map_is_a_value() {
        let mut out = BTreeMap::new();
        walk(String::new(), json!({"a": {"b": 1, "c": {}}, "d": [1, 2]}), &mut out);
        let found: Vec<_> =
            out.iter().map(|(key, value)| (key.as_str(), value.to_string())).collect();
        let expected = [("a.b", "1".to_owned()), ("a.c", "{}".into()), ("d", "[1,2]".into())];
        assert_eq!(found, expected);
    }
}
