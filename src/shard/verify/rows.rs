//! Rows, labels and folds of the shards against what the manifest says of them.

use std::path::Path;

use crate::config::FoldsConfig;
use crate::dataset::folds::{self, Audit};
use crate::error::chain;
use crate::shard::manifest::Manifest;
use crate::shard::table::Table;

/// The problems. Images that were rejected have no row, but count in the manifest's folds.
pub fn check(folder: &Path, manifest: &Manifest) -> Vec<String> {
    let table = match Table::read(folder) {
        Ok(table) => table,
        Err(fault) => return vec![chain(&fault)],
    };
    let settings = manifest.plan.settings["folds"].clone();
    let (config, written) = match (
        serde_json::from_value::<FoldsConfig>(settings),
        serde_json::from_value::<Audit>(manifest.folds.clone()),
    ) {
        (Ok(config), Ok(written)) => (config, written),
        (Err(error), _) => return vec![format!("the manifest's settings of the folds: {error}")],
        (_, Err(error)) => return vec![format!("the manifest's folds: {error}")],
    };
    let roles: Vec<_> = table.rows.iter().map(|row| row.role).collect();
    let found =
        match folds::audit(table.rows.iter().map(|row| (&row.record).into()), &roles, &config) {
            Ok(found) => found,
            Err(error) => return vec![chain(&error)],
        };
    let rejected = manifest.plan.images.saturating_sub(table.rows.len());
    if rejected == 0 {
        let differs = serde_json::to_value(&found).ok().as_ref() != Some(&manifest.folds);
        let problem = "patients, labels and machines of the folds are not those of the rows";
        return differs.then(|| problem.to_owned()).into_iter().collect();
    }
    let mut problems = Vec::new();
    let mut without_row = 0;
    for group in &written.groups {
        let of_rows = found.groups.iter().find(|found| found.role == group.role);
        let (images, cancer) = of_rows.map_or((0, 0), |g| (g.all.images, g.cancer.images));
        let (missing, labels) =
            (group.all.images.checked_sub(images), group.cancer.images.checked_sub(cancer));
        match (missing, labels) {
            (Some(missing), Some(labels)) if labels <= missing => without_row += missing,
            _ => problems.push(format!(
                "{} has {images} rows, {cancer} with cancer; the manifest says {} and {}, rejected \
                 ones included",
                group.role, group.all.images, group.cancer.images
            )),
        }
    }
    if problems.is_empty() && without_row != rejected {
        problems.push(format!(
            "the manifest's folds have {without_row} images more than there are rows, and {rejected} \
             were rejected"
        ));
    }
    problems
}
