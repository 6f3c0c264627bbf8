//! All metrics of one set of items, with their intervals.
//!
//! In: [`Items`] and the [`Decisions`] for them. Out: a [`MetricSet`]: for each [`MetricName`] a
//! value with its interval, or the reason why it is not defined. All use the same resamples.

use std::cell::OnceCell;

use serde::Serialize;
use serde::ser::SerializeMap;

use super::bootstrap::{Bootstrap, Estimate};
use super::choice::Decisions;
use crate::metrics::{
    BestF1, Binned, Binning, Confusion, Grid, MetricValue, Ranked, Undefined, brier, pf1_weighted,
};
use crate::predictions::Items;

/// Number of bins of the calibration error, as in Guo et al. (2017).
pub const ECE_BINS: usize = 15;

/// The highest false positive rate of the partial AUROC. Screening does not use higher rates.
pub const MAX_FPR: f64 = 0.1;

/// The metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum MetricName {
    Auroc,
    PartialAuroc,
    Auprc,
    Pf1,
    BestF1,
    BestF1Accuracy,
    F1,
    Accuracy,
    Sensitivity,
    Specificity,
    RecallRate,
    Ppv,
    SensitivityAt90,
    SensitivityAt95,
    SensitivityAt99,
    Brier,
    Ece,
    EceSameCount,
    CalibratedPf1,
    CalibratedBrier,
    CalibratedEce,
    CalibratedEceSameCount,
}

impl MetricName {
    /// All of them, in the order of a table.
    pub const ALL: [Self; 22] = [
        Self::Auroc,
        Self::PartialAuroc,
        Self::Auprc,
        Self::Pf1,
        Self::BestF1,
        Self::BestF1Accuracy,
        Self::F1,
        Self::Accuracy,
        Self::Sensitivity,
        Self::Specificity,
        Self::RecallRate,
        Self::Ppv,
        Self::SensitivityAt90,
        Self::SensitivityAt95,
        Self::SensitivityAt99,
        Self::Brier,
        Self::Ece,
        Self::EceSameCount,
        Self::CalibratedPf1,
        Self::CalibratedBrier,
        Self::CalibratedEce,
        Self::CalibratedEceSameCount,
    ];

    /// The metrics reported for each subgroup.
    pub const OF_SUBGROUPS: [Self; 8] = [
        Self::Auroc,
        Self::Auprc,
        Self::Pf1,
        Self::F1,
        Self::Sensitivity,
        Self::Specificity,
        Self::RecallRate,
        Self::Ppv,
    ];

    /// The key in JSON.
    pub fn key(self) -> &'static str {
        match self {
            Self::Auroc => "auroc",
            Self::PartialAuroc => "partial_auroc",
            Self::Auprc => "auprc",
            Self::Pf1 => "pf1",
            Self::BestF1 => "best_f1",
            Self::BestF1Accuracy => "best_f1_accuracy",
            Self::F1 => "f1",
            Self::Accuracy => "accuracy",
            Self::Sensitivity => "sensitivity",
            Self::Specificity => "specificity",
            Self::RecallRate => "recall_rate",
            Self::Ppv => "ppv",
            Self::SensitivityAt90 => "sensitivity_at_90",
            Self::SensitivityAt95 => "sensitivity_at_95",
            Self::SensitivityAt99 => "sensitivity_at_99",
            Self::Brier => "brier",
            Self::Ece => "ece",
            Self::EceSameCount => "ece_same_count",
            Self::CalibratedPf1 => "calibrated_pf1",
            Self::CalibratedBrier => "calibrated_brier",
            Self::CalibratedEce => "calibrated_ece",
            Self::CalibratedEceSameCount => "calibrated_ece_same_count",
        }
    }

    /// The label in tables and charts.
    pub fn label(self) -> &'static str {
        match self {
            Self::Auroc => "AUROC",
            Self::PartialAuroc => "partial AUROC, FPR to 0.1",
            Self::Auprc => "AUPRC",
            Self::Pf1 => "pF1",
            Self::BestF1 => "F1, best of 50 thresholds",
            Self::BestF1Accuracy => "  accuracy there",
            Self::F1 => "F1, frozen threshold",
            Self::Accuracy => "  accuracy",
            Self::Sensitivity => "  sensitivity",
            Self::Specificity => "  specificity",
            Self::RecallRate => "  recall rate",
            Self::Ppv => "  PPV",
            Self::SensitivityAt90 => "sensitivity at 90 % spec.",
            Self::SensitivityAt95 => "sensitivity at 95 % spec.",
            Self::SensitivityAt99 => "sensitivity at 99 % spec.",
            Self::Brier => "Brier",
            Self::Ece => "ECE, 15 equal-width bins",
            Self::EceSameCount => "ECE, 15 equal-count bins",
            Self::CalibratedPf1 => "calibrated: pF1",
            Self::CalibratedBrier => "calibrated: Brier",
            Self::CalibratedEce => "calibrated: ECE, width",
            Self::CalibratedEceSameCount => "calibrated: ECE, count",
        }
    }
}

/// Estimates by metric, in the order requested.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetricSet(pub Vec<(MetricName, Estimate)>);

impl MetricSet {
    /// The estimate of `name`, if it was requested.
    pub fn get(&self, name: MetricName) -> Option<&Estimate> {
        self.0.iter().find(|(found, _)| *found == name).map(|(_, estimate)| estimate)
    }
}

impl Serialize for MetricSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, estimate) in &self.0 {
            map.serialize_entry(name.key(), estimate)?;
        }
        map.end()
    }
}

/// Items, sorted and binned once for any weights.
pub struct Prepared<'a> {
    items: &'a Items,
    decided: &'a Decisions,
    ranked: Result<Ranked, Undefined>,
    grid: Result<Grid, Undefined>,
    raw: [Result<Binned, Undefined>; 2],
    calibrated: [Result<Binned, Undefined>; 2],
}

impl<'a> Prepared<'a> {
    /// Sorts and bins.
    pub fn new(items: &'a Items, decided: &'a Decisions) -> Self {
        let (p, labels) = (&items.probabilities, &items.labels);
        let binnings = [Binning::SameWidth(ECE_BINS), Binning::SameCount(ECE_BINS)];
        let calibrated = decided.calibrated.as_ref().map_err(|reason| *reason);
        Self {
            ranked: Ranked::new(p, labels),
            grid: Grid::new(p, labels),
            raw: binnings.map(|binning| Binned::new(p, labels, binning)),
            calibrated: binnings.map(|binning| Binned::new(calibrated?, labels, binning)),
            items,
            decided,
        }
    }

    /// The items with one weight per item.
    pub fn weighted(&'a self, weights: &'a [f64]) -> Weighted<'a> {
        Weighted { of: self, weights, confusion: OnceCell::new(), best: OnceCell::new() }
    }

    /// The requested metrics, with intervals.
    pub fn metrics(&self, names: &[MetricName], bootstrap: &Bootstrap) -> MetricSet {
        let all = |weights: &[f64]| -> Vec<MetricValue> {
            let weighted = self.weighted(weights);
            names.iter().map(|name| weighted.metric(*name)).collect()
        };
        let estimates = bootstrap.estimate(&self.items.patients, all);
        MetricSet(names.iter().copied().zip(estimates).collect())
    }
}

/// Items with one weight per item: one resample. Counts that several metrics need are made once.
pub struct Weighted<'a> {
    of: &'a Prepared<'a>,
    weights: &'a [f64],
    confusion: OnceCell<Result<Confusion, Undefined>>,
    best: OnceCell<Result<BestF1, Undefined>>,
}

impl Weighted<'_> {
    /// The value of one metric.
    pub fn metric(&self, name: MetricName) -> MetricValue {
        let (of, weights) = (self.of, self.weights);
        let (p, labels) = (&of.items.probabilities, &of.items.labels);
        let ranked = || of.ranked.as_ref().map_err(|reason| *reason);
        let ece = |binned: &Result<Binned, Undefined>| match binned {
            Ok(binned) => binned.ece(weights),
            Err(reason) => Err(*reason),
        };
        let calibrated = || of.decided.calibrated.as_ref().map_err(|reason| *reason);
        match name {
            MetricName::Auroc => ranked()?.auroc(weights),
            MetricName::PartialAuroc => ranked()?.partial_auroc(weights, MAX_FPR),
            MetricName::Auprc => ranked()?.auprc(weights),
            MetricName::Pf1 => pf1_weighted(p, labels, weights),
            MetricName::BestF1 => self.best().map(|best| best.f1),
            MetricName::BestF1Accuracy => self.best().map(|best| best.accuracy),
            MetricName::F1 => self.confusion()?.f1(),
            MetricName::Accuracy => self.confusion()?.accuracy(),
            MetricName::Sensitivity => self.confusion()?.sensitivity(),
            MetricName::Specificity => self.confusion()?.specificity(),
            MetricName::RecallRate => self.confusion()?.recall_rate(),
            MetricName::Ppv => self.confusion()?.ppv(),
            MetricName::SensitivityAt90 => ranked()?.sensitivity_at(weights, 0.90),
            MetricName::SensitivityAt95 => ranked()?.sensitivity_at(weights, 0.95),
            MetricName::SensitivityAt99 => ranked()?.sensitivity_at(weights, 0.99),
            MetricName::Brier => brier(p, labels, weights),
            MetricName::Ece => ece(&of.raw[0]),
            MetricName::EceSameCount => ece(&of.raw[1]),
            MetricName::CalibratedPf1 => pf1_weighted(calibrated()?, labels, weights),
            MetricName::CalibratedBrier => brier(calibrated()?, labels, weights),
            MetricName::CalibratedEce => ece(&of.calibrated[0]),
            MetricName::CalibratedEceSameCount => ece(&of.calibrated[1]),
        }
    }

    fn best(&self) -> Result<BestF1, Undefined> {
        let grid = || self.of.grid.as_ref().map_err(|reason| *reason)?.best_f1(self.weights);
        *self.best.get_or_init(grid)
    }

    fn confusion(&self) -> Result<Confusion, Undefined> {
        let count = || {
            let called = self.of.decided.called.as_ref().map_err(|reason| *reason)?;
            Ok(Confusion::of(called, &self.of.items.labels, self.weights))
        };
        *self.confusion.get_or_init(count)
    }
}
