//! How the patients are divided, and the proof that no patient is on two sides.

use std::collections::BTreeMap;

use super::tally::{Counter, Tally};
use super::{Html, Release};
use crate::dataset::folds::Audit;
use crate::report::number::{count, of, percent};
use crate::report::page::{Align, Section, Table, figure, figures};
use crate::report::svg::{Bar, MOST_BARS, SERIES, Stack, bars, stacked};

/// The section; none before the release is finished.
pub fn section(release: &Release, tally: &Tally) -> Option<Section> {
    let audit = release.folds.as_ref()?;
    let charts = [
        figure("Cancer by fold", prevalence(&tally.groups, true), SHARE),
        figure("Cancer by site", prevalence(&tally.sites, false), SHARE),
        figure("Cancer by machine", prevalence(&tally.machine, false), SHARE),
        by_machine(audit),
    ];
    Some(Section {
        id: "folds",
        title: "Folds and cancer",
        intro: "Patients are divided into folds: a model is trained on all folds but one and \
                judged on that one. If images of one patient stood on both sides, it could know \
                the patient instead of the cancer, so none may. The folds should be alike in \
                their share of cancer, unless each holds out one site or machine."
            .into(),
        body: proof(release, tally, audit).and(table(audit)).and(figures(charts)),
    })
}

const SHARE: &str = "Share of the written images that have a label and show a breast with cancer.";

fn proof(release: &Release, tally: &Tally, audit: &Audit) -> Html {
    if !tally.divided.is_empty() {
        let some: Vec<&str> = tally.divided.iter().take(5).map(String::as_str).collect();
        let text = format!(
            "{} in two folds: {}. This release must not be trained on.",
            of(tally.divided.len(), "patient"),
            some.join(", ")
        );
        return Html::element("p", "verdict bad", Html::text(text));
    }
    let straddling = audit.straddling;
    let text = format!(
        "No patient is in two folds: proven when the folds were made, and checked again for this \
         page on the rows of all {}.",
        of(release.counts.written, "written image")
    );
    let several = format!(
        "Seen at several sites: {}; on several machines: {}; in the training and in the test \
         table: {}. Each of them is in one fold all the same.",
        of(straddling.sites, "patient"),
        of(straddling.machines, "patient"),
        of(straddling.tables, "patient")
    );
    Html::element("p", "verdict good", Html::text(text)).and(Html::paragraph(several.into()))
}

fn table(audit: &Audit) -> Html {
    let mut table = Table::new(&[
        ("Fold", Align::Left),
        ("Holds out", Align::Left),
        ("Patients", Align::Right),
        ("with cancer", Align::Right),
        ("Breasts", Align::Right),
        ("with cancer", Align::Right),
        ("Images", Align::Right),
        ("with cancer", Align::Right),
        ("Share of images", Align::Right),
    ]);
    for group in &audit.groups {
        let share = group.prevalence.images;
        table.row(vec![
            Html::text(group.role),
            Html::text(group.held_out.map_or("–".into(), |value| value.to_string())),
            Html::text(count(group.all.patients)),
            Html::text(count(group.cancer.patients)),
            Html::text(count(group.all.breasts)),
            Html::text(count(group.cancer.breasts)),
            Html::text(count(group.all.images)),
            Html::text(count(group.cancer.images)),
            Html::text(share.map_or("–".into(), |share| format!("{:.2} %", 100.0 * share))),
        ]);
    }
    table.html().and(Html::element(
        "p",
        "note",
        "As planned: images that were set aside later are counted here, not in the charts.".into(),
    ))
}

/// Bars of the share with cancer.
fn prevalence(counter: &Counter, in_order: bool) -> Html {
    let all = if in_order { counter.natural() } else { counter.by_frequency() };
    let list: Vec<Bar> = all
        .iter()
        .take(MOST_BARS)
        .map(|(value, share)| Bar {
            label: (*value).to_owned(),
            value: share.cancer as f64 / share.labelled.max(1) as f64,
            text: match share.labelled {
                0 => "no label".into(),
                n => format!("{} · {} of {}", percent(share.cancer, n), share.cancer, count(n)),
            },
        })
        .collect();
    bars(&list, "s1", None)
}

fn by_machine(audit: &Audit) -> Html {
    let mut images: BTreeMap<Option<i64>, usize> = BTreeMap::new();
    let machines = audit.groups.iter().flat_map(|group| &group.machines);
    machines.for_each(|machine| *images.entry(machine.value).or_default() += machine.images);
    let mut order: Vec<_> = images.into_iter().collect();
    order.sort_by_key(|(_, images)| std::cmp::Reverse(*images));
    let apart = if order.len() > SERIES { SERIES - 1 } else { order.len() };
    let name = |id: &Option<i64>| id.map_or("not given".into(), |id| id.to_string());
    let mut series: Vec<String> = order[..apart].iter().map(|(id, _)| name(id)).collect();
    if apart < order.len() {
        series.push(format!("{} others", order.len() - apart));
    }
    let rows = audit.groups.iter().map(|group| {
        let mut parts = vec![0.0; series.len()];
        for machine in &group.machines {
            let place = order.iter().position(|(id, _)| *id == machine.value).unwrap_or(apart);
            parts[place.min(series.len() - 1)] += machine.images as f64;
        }
        Stack { label: group.role.to_string(), text: of(group.all.images, "image"), parts }
    });
    figure(
        "Machines by fold",
        stacked(&rows.collect::<Vec<_>>(), &series),
        "Share of each machine (by its number) in the images planned for a fold.",
    )
}
