//! The page of a training run: how it went, how good its networks are, what pins it down.
//!
//! In: the folder of a run, in whatever state it is. Out: `report.html` in it. The figures are
//! those of `evaluate`, made anew, so that page and command cannot tell two stories; what is not
//! there yet (a fold that was not judged) is said to be missing.

mod curves;
mod judged;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::dataset::settings::write_yaml;
use super::page::{Align, Html, Page, Section, Table, code, code_block, details};
use crate::error::Fault;
use crate::evaluate::run::{Which, load};
use crate::evaluate::{Bootstrap, judge};
use crate::store;
use crate::train::log::{self, EpochLine, Line, StepLine};
use crate::train::run::{RunFacts, fold_folder, read_facts};

/// What a fold logged.
struct Fold {
    /// The fold held out; `None` for a network trained on all.
    held_out: Option<u16>,
    steps: Vec<StepLine>,
    epochs: Vec<EpochLine>,
}

impl Fold {
    fn name(&self) -> String {
        self.held_out.map_or("all patients".into(), |fold| format!("fold {fold}"))
    }
}

/// Writes `report.html` of the run in `folder` and gives its path.
///
/// # Errors
/// A [`Fault`] if the folder holds no run, or the page cannot be written.
pub fn write(folder: &Path, bootstrap: &Bootstrap) -> Result<PathBuf, Fault> {
    let path = folder.join("report.html");
    let page = page(folder, bootstrap)?;
    let aside = folder.join(".tmp");
    fs::create_dir_all(&aside).map_err(Fault::io(&aside))?;
    store::replace(folder, &path, page.to_string().as_bytes())?;
    Ok(path)
}

/// The page.
fn page(folder: &Path, bootstrap: &Bootstrap) -> Result<Page, Fault> {
    let facts = read_facts(folder)?;
    let folds = facts
        .held_out
        .iter()
        .map(|&held_out| read_fold(folder, held_out))
        .collect::<Result<Vec<_>, Fault>>()?;
    let judgeable = facts
        .held_out
        .iter()
        .flatten()
        .any(|&fold| fold_folder(folder, Some(fold)).join("validation.parquet").exists());
    let mut sections = Vec::new();
    if judgeable {
        let loaded = load(folder, Which::CrossFitted)?;
        let (evaluation, _) = judge(&loaded.predictions, loaded.given, bootstrap)?;
        sections.extend(judged::sections(&evaluation, &loaded.epoch, &loaded.predictions));
    } else {
        sections.push(Section {
            id: "judged",
            title: "How good",
            intro: "No fold was judged yet: the first epoch is not over, or none is held out."
                .into(),
            body: Html::default(),
        });
    }
    sections.push(curves::section(&folds, &facts));
    sections.push(settings(&facts));
    let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy();
    let release = facts.release.display();
    Ok(Page {
        title: format!("Run {name}"),
        subtitle: Html::element(
            "p",
            "subtitle",
            Html::text(format!("{} on {release}", facts.train.model.variant)),
        ),
        sections,
        data: Vec::new(),
    })
}

fn read_fold(folder: &Path, held_out: Option<u16>) -> Result<Fold, Fault> {
    let mut fold = Fold { held_out, steps: Vec::new(), epochs: Vec::new() };
    for line in log::read(&fold_folder(folder, held_out))? {
        match line {
            Line::Step(step) => fold.steps.push(step),
            Line::Epoch(epoch) => fold.epochs.push(epoch),
        }
    }
    Ok(fold)
}

fn settings(facts: &RunFacts) -> Section {
    let mut table = Table::new(&[("What", Align::Left), ("Value", Align::Left)]);
    let mut row = |what: &str, value: Html| table.row(vec![Html::text(what), value]);
    row("mammo-pipe", code(&facts.tool));
    row("Program (SHA-256)", code(&facts.program_sha256));
    row("Plan of the release (SHA-256)", code(&facts.release_plan_sha256));
    row("Manifest of the release (SHA-256)", code(&facts.manifest_sha256));
    row("Initial weights", facts.init.as_ref().map_or("random".into(), code));
    let yaml = |value: &Value| {
        let mut text = String::new();
        write_yaml(value, 0, &mut text);
        code_block(&text)
    };
    let train = serde_json::to_value(&facts.train).expect("plain data becomes JSON");
    Section {
        id: "settings",
        title: "Settings and hashes",
        intro:
            "The same release, settings and program give the same network, number by number, on \
                the same kind of device."
                .into(),
        body: table
            .html()
            .and(details("Settings of the training", yaml(&train)))
            .and(details("Settings that made the release", yaml(&facts.preprocessing))),
    }
}
