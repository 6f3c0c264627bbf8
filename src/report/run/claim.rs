//! The reporting checklist of a run, after the Checklist for Artificial Intelligence in Medical
//! Imaging (CLAIM; Mongan, Moy and Kahn 2020, Tejani et al. 2024). Items that the run and its release
//! can answer are filled in. The others are listed for the authors; nothing is invented.

use super::audit::{Audited, division};
use super::run_data::RunData;
use super::sentences;
use crate::number::of;
use crate::report::page::{Align, Html, Section, Table};

/// One topic of the checklist.
pub struct Topic {
    /// Its name.
    pub name: &'static str,
    /// What the run and its release answer, if anything.
    pub known: Option<String>,
    /// What the authors have to add, if anything.
    pub by_authors: Option<&'static str>,
}

/// The topics, by section of a paper.
pub fn topics(data: &RunData, audited: &Audited) -> Vec<(&'static str, Vec<Topic>)> {
    let known = |name, known: String| Topic { name, known: Some(known), by_authors: None };
    let asked = |name, what| Topic { name, known: None, by_authors: Some(what) };
    let both =
        |name, known: String, what| Topic { name, known: Some(known), by_authors: Some(what) };
    let evaluated = data.evaluated.as_ref();
    let parts = || evaluated.iter().flat_map(|found| &found.evaluation.parts);
    let metrics: Vec<String> = parts()
        .filter_map(|part| Some(sentences::metrics(part, sentences::breast(part)?)))
        .collect();
    let groups: Vec<&str> = {
        let mut labels: Vec<_> =
            parts().flat_map(|part| &part.subgroups).map(|group| group.attribute.label()).collect();
        labels.dedup();
        labels
    };
    let disjoint = match &audited.audit {
        Ok(_) => {
            "By patient: no patient is in two folds, which was checked for this page.".to_owned()
        }
        Err(error) => format!("{error}."),
    };
    let joined = |list: Vec<String>, otherwise: &str| match list.is_empty() {
        true => otherwise.to_owned(),
        false => list.join(" "),
    };
    let maps: usize = data.maps.iter().map(|maps| maps.explanation.images.len()).sum();
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
                    sentences::data(data),
                    "where, when and from whom the images were acquired; ethics approval, consent \
                     and terms of use",
                ),
                both(
                    "Inclusion and exclusion",
                    sentences::inclusion(data),
                    "criteria by which patients and examinations were included in the table",
                ),
                known("Preprocessing", sentences::preprocessing(data)),
                both(
                    "De-identification",
                    "A release has the ids of the table; no name, birth date or other identifier \
                     of a DICOM header is copied."
                        .into(),
                    "how the source was de-identified",
                ),
                both(
                    "Missing values",
                    "A missing auxiliary value contributes no loss and no gradient; in a subgroup \
                     analysis it counts as not known."
                        .into(),
                    "why values are missing",
                ),
                asked("Acquisition", "manufacturers and models of the machines, exposure, protocol"),
            ],
        ),
        (
            "Reference standard",
            vec![both(
                "Label",
                "Column cancer of the table, by image; a breast or patient has cancer if any of the \
                 images has."
                    .into(),
                "how cancer and its absence were established (pathology, follow-up), by whom, and \
                 the agreement between readers",
            )],
        ),
        (
            "Partitions",
            vec![
                known("Assignment", division(data)),
                known("Disjoint by", disjoint),
                asked("Sample size", "how it was determined"),
            ],
        ),
        (
            "Model",
            vec![
                known("Network", sentences::model(data)),
                known(
                    "Software",
                    format!(
                        "mammo-pipe {} (program {}).",
                        data.facts.tool, data.facts.program_sha256
                    ),
                ),
                known("Initial weights", sentences::initial(data)),
            ],
        ),
        (
            "Training",
            vec![
                known("Approach", sentences::training(data)),
                known("Selection", sentences::selection(data)),
                known(
                    "Ensembling",
                    "On held-out folds none: each image has the prediction of one network. On the \
                     locked split, and in predict, the mean probability of all networks."
                        .into(),
                ),
            ],
        ),
        (
            "Evaluation",
            vec![
                known(
                    "Metrics",
                    "AUROC, AUPRC, pF1, F1, accuracy, sensitivity, specificity, recall rate, PPV, \
                     Brier and ECE, by image, breast and patient."
                        .into(),
                ),
                known("Uncertainty", sentences::intervals(data)),
                both(
                    "Robustness",
                    match groups.is_empty() {
                        true => "No subgroups were evaluated.".into(),
                        false => format!("Subgroups by {}.", groups.join(", ")),
                    },
                    "further sensitivity analyses",
                ),
                match maps {
                    0 => asked("Explanation", "no maps were made (mammo-pipe explain)"),
                    n => known(
                        "Explanation",
                        format!("Class activation maps of {}.", of(n, "held-out image")),
                    ),
                },
                asked("External test", "data of other institutions; none were evaluated here"),
                asked("Registration", "trial registration, if it is one"),
            ],
        ),
        (
            "Results",
            vec![
                known("Performance", joined(metrics, "Nothing was evaluated yet.")),
                both(
                    "Participants",
                    "Counts by fold, site and machine are under Held-out patients.".into(),
                    "demographic and clinical characteristics of each partition",
                ),
                both(
                    "Failures",
                    "False negatives, false positives and the least certain crops are on this page."
                        .into(),
                    "what these failures have in common",
                ),
            ],
        ),
        (
            "Discussion and more",
            vec![
                both("Limitations", sentences::limits(data).join(" "), "limitations of the study as a whole"),
                asked("Implications", "for practice; intended use and clinical role"),
                asked("Availability", "of protocol, software, weights and data"),
                asked("Funding", "sources of funding and their role"),
            ],
        ),
    ]
}

/// The section.
pub fn section(data: &RunData, audited: &Audited) -> Section {
    let mut body = Html::default();
    let mut open = 0;
    for (title, topics) in topics(data, audited) {
        let mut table = Table::new(&[("Topic", Align::Left), ("What is known", Align::Left)]);
        for Topic { name, known, by_authors } in topics {
            open += usize::from(by_authors.is_some());
            let known = known.map_or(Html::default(), |text| Html::element("div", "", text.into()));
            let asked = by_authors.map_or(Html::default(), |what| {
                let mark = Html::element("b", "fair", "To be filled in by the authors:".into());
                Html::element("div", "", mark.and_text(format!(" {what}.")))
            });
            table.row(vec![Html::text(name), known.and(asked)]);
        }
        body = body.and(Html::element("h3", "", title.into())).and(table.html());
    }
    let lead = format!("{} to be filled in by the authors, fully or in part.", of(open, "topic"));
    Section {
        id: "claim",
        title: "Reporting checklist (CLAIM)",
        intro: "After CLAIM, the Checklist for Artificial Intelligence in Medical Imaging (2020, \
                updated 2024). Items that the run and its release can answer are filled in; the \
                authors have to add the others."
            .into(),
        body: Html::paragraph(lead.into()).and(body),
    }
}
