//! The share of the maps' energy inside the breast, for a whole run, with an interval and the worst
//! images first.
//!
//! In: `fold-<k>/explain/energy.parquet` of every fold, which `explain --all` and
//! `evaluate --maps` write: one row per held-out image, for the network in the fold's
//! `best.safetensors`. Out: [`RunMaps`]; or [`NoMaps`], the reason why there are none.
//!
//! If no place raised the score, the map of an image is empty and has no share. The image is
//! counted, and left out of every mean.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::gradcam::Method;
use crate::error::Fault;
use crate::evaluate::{Bootstrap, Estimate};
use crate::metrics::{MetricValue, Undefined};
use crate::predictions;
use crate::predictions::PredictionsError;
use crate::record::ImageRecord;
use crate::shard::cells::Cells;
use crate::shard::reader::ShardReader;
use crate::store;
use crate::train::folder::{MAPS_ENERGY, RunFolder};
use crate::train::run::RunFacts;

/// The file with the share of every image, in the folder of a fold's maps.
pub const ENERGY: &str = MAPS_ENERGY;

/// Number of images listed, those with the lowest shares.
pub const WORST: usize = 20;

/// The energy of all maps of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunMaps {
    /// The block whose activation is shown.
    pub layer: String,
    /// The method of the maps.
    pub method: Method,
    /// The energy over all folds, with intervals from resampled patients.
    #[serde(flatten)]
    pub energy: EnergyEstimate,
    /// The energy of each fold, without intervals.
    pub folds: Vec<FoldEnergy>,
    /// The lowest shares, lowest first.
    pub worst: Vec<Worst>,
}

/// Estimates from the shares of several images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct EnergyEstimate {
    /// Number of images explained.
    pub images: usize,
    /// Number of images whose map is not empty.
    pub with_map: usize,
    /// Mean share of a map's energy inside the breast's box.
    pub inside: Estimate,
    /// Share of the maps with most of their energy outside the breast.
    pub mostly_outside: Estimate,
}

/// The energy of one fold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FoldEnergy {
    /// The fold's number.
    pub fold: u16,
    /// The energy.
    #[serde(flatten)]
    pub energy: EnergyEstimate,
}

/// One image whose map lies mostly outside the breast.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Worst {
    /// The patient.
    pub patient_id: String,
    /// The image.
    pub image_id: String,
    /// Its fold.
    pub fold: u16,
    /// The predicted probability.
    pub probability: f64,
    /// Share of its map's energy inside the breast's box.
    pub inside: f64,
}

/// Why the energy of the maps is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoMaps {
    /// A file of predictions has no networks.
    NoRun,
    /// The run has no network with a held-out fold.
    NoNetwork,
    /// Folds whose held-out images have no maps yet.
    NotMeasured(Vec<u16>),
    /// Folds whose maps were made with other weights than their network has now.
    Stale(Vec<u16>),
    /// Folds whose maps are of another layer or method than those of the first fold.
    OtherSettings(Vec<u16>),
}

impl std::fmt::Display for NoMaps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (folds, why) = match self {
            Self::NoRun => {
                return f.write_str("a file of predictions has no network to make maps with");
            }
            Self::NoNetwork => {
                return f.write_str("the run has no network with a held-out fold");
            }
            Self::NotMeasured(folds) => (folds, "has no maps of all held-out images yet"),
            Self::Stale(folds) => (folds, "has maps that were made with other weights"),
            Self::OtherSettings(folds) => (folds, "has maps of another layer or method"),
        };
        let list: Vec<String> = folds.iter().map(u16::to_string).collect();
        let plural = if folds.len() == 1 { "" } else { "s" };
        let why = if folds.len() == 1 { why.to_owned() } else { why.replacen("has", "have", 1) };
        write!(f, "fold{plural} {} {why}", list.join(", "))
    }
}

impl Serialize for NoMaps {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One row of `energy.parquet`.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageEnergy {
    /// The prediction for the image.
    pub prediction: predictions::Prediction,
    /// Share of its map's energy inside the breast's box; `None` if the map is empty.
    pub inside: Option<f64>,
}

/// How the maps of a fold were made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MapSettings {
    /// The block.
    pub layer: String,
    /// The method.
    pub method: Method,
    /// SHA-256 of the weights' file.
    pub weights_sha256: String,
}

/// The file with the shares of a fold.
pub fn path(run: &Path, fold: u16) -> PathBuf {
    RunFolder::new(run).fold(Some(fold)).maps().join(ENERGY)
}

/// The shares of a fold's images, as the bytes of a Parquet file.
pub fn encode(energies: &[ImageEnergy], settings: &MapSettings) -> Vec<u8> {
    use crate::shard::records::{double, text};
    let predictions: Vec<_> = energies.iter().map(|image| image.prediction.clone()).collect();
    let further = vec![
        double("energy_inside", "share of the map's energy inside the breast", energies, |l| {
            l.inside
        }),
        text("layer", "the block whose activation is shown", energies, |_| {
            Some(settings.layer.as_str())
        }),
        text("method", "the method of the map", energies, |_| Some(settings.method.as_str())),
        text("weights_sha256", "SHA-256 of the network's file", energies, |_| {
            Some(settings.weights_sha256.as_str())
        }),
    ];
    predictions::encode(&predictions, further, &[])
}

/// Reads what [`encode`] wrote; `None` if it is empty.
///
/// # Errors
/// Those of [`predictions::read`]; [`PredictionsError`] if the file does not name layer, method and
/// weights.
pub fn read(path: &Path) -> Result<Option<(Vec<ImageEnergy>, MapSettings)>, Fault> {
    let predictions = predictions::read(path)?;
    let (mut shares, mut settings) = (Vec::with_capacity(predictions.len()), None);
    for batch in ShardReader::open(path, None)? {
        let batch = batch?;
        let cells = Cells(&batch);
        for row in 0..batch.num_rows() {
            shares.push(cells.real("energy_inside", row));
            let found = || {
                Some(MapSettings {
                    layer: cells.text("layer", row)?,
                    method: Method::of_name(&cells.text("method", row)?)?,
                    weights_sha256: cells.text("weights_sha256", row)?,
                })
            };
            settings = settings.or_else(found);
        }
    }
    if predictions.is_empty() {
        return Ok(None);
    }
    let energies = predictions.into_iter().zip(shares);
    let energies =
        energies.map(|(prediction, inside)| ImageEnergy { prediction, inside }).collect();
    let reason = || "does not name layer, method and weights of the maps".into();
    let settings =
        settings.ok_or_else(|| PredictionsError { path: path.into(), reason: reason() })?;
    Ok(Some((energies, settings)))
}

/// The shares of the run in `run`, if every finished fold has maps that were made with its present
/// weights.
///
/// # Errors
/// Those of reading.
pub fn of_run(
    run: &Path,
    facts: &RunFacts,
    bootstrap: &Bootstrap,
) -> Result<Result<RunMaps, NoMaps>, Fault> {
    let weights = |fold: u16| RunFolder::new(run).fold(Some(fold)).best();
    let folds: Vec<u16> =
        facts.held_out.iter().flatten().copied().filter(|fold| weights(*fold).exists()).collect();
    if folds.is_empty() {
        return Ok(Err(NoMaps::NoNetwork));
    }
    let (mut measured, mut missing, mut stale) = (Vec::new(), Vec::new(), Vec::new());
    for &fold in &folds {
        let path = path(run, fold);
        let found = if path.exists() { read(&path)? } else { None };
        let Some((energies, settings)) = found else {
            missing.push(fold);
            continue;
        };
        let file = weights(fold);
        if settings.weights_sha256
            != store::sha256(&std::fs::read(&file).map_err(Fault::io(&file))?)
        {
            stale.push(fold);
        }
        measured.push((fold, energies, settings));
    }
    if !missing.is_empty() {
        return Ok(Err(NoMaps::NotMeasured(missing)));
    }
    if !stale.is_empty() {
        return Ok(Err(NoMaps::Stale(stale)));
    }
    let of = |settings: &MapSettings| (settings.layer.clone(), settings.method);
    let (layer, method) = of(&measured[0].2);
    let others = measured.iter().filter(|(_, _, settings)| of(settings) != (layer.clone(), method));
    let others: Vec<u16> = others.map(|(fold, ..)| *fold).collect();
    if !others.is_empty() {
        return Ok(Err(NoMaps::OtherSettings(others)));
    }
    let folds: Vec<(u16, Vec<ImageEnergy>)> =
        measured.into_iter().map(|(fold, energies, _)| (fold, energies)).collect();
    Ok(Ok(RunMaps::of(&folds, layer, method, bootstrap)))
}

impl RunMaps {
    /// Summarises the images of these folds.
    pub fn of(
        folds: &[(u16, Vec<ImageEnergy>)],
        layer: String,
        method: Method,
        bootstrap: &Bootstrap,
    ) -> Self {
        let all: Vec<&ImageEnergy> = folds.iter().flat_map(|(_, energies)| energies).collect();
        let alone = Bootstrap { resamples: 0, ..*bootstrap };
        let at_fold = |(fold, energies): &(u16, Vec<ImageEnergy>)| {
            let energies: Vec<&ImageEnergy> = energies.iter().collect();
            FoldEnergy { fold: *fold, energy: EnergyEstimate::of(&energies, &alone) }
        };
        Self {
            layer,
            method,
            energy: EnergyEstimate::of(&all, bootstrap),
            folds: folds.iter().map(at_fold).collect(),
            worst: worst(folds),
        }
    }
}

impl EnergyEstimate {
    fn of(energies: &[&ImageEnergy], bootstrap: &Bootstrap) -> Self {
        let shares: Vec<(&ImageRecord, f64)> = energies
            .iter()
            .filter_map(|image| Some((&image.prediction.record, image.inside?)))
            .collect();
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let patients: Vec<u32> = shares
            .iter()
            .map(|(record, _)| {
                let next = numbers.len() as u32;
                *numbers.entry(record.patient_id.as_str()).or_insert(next)
            })
            .collect();
        let mean = |weights: &[f64], value: &dyn Fn(f64) -> f64| -> MetricValue {
            let all: f64 = weights.iter().sum();
            let sum = shares.iter().zip(weights).map(|((_, share), w)| w * value(*share));
            if all > 0.0 { Ok(sum.sum::<f64>() / all) } else { Err(Undefined::NoMap) }
        };
        let metrics = |weights: &[f64]| {
            let outside = |share: f64| f64::from(u8::from(share < 0.5));
            vec![mean(weights, &|share| share), mean(weights, &outside)]
        };
        let [inside, mostly_outside] = bootstrap
            .estimate(&patients, metrics)
            .try_into()
            .expect("as many estimates as metrics");
        Self { images: energies.len(), with_map: shares.len(), inside, mostly_outside }
    }
}

fn worst(folds: &[(u16, Vec<ImageEnergy>)]) -> Vec<Worst> {
    let each =
        folds.iter().flat_map(|(fold, energies)| energies.iter().map(move |image| (*fold, image)));
    let one = |(fold, image): (u16, &ImageEnergy)| {
        Some(Worst {
            patient_id: image.prediction.record.patient_id.to_string(),
            image_id: image.prediction.record.image_id.to_string(),
            fold,
            probability: image.prediction.probability,
            inside: image.inside?,
        })
    };
    let mut worst: Vec<Worst> = each.filter_map(one).collect();
    worst.sort_by(|a, b| a.inside.total_cmp(&b.inside).then_with(|| a.image_id.cmp(&b.image_id)));
    worst.truncate(WORST);
    worst
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Role;
    use crate::predictions::made::made;

    /// Two folds of two patients with four images each; every share is `share(place)`.
    fn folds(share: impl Fn(usize) -> Option<f64>) -> Vec<(u16, Vec<ImageEnergy>)> {
        let said = made(1, 4, 2, 0.0);
        let energies = said.into_iter().enumerate();
        let energies: Vec<ImageEnergy> =
            energies.map(|(i, prediction)| ImageEnergy { prediction, inside: share(i) }).collect();
        let of = |fold: u16| {
            let own = energies.iter().filter(|image| image.prediction.role == Role::Fold(fold));
            (fold, own.cloned().collect())
        };
        vec![of(0), of(1)]
    }

    fn maps(share: impl Fn(usize) -> Option<f64>) -> RunMaps {
        let bootstrap = Bootstrap { resamples: 200, ..Bootstrap::default() };
        RunMaps::of(&folds(share), "conv_head".into(), Method::GradCam, &bootstrap)
    }

    #[test]
    fn a_mean_is_over_the_images_with_a_map_and_its_interval_over_patients() {
        // Patient 0 looks beside the breast in all four images, one of patient 3's has no map.
        let found = maps(|i| match i {
            0..4 => Some(0.25),
            15 => None,
            _ => Some(1.0),
        });
        let RunMaps { energy, folds, worst, .. } = found;
        assert_eq!((energy.images, energy.with_map), (16, 15));
        assert_eq!(energy.inside.value, Some((4.0 * 0.25 + 11.0) / 15.0));
        assert_eq!(energy.mostly_outside.value, Some(4.0 / 15.0));
        // Four patients are drawn, so some resamples have patient 0 not at all, and some twice.
        let [low, high] = energy.inside.interval.unwrap();
        assert!(low < 0.65 && high == 1.0, "{low} {high}");
        assert_eq!(folds[1].energy.inside.value, Some(1.0));
        assert_eq!((folds[0].energy.with_map, folds[1].energy.with_map), (8, 7));
        assert_eq!(folds[0].energy.inside.interval, None);
        let ids: Vec<&str> = worst.iter().map(|w| w.image_id.as_str()).collect();
        assert_eq!((ids.len(), &ids[..5]), (15, &["100", "101", "102", "103", "104"][..]));
        assert_eq!((worst[0].patient_id.as_str(), worst[0].fold), ("0", 0));
    }

    #[test]
    fn where_nothing_speaks_for_cancer_the_figure_is_null_with_its_reason() {
        let found = maps(|_| None);
        assert_eq!((found.energy.images, found.energy.with_map), (16, 0));
        assert_eq!((found.energy.inside.value, found.energy.inside.interval), (None, None));
        assert_eq!(found.energy.inside.undefined, Some(Undefined::NoMap));
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!(
            json["inside"]["undefined"],
            "every map is empty: no place raised the cancer score"
        );
    }

    #[test]
    fn shares_are_read_as_they_were_written_with_the_way_they_were_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("energy.parquet");
        let settings = MapSettings {
            layer: "blocks.2.1".into(),
            method: Method::GradCamPlusPlus,
            weights_sha256: "abc".into(),
        };
        let energies = folds(|i| (i % 3 > 0).then_some(i as f64 / 16.0)).remove(0).1;
        std::fs::write(&path, encode(&energies, &settings)).unwrap();
        let (again, found) = read(&path).unwrap().unwrap();
        assert_eq!(found, settings);
        let inside = |energies: &[ImageEnergy]| {
            energies.iter().map(|image| image.inside).collect::<Vec<_>>()
        };
        assert_eq!(inside(&again), inside(&energies));
        assert_eq!(again[3].prediction.record.image_id, energies[3].prediction.record.image_id);
    }
}
