//! The page of a training run: how it went, how good its networks are, what pins it down.
//!
//! In: the folder of a run, in whatever state it is. Out: `report.html` and `model_card.md` in it.
//! The figures are those of `evaluate`, made anew, so that page, card and command cannot tell two
//! stories; what is not there yet (a fold that was not judged) is said to be missing.

mod audit;
mod claim;
mod crops;
mod curves;
mod facts;
pub(super) mod judged;
mod looks;
mod model_card;
pub(super) mod story;

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::dataset::settings::write_yaml;
use super::page::{Align, Html, Page, Section, Table, code, code_block, details};
use crate::error::Fault;
use crate::evaluate::Bootstrap;
use crate::store;
use crate::train::folder::RunFolder;
use crate::train::log::{self, EpochLine, Line, StepLine};
use crate::train::run::RunFacts;
use audit::Audited;
use story::Story;

/// What a fold logged.
pub(super) struct Fold {
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

/// What was written of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// `report.html`.
    pub page: PathBuf,
    /// `model_card.md`.
    pub model_card: PathBuf,
}

/// Where to find what a run's page shows beside the run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside<'a> {
    /// The release, if it is not where the run found it.
    pub release: Option<&'a Path>,
    /// The dataset's folder, for the frames before cropping.
    pub dataset: Option<&'a Path>,
}

/// Writes `report.html` and `model_card.md` of the run in `folder`.
///
/// # Errors
/// A [`Fault`] if the folder holds no run, its predictions cannot be judged, or a file cannot be
/// written.
pub fn write(folder: &Path, bootstrap: &Bootstrap) -> Result<Written, Fault> {
    write_with(folder, Beside::default(), bootstrap)
}

/// The same with what lies elsewhere than the run says.
///
/// # Errors
/// As [`write()`] has.
pub fn write_with(
    folder: &Path,
    beside: Beside<'_>,
    bootstrap: &Bootstrap,
) -> Result<Written, Fault> {
    let names = RunFolder::new(folder);
    let written = Written { page: names.report(), model_card: names.model_card() };
    let story = Story::read(folder, beside.release, bootstrap)?;
    let audited = audit::of_run(&story);
    let page = page(&story, &audited, beside.dataset)?.to_string();
    let card = model_card::text(&story, &audited);
    store::make_aside(folder)?;
    store::replace(folder, &written.page, page.as_bytes())?;
    store::replace(folder, &written.model_card, card.as_bytes())?;
    Ok(written)
}

/// The page.
fn page(story: &Story, audited: &Audited, dataset: Option<&Path>) -> Result<Page, Fault> {
    let mut sections = Vec::new();
    match &story.judged {
        Some(judged) => sections.extend(judged::sections(judged)),
        None => sections.push(Section {
            id: "judged",
            title: "How good",
            intro: "No fold was judged yet: the first epoch is not over, or none is held out."
                .into(),
            body: Html::default(),
        }),
    }
    sections.push(curves::section(&story.folds, &story.facts));
    sections.push(looks::section(story));
    sections.push(crops::section(story, dataset)?);
    sections.push(audit::section(story, audited));
    sections.push(claim::section(story, audited));
    sections.push(settings(story));
    let release = story.facts.release.display();
    let about = format!("{} on {release}", story.facts.train.model.variant);
    Ok(Page {
        title: format!("Run {}", story.name),
        subtitle: Html::element("p", "subtitle", Html::text(about)),
        sections,
        data: Vec::new(),
    })
}

fn read_fold(folder: &Path, held_out: Option<u16>) -> Result<Fold, Fault> {
    let mut fold = Fold { held_out, steps: Vec::new(), epochs: Vec::new() };
    for line in log::read(&RunFolder::new(folder).fold(held_out))? {
        match line {
            Line::Step(step) => fold.steps.push(step),
            Line::Epoch(epoch) => fold.epochs.push(epoch),
        }
    }
    Ok(fold)
}

fn settings(story: &Story) -> Section {
    let facts = &story.facts;
    let mut table = Table::new(&[("What", Align::Left), ("Value", Align::Left)]);
    let mut row = |what: &str, value: Html| table.row(vec![Html::text(what), value]);
    row("mammo-pipe", code(&facts.tool));
    row("Program (SHA-256)", code(&facts.program_sha256));
    row("Plan of the release (SHA-256)", code(&facts.release_plan_sha256));
    row("Manifest of the release (SHA-256)", code(&facts.manifest_sha256));
    row("Settings of the training (SHA-256)", code(settings_sha256(facts)));
    row("Initial weights", facts.init.as_ref().map_or("random".into(), code));
    for (fold, sha256) in &story.weights {
        let fold = fold.map_or("all patients".into(), |fold| format!("fold {fold}"));
        let sha256 = sha256.as_ref().map_or("not there yet".into(), code);
        row(&format!("Weights, {fold} (SHA-256)"), sha256);
    }
    let yaml = |value: &Value| {
        let mut text = String::new();
        write_yaml(value, 0, &mut text);
        code_block(&text)
    };
    Section {
        id: "settings",
        title: "Settings and hashes",
        intro:
            "The same release, settings and program give the same network, number by number, on \
                the same kind of device. model_card.md beside this page has the commands."
                .into(),
        body: table
            .html()
            .and(details("Settings of the training", yaml(&train_settings(facts))))
            .and(details("Settings that made the release", yaml(&facts.preprocessing))),
    }
}

fn train_settings(facts: &RunFacts) -> Value {
    serde_json::to_value(&facts.train).expect("plain data becomes JSON")
}

/// SHA-256 of the settings of a training, as compact JSON with sorted keys.
fn settings_sha256(facts: &RunFacts) -> String {
    store::sha256(train_settings(facts).to_string().as_bytes())
}
