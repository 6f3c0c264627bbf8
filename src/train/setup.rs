//! Builds what the training loop needs from the settings: network, heads, loaders.

use std::sync::Arc;

use super::checkpoint::{self, Facts};
use super::network::{self, stream};
use crate::config::TrainConfig;
use crate::error::Fault;
use crate::flow::Stop;
use crate::loader::{Loader, LoaderConfig, Prior, Remainder};
use crate::model::columns::Coded;
use crate::model::heads::HeadsSpec;
use crate::model::network::Network;
use crate::model::weights::{Report, Source, load_into};
use crate::model::{Device, ModelError, Normalisation};
use crate::random::Random;
use crate::record::{Column, ImageRecord};
use crate::shard::table::Table;

/// The settings of a run, its device and its threads.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The `train` section.
    pub train: TrainConfig,
    /// The device of the network.
    pub device: Device,
    /// Initial weights of the backbone, as given on the command line: a file or a name on the hub;
    /// random ones if `None`.
    pub init: Option<String>,
    /// Threads that read and augment images; 0 means one per core.
    pub loader_threads: usize,
}

impl Setup {
    /// The structure of the heads. Classes and statistics of the columns come from the training
    /// `rows`.
    pub fn heads<'a>(&self, rows: impl Iterator<Item = &'a ImageRecord> + Clone) -> HeadsSpec {
        let (model, auxiliary) = (&self.train.model, &self.train.auxiliary);
        let learn = |columns: &[_]| -> Vec<Coded> {
            columns.iter().map(|column| Coded::learn(*column, rows.clone())).collect()
        };
        let targets = if auxiliary.weight > 0.0 { auxiliary.targets.as_slice() } else { &[] };
        HeadsSpec {
            features: model.variant.features(),
            dropout: model.dropout.unwrap_or_else(|| model.variant.dropout()),
            // A column with a single class (only one site, for example) carries no information.
            targets: learn(targets).into_iter().filter(|target| target.outputs() > 0).collect(),
            inputs: learn(&auxiliary.inputs),
            embedding: auxiliary.embedding_dim,
        }
    }

    /// The auxiliary targets that `rows` can teach nothing about, each with the reason: no row has a
    /// value, or all values are equal.
    pub fn idle_targets<'a>(
        &self,
        rows: impl Iterator<Item = &'a ImageRecord> + Clone,
    ) -> Vec<(Column, &'static str)> {
        let auxiliary = &self.train.auxiliary;
        let targets = if auxiliary.weight > 0.0 { auxiliary.targets.as_slice() } else { &[] };
        let why = |column: Column| {
            let coded = Coded::learn(column, rows.clone());
            let mut codes = rows.clone().filter_map(|row| coded.code(row));
            match codes.next() {
                None => Some("no image has a value"),
                Some(first) => codes.all(|code| code == first).then_some("all values are equal"),
            }
        };
        targets.iter().filter_map(|column| Some((*column, why(*column)?))).collect()
    }

    /// A network with random weights.
    ///
    /// # Errors
    /// [`ModelError`] if the device is missing or does not support the precision.
    pub fn network(&self, heads: HeadsSpec) -> Result<Network, Fault> {
        Ok(network::random(&self.train, self.device, heads)?)
    }

    /// Loads the initial weights into a new network, and reports which tensors did not fit. `None`
    /// if the network keeps its random weights.
    ///
    /// # Errors
    /// [`ModelError`] if they cannot be found or read, or do not fit.
    pub fn initialise(&self, network: &mut Network) -> Result<Option<Report>, Fault> {
        let Some(init) = &self.init else { return Ok(None) };
        let source = Source::parse(init).map_err(ModelError::from)?;
        Ok(Some(load_into(&mut network.backbone, &source)?))
    }

    /// Loads batches for training.
    ///
    /// # Errors
    /// [`LoaderError`](crate::loader::LoaderError).
    pub fn loader(&self, table: &Arc<Table>, rows: &[usize]) -> Result<Loader, Fault> {
        let config = LoaderConfig {
            batch: self.train.batch,
            seed: Random::seed_of(self.train.seed, stream::ORDER),
            remainder: Remainder::Drop,
            sampling: self.train.sampling,
            augment: self.train.augment.clone(),
            threads: self.loader_threads,
            ..LoaderConfig::default()
        };
        // Not the run's stop, so that a step that has started gets all its batches.
        Loader::new(table, rows, &self.with_memory(table, config), &Stop::default())
    }

    /// Loads batches for validation.
    ///
    /// # Errors
    /// [`LoaderError`](crate::loader::LoaderError).
    pub fn held_out_loader(&self, table: &Arc<Table>, rows: &[usize]) -> Result<Loader, Fault> {
        let config = LoaderConfig {
            threads: self.loader_threads,
            ..LoaderConfig::sequential(self.train.batch)
        };
        Loader::new(table, rows, &self.with_memory(table, config), &Stop::default())
    }

    /// Raises the memory limit to at least four batches plus the memory for reading.
    fn with_memory(&self, table: &Table, config: LoaderConfig) -> LoaderConfig {
        let images = 4 * config.batch + 256;
        let memory_mb = config.memory_mb.max((images * table.image_bytes()).div_ceil(1 << 20));
        LoaderConfig { memory_mb, ..config }
    }

    /// The facts of a checkpoint of this run.
    pub fn facts(
        &self,
        table: &Table,
        heads: &HeadsSpec,
        fold: Option<u16>,
        prior: Option<Prior>,
    ) -> Facts {
        Facts {
            format_version: checkpoint::FORMAT_VERSION,
            tool: env!("CARGO_PKG_VERSION").into(),
            train: self.train.clone(),
            heads: heads.clone(),
            normalisation: Normalisation::of_pretrained(self.train.model.channels),
            height: table.shape.height,
            width: table.shape.width,
            bits: table.shape.bits,
            release_plan_sha256: table.plan_sha256.clone(),
            preprocessing: table.plan.settings.clone(),
            fold,
            prior,
            epoch: 0,
            step: 0,
            averaged: self.train.ema_decay.is_some(),
            validation: None,
        }
    }
}
