//! Explains a run: selects held-out images, computes their maps, writes pictures and
//! `explain.json`.
//!
//! In: a [`Request`]. Out: an [`Explanation`], and in the output folder for every selected image
//! `KIND-IMAGE.png` (the crop, plain and under its map). If the dataset is given, also
//! `KIND-IMAGE-source.png` and `.dcm`: the map on the source image. If all held-out images are
//! explained, `energy.parquet` has the share of each, which an evaluation reads.
//!
//! If a source cannot be read again, the image's `problem` says why; the other images go on.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::energy::{Energy, Share};
use super::error::ExplainError;
use super::explanation::{Explained, Explanation, INDEX, Request, ThresholdFrom};
use super::gradcam;
use super::overlay;
use super::place::Heat;
use super::secondary_capture::{self, Derivation};
use super::select::{Kind, select};
use super::source::{self, SourceError};
use crate::config::{Config, DatasetConfig, of_settings};
use crate::dataset::refuse_inside;
use crate::error::{Fault, chain};
use crate::evaluate::choice::{self, Given};
use crate::explain::maps::{self, ImageEnergy, MapSettings, WORST};
use crate::flow::Stop;
use crate::model::network::Network;
use crate::predict::networks;
use crate::predict::source::from_release;
use crate::predict::{Input, batch::Batch};
use crate::predictions::{self, Items, Level, Prediction, sigmoid};
use crate::preprocess::memory::Memory;
use crate::record::ImageRecord;
use crate::shard::sources::Places;
use crate::shard::table::{Row, Table};
use crate::store::{self, marked_json};
use crate::train::folder::RunFolder;
use crate::train::run::{RunFacts, read_facts};

/// Explains a run. `seen` is called after every image, with the total number of images.
///
/// # Errors
/// [`ExplainError`]; [`TrainError`](crate::train::TrainError) if the run has no such fold; those of reading and writing.
pub fn explain(
    request: &Request,
    device: crate::model::Device,
    stop: &Stop,
    seen: &dyn Fn(usize),
) -> Result<Explanation, Fault> {
    let facts = read_facts(&request.run)?;
    let config = of_settings(&facts.preprocessing, "the run's preprocessing")?;
    if let Some(dataset) = &request.dataset {
        let dataset = DatasetConfig { input: dataset.clone(), ..config.dataset.clone() };
        refuse_inside(&request.output, &dataset)?;
    }
    std::fs::create_dir_all(&request.output).map_err(Fault::io(&request.output))?;
    let index = request.target(INDEX)?;
    let table = table(request, &facts)?;
    let (threshold, threshold_from) = threshold(request, &facts)?;
    let (network, weights_sha256) = network(request, device)?;
    let chosen = choose(request, &table, threshold)?;

    let mut explainer = Explainer {
        request,
        table: &table,
        places: Places::of(&table.release),
        memory: Memory::divide(&config, 1, 1)?,
        config,
        network,
        run: weights_sha256[..16].to_owned(),
        images: BTreeMap::new(),
        energies: Vec::new(),
    };
    let held_out = |index: usize| request.all && table.rows[index].fold() == Some(request.fold);
    let wanted = |index: usize| chosen.contains_key(&index) || held_out(index);
    let total = (0..table.rows.len()).filter(|&index| wanted(index)).count();
    from_release(&table, wanted, |index, input| {
        if stop.is_raised() {
            return Err(ExplainError::Stopped.into());
        }
        explainer.explain(index, &input, chosen.get(&index).copied())?;
        seen(total);
        Ok(())
    })?;
    let Explainer { images, energies, .. } = explainer;
    if request.all {
        write_energy(request, &energies, &weights_sha256)?;
    }
    let shares = energies.iter().map(|image| Share {
        image_id: image.prediction.record.image_id.to_string(),
        probability: image.prediction.probability,
        inside: image.inside,
    });
    let explanation = Explanation {
        weights_sha256,
        fold: request.fold,
        layer: request.layer.clone(),
        method: request.method,
        threshold,
        threshold_from,
        images: images.into_values().collect(),
        energy: Energy::of(shares.collect(), WORST),
        energy_of_all: request.all,
    };
    index.put(&marked_json(&explanation))?;
    Ok(explanation)
}

/// Computes the map of every held-out image of the fold, and writes the share of its energy inside
/// the breast to `energy.parquet` in the output folder, where an evaluation finds it. Writes nothing
/// else.
///
/// # Errors
/// Those of [`explain`].
pub fn measure_energy(
    request: &Request,
    device: crate::model::Device,
    stop: &Stop,
    seen: &dyn Fn(usize),
) -> Result<(), Fault> {
    let facts = read_facts(&request.run)?;
    let table = table(request, &facts)?;
    let (mut network, weights_sha256) = network(request, device)?;
    std::fs::create_dir_all(&request.output).map_err(Fault::io(&request.output))?;
    let held_out = |index: usize| table.rows[index].fold() == Some(request.fold);
    let total = (0..table.rows.len()).filter(|&index| held_out(index)).count();
    let mut energies = Vec::with_capacity(total);
    from_release(&table, held_out, |index, input| {
        if stop.is_raised() {
            return Err(ExplainError::Stopped.into());
        }
        energies.push(explain_image(&mut network, request, &table.rows[index], &input)?.0);
        seen(total);
        Ok(())
    })?;
    write_energy(request, &energies, &weights_sha256)
}

/// The best network of the fold, and the SHA-256 of its file.
fn network(request: &Request, device: crate::model::Device) -> Result<(Network, String), Fault> {
    let weights = RunFolder::new(&request.run).fold(Some(request.fold)).best();
    let sha256 = store::sha256(&std::fs::read(&weights).map_err(Fault::io(&weights))?);
    Ok((networks::read(&weights, device)?, sha256))
}

fn write_energy(
    request: &Request,
    energies: &[ImageEnergy],
    weights_sha256: &str,
) -> Result<(), Fault> {
    let settings = MapSettings {
        layer: request.layer.clone(),
        method: request.method,
        weights_sha256: weights_sha256.into(),
    };
    request.target(maps::ENERGY)?.put(&maps::encode(energies, &settings))
}

/// The prediction and the map of an image.
fn explain_image(
    network: &mut Network,
    request: &Request,
    row: &Row,
    input: &Input,
) -> Result<(ImageEnergy, Heat), Fault> {
    let size = (input.pixels.width(), input.pixels.height());
    let batch = Batch::of(&[input], false);
    let (logits, tap) = network.explain(&batch.images(), &[&input.record], &request.layer)?;
    let map = gradcam::maps(&tap, request.method, size).remove(0);
    let heat = Heat::new(map, row.geometry);
    let (record, role) = (row.record.clone(), row.role);
    let (logit, probability) = (logits[0], sigmoid(logits[0]));
    let prediction = Prediction { record, role, logit, probability };
    let inside = heat.share_inside(row.breast);
    Ok((ImageEnergy { prediction, inside }, heat))
}

/// The release that the run was trained on, with the run's folds.
fn table(request: &Request, facts: &RunFacts) -> Result<Table, Fault> {
    let path = request.release.as_ref().unwrap_or(&facts.release);
    let table = Table::read(path)?;
    if table.plan_sha256 != facts.release_plan_sha256 {
        let (found, needed) = (table.plan_sha256, facts.release_plan_sha256.clone());
        return Err(ExplainError::OtherRelease { path: path.clone(), found, needed }.into());
    }
    networks::with_folds(table, facts)
}

/// The predictions of a fold's network for the held-out images.
fn validation(run: &Path, fold: u16) -> Result<Vec<Prediction>, Fault> {
    predictions::read(&RunFolder::new(run).fold(Some(fold)).validation())
}

/// The threshold for this fold, chosen on the other folds, by image.
fn threshold(request: &Request, facts: &RunFacts) -> Result<(f64, ThresholdFrom), Fault> {
    if let Some(given) = request.threshold {
        return Ok((given, ThresholdFrom::Given));
    }
    let mut predictions = validation(&request.run, request.fold)?;
    for fold in facts.held_out.iter().flatten().filter(|fold| **fold != request.fold) {
        let path = RunFolder::new(&request.run).fold(Some(*fold)).validation();
        if path.exists() {
            predictions.extend(predictions::read(&path)?);
        }
    }
    let items = Items::of(&predictions, Level::Image);
    let role = |rows: &Vec<u32>| predictions[rows[0] as usize].role;
    let roles: Vec<_> = items.rows.iter().map(role).collect();
    let by_others = choice::cross_fitted(&items, &roles, Given::default());
    let of_fold = by_others.selected.iter().find(|chosen| chosen.fold == Some(request.fold));
    if let Some(threshold) = of_fold.and_then(|chosen| chosen.threshold) {
        return Ok((threshold, ThresholdFrom::OtherFolds));
    }
    let by_itself = choice::locked(&items, &items, Given::default());
    match by_itself.selected.first().and_then(|chosen| chosen.threshold) {
        Some(threshold) => Ok((threshold, ThresholdFrom::ThisFold)),
        None => {
            let fold = RunFolder::new(&request.run).fold(Some(request.fold));
            Err(ExplainError::OneClass { path: fold.validation() }.into())
        }
    }
}

/// The selected rows of the table, each with its position among the selected and its kind.
fn choose(
    request: &Request,
    table: &Table,
    threshold: f64,
) -> Result<HashMap<usize, (usize, Kind)>, Fault> {
    let predictions = validation(&request.run, request.fold)?;
    let images: Vec<(&ImageRecord, f64)> =
        predictions.iter().map(|p| (&p.record, p.probability)).collect();
    let index: HashMap<&str, usize> = (table.rows.iter().enumerate())
        .map(|(index, row)| (row.record.image_id.as_str(), index))
        .collect();
    let chosen = select(&images, threshold, request.count);
    let row = |(place, (kind, image)): (usize, (Kind, usize))| {
        Some((*index.get(images[image].0.image_id.as_str())?, (place, kind)))
    };
    Ok(chosen.into_iter().enumerate().filter_map(row).collect())
}

/// Explains one image after the other.
struct Explainer<'a> {
    request: &'a Request,
    table: &'a Table,
    places: Places,
    config: Config,
    memory: Memory,
    network: Network,
    run: String,
    images: BTreeMap<usize, Explained>,
    energies: Vec<ImageEnergy>,
}

impl Explainer<'_> {
    fn explain(
        &mut self,
        index: usize,
        input: &Input,
        chosen: Option<(usize, Kind)>,
    ) -> Result<(), Fault> {
        let row = &self.table.rows[index];
        let (image, heat) = explain_image(&mut self.network, self.request, row, input)?;
        let (probability, inside) = (image.prediction.probability, image.inside);
        self.energies.push(image);
        let Some((place, kind)) = chosen else { return Ok(()) };

        let image_id = row.record.image_id.to_string();
        let stem = format!("{}-{image_id}", kind.as_str());
        let crop = format!("{stem}.png");
        let page = overlay::side_by_side(&input.pixels, &heat, row.breast);
        self.request.draw(&crop, &page)?;
        let mut explained = Explained {
            kind,
            patient_id: row.record.patient_id.to_string(),
            image_id,
            laterality: row.record.laterality.map(|side| side.as_str().to_owned()),
            view: row.record.view.as_ref().map(|view| view.as_str().to_owned()),
            probability,
            energy_inside: inside,
            peak: heat.peak(),
            breast: row.breast,
            crop,
            source: None,
            secondary_capture: None,
            problem: None,
        };
        if let Some(dataset) = &self.request.dataset {
            match source::read(row, dataset, &self.places, &self.config, &self.memory) {
                Ok(source) => self.draw_on(&source, &heat, &stem, &mut explained)?,
                Err(error) => explained.problem = Some(problem(&error, row)),
            }
        }
        self.images.insert(place, explained);
        Ok(())
    }

    fn draw_on(
        &self,
        source: &source::Source,
        heat: &Heat,
        stem: &str,
        explained: &mut Explained,
    ) -> Result<(), Fault> {
        let Request { fold, layer, method, captures, .. } = self.request;
        let page = overlay::on_source(&source.windowed, heat);
        let name = format!("{stem}-source.png");
        self.request.draw(&name, &page)?;
        explained.source = Some(name);
        if *captures {
            let derivation = Derivation { run: &self.run, fold: *fold, layer, method: *method };
            let name = format!("{stem}-source.dcm");
            let file = secondary_capture::file(&source.origin, &page, &derivation);
            self.request.target(&name)?.put(&file)?;
            explained.secondary_capture = Some(name);
        }
        Ok(())
    }
}

fn problem(error: &SourceError, row: &Row) -> String {
    format!("{}: {}", row.source_path, chain(error))
}
