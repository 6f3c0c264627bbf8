//! Where a table may be that is not where the settings look: what the folder has, a known dataset
//! that looks like it, or a folder one level below or above.

use std::path::{Path, PathBuf};

use super::listing::{has_extension, is_junk};
use crate::config::{DatasetConfig, DatasetPreset};
use crate::store::shell_word;

/// Folders that are looked into, and tables that are named.
const MOST: usize = 20;

/// The tables in the folder of `path`, in brackets; empty if there are none.
pub fn beside(path: &Path) -> String {
    let is_table = |name: &String| {
        ["csv", "tsv", "txt", "xlsx", "xls"].iter().any(|end| has_extension(name, Some(end)))
    };
    let names = names(path.parent().unwrap_or(Path::new(".")));
    let others: Vec<String> = names.into_iter().filter(is_table).take(MOST).collect();
    if others.is_empty() {
        String::new()
    } else {
        format!(" (the folder has {})", others.join(", "))
    }
}

/// What would find the table, as flags of the command line, with the reason.
pub fn remedy(config: &DatasetConfig) -> Option<String> {
    let input = &config.input;
    let folders =
        names(input).into_iter().map(|name| input.join(name)).filter(|path| path.is_dir());
    let above = input.parent().filter(|above| !above.as_os_str().is_empty());
    let folders: Vec<PathBuf> = folders.take(MOST).chain(above.map(Path::to_owned)).collect();
    let mut presets = DatasetPreset::ALL.to_vec();
    // The one that was asked for comes first.
    presets.sort_by_key(|preset| *preset != config.preset);
    let set = |preset: &DatasetPreset| match preset {
        preset if *preset == config.preset => String::new(),
        preset => format!(" --set dataset.preset={}", preset.as_str()),
    };
    let here = |preset: &&DatasetPreset| **preset != config.preset && has_table(input, **preset);
    if let Some(preset) = presets.iter().find(here) {
        return Some(format!("the folder looks like {}: use{}", preset.as_str(), set(preset)));
    }
    presets.iter().find_map(|preset| {
        let folder = folders.iter().find(|folder| has_table(folder, *preset))?;
        let word = shell_word(&folder.to_string_lossy());
        Some(format!(
            "the tables of {} are in {word}: give that folder{}",
            preset.as_str(),
            set(preset)
        ))
    })
}

fn has_table(folder: &Path, preset: DatasetPreset) -> bool {
    preset.table_files().iter().any(|table| folder.join(table).is_file())
}

/// The names in a folder, sorted; none if it cannot be read.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| !is_junk(name)).collect();
    names.sort();
    names
}
