//! How much of the maps' energy lies inside the breast: the figure of a run, with an interval and
//! the worst images first.
//!
//! In: `fold-<k>/explain/energy.parquet` of every fold, which `explain --all` and
//! `evaluate --maps` leave: a row a held-out image, of the network that is in the fold's
//! `best.safetensors`. Out: [`Maps`]; or [`NoMaps`], why there is none.
//!
//! An image where nothing speaks for cancer has no map and no share. It is counted, and left out
//! of every mean.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::gradcam::Method;
use crate::error::Fault;
use crate::evaluate::{Bootstrap, Estimate};
use crate::metrics::{Figure, Undefined};
use crate::predictions;
use crate::predictions::PredictionsError;
use crate::record::ImageRecord;
use crate::shard::cells::Cells;
use crate::shard::reader::ShardReader;
use crate::store;
use crate::train::folder::RunFolder;
use crate::train::run::RunFacts;

/// The file with the share of every map, in the folder of a fold's maps.
pub const ENERGY: &str = "energy.parquet";

/// Images that are named, of the lowest shares.
pub const WORST: usize = 20;

/// The energy of all maps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Maps {
    /// The block that is shown.
    pub layer: String,
    /// How.
    pub method: Method,
    /// Of all folds, with intervals from resampled patients.
    #[serde(flatten)]
    pub energy: Energy,
    /// Fold by fold, without intervals.
    pub folds: Vec<AtFold>,
    /// The lowest shares, lowest first.
    pub worst: Vec<Worst>,
}

/// Figures of the shares.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Energy {
    /// Images looked at.
    pub images: usize,
    /// Those with a map.
    pub with_map: usize,
    /// Mean share of a map's energy inside the breast's box.
    pub inside: Estimate,
    /// Share of the maps that have most of their energy outside.
    pub mostly_outside: Estimate,
}

/// The figures of one fold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AtFold {
    /// Which.
    pub fold: u16,
    /// The figures.
    #[serde(flatten)]
    pub energy: Energy,
}

/// One image whose map lies beside the breast.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Worst {
    /// The patient.
    pub patient_id: String,
    /// The image.
    pub image_id: String,
    /// Its fold.
    pub fold: u16,
    /// What the network said.
    pub probability: f64,
    /// Share of its map's energy inside the breast's box.
    pub inside: f64,
}

/// Why the maps have no figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoMaps {
    /// A file of predictions has no networks.
    NoRun,
    /// No network is there that something was held out from.
    NoNetwork,
    /// Folds whose network did not look at all its held-out images.
    NotLooked(Vec<u16>),
    /// Folds that were looked at before their network became what it is.
    Stale(Vec<u16>),
    /// Folds that were looked at in another way than the first.
    Otherwise(Vec<u16>),
}

impl std::fmt::Display for NoMaps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (folds, why) = match self {
            Self::NoRun => return f.write_str("predictions alone have no networks to look with"),
            Self::NoNetwork => {
                return f.write_str("the run has no network that something was held out from");
            }
            Self::NotLooked(folds) => (folds, "did not look at all held-out images yet"),
            Self::Stale(folds) => (folds, "looked at them with other weights than it has now"),
            Self::Otherwise(folds) => (folds, "looked at another layer or by another method"),
        };
        let list: Vec<String> = folds.iter().map(u16::to_string).collect();
        let plural = if folds.len() == 1 { "" } else { "s" };
        write!(f, "the network of fold{plural} {} {why}", list.join(", "))
    }
}

impl Serialize for NoMaps {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One row of `energy.parquet`.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// What the network said of the image.
    pub prediction: predictions::Prediction,
    /// Share of its map's energy inside the breast's box; `None` without a map.
    pub inside: Option<f64>,
}

/// How a fold's images were looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Way {
    /// The block.
    pub layer: String,
    /// The method.
    pub method: Method,
    /// SHA-256 of the weights' file.
    pub weights_sha256: String,
}

/// Where the shares of a fold are.
pub fn path(run: &Path, fold: u16) -> PathBuf {
    RunFolder::new(run).fold(Some(fold)).maps().join(ENERGY)
}

/// What was looked at, as the bytes of a Parquet file.
pub fn encode(looks: &[Look], way: &Way) -> Vec<u8> {
    use crate::shard::records::{double, text};
    let said: Vec<_> = looks.iter().map(|look| look.prediction.clone()).collect();
    let further = vec![
        double("energy_inside", "share of the map's energy inside the breast", looks, |l| l.inside),
        text("layer", "the block that the map is of", looks, |_| Some(way.layer.as_str())),
        text("method", "how the map was made", looks, |_| Some(way.method.as_str())),
        text("weights_sha256", "the network's file", looks, |_| Some(way.weights_sha256.as_str())),
    ];
    predictions::encode(&said, further, &[])
}

/// Reads what [`encode`] wrote; `None` if it is empty.
///
/// # Errors
/// Those of [`predictions::read`]; [`PredictionsError`] if it does not say how.
pub fn read(path: &Path) -> Result<Option<(Vec<Look>, Way)>, Fault> {
    let said = predictions::read(path)?;
    let (mut shares, mut way) = (Vec::with_capacity(said.len()), None);
    for batch in ShardReader::open(path, None)? {
        let batch = batch?;
        let cells = Cells(&batch);
        for row in 0..batch.num_rows() {
            shares.push(cells.real("energy_inside", row));
            let found = || {
                Some(Way {
                    layer: cells.text("layer", row)?,
                    method: Method::of_name(&cells.text("method", row)?)?,
                    weights_sha256: cells.text("weights_sha256", row)?,
                })
            };
            way = way.or_else(found);
        }
    }
    if said.is_empty() {
        return Ok(None);
    }
    let looks = said.into_iter().zip(shares);
    let looks = looks.map(|(prediction, inside)| Look { prediction, inside }).collect();
    let reason = || "does not say which layer and weights it is of".into();
    let way = way.ok_or_else(|| PredictionsError { path: path.into(), reason: reason() })?;
    Ok(Some((looks, way)))
}

/// The shares of the run in `run`, fold by fold, if all of its folds that were judged have looked
/// with the weights that they have now.
///
/// # Errors
/// Those of reading.
pub fn of_run(
    run: &Path,
    facts: &RunFacts,
    bootstrap: &Bootstrap,
) -> Result<Result<Maps, NoMaps>, Fault> {
    let weights = |fold: u16| RunFolder::new(run).fold(Some(fold)).best();
    let folds: Vec<u16> =
        facts.held_out.iter().flatten().copied().filter(|fold| weights(*fold).exists()).collect();
    if folds.is_empty() {
        return Ok(Err(NoMaps::NoNetwork));
    }
    let (mut looked, mut missing, mut stale) = (Vec::new(), Vec::new(), Vec::new());
    for &fold in &folds {
        let path = path(run, fold);
        let found = if path.exists() { read(&path)? } else { None };
        let Some((looks, way)) = found else {
            missing.push(fold);
            continue;
        };
        let file = weights(fold);
        if way.weights_sha256 != store::sha256(&std::fs::read(&file).map_err(Fault::io(&file))?) {
            stale.push(fold);
        }
        looked.push((fold, looks, way));
    }
    if !missing.is_empty() {
        return Ok(Err(NoMaps::NotLooked(missing)));
    }
    if !stale.is_empty() {
        return Ok(Err(NoMaps::Stale(stale)));
    }
    let of = |way: &Way| (way.layer.clone(), way.method);
    let (layer, method) = of(&looked[0].2);
    let otherwise = looked.iter().filter(|(_, _, way)| of(way) != (layer.clone(), method));
    let otherwise: Vec<u16> = otherwise.map(|(fold, ..)| *fold).collect();
    if !otherwise.is_empty() {
        return Ok(Err(NoMaps::Otherwise(otherwise)));
    }
    let folds: Vec<(u16, Vec<Look>)> =
        looked.into_iter().map(|(fold, looks, _)| (fold, looks)).collect();
    Ok(Ok(Maps::of(&folds, layer, method, bootstrap)))
}

impl Maps {
    /// Of the images of these folds.
    pub fn of(
        folds: &[(u16, Vec<Look>)],
        layer: String,
        method: Method,
        bootstrap: &Bootstrap,
    ) -> Self {
        let all: Vec<&Look> = folds.iter().flat_map(|(_, looks)| looks).collect();
        let alone = Bootstrap { resamples: 0, ..*bootstrap };
        let at_fold = |(fold, looks): &(u16, Vec<Look>)| {
            let looks: Vec<&Look> = looks.iter().collect();
            AtFold { fold: *fold, energy: Energy::of(&looks, &alone) }
        };
        Self {
            layer,
            method,
            energy: Energy::of(&all, bootstrap),
            folds: folds.iter().map(at_fold).collect(),
            worst: worst(folds),
        }
    }
}

impl Energy {
    fn of(looks: &[&Look], bootstrap: &Bootstrap) -> Self {
        let shares: Vec<(&ImageRecord, f64)> =
            looks.iter().filter_map(|look| Some((&look.prediction.record, look.inside?))).collect();
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let patients: Vec<u32> = shares
            .iter()
            .map(|(record, _)| {
                let next = numbers.len() as u32;
                *numbers.entry(record.patient_id.as_str()).or_insert(next)
            })
            .collect();
        let mean = |weights: &[f64], value: &dyn Fn(f64) -> f64| -> Figure {
            let all: f64 = weights.iter().sum();
            let sum = shares.iter().zip(weights).map(|((_, share), w)| w * value(*share));
            if all > 0.0 { Ok(sum.sum::<f64>() / all) } else { Err(Undefined::NoMap) }
        };
        let figures = |weights: &[f64]| {
            let outside = |share: f64| f64::from(u8::from(share < 0.5));
            vec![mean(weights, &|share| share), mean(weights, &outside)]
        };
        let [inside, mostly_outside] = bootstrap
            .estimate(&patients, figures)
            .try_into()
            .expect("as many estimates as figures");
        Self { images: looks.len(), with_map: shares.len(), inside, mostly_outside }
    }
}

fn worst(folds: &[(u16, Vec<Look>)]) -> Vec<Worst> {
    let each = folds.iter().flat_map(|(fold, looks)| looks.iter().map(move |look| (*fold, look)));
    let one = |(fold, look): (u16, &Look)| {
        Some(Worst {
            patient_id: look.prediction.record.patient_id.to_string(),
            image_id: look.prediction.record.image_id.to_string(),
            fold,
            probability: look.prediction.probability,
            inside: look.inside?,
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
    fn folds(share: impl Fn(usize) -> Option<f64>) -> Vec<(u16, Vec<Look>)> {
        let said = made(1, 4, 2, 0.0);
        let looks = said.into_iter().enumerate();
        let looks: Vec<Look> =
            looks.map(|(i, prediction)| Look { prediction, inside: share(i) }).collect();
        let of = |fold: u16| {
            let own = looks.iter().filter(|look| look.prediction.role == Role::Fold(fold));
            (fold, own.cloned().collect())
        };
        vec![of(0), of(1)]
    }

    fn maps(share: impl Fn(usize) -> Option<f64>) -> Maps {
        let bootstrap = Bootstrap { resamples: 200, ..Bootstrap::default() };
        Maps::of(&folds(share), "conv_head".into(), Method::GradCam, &bootstrap)
    }

    #[test]
    fn a_mean_is_over_the_images_with_a_map_and_its_interval_over_patients() {
        // Patient 0 looks beside the breast in all four images, one of patient 3's has no map.
        let found = maps(|i| match i {
            0..4 => Some(0.25),
            15 => None,
            _ => Some(1.0),
        });
        let Maps { energy, folds, worst, .. } = found;
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
        assert_eq!(json["inside"]["undefined"], "nothing speaks for cancer in any image");
    }

    #[test]
    fn shares_are_read_as_they_were_written_with_the_way_they_were_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("energy.parquet");
        let way = Way {
            layer: "blocks.2.1".into(),
            method: Method::GradCamPlusPlus,
            weights_sha256: "abc".into(),
        };
        let looks = folds(|i| (i % 3 > 0).then_some(i as f64 / 16.0)).remove(0).1;
        std::fs::write(&path, encode(&looks, &way)).unwrap();
        let (again, found) = read(&path).unwrap().unwrap();
        assert_eq!(found, way);
        let inside = |looks: &[Look]| looks.iter().map(|look| look.inside).collect::<Vec<_>>();
        assert_eq!(inside(&again), inside(&looks));
        assert_eq!(again[3].prediction.record.image_id, looks[3].prediction.record.image_id);
    }
}
