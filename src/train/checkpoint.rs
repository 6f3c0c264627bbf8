//! A trained network in one file: weights, and all that is needed to use them.
//!
//! A safetensors file in timm's names (the heads as `heads.*`), so that PyTorch loads it; the
//! rest stands as JSON in its metadata under `mammo_pipe`.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::TrainError;
use super::network;
use super::tensors::{self, Named, Tensors};
use super::validate::Scores;
use crate::config::TrainConfig;
use crate::error::Fault;
use crate::loader::Prior;
use crate::model::heads::HeadsSpec;
use crate::model::network::Network;
use crate::model::{Backbone, Buffer, Device, Entry, Normalisation, Precision};

/// Version of the file's layout; a reader refuses a higher one.
pub const FORMAT_VERSION: u32 = 1;

/// What the weights are of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// [`FORMAT_VERSION`] of the tool that wrote it.
    pub format_version: u32,
    /// The release of that tool.
    pub tool: String,
    /// How it was trained, the network's shape among it.
    pub train: TrainConfig,
    /// What the heads are made of.
    pub heads: HeadsSpec,
    /// How grey levels enter the network.
    pub normalisation: Normalisation,
    /// Rows of the images.
    pub height: usize,
    /// Columns of the images.
    pub width: usize,
    /// Bits of a pixel.
    pub bits: u8,
    /// Plan hash of the release that was trained on.
    pub release_plan_sha256: String,
    /// The settings that made that release.
    pub preprocessing: Value,
    /// The fold that was held out; `None` if all were trained on.
    pub fold: Option<u16>,
    /// Shares of images with cancer, in the rows and as the sampler dealt them, which the
    /// logits are of; `None` if it dealt each row once.
    pub prior: Option<Prior>,
    /// Epochs done.
    pub epoch: usize,
    /// Optimizer steps done.
    pub step: u64,
    /// Whether the weights are the moving average.
    pub averaged: bool,
    /// Of these weights on the held-out fold, if it was judged.
    pub validation: Option<Scores>,
}

/// A file that was read.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// What the weights are of.
    pub facts: Facts,
    tensors: Tensors,
    path: std::path::PathBuf,
}

/// Puts the weights of `network` as they are at `path`, in one step through `.tmp` in `folder`.
///
/// # Errors
/// [`Fault::Io`]; [`ModelError`] if the device refuses.
pub fn write(folder: &Path, path: &Path, facts: &Facts, network: &Network) -> Result<(), Fault> {
    let parameters = network.backbone.read(Buffer::Parameters)?;
    let statistics = network.backbone.read(Buffer::Statistics)?;
    let layout = network.backbone.layout();
    let heads = (network.heads.layout(), network.heads.read(Buffer::Parameters));
    let groups: [(&[Entry], &[f32]); 3] =
        [(&layout.parameters, &parameters), (&layout.statistics, &statistics), heads];
    let named: Vec<Named<'_>> = groups
        .into_iter()
        .flat_map(|(entries, values)| {
            entries.iter().map(|entry| Named {
                name: entry.name.clone(),
                shape: entry.shape.clone(),
                values: values[entry.range.clone()].into(),
            })
        })
        .collect();
    tensors::write(folder, path, facts, &named)
}

impl Checkpoint {
    /// Reads a file that [`write()`] wrote.
    ///
    /// # Errors
    /// [`Fault::Io`]; [`TrainError::Checkpoint`] for a file that is no such thing or of a later
    /// version.
    pub fn read(path: &Path) -> Result<Self, Fault> {
        let (facts, tensors): (Facts, _) = tensors::read(path)?;
        let found = facts.format_version;
        if found > FORMAT_VERSION {
            let reason =
                format!("has format version {found}, this tool reads up to {FORMAT_VERSION}");
            return Err(TrainError::Checkpoint { path: path.into(), reason }.into());
        }
        Ok(Self { facts, tensors, path: path.into() })
    }

    /// The network, on a device.
    ///
    /// # Errors
    /// As [`Checkpoint::load`]; [`ModelError`] if the device is missing.
    pub fn network(&self, device: Device) -> Result<Network, Fault> {
        let mut train = self.facts.train.clone();
        if device == Device::Cpu {
            // What was trained in bf16 on a GPU has weights in f32 all the same.
            train.precision = Precision::F32;
        }
        let mut network = network::random(&train, device, self.facts.heads.clone())?;
        self.load(&mut network)?;
        Ok(network)
    }

    /// Gives the weights to a network of the shape that the facts describe.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] naming the first tensor that is missing or of another shape;
    /// [`ModelError`] if the device refuses.
    pub fn load(&self, network: &mut Network) -> Result<(), Fault> {
        let layout = network.backbone.layout().clone();
        network.backbone.write(Buffer::Parameters, &self.gather(&layout.parameters)?)?;
        network.backbone.write(Buffer::Statistics, &self.gather(&layout.statistics)?)?;
        let heads = self.gather(network.heads.layout())?;
        network.heads.write(Buffer::Parameters, &heads)?;
        Ok(())
    }

    fn gather(&self, entries: &[Entry]) -> Result<Vec<f32>, Fault> {
        let mut flat = vec![0.0; entries.last().map_or(0, |last| last.range.end)];
        for entry in entries {
            let wrong = |reason: String| TrainError::Checkpoint { path: self.path.clone(), reason };
            let (shape, values) = self
                .tensors
                .get(&entry.name)
                .ok_or_else(|| wrong(format!("has no tensor {}", entry.name)))?;
            if *shape != entry.shape {
                let reason = format!("{} is {shape:?}, needs {:?}", entry.name, entry.shape);
                return Err(wrong(reason).into());
            }
            flat[entry.range.clone()].copy_from_slice(values);
        }
        Ok(flat)
    }
}
