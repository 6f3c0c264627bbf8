//! A trained network in one file: the weights, and everything that is needed to use them.
//!
//! It is a safetensors file with timm's names (the heads are `heads.*`), so PyTorch can load it.
//! [`Facts`] are JSON in its metadata, under `mammo_pipe`.

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

/// What the weights are and how they were trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// [`FORMAT_VERSION`] of the tool that wrote it.
    pub format_version: u32,
    /// The version of that tool.
    pub tool: String,
    /// The `train` settings, including the architecture of the network.
    pub train: TrainConfig,
    /// The structure of the heads.
    pub heads: HeadsSpec,
    /// How the network normalises grey levels.
    pub normalisation: Normalisation,
    /// Rows of the images.
    pub height: usize,
    /// Columns of the images.
    pub width: usize,
    /// Bits per pixel.
    pub bits: u8,
    /// Plan hash of the training release.
    pub release_plan_sha256: String,
    /// The settings that made that release.
    pub preprocessing: Value,
    /// The held-out fold; `None` if the network was trained on all folds.
    pub fold: Option<u16>,
    /// Prevalence in the training rows and in the batches of the sampler. The logits correspond
    /// to the second. `None` if the sampler used each row once.
    pub prior: Option<Prior>,
    /// The epoch of these weights, counted from 1.
    pub epoch: usize,
    /// Optimizer steps done.
    pub step: u64,
    /// Whether the weights are the moving average.
    pub averaged: bool,
    /// Validation of these weights on the held-out fold, if there is one.
    pub validation: Option<Scores>,
}

/// A checkpoint that was read from its file.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// What the weights are and how they were trained.
    pub facts: Facts,
    tensors: Tensors,
    path: std::path::PathBuf,
}

/// Writes the current weights of `network` to `path`, in one step through `.tmp` in `folder`.
///
/// # Errors
/// [`Fault::Io`]; [`ModelError`](crate::model::ModelError) if the device fails.
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
    /// [`Fault::Io`]; [`TrainError::Checkpoint`] if the file is not a checkpoint or is of a later
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
    /// As [`Checkpoint::load`]; [`ModelError`](crate::model::ModelError) if the device is missing.
    pub fn network(&self, device: Device) -> Result<Network, Fault> {
        let mut train = self.facts.train.clone();
        if device == Device::Cpu {
            // Networks trained in bf16 on a GPU have f32 weights, too.
            train.precision = Precision::F32;
        }
        let mut network = network::random(&train, device, self.facts.heads.clone())?;
        self.load(&mut network)?;
        Ok(network)
    }

    /// Loads the weights into a network with the structure that the facts describe.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] for the first tensor that is missing or has another shape;
    /// [`ModelError`](crate::model::ModelError) if the device fails.
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
