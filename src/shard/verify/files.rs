//! The files of a release beside the shards' content: each is there, is as it was written, and says
//! what the manifest says; and there is no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::error::Fault;
use crate::shard::folder::{ReleaseFolder, SHARDS};
use crate::shard::manifest::{Entry, Manifest, Quarantined};
use crate::shard::release::read_entries;
use crate::shard::sources::Sources;
use crate::shard::{quarantine, seal};
use crate::store;

/// The problems.
///
/// # Errors
/// [`Fault::Io`] if a folder of the release cannot be listed.
pub fn check(folder: &Path, manifest: &Manifest) -> Result<Vec<String>, Fault> {
    let names = ReleaseFolder::new(folder);
    let mut problems = Vec::new();
    let mut as_written = |path: &Path, expected: &[Vec<u8>]| match fs::read(path) {
        Ok(found) if expected.contains(&found) => {}
        Ok(_) => problems.push(format!("{} is not as it was written", path.display())),
        Err(error) => problems.push(format!("{}: {error}", path.display())),
    };
    as_written(&names.manifest(), &both(manifest));
    as_written(&names.plan(), &[store::json(&manifest.plan)]);
    for entry in &manifest.shards {
        as_written(&names.entry(entry.shard), &[seal::sealed(entry), store::json(entry)]);
    }
    let page = names.report();
    if page.exists() && !fs::read(&page).is_ok_and(|page| store::is_sealed_page(&page)) {
        problems.push(format!(
            "{} is not as it was written; mammo-pipe report writes it again",
            page.display()
        ));
    }
    let sources = names.sources();
    if sources.exists() && Sources::read(&names).is_none() {
        problems.push(format!("{} is not as it was written", sources.display()));
    }
    counts(manifest, &mut problems);
    set_aside(&names, manifest, &mut problems);
    others(&names, manifest, &mut problems)?;
    Ok(problems)
}

/// The bytes of a file with its checksum, and as earlier versions wrote it.
fn both<T: Serialize>(value: &T) -> [Vec<u8>; 2] {
    [store::sealed_json(value), store::json(value)]
}

/// Numbers of the manifest against each other.
fn counts(manifest: &Manifest, problems: &mut Vec<String>) {
    let mut expect = |what: &str, found: String, needed: String| {
        if found != needed {
            problems.push(format!("{what} is {found}, the manifest says {needed}"));
        }
    };
    expect("the plan's SHA-256", manifest.plan.sha256(), manifest.plan_sha256.clone());
    let sum = |f: fn(&Entry) -> usize| {
        manifest.shards.iter().map(f).fold(0, usize::saturating_add).to_string()
    };
    let counts = &manifest.counts;
    expect("the sum of the shards' rows", sum(|e| e.rows), counts.written.to_string());
    expect("the sum of the shards' images", sum(|e| e.planned), manifest.plan.images.to_string());
    let rejected: usize = manifest.shards.iter().map(|entry| entry.rejected.len()).sum();
    let rejected = rejected.saturating_add(manifest.plan.strays);
    expect("the number rejected", rejected.to_string(), counts.rejected.to_string());
    expect("the number missing", manifest.plan.missing.to_string(), counts.missing.to_string());
    expect("the number unreached in a finished release", "0".into(), counts.unreached.to_string());
    if !counts.conserved() {
        problems.push(format!("the counts do not add up: {counts:?}"));
    }
    let mut first = 0_usize;
    for (number, entry) in manifest.shards.iter().enumerate() {
        let end = first.saturating_add(entry.planned);
        if let Err(problem) = entry.check(number, first..end) {
            problems.push(format!("shard {number}: {problem}"));
        }
        first = end;
    }
}

/// `quarantine.csv` has the rejected images of the shards, and what was never in one.
fn set_aside(names: &ReleaseFolder, manifest: &Manifest, problems: &mut Vec<String>) {
    let path = names.quarantine();
    let found = fs::read(&path).map(|bytes| store::sha256(&bytes)).unwrap_or_default();
    if found != manifest.quarantine_sha256 {
        let needed = &manifest.quarantine_sha256;
        problems
            .push(format!("the SHA-256 of quarantine.csv is {found}, the manifest says {needed}"));
        return;
    }
    let rows: Result<Vec<Quarantined>, Fault> =
        quarantine::read(&path).and_then(|rows| rows.collect());
    let rejected = manifest.shards.iter().flat_map(|entry| &entry.rejected);
    let counts = &manifest.counts;
    match rows {
        Err(fault) => problems.push(fault.to_string()),
        Ok(rows) if !rows.iter().take(rejected.clone().count()).eq(rejected) => {
            problems.push("quarantine.csv does not begin with the shards' rejected images".into());
        }
        Ok(rows) if rows.len() != counts.rejected.saturating_add(counts.missing) => {
            problems.push(format!(
                "quarantine.csv has {} rows, the manifest says {} rejected and {} missing",
                rows.len(),
                counts.rejected,
                counts.missing
            ));
        }
        Ok(_) => {}
    }
}

/// Shards and entries that the manifest does not name.
fn others(
    names: &ReleaseFolder,
    manifest: &Manifest,
    problems: &mut Vec<String>,
) -> Result<(), Fault> {
    let named: BTreeSet<_> = manifest.shards.iter().filter_map(|e| e.file.as_deref()).collect();
    let shards = names.shards();
    for file in fs::read_dir(&shards).map_err(Fault::io(&shards))? {
        let name = file.map_err(Fault::io(&shards))?.file_name();
        let name = format!("{SHARDS}/{}", name.to_string_lossy());
        if !named.contains(name.as_str()) {
            problems.push(format!("{name} is not in the manifest"));
        }
    }
    let numbers: BTreeSet<usize> = manifest.shards.iter().map(|entry| entry.shard).collect();
    for shard in read_entries(names)?.into_keys().filter(|shard| !numbers.contains(shard)) {
        problems.push(format!("the entry of shard {shard} is not in the manifest"));
    }
    Ok(())
}
