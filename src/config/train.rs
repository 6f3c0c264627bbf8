//! The `train` section: how a network is trained. It changes no byte of a release.

mod check;

use serde::{Deserialize, Serialize};

use super::{AugmentConfig, Sampling};
use crate::model::{Precision, Variant};
use crate::record::Column;

/// The `train` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// The network.
    pub model: ModelConfig,
    /// Auxiliary targets and auxiliary inputs.
    pub auxiliary: AuxiliaryConfig,
    /// The loss.
    pub loss: LossConfig,
    /// How often images with cancer are used.
    pub sampling: Sampling,
    /// Augmentation of the training images; none if `None`.
    pub augment: Option<AugmentConfig>,
    /// The optimizer.
    pub optimizer: OptimizerConfig,
    /// The learning rate schedule.
    pub schedule: ScheduleConfig,
    /// Passes over the training images.
    pub epochs: usize,
    /// Images in a forward pass.
    pub batch: usize,
    /// Batches whose gradients are added up for one optimizer step.
    pub accumulate: usize,
    /// Decay of the exponential moving average of the weights. The averaged weights are validated
    /// and saved. `None`: no average.
    pub ema_decay: Option<f64>,
    /// Type of the activations; weights are always f32.
    pub precision: Precision,
    /// Store only the input of each stage, and compute the rest again in the backward pass.
    pub gradient_checkpointing: bool,
    /// How the best epoch is selected, and when training stops early.
    pub early_stopping: EarlyStoppingConfig,
    /// Minutes between two saved states; 0 saves after every step.
    pub save_minutes: f64,
    /// The source of the folds.
    pub folds: Folds,
    /// Seed of initial weights, order of images, augmentation, dropout and drop-path.
    pub seed: u64,
}

/// The `train.model` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// The variant of EfficientNet.
    pub variant: Variant,
    /// Input channels, 1 or 3; for 3, the grey image is repeated.
    pub channels: usize,
    /// Dropout rate of the features before the heads; the variant's own if `None`.
    pub dropout: Option<f64>,
    /// Drop-path rate of the last block; earlier blocks have less.
    pub drop_path: f64,
}

/// The `train.auxiliary` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuxiliaryConfig {
    /// `w` in `loss = (1 - w) * cancer + w * auxiliary`; 0 trains on cancer alone.
    pub weight: f64,
    /// Columns that the network predicts besides cancer.
    pub targets: Vec<Column>,
    /// Columns that the heads get besides the image features.
    pub inputs: Vec<Column>,
    /// Size of the vector that the auxiliary inputs are embedded into.
    pub embedding_dim: usize,
}

/// The `train.loss` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossConfig {
    /// Loss of the cancer head.
    pub kind: LossKind,
    /// Exponent of the focal loss.
    pub focal_gamma: f64,
    /// Label smoothing: the share of a label that is spread over both classes.
    pub label_smoothing: f64,
    /// Target value of a positive label, such as 0.9.
    pub positive_label: f64,
    /// Weight of the positive images in the loss.
    pub positive_weight: f64,
    /// Loss of regression targets.
    pub regression: RegressionLoss,
}

/// Loss of the cancer head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LossKind {
    /// Binary cross-entropy.
    Bce,
    /// Focal loss: cross-entropy with a smaller weight for images that are already classified well
    /// (Lin et al. 2017).
    Focal,
}

/// Loss of a regression target, in units of its standard deviation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegressionLoss {
    /// Squared error up to one standard deviation, absolute error beyond.
    Huber,
    /// Squared error.
    Mse,
}

/// The `train.optimizer` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerConfig {
    /// The kind of optimizer.
    pub kind: OptimizerKind,
    /// The highest learning rate of the schedule.
    pub learning_rate: f64,
    /// Weight decay of weights, not of norms and biases. Decoupled in AdamW; added to the gradient
    /// in SGD.
    pub weight_decay: f64,
    /// Decay rates of the first and second moment (AdamW).
    pub betas: [f64; 2],
    /// Added to the denominator (AdamW).
    pub epsilon: f64,
    /// Momentum (SGD).
    pub momentum: f64,
    /// Whether the momentum is Nesterov's (SGD).
    pub nesterov: bool,
    /// Gradient clipping: a gradient with a larger norm is scaled down to this norm. `None`: no
    /// clipping.
    pub max_grad_norm: Option<f64>,
}

/// The optimizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Loshchilov and Hutter (2019).
    Adamw,
    /// Stochastic gradient descent with momentum.
    Sgd,
}

/// The `train.schedule` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleConfig {
    /// The kind of schedule.
    pub kind: ScheduleKind,
    /// Share of all steps in which the learning rate rises to its highest.
    pub warmup_ratio: f64,
    /// Last learning rate of `cosine`, as a share of the highest.
    pub min_lr_ratio: f64,
    /// Epochs between two drops of `step`.
    pub step_epochs: usize,
    /// Factor of the learning rate at each drop of `step`.
    pub step_factor: f64,
}

/// Kind of learning rate schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// Linear warm-up, then half a cosine (Loshchilov and Hutter 2017).
    Cosine,
    /// PyTorch's `OneCycleLR`: rises from 1/25 of the highest rate, then falls to almost 0.
    OneCycle,
    /// Linear warm-up, then a drop every `step_epochs` epochs.
    Step,
    /// Linear warm-up, then constant.
    Constant,
}

/// The `train.early_stopping` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStoppingConfig {
    /// Metric that selects the best epoch, by breast on the held-out fold.
    pub metric: Metric,
    /// Epochs without an improvement before training stops; `None`: never stop early.
    pub patience: Option<usize>,
}

/// A validation metric, by breast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Metric {
    Auroc,
    Auprc,
    Pf1,
    F1,
}

/// The source of the folds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Folds {
    /// The folds of the release.
    Release,
    /// Patients are reassigned to folds by the `folds` section.
    Reassign,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            model: ModelConfig { variant: Variant::B4, channels: 1, dropout: None, drop_path: 0.2 },
            auxiliary: AuxiliaryConfig {
                weight: 0.1,
                targets: Column::ALL.to_vec(),
                inputs: Vec::new(),
                embedding_dim: 16,
            },
            loss: LossConfig {
                kind: LossKind::Bce,
                focal_gamma: 2.0,
                label_smoothing: 0.0,
                positive_label: 0.9,
                positive_weight: 1.0,
                regression: RegressionLoss::Huber,
            },
            sampling: Sampling { positives_per_batch: 1, oversample_positives: 1.0 },
            augment: Some(AugmentConfig::default()),
            optimizer: OptimizerConfig {
                kind: OptimizerKind::Adamw,
                learning_rate: 3e-4,
                weight_decay: 0.02,
                betas: [0.9, 0.999],
                epsilon: 1e-8,
                momentum: 0.9,
                nesterov: false,
                max_grad_norm: Some(5.0),
            },
            schedule: ScheduleConfig {
                kind: ScheduleKind::Cosine,
                warmup_ratio: 0.05,
                min_lr_ratio: 0.01,
                step_epochs: 3,
                step_factor: 0.1,
            },
            epochs: 10,
            batch: 16,
            accumulate: 1,
            ema_decay: Some(0.9998),
            precision: Precision::F32,
            gradient_checkpointing: false,
            early_stopping: EarlyStoppingConfig { metric: Metric::Auroc, patience: Some(4) },
            save_minutes: 10.0,
            folds: Folds::Release,
            seed: 42,
        }
    }
}
