//! Report pages: each is one self-contained HTML file that needs no network.
//!
//! [`page`], [`svg`] and [`gallery`] build any page; [`run`] is the page of a training run,
//! [`comparison`] that of several runs, [`sweep`] that of a sweep, [`storage`] that of a measurement of
//! storage, [`dataset`] that of a release. In: the folder of a release, the timing of `preprocess` if
//! there is one, and the dataset's folder if it is available. Out: `report.html` in the release.
//!
//! Only the columns that are counted are read, batch by batch; pixels are read for the images shown
//! only. Nothing but the dataset's own ids identifies a patient.

pub mod page;
pub mod svg;
pub mod gallery;
pub mod dataset;
pub mod run;
pub mod comparison;
pub mod sweep;
pub mod storage;

use std::fs;
use std::path::{Path, PathBuf};

pub use dataset::timing::Run;

use crate::error::Fault;
use crate::shard::ReleaseFolder;
use crate::store;

/// Writes `report.html` of the release in `folder` and returns its path.
///
/// `input` is the folder of the dataset, for pictures of the frames before cropping. Without a
/// `run`, the timing in an earlier report on the same plan is kept.
///
/// # Errors
/// A [`Fault`] if the release cannot be read or the page not be written.
pub fn write(folder: &Path, input: Option<&Path>, run: Option<Run>) -> Result<PathBuf, Fault> {
    let path = ReleaseFolder::new(folder).report();
    let release = dataset::Release::read(folder)?;
    let run = run.or_else(|| earlier_run(&path, &release.plan_sha256));
    let page = dataset::page(&release, input, run)?;
    store::make_aside(folder)?;
    store::replace(folder, &path, store::sealed_page(&page.to_string()).as_bytes())?;
    Ok(path)
}

/// The timing in the report in `path`, if that report is on the same plan.
fn earlier_run(path: &Path, plan_sha256: &str) -> Option<Run> {
    let page = fs::read_to_string(path).ok()?;
    let kept: dataset::timing::Kept = serde_json::from_str(page::data(&page, "run")?).ok()?;
    (kept.plan_sha256 == plan_sha256).then_some(kept.run)
}
