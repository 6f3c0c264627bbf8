//! Who was held out by whom: the folds as they were, and the proof that none leaks.
//!
//! In: the rows of the release as the run divided them, or what the networks said if there is no
//! release. Out: patients, images, positives, sites and machines of each fold, and two checks made
//! for this page: no patient is in two folds, and each network was judged on its own fold alone.

use std::collections::{BTreeMap, HashMap};

use super::story::Story;
use crate::config::{Config, FoldScheme, FoldsConfig, of_settings};
use crate::dataset::Role;
use crate::dataset::folds::{Audit, Count, FoldsError, Group, audit};
use crate::number::{count, of};
use crate::predictions::Prediction;
use crate::record::ImageRecord;
use crate::report::page::{Align, Html, Section, Table};

/// The division, counted, and where the rows are from.
pub struct Audited {
    /// What came of it.
    pub audit: Result<Audit, FoldsError>,
    /// Whether these are all rows of the release, or those that were judged.
    pub of_release: bool,
    /// Images of folds judged, and those of them that are not of the fold whose network spoke; `None`
    /// without a release to hold them to.
    pub judged: Option<(usize, usize)>,
    /// Images of the folds that were judged, as the release has them.
    pub of_folds: usize,
}

/// Counts the division of a run.
pub fn of_run(story: &Story) -> Audited {
    let said = story.judged.as_ref().map_or(&[][..], |judged| &judged.predictions);
    let of_fold: Vec<&Prediction> =
        said.iter().filter(|p| matches!(p.role, Role::Fold(_))).collect();
    let rows: Vec<(&ImageRecord, Role)> = match &story.release {
        Ok(release) => release.table.rows.iter().map(|row| (&row.record, row.role)).collect(),
        Err(_) => said.iter().map(|p| (&p.record, p.role)).collect(),
    };
    let roles: Vec<Role> = rows.iter().map(|(_, role)| *role).collect();
    let planned: HashMap<&str, Role> =
        rows.iter().map(|(record, role)| (record.image_id.as_str(), *role)).collect();
    let elsewhere =
        of_fold.iter().filter(|p| planned.get(p.record.image_id.as_str()) != Some(&p.role)).count();
    let is_judged = |role: &Role| of_fold.iter().any(|p| p.role == *role);
    let folds: BTreeMap<Role, usize> = roles.iter().fold(BTreeMap::new(), |mut folds, role| {
        *folds.entry(*role).or_default() += usize::from(matches!(role, Role::Fold(_)));
        folds
    });
    Audited {
        audit: audit(rows.iter().map(|(record, _)| (*record).into()), &roles, &config(story)),
        of_release: story.release.is_ok(),
        judged: story.release.is_ok().then_some((of_fold.len(), elsewhere)),
        of_folds: folds.iter().filter(|(role, _)| is_judged(role)).map(|(_, n)| n).sum(),
    }
}

/// How the run divided the patients.
pub fn config(story: &Story) -> FoldsConfig {
    story.facts.folds.clone().unwrap_or_else(|| {
        of_settings(&story.facts.preprocessing, "the run's preprocessing")
            .map_or_else(|_| Config::default().folds, |config| config.folds)
    })
}

/// The section.
pub fn section(story: &Story, audited: &Audited) -> Section {
    let body = match &audited.audit {
        Err(error) => {
            verdict(false, format!("{error}. Nothing that is judged here can be trusted."))
        }
        Ok(audit) => {
            let groups: Vec<&Group> =
                audit.groups.iter().filter(|group| group.all.images > 0).collect();
            match groups.is_empty() {
                true => Html::element("p", "note", "No fold was judged yet.".into()),
                false => proof(audited, &groups).and(table(&groups)).and(notes(story, &groups)),
            }
        }
    };
    Section {
        id: "folds",
        title: "Who was held out",
        intro:
            "Patients are divided into folds, and each network is judged on the fold that it was \
                not trained on. If images of one patient stood on both sides, it could know the \
                patient instead of the cancer."
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
    let rows = if audited.of_release { "the release" } else { "what was judged" };
    let apart = format!(
        "No patient is in two folds: counted for this page on the rows of {rows}, {} and {}.",
        of(patients, "patient"),
        of(images, "image")
    );
    let apart = verdict(true, apart);
    match audited.judged {
        None => apart.and(Html::element(
            "p",
            "note",
            "The release is not there, so that only the images that were judged are counted, and \
             not those that were trained on."
                .into(),
        )),
        Some((0, _)) => apart,
        Some((said, 0)) => apart.and(verdict(
            said == audited.of_folds,
            format!(
                "Each network was judged on its own fold and on nothing else: {} of {}.",
                count(said),
                of(audited.of_folds, "image")
            ),
        )),
        Some((said, elsewhere)) => apart.and(verdict(
            false,
            format!(
                "{} of {} judged are not of the fold whose network spoke, as the release has it.",
                count(elsewhere),
                of(said, "image")
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

fn notes(story: &Story, groups: &[&Group]) -> Html {
    let item = |text: String| Html::element("li", "", Html::text(text));
    let about = "In brackets, how many have cancer; With cancer is their share of the images. Sites and \
                 machines stand by their number, each with its images.";
    Html::element("p", "note", about.into()).and(Html::element(
        "ul",
        "",
        item(locked(story, groups)).and(item(division(story))),
    ))
}

/// What became of the locked split.
pub fn locked(story: &Story, groups: &[&Group]) -> String {
    let said = story.judged.as_ref().map_or(&[][..], |judged| &judged.predictions);
    let is_judged = said.iter().any(|p| p.role == Role::Locked);
    match groups.iter().find(|group| group.role == Role::Locked) {
        None => {
            "No patients are locked away (folds.locked_share is 0): these figures are those of \
                 cross-validation, and there is no last test."
                .into()
        }
        Some(group) => format!(
            "Locked away, trained on by no network: {} ({} with cancer), {}.",
            of(group.all.patients, "patient"),
            count(group.cancer.patients),
            match (is_judged, &story.judged) {
                (true, Some(judged)) => {
                    format!("judged by the mean of {}", of(judged.spoke.networks, "network"))
                }
                _ => "not judged here".into(),
            }
        ),
    }
}

/// How the patients were divided, in a sentence.
pub fn division(story: &Story) -> String {
    let FoldsConfig { scheme, count, seed, stratify, .. } = config(story);
    let columns: Vec<String> = stratify.iter().map(in_settings).collect();
    let how = match scheme {
        FoldScheme::Patient => {
            let alike = match columns.is_empty() {
                true => String::new(),
                false => format!(", alike in {}", columns.join(", ")),
            };
            format!("into {count} folds by a hash of seed {seed} and patient{alike}")
        }
        scheme => format!("into a fold a {}", in_settings(&scheme)),
    };
    let who = match story.facts.folds {
        Some(_) => "reassigned for this run",
        None => "as the release has them",
    };
    format!("Patients are divided {how}; {who}.")
}

/// A choice as it is typed in the settings.
pub fn in_settings(choice: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(choice).expect("plain data becomes JSON");
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
