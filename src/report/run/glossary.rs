//! The glossary of a run's page: terms of statistics, of networks and of mammography.

use crate::report::page::{Html, Section, definitions};

/// The section.
pub fn section() -> Section {
    let statistics = definitions(&[
        (
            "AUROC",
            "How often, in a pair of a breast with and one without cancer, the one with cancer has \
             the higher score. 0.5 is chance, 1 is perfect.",
        ),
        (
            "AUPRC",
            "The area under the curve of precision and recall. At chance it is the prevalence, so it \
             can only be compared at equal prevalence.",
        ),
        ("Prevalence", "The share of images (or breasts, or patients) with cancer."),
        (
            "Sensitivity, specificity",
            "The share of cancers that are called positive; the share of breasts without cancer that \
             are called negative.",
        ),
        (
            "Precision (PPV), recall rate",
            "Of those called positive, the share with cancer; of all, the share called positive.",
        ),
        (
            "F1, pF1",
            "The harmonic mean of precision and sensitivity; the same computed from probabilities, \
             without a threshold, as in RSNA's competition.",
        ),
        (
            "Interval",
            "In brackets: where 95 of 100 values lie if the patients are drawn again. An interval \
             that holds the value of chance means that the network is not shown to be better than \
             chance.",
        ),
        (
            "Calibration, ECE, Brier",
            "Whether a predicted 10 % means that one in ten has cancer. ECE is the mean gap between \
             prediction and share, Brier the mean squared error; 0 is best for both.",
        ),
    ]);
    let networks = definitions(&[
        (
            "Fold, held out",
            "One of several groups of patients. Each is held out in turn and evaluated with a network \
             that was not trained on it.",
        ),
        (
            "Locked split",
            "Patients that belong to no fold. Nothing is chosen on them; every finished network is \
             evaluated on them once.",
        ),
        ("Epoch", "One pass over the training images. The weights of the best epoch are kept."),
        (
            "Frozen threshold, temperature",
            "The probability from which on a breast is called positive, and the number that \
             calibrates the probabilities; both are chosen on other folds.",
        ),
        (
            "By breast, mean or max",
            "The score of a breast is the mean, or the maximum, of the scores of its images.",
        ),
        ("Overfitting", "The network gets better on its training images and worse on others."),
        (
            "Attention map, energy",
            "The places that raised the score. The energy is the sum of the map's values; its share \
             inside the breast says whether the map points at the breast at all. A network that has \
             learnt nothing can have a high share too.",
        ),
        (
            "Confidence of a box",
            "0 to 1: how plausible the box is as a breast, by size, position and outline. It is not a \
             probability.",
        ),
        (
            "View: CC, MLO",
            "CC (craniocaudal) is taken from above, MLO (mediolateral oblique) at an angle from the \
             side.",
        ),
    ]);
    let heading = |text: &'static str| Html::element("h3", "", Html::text(text));
    let left = Html::element("div", "", heading("Metrics").and(statistics));
    let right = Html::element("div", "", heading("Networks and images").and(networks));
    Section {
        id: "glossary",
        title: "Glossary",
        intro: "Terms that readers from the other field may not know.".into(),
        body: Html::element("div", "columns", left.and(right)),
    }
}
