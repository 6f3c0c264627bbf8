//! What a paper on this run has to tell, after the Checklist for Artificial Intelligence in Medical
//! Imaging (CLAIM; Mongan, Moy and Kahn 2020, Tejani et al. 2024), filled in as far as the run and
//! its release tell it. The rest is named and left to the authors; nothing is made up.

use super::audit::{Audited, division};
use super::facts;
use super::story::Story;
use crate::number::of;
use crate::report::page::{Align, Html, Section, Table};

/// One topic of the checklist.
pub struct Topic {
    /// What is to be told.
    pub name: &'static str,
    /// What the run tells of it, if anything.
    pub told: Option<String>,
    /// What it cannot know, if anything.
    pub by_authors: Option<&'static str>,
}

/// The topics, by part of a paper.
pub fn topics(story: &Story, audited: &Audited) -> Vec<(&'static str, Vec<Topic>)> {
    let told = |name, told: String| Topic { name, told: Some(told), by_authors: None };
    let asked = |name, what| Topic { name, told: None, by_authors: Some(what) };
    let both = |name, told: String, what| Topic { name, told: Some(told), by_authors: Some(what) };
    let judged = story.judged.as_ref();
    let parts = || judged.iter().flat_map(|judged| &judged.evaluation.parts);
    let figures: Vec<String> =
        parts().filter_map(|part| Some(facts::figures(part, facts::breast(part)?))).collect();
    let groups: Vec<&str> = {
        let mut labels: Vec<_> =
            parts().flat_map(|part| &part.subgroups).map(|group| group.attribute.label()).collect();
        labels.dedup();
        labels
    };
    let disjoint = match &audited.audit {
        Ok(_) => "Patients: none is in two folds, which was counted for this page.".to_owned(),
        Err(error) => format!("{error}."),
    };
    let hold = |list: Vec<String>, otherwise: &str| match list.is_empty() {
        true => otherwise.to_owned(),
        false => list.join(" "),
    };
    let maps: usize = story.maps.iter().map(|maps| maps.explanation.images.len()).sum();
    vec![
        (
            "Study",
            vec![
                asked("Purpose", "background, intended use and role, aims and hypotheses"),
                asked("Design", "prospective or retrospective; exploratory, feasibility or other"),
            ],
        ),
        (
            "Data",
            vec![
                both(
                    "Source",
                    facts::data(story),
                    "where, when and of whom they are; ethics, consent and terms of use",
                ),
                both(
                    "Inclusion and exclusion",
                    facts::inclusion(story),
                    "criteria by which patients and examinations came into the table",
                ),
                told("Preprocessing", facts::preprocessing(story)),
                both(
                    "De-identification",
                    "A release holds the ids of the table; no name, birth date or other identifier \
                     from a header is taken over."
                        .into(),
                    "how the source was de-identified",
                ),
                both(
                    "Missing values",
                    "A missing auxiliary value gives neither loss nor gradient; in a subgroup it \
                     counts as not known."
                        .into(),
                    "why values are missing",
                ),
                asked("Acquisition", "machines' makers and models, exposure, protocol"),
            ],
        ),
        (
            "Reference standard",
            vec![both(
                "Label",
                "Column cancer of the table, by image; a breast or patient has cancer if any of its \
                 images has."
                    .into(),
                "how cancer and its absence were established (pathology, follow-up), by whom, and \
                 how well readers agree",
            )],
        ),
        (
            "Partitions",
            vec![
                told("Assignment", division(story)),
                told("Disjoint by", disjoint),
                asked("Sample size", "how it was determined"),
            ],
        ),
        (
            "Model",
            vec![
                told("Network", facts::model(story)),
                told(
                    "Software",
                    format!(
                        "mammo-pipe {} (program {}).",
                        story.facts.tool, story.facts.program_sha256
                    ),
                ),
                told("Initial weights", facts::initial(story)),
            ],
        ),
        (
            "Training",
            vec![
                told("Approach", facts::training(story)),
                told("Selection", facts::selection(story)),
                told(
                    "Ensembling",
                    "On held-out folds none: each image is judged by one network. On the locked split, \
                     and in predict, the mean of all."
                        .into(),
                ),
            ],
        ),
        (
            "Evaluation",
            vec![
                told(
                    "Metrics",
                    "AUROC, AUPRC, pF1, F1, accuracy, sensitivity, specificity, recall rate, PPV, \
                     Brier and ECE, by image, breast and patient."
                        .into(),
                ),
                told("Uncertainty", facts::intervals(story)),
                both(
                    "Robustness",
                    match groups.is_empty() {
                        true => "No groups were judged.".into(),
                        false => format!("Judged by {}.", groups.join(", ")),
                    },
                    "further analyses of sensitivity",
                ),
                match maps {
                    0 => asked("Explanation", "no maps were made (mammo-pipe explain)"),
                    n => told(
                        "Explanation",
                        format!("Class activation maps of {} held out.", of(n, "image")),
                    ),
                },
                asked("External test", "data of other institutions; none is judged here"),
                asked("Registration", "trial registration, if it is one"),
            ],
        ),
        (
            "Results",
            vec![
                told("Performance", hold(figures, "Nothing was judged yet.")),
                both(
                    "Participants",
                    "Counts by fold, site and machine stand under Who was held out.".into(),
                    "demographic and clinical characteristics of each partition",
                ),
                both(
                    "Failures",
                    "Missed cancers, false alarms and the worst crops are shown on this page.".into(),
                    "what they have in common",
                ),
            ],
        ),
        (
            "Discussion and more",
            vec![
                both("Limits", facts::limits(story).join(" "), "limits of the study as a whole"),
                asked("Implications", "for practice; intended use and clinical role"),
                asked("Availability", "of protocol, software, weights and data"),
                asked("Funding", "sources of funding and their role"),
            ],
        ),
    ]
}

/// The section.
pub fn section(story: &Story, audited: &Audited) -> Section {
    let mut body = Html::default();
    let mut open = 0;
    for (title, topics) in topics(story, audited) {
        let mut table = Table::new(&[("Topic", Align::Left), ("What is known", Align::Left)]);
        for Topic { name, told, by_authors } in topics {
            open += usize::from(by_authors.is_some());
            let told = told.map_or(Html::default(), |text| Html::element("div", "", text.into()));
            let asked = by_authors.map_or(Html::default(), |what| {
                let mark = Html::element("b", "fair", "To be filled in by the authors:".into());
                Html::element("div", "", mark.and_text(format!(" {what}.")))
            });
            table.row(vec![Html::text(name), told.and(asked)]);
        }
        body = body.and(Html::element("h3", "", title.into())).and(table.html());
    }
    let lead = format!("{} to be filled in by the authors, wholly or in part.", of(open, "topic"));
    Section {
        id: "claim",
        title: "What a paper has to tell",
        intro: "After CLAIM, the Checklist for Artificial Intelligence in Medical Imaging (2020, \
                updated 2024): what the run and its release tell by themselves, and what they \
                cannot know."
            .into(),
        body: Html::paragraph(lead.into()).and(body),
    }
}
