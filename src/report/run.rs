//! The page of a training run: performance, training, attention maps, folds, settings.
//!
//! In: the folder of a run, in any state. Out: `report.html` and `model_card.md` in it. The metrics
//! are computed by the same code as in `evaluate`, so that page, card and command agree. The page
//! says what is missing, for example a fold that is not evaluated yet.

mod audit;
mod claim;
mod crops;
mod glossary;
mod curves;
mod sentences;
pub(super) mod performance;
mod attention_maps;
mod model_card;
pub(super) mod run_data;

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::dataset::settings::write_yaml;
use super::page::{Align, Html, Page, Section, Table, code, code_block, details};
use crate::error::Fault;
use crate::evaluate::Bootstrap;
use crate::number::duration;
use crate::store;
use crate::store::start::{Start, without_place};
use crate::train::folder::RunFolder;
use crate::train::log::{self, EpochLine, Line, StepLine};
use crate::train::run::RunFacts;
use audit::Audited;
use run_data::RunData;

/// The training log of a fold.
pub(super) struct Fold {
    /// The fold held out; `None` for a network trained on all patients.
    held_out: Option<u16>,
    steps: Vec<StepLine>,
    epochs: Vec<EpochLine>,
}

impl Fold {
    fn name(&self) -> String {
        self.held_out.map_or("all patients".into(), |fold| format!("fold {fold}"))
    }
}

/// The files written for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// `report.html`.
    pub page: PathBuf,
    /// `model_card.md`.
    pub model_card: PathBuf,
}

/// Folders other than the run's that its page needs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Locations<'a> {
    /// The release, if it is not where the run found it.
    pub release: Option<&'a Path>,
    /// The dataset's folder, for pictures of the frames before cropping.
    pub dataset: Option<&'a Path>,
}

/// Writes `report.html` and `model_card.md` of the run in `folder`.
///
/// # Errors
/// A [`Fault`] if the folder holds no run, its predictions cannot be evaluated, or a file cannot be
/// written.
pub fn write(folder: &Path, bootstrap: &Bootstrap) -> Result<Written, Fault> {
    write_with(folder, Locations::default(), bootstrap)
}

/// As [`write()`], with folders that are not where the run found them.
///
/// # Errors
/// Those of [`write()`].
pub fn write_with(
    folder: &Path,
    beside: Locations<'_>,
    bootstrap: &Bootstrap,
) -> Result<Written, Fault> {
    let names = RunFolder::new(folder);
    let written = Written { page: names.report(), model_card: names.model_card() };
    let data = RunData::read(folder, beside.release, bootstrap)?;
    let audited = audit::of_run(&data);
    let page = page(&data, &audited, beside.dataset)?.to_string();
    let card = model_card::text(&data, &audited);
    store::make_aside(folder)?;
    store::replace(folder, &written.page, page.as_bytes())?;
    store::replace(folder, &written.model_card, card.as_bytes())?;
    Ok(written)
}

/// The page.
fn page(data: &RunData, audited: &Audited, dataset: Option<&Path>) -> Result<Page, Fault> {
    let mut sections = Vec::new();
    match &data.evaluated {
        Some(judged) => sections.extend(performance::sections(judged)),
        None => sections.push(Section {
            id: "performance",
            title: "Performance",
            intro:
                "No fold was evaluated yet: the first epoch is not finished, or no fold is held \
                    out."
                    .into(),
            body: Html::default(),
        }),
    }
    sections.push(curves::section(&data.folds, &data.facts));
    sections.push(attention_maps::section(data));
    sections.push(crops::section(data, dataset)?);
    sections.push(audit::section(data, audited));
    sections.push(claim::section(data, audited));
    sections.push(settings(data));
    sections.push(glossary::section());
    let release = without_place(&data.facts.release);
    let about = format!("{} on {release}", data.facts.train.model.variant);
    Ok(Page {
        title: format!("Run {}", data.name),
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

fn settings(data: &RunData) -> Section {
    let facts = &data.facts;
    let mut table = Table::new(&[("What", Align::Left), ("Value", Align::Left)]);
    let mut row = |what: &str, value: Html| table.row(vec![Html::text(what), value]);
    row("mammo-pipe", code(&facts.tool));
    row("Program (SHA-256)", code(&facts.program_sha256));
    row("Plan of the release (SHA-256)", code(&facts.release_plan_sha256));
    row("Manifest of the release (SHA-256)", code(&facts.manifest_sha256));
    row("Settings of the training (SHA-256)", code(settings_sha256(facts)));
    let starts = Start::read_all(&RunFolder::new(&data.folder).starts());
    if let Some(first) = starts.first() {
        row("Started", Html::text(first.date()));
        row("Command", code(&first.command));
        row("Program", code(&first.program));
        row("Device", Html::text(&first.device));
    }
    for again in starts.iter().skip(1) {
        let text = format!("{}, on {}: ", again.date(), again.device);
        row("Resumed", Html::text(text).and(code(&again.command)));
    }
    let seconds: f64 = data.folds.iter().flat_map(|fold| &fold.epochs).map(|e| e.seconds).sum();
    if seconds > 0.0 {
        row("Duration of all epochs", Html::text(duration(seconds)));
    }
    row("Initial weights", facts.init.as_ref().map_or("random".into(), code));
    for (fold, sha256) in &data.weights {
        let fold = fold.map_or("all patients".into(), |fold| format!("fold {fold}"));
        let sha256 = sha256.as_ref().map_or("not written yet".into(), code);
        row(&format!("Weights, {fold} (SHA-256)"), sha256);
    }
    let yaml = |value: &Value| {
        let mut text = String::new();
        write_yaml(value, 0, &mut text);
        code_block(&text)
    };
    Section {
        id: "settings",
        title: "Settings and provenance",
        intro:
            "The same release, settings and program give exactly the same network on the same kind \
                of device. model_card.md in the same folder has the commands."
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

/// SHA-256 of the training settings, as compact JSON with sorted keys.
fn settings_sha256(facts: &RunFacts) -> String {
    store::sha256(train_settings(facts).to_string().as_bytes())
}
