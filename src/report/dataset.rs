//! The page of a release: its images, the quarantined files with reasons, folds, crops, quality.

pub(super) mod rows;
mod counter;
pub(super) mod smallest;
pub(super) mod tally;
mod overview;
mod quarantine;
mod contents;
mod folds;
pub(super) mod crops;
mod before;
mod quality;
mod notes;
pub mod timing;
pub(super) mod settings;

use std::fs;
use std::path::{Path, PathBuf};

use super::page::{Html, Page};
use crate::dataset::folds::Audit;
use crate::error::Fault;
use crate::shard::ReleaseError;
use crate::shard::ReleaseFolder;
use crate::shard::manifest::{Counts, Entry, PlanFacts};
use crate::shard::release;
use tally::Tally;
use timing::{Kept, Run};

/// A release, complete or not.
#[derive(Debug)]
pub struct Release {
    /// Its folder.
    pub folder: PathBuf,
    /// Its plan.
    pub plan: PlanFacts,
    /// SHA-256 of `plan`.
    pub plan_sha256: String,
    /// Version of the tool that finished it; `None` if it is not finished.
    pub tool: Option<String>,
    /// The number of images by outcome.
    pub counts: Counts,
    /// The audit of the planned folds, or why it is not available.
    pub folds: Result<Audit, String>,
    /// The finished shards, in the plan's order.
    pub shards: Vec<Entry>,
}

impl Release {
    /// Reads the manifest, or the plan and the shards finished so far.
    ///
    /// # Errors
    /// [`ReleaseError::NoManifest`] if the folder is not a release; those of
    /// [`release::read_manifest`].
    pub fn read(folder: &Path) -> Result<Self, Fault> {
        match (release::read_manifest(folder), release::read_plan(folder)?) {
            (Err(fault), Some(plan)) if ReleaseError::is_no_manifest(&fault) => {
                Self::begun(folder, plan)
            }
            (manifest, _) => {
                let manifest = manifest?;
                Ok(Self {
                    folder: folder.into(),
                    plan: manifest.plan,
                    plan_sha256: manifest.plan_sha256,
                    tool: Some(manifest.tool),
                    counts: manifest.counts,
                    folds: serde_json::from_value(manifest.folds).map_err(|error| {
                        format!("The manifest's audit was made by another version of mammo-pipe ({error}).")
                    }),
                    shards: manifest.shards,
                })
            }
        }
    }

    fn begun(folder: &Path, plan: PlanFacts) -> Result<Self, Fault> {
        let shards = release::read_entries(&ReleaseFolder::new(folder))?;
        let sum = |of: fn(&Entry) -> usize| shards.values().map(of).sum::<usize>();
        let counts = Counts {
            listed: plan.images + plan.missing + plan.strays,
            written: sum(|entry| entry.rows),
            rejected: sum(|entry| entry.rejected.len()) + plan.strays,
            missing: plan.missing,
            unreached: plan.images.saturating_sub(sum(|entry| entry.planned)),
        };
        Ok(Self {
            folder: folder.into(),
            plan_sha256: plan.sha256(),
            plan,
            tool: None,
            counts,
            folds: Err("The audit of the folds is written when the release is finished.".into()),
            shards: shards.into_values().collect(),
        })
    }

    /// Whether every listed image was processed.
    pub fn is_complete(&self) -> bool {
        self.tool.is_some() && self.counts.unreached == 0
    }
}

/// The page of `release`, with pictures of the frames before cropping from the dataset in `input`.
///
/// # Errors
/// A [`Fault`] if a shard or the quarantine cannot be read.
pub fn page(release: &Release, input: Option<&Path>, run: Option<Run>) -> Result<Page, Fault> {
    let mut tally = Tally::default();
    rows::each(release, |row| tally.add(row))?;
    let name = fs::canonicalize(&release.folder).unwrap_or_else(|_| release.folder.clone());
    let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut sections = vec![
        overview::section(release, &tally),
        quarantine::section(release)?,
        contents::section(&tally),
    ];
    sections.extend(folds::section(release, &tally));
    sections.extend(crops::section(release, &mut tally, input)?);
    sections.extend(quality::section(&tally, &rows::about_quality(release)?));
    sections.extend(notes::section(release));
    sections.extend(run.as_ref().map(|run| timing::section(run, release.plan.images)));
    sections.push(settings::section(release, run.as_ref()));
    sections.push(settings::glossary());
    let kept = run.map(|run| {
        let kept = Kept { plan_sha256: release.plan_sha256.clone(), run };
        ("run", serde_json::to_string(&kept).expect("plain data becomes JSON"))
    });
    Ok(Page {
        title: format!("Release {name}"),
        subtitle: subtitle(release),
        sections,
        data: kept.into_iter().collect(),
    })
}

fn subtitle(release: &Release) -> Html {
    let tool = release.tool.as_deref().unwrap_or(env!("CARGO_PKG_VERSION"));
    let text = format!(
        "Mammograms preprocessed into training shards by mammo-pipe {tool} · plan {}",
        &release.plan_sha256[..12.min(release.plan_sha256.len())]
    );
    Html::element("p", "subtitle", Html::text(text))
}
