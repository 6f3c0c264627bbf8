//! Folds and prevalence: the division of the patients, and the check that no patient is in two
//! folds.

use std::collections::BTreeMap;

use super::counter::Counter;
use super::tally::Tally;
use super::{Html, Release};
use crate::dataset::folds::{Audit, Group, Straddling};
use crate::number::{count, of, percent};
use crate::report::page::{Align, Section, Table, figure, figures};
use crate::report::svg::{Bar, MOST_BARS, SERIES, Stack, bars, stacked};

/// The section; `None` without rows.
pub fn section(release: &Release, tally: &Tally) -> Option<Section> {
    if tally.all.images == 0 {
        return None;
    }
    let mut charts = vec![
        figure("Prevalence by fold", prevalence(&tally.groups, true), SHARE),
        figure("Prevalence by site", prevalence(&tally.sites, false), SHARE),
        figure("Prevalence by machine", prevalence(&tally.machine, false), SHARE),
    ];
    let planned = match &release.folds {
        Err(why) => Html::element("p", "note", Html::text(why)),
        Ok(audit) => {
            charts.push(by_machine(audit));
            straddling(audit).and(table(audit))
        }
    };
    Some(Section {
        id: "folds",
        title: "Folds and prevalence",
        intro: "Patients are divided into folds: a model is trained on all folds but one and \
                evaluated on that one. If a patient had images on both sides, the model could \
                recognise the patient instead of the cancer (leakage). The folds should have about \
                the same prevalence, unless each holds out one site or machine."
            .into(),
        body: proof(tally).and(planned).and(figures(charts)),
    })
}

const SHARE: &str = "Share with cancer among the written images that have a label.";

/// The check on the written rows, independent of the plan.
fn proof(tally: &Tally) -> Html {
    if !tally.divided.is_empty() {
        let some: Vec<&str> = tally.divided.iter().take(5).map(String::as_str).collect();
        let text = format!(
            "{} in two folds: {}. This release must not be trained on.",
            of(tally.divided.len(), "patient"),
            some.join(", ")
        );
        return Html::element("p", "verdict bad", Html::text(text));
    }
    let text = format!(
        "No patient is in two folds: checked for this page on the rows of {} and {}.",
        of(tally.patients(), "patient"),
        of(tally.all.images, "image")
    );
    Html::element("p", "verdict good", Html::text(text))
}

/// Patients and breasts that belong to several sites, machines, tables or labels, if there are any.
fn straddling(audit: &Audit) -> Html {
    let Straddling { sites, machines, tables, labels } = audit.straddling;
    let lines = [
        (sites, "patient", "with images from several sites, in the fold of one of them"),
        (machines, "patient", "with images from several machines, in the fold of one of them"),
        (tables, "patient", "in the training table and in the test table"),
        (labels, "breast", "with the label cancer for one image and no cancer for another"),
    ];
    let found = lines.iter().filter(|(n, ..)| *n > 0);
    let item = |(n, thing, what): &(usize, &str, &str)| {
        Html::element("li", "", Html::text(format!("{} {what}", of(*n, thing))))
    };
    let items: Html = found.map(item).collect();
    if items.is_empty() { items } else { Html::element("ul", "", items) }
}

fn table(audit: &Audit) -> Html {
    let holds_out = audit.groups.iter().any(|group| group.held_out.is_some());
    let mut columns = vec![
        ("Fold", Align::Left),
        ("Patients with cancer", Align::Right),
        ("Breasts with cancer", Align::Right),
        ("Images with cancer", Align::Right),
        ("Share of the images", Align::Right),
    ];
    if holds_out {
        columns.insert(1, ("Holds out", Align::Left));
    }
    let mut table = Table::new(&columns);
    for Group { role, held_out, all, cancer, prevalence, .. } in &audit.groups {
        let share = |cancer, all| Html::text(format!("{} of {}", count(cancer), count(all)));
        let images = prevalence.images.map_or("–".into(), |p| format!("{:.2} %", 100.0 * p));
        let mut cells = vec![
            Html::text(role),
            share(cancer.patients, all.patients),
            share(cancer.breasts, all.breasts),
            share(cancer.images, all.images),
            Html::text(images),
        ];
        if holds_out {
            cells.insert(1, Html::text(held_out.map_or("–".into(), |value| value.to_string())));
        }
        table.row(cells);
    }
    table.html().and(Html::element(
        "p",
        "note",
        "As planned: images that were quarantined later are counted here, but not in the charts."
            .into(),
    ))
}

/// Bars of the prevalence by value.
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
        "Share of each machine (by number) among the images planned for a fold.",
    )
}
