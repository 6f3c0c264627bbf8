//! Held-out patients: the folds of a run, and a check for leakage between them.
//!
//! In: the rows of the release with the run's folds, or the predictions if there is no release. Out:
//! patients, images, positives, sites and machines of each fold, and two checks made for this page:
//! no patient is in two folds, and each network was evaluated on its held-out fold only.

use std::collections::{BTreeMap, HashMap};

use super::run_data::RunData;
use crate::config::{Config, FoldScheme, FoldsConfig, of_settings};
use crate::dataset::Role;
use crate::dataset::folds::{Audit, Count, FoldsError, Group, audit};
use crate::number::{count, of};
use crate::predictions::Prediction;
use crate::record::ImageRecord;
use crate::report::page::{Align, Html, Section, Table};

/// The audit of the folds, and the rows it covers.
pub struct Audited {
    /// The audit, or why it failed.
    pub audit: Result<Audit, FoldsError>,
    /// Whether it covers all rows of the release, or only the rows with predictions.
    pub of_release: bool,
    /// The number of images with predictions, and how many of them do not belong to the held-out
    /// fold of the network, according to the release; `None` without a release.
    pub evaluated: Option<(usize, usize)>,
    /// The number of images in the evaluated folds, according to the release.
    pub of_folds: usize,
}

/// Audits the folds of a run.
pub fn of_run(data: &RunData) -> Audited {
    let predictions = data.evaluated.as_ref().map_or(&[][..], |found| &found.predictions);
    let of_fold: Vec<&Prediction> =
        predictions.iter().filter(|p| matches!(p.role, Role::Fold(_))).collect();
    let rows: Vec<(&ImageRecord, Role)> = match &data.release {
        Ok(release) => release.table.rows.iter().map(|row| (&row.record, row.role)).collect(),
        Err(_) => predictions.iter().map(|p| (&p.record, p.role)).collect(),
    };
    let roles: Vec<Role> = rows.iter().map(|(_, role)| *role).collect();
    let planned: HashMap<&str, Role> =
        rows.iter().map(|(record, role)| (record.image_id.as_str(), *role)).collect();
    let elsewhere =
        of_fold.iter().filter(|p| planned.get(p.record.image_id.as_str()) != Some(&p.role)).count();
    let is_evaluated = |role: &Role| of_fold.iter().any(|p| p.role == *role);
    let folds: BTreeMap<Role, usize> = roles.iter().fold(BTreeMap::new(), |mut folds, role| {
        *folds.entry(*role).or_default() += usize::from(matches!(role, Role::Fold(_)));
        folds
    });
    Audited {
        audit: audit(rows.iter().map(|(record, _)| (*record).into()), &roles, &config(data)),
        of_release: data.release.is_ok(),
        evaluated: data.release.is_ok().then_some((of_fold.len(), elsewhere)),
        of_folds: folds.iter().filter(|(role, _)| is_evaluated(role)).map(|(_, n)| n).sum(),
    }
}

/// The fold settings of the run.
pub fn config(data: &RunData) -> FoldsConfig {
    data.facts.folds.clone().unwrap_or_else(|| {
        of_settings(&data.facts.preprocessing, "the run's preprocessing")
            .map_or_else(|_| Config::default().folds, |config| config.folds)
    })
}

/// The section.
pub fn section(data: &RunData, audited: &Audited) -> Section {
    let body = match &audited.audit {
        Err(error) => {
            verdict(false, format!("{error}. The metrics on this page are not reliable."))
        }
        Ok(audit) => {
            let groups: Vec<&Group> =
                audit.groups.iter().filter(|group| group.all.images > 0).collect();
            match groups.is_empty() {
                true => Html::element("p", "note", "No fold was evaluated yet.".into()),
                false => proof(audited, &groups).and(table(&groups)).and(notes(data, &groups)),
            }
        }
    };
    Section {
        id: "folds",
        title: "Held-out patients",
        intro:
            "Patients are divided into folds, and each network is evaluated on the fold that it was \
                not trained on. If a patient had images on both sides, the network could recognise \
                the patient instead of the cancer (leakage)."
                .into(),
        body,
    }
}

fn verdict(good: bool, text: String) -> Html {
    let class = if good { "verdict good" } else { "verdict bad" };
    Html::element("p", class, Html::text(text))
}

fn proof(audited: &Audited, groups: &[&Group]) -> Html {
    let patients: usize = groups.iter().map(|group| group.all.patients).sum();
    let images: usize = groups.iter().map(|group| group.all.images).sum();
    let rows = if audited.of_release { "the release" } else { "the predictions" };
    let apart = format!(
        "No patient is in two folds: checked for this page on the rows of {rows}, {} and {}.",
        of(patients, "patient"),
        of(images, "image")
    );
    let apart = verdict(true, apart);
    match audited.evaluated {
        None => apart.and(Html::element(
            "p",
            "note",
            "The release is not available, so only images with predictions are counted, and not the \
             other training images."
                .into(),
        )),
        Some((0, _)) => apart,
        Some((found, 0)) => apart.and(verdict(
            found == audited.of_folds,
            format!(
                "Each network was evaluated on its held-out fold only: {} of {}.",
                count(found),
                of(audited.of_folds, "image")
            ),
        )),
        Some((found, elsewhere)) => apart.and(verdict(
            false,
            format!(
                "{} of {} with predictions do not belong to the held-out fold of their network, \
                 according to the release.",
                count(elsewhere),
                of(found, "image")
            ),
        )),
    }
}

fn table(groups: &[&Group]) -> Html {
    let mut table = Table::new(&[
        ("Fold", Align::Left),
        ("Patients", Align::Right),
        ("Breasts", Align::Right),
        ("Images", Align::Right),
        ("With cancer", Align::Right),
        ("Sites", Align::Left),
        ("Machines", Align::Left),
    ]);
    for group in groups {
        let pair = |all, cancer| Html::text(format!("{} ({})", count(all), count(cancer)));
        let (all, cancer) = (group.all, group.cancer);
        table.row(vec![
            Html::text(group.role),
            pair(all.patients, cancer.patients),
            pair(all.breasts, cancer.breasts),
            pair(all.images, cancer.images),
            group
                .prevalence
                .images
                .map_or("–".into(), |p| Html::text(format!("{:.2} %", 100.0 * p))),
            Html::text(counts(&group.sites)),
            Html::text(counts(&group.machines)),
        ]);
    }
    table.html()
}

fn counts(counts: &[Count]) -> String {
    let one = |Count { value, images, .. }: &Count| {
        let value = value.map_or("not given".into(), |value| value.to_string());
        format!("{value}: {}", count(*images))
    };
    counts.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn notes(data: &RunData, groups: &[&Group]) -> Html {
    let item = |text: String| Html::element("li", "", Html::text(text));
    let about = "In brackets, the number with cancer; With cancer is the share of images with cancer. \
                 Sites and machines are given by number, each with its number of images.";
    Html::element("p", "note", about.into()).and(Html::element(
        "ul",
        "",
        item(locked(data, groups)).and(item(division(data))),
    ))
}

/// The locked split, in a sentence.
pub fn locked(data: &RunData, groups: &[&Group]) -> String {
    let predictions = data.evaluated.as_ref().map_or(&[][..], |found| &found.predictions);
    let is_evaluated = predictions.iter().any(|p| p.role == Role::Locked);
    match groups.iter().find(|group| group.role == Role::Locked) {
        None => "There is no locked split (folds.locked_share is 0): all metrics are from \
                 cross-validation, and there is no final test."
            .into(),
        Some(group) => format!(
            "Locked split, which no network was trained on: {} ({} with cancer), {}.",
            of(group.all.patients, "patient"),
            count(group.cancer.patients),
            match (is_evaluated, &data.evaluated) {
                (true, Some(found)) => {
                    let networks = of(found.locked_networks.evaluated_networks, "network");
                    format!("evaluated with the mean of {networks}")
                }
                _ => "not evaluated here".into(),
            }
        ),
    }
}

/// How the patients were divided, in a sentence.
pub fn division(data: &RunData) -> String {
    let FoldsConfig { scheme, count, seed, stratify, .. } = config(data);
    let columns: Vec<String> = stratify.iter().map(in_settings).collect();
    let how = match scheme {
        FoldScheme::Patient => {
            let alike = match columns.is_empty() {
                true => String::new(),
                false => format!(", stratified by {}", columns.join(", ")),
            };
            format!("into {count} folds by a hash of seed {seed} and patient{alike}")
        }
        scheme => format!("into one fold per {}", in_settings(&scheme)),
    };
    let who = match data.facts.folds {
        Some(_) => "reassigned for this run",
        None => "as in the release",
    };
    format!("Patients are divided {how}; {who}.")
}

/// A setting's value as it is written in the settings.
pub fn in_settings(choice: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(choice).expect("plain data becomes JSON");
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
