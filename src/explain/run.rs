//! Explains a run: chooses images from what it said of the held-out ones, looks where it looked,
//! writes pictures and `explain.json`.
//!
//! In: a [`Request`]. Out: an [`Explanation`], and in the output folder for every chosen image
//! `KIND-IMAGE.png` (the crop, plain and under its map), and where the dataset is at hand
//! `KIND-IMAGE-source.png` and `.dcm`, the map carried back to the source. Where all held-out
//! images are looked at, `energy.parquet` has the share of each, which an evaluation reads.
//!
//! A source that cannot be read again is told of in its image's `problem`; all else goes on.

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
use crate::config::{Config, of_settings};
use crate::error::{Fault, chain};
use crate::evaluate::choice::{self, Given};
use crate::explain::maps::{self, Look, WORST, Way};
use crate::flow::Stop;
use crate::model::network::Network;
use crate::predict::networks;
use crate::predict::source::from_release;
use crate::predict::{Input, batch::Batch};
use crate::predictions::{self, Items, Level, Prediction, sigmoid};
use crate::preprocess::memory::Memory;
use crate::record::ImageRecord;
use crate::shard::table::{Row, Table};
use crate::store::{self, marked_json};
use crate::train::folder::RunFolder;
use crate::train::run::{RunFacts, read_facts};

/// Explains. `seen` is called after every image looked at, with how many there are.
///
/// # Errors
/// [`ExplainError`]; [`TrainError`] if the run has no such fold; those of reading and writing.
pub fn explain(
    request: &Request,
    device: crate::model::Device,
    stop: &Stop,
    seen: &dyn Fn(usize),
) -> Result<Explanation, Fault> {
    let facts = read_facts(&request.run)?;
    std::fs::create_dir_all(&request.output).map_err(Fault::io(&request.output))?;
    let index = request.target(INDEX)?;
    let table = table(request, &facts)?;
    let (threshold, threshold_from) = threshold(request, &facts)?;
    let (network, weights_sha256) = network(request, device)?;
    let chosen = choose(request, &table, threshold)?;

    let config = of_settings(&facts.preprocessing, "the run's preprocessing")?;
    let mut looker = Looker {
        request,
        table: &table,
        memory: Memory::divide(&config, 1, 1)?,
        config,
        network,
        run: weights_sha256[..16].to_owned(),
        images: BTreeMap::new(),
        looks: Vec::new(),
    };
    let held_out = |index: usize| request.all && table.rows[index].fold() == Some(request.fold);
    let wanted = |index: usize| chosen.contains_key(&index) || held_out(index);
    let total = (0..table.rows.len()).filter(|&index| wanted(index)).count();
    from_release(&table, wanted, |index, input| {
        if stop.is_raised() {
            return Err(ExplainError::Stopped.into());
        }
        looker.look(index, &input, chosen.get(&index).copied())?;
        seen(total);
        Ok(())
    })?;
    let Looker { images, looks, .. } = looker;
    if request.all {
        write_energy(request, &looks, &weights_sha256)?;
    }
    let shares = looks.iter().map(|look| Share {
        image_id: look.prediction.record.image_id.to_string(),
        probability: look.prediction.probability,
        inside: look.inside,
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

/// Looks at every held-out image of the fold, and leaves the share of each map's energy inside the
/// breast in the output folder, where an evaluation finds it: `energy.parquet` and nothing else.
///
/// # Errors
/// Those of [`explain`].
pub fn look_at_all(
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
    let mut looks = Vec::with_capacity(total);
    from_release(&table, held_out, |index, input| {
        if stop.is_raised() {
            return Err(ExplainError::Stopped.into());
        }
        looks.push(look(&mut network, request, &table.rows[index], &input)?.0);
        seen(total);
        Ok(())
    })?;
    write_energy(request, &looks, &weights_sha256)
}

/// The best network of the fold, and the SHA-256 of its file.
fn network(request: &Request, device: crate::model::Device) -> Result<(Network, String), Fault> {
    let weights = RunFolder::new(&request.run).fold(Some(request.fold)).best();
    let sha256 = store::sha256(&std::fs::read(&weights).map_err(Fault::io(&weights))?);
    Ok((networks::read(&weights, device)?, sha256))
}

fn write_energy(request: &Request, looks: &[Look], weights_sha256: &str) -> Result<(), Fault> {
    let way = Way {
        layer: request.layer.clone(),
        method: request.method,
        weights_sha256: weights_sha256.into(),
    };
    request.target(maps::ENERGY)?.put(&maps::encode(looks, &way))
}

/// What the network says of an image, and the map of it.
fn look(
    network: &mut Network,
    request: &Request,
    row: &Row,
    input: &Input,
) -> Result<(Look, Heat), Fault> {
    let size = (input.pixels.width(), input.pixels.height());
    let batch = Batch::of(&[input], false);
    let (logits, tap) = network.explain(&batch.images(), &[&input.record], &request.layer)?;
    let map = gradcam::maps(&tap, request.method, size).remove(0);
    let heat = Heat::new(map, row.geometry);
    let (record, role) = (row.record.clone(), row.role);
    let (logit, probability) = (logits[0], sigmoid(logits[0]));
    let prediction = Prediction { record, role, logit, probability };
    let inside = heat.share_inside(row.breast);
    Ok((Look { prediction, inside }, heat))
}

/// The release that the run was trained on, its folds dealt as the run had them.
fn table(request: &Request, facts: &RunFacts) -> Result<Table, Fault> {
    let path = request.release.as_ref().unwrap_or(&facts.release);
    let table = Table::read(path)?;
    if table.plan_sha256 != facts.release_plan_sha256 {
        let (found, needed) = (table.plan_sha256, facts.release_plan_sha256.clone());
        return Err(ExplainError::OtherRelease { path: path.clone(), found, needed }.into());
    }
    networks::with_folds(table, facts)
}

/// What the networks said of the images that each was not trained on.
fn validation(run: &Path, fold: u16) -> Result<Vec<Prediction>, Fault> {
    predictions::read(&RunFolder::new(run).fold(Some(fold)).validation())
}

/// The threshold that the other folds choose for this one, by image.
fn threshold(request: &Request, facts: &RunFacts) -> Result<(f64, ThresholdFrom), Fault> {
    if let Some(given) = request.threshold {
        return Ok((given, ThresholdFrom::Given));
    }
    let mut said = validation(&request.run, request.fold)?;
    for fold in facts.held_out.iter().flatten().filter(|fold| **fold != request.fold) {
        let path = RunFolder::new(&request.run).fold(Some(*fold)).validation();
        if path.exists() {
            said.extend(predictions::read(&path)?);
        }
    }
    let items = Items::of(&said, Level::Image);
    let role = |rows: &Vec<u32>| said[rows[0] as usize].role;
    let roles: Vec<_> = items.rows.iter().map(role).collect();
    let by_others = choice::cross_fitted(&items, &roles, Given::default());
    let of_fold = by_others.chosen.iter().find(|chosen| chosen.fold == Some(request.fold));
    if let Some(threshold) = of_fold.and_then(|chosen| chosen.threshold) {
        return Ok((threshold, ThresholdFrom::OtherFolds));
    }
    let by_itself = choice::locked(&items, &items, Given::default());
    match by_itself.chosen.first().and_then(|chosen| chosen.threshold) {
        Some(threshold) => Ok((threshold, ThresholdFrom::ThisFold)),
        None => {
            let fold = RunFolder::new(&request.run).fold(Some(request.fold));
            Err(ExplainError::OneClass { path: fold.validation() }.into())
        }
    }
}

/// Rows of the table, each with why it was chosen and its place among the chosen.
fn choose(
    request: &Request,
    table: &Table,
    threshold: f64,
) -> Result<HashMap<usize, (usize, Kind)>, Fault> {
    let said = validation(&request.run, request.fold)?;
    let images: Vec<(&ImageRecord, f64)> =
        said.iter().map(|p| (&p.record, p.probability)).collect();
    let index: HashMap<&str, usize> = (table.rows.iter().enumerate())
        .map(|(index, row)| (row.record.image_id.as_str(), index))
        .collect();
    let chosen = select(&images, threshold, request.count);
    let row = |(place, (kind, image)): (usize, (Kind, usize))| {
        Some((*index.get(images[image].0.image_id.as_str())?, (place, kind)))
    };
    Ok(chosen.into_iter().enumerate().filter_map(row).collect())
}

/// Looks at one image after the other.
struct Looker<'a> {
    request: &'a Request,
    table: &'a Table,
    config: Config,
    memory: Memory,
    network: Network,
    run: String,
    images: BTreeMap<usize, Explained>,
    looks: Vec<Look>,
}

impl Looker<'_> {
    fn look(
        &mut self,
        index: usize,
        input: &Input,
        chosen: Option<(usize, Kind)>,
    ) -> Result<(), Fault> {
        let row = &self.table.rows[index];
        let (look, heat) = look(&mut self.network, self.request, row, input)?;
        let (probability, inside) = (look.prediction.probability, look.inside);
        self.looks.push(look);
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
            capture: None,
            problem: None,
        };
        if let Some(dataset) = &self.request.dataset {
            match source::read(row, dataset, &self.config, &self.memory) {
                Ok(source) => self.draw_on(&source, &heat, &stem, &mut explained)?,
                Err(error) => explained.problem = Some(told(&error, row)),
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
            explained.capture = Some(name);
        }
        Ok(())
    }
}

fn told(error: &SourceError, row: &Row) -> String {
    format!("{}: {}", row.source_path, chain(error))
}
