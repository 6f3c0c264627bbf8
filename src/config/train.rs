//! The `train` section: how a release becomes a model. It changes no byte of a release.

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
    /// Targets beside cancer, and what the heads are told beside the image.
    pub auxiliary: AuxiliaryConfig,
    /// What is made small.
    pub loss: LossConfig,
    /// How often images with cancer come.
    pub sampling: Sampling,
    /// What is done to images before they are trained on; nothing if `None`.
    pub augment: Option<AugmentConfig>,
    /// How a gradient becomes a step.
    pub optimizer: OptimizerConfig,
    /// The learning rate over time.
    pub schedule: ScheduleConfig,
    /// Passes over the training images.
    pub epochs: usize,
    /// Images of a forward pass.
    pub batch: usize,
    /// Batches whose gradients make one optimizer step.
    pub accumulate: usize,
    /// Decay of the moving average of the weights, which is then what is validated and kept;
    /// `None` keeps none.
    pub ema_decay: Option<f64>,
    /// Numbers that activations are kept in; weights are always f32.
    pub precision: Precision,
    /// Keep only each stage's input and compute the rest again on the way back.
    pub gradient_checkpointing: bool,
    /// When to stop before the last epoch.
    pub early_stopping: EarlyStoppingConfig,
    /// Time between two saved states; 0 saves after every step.
    pub save_minutes: f64,
    /// Which folds.
    pub folds: Folds,
    /// Decides initial weights, order, augmentation, dropout and drop-path.
    pub seed: u64,
}

/// The `train.model` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Which EfficientNet.
    pub variant: Variant,
    /// Input channels, 1 or 3: a grey image is repeated for 3.
    pub channels: usize,
    /// Share of the features dropped before the heads; the variant's own if `None`.
    pub dropout: Option<f64>,
    /// Share of the last block's branches dropped; fewer before it.
    pub drop_path: f64,
}

/// The `train.auxiliary` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuxiliaryConfig {
    /// `w` in `total = (1 - w) * cancer + w * auxiliary`; 0 trains on cancer alone.
    pub weight: f64,
    /// Columns that the network also learns to tell.
    pub targets: Vec<Column>,
    /// Columns that the heads are told.
    pub inputs: Vec<Column>,
    /// Values that the inputs are embedded in.
    pub embedding_dim: usize,
}

/// The `train.loss` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossConfig {
    /// Of the cancer head.
    pub kind: LossKind,
    /// Exponent of the focal loss.
    pub focal_gamma: f64,
    /// Share of a label that is spread over both classes.
    pub label_smoothing: f64,
    /// What a positive label counts as, such as 0.9.
    pub positive_label: f64,
    /// Weight of the positives' part of the loss.
    pub positive_weight: f64,
    /// Of regression targets.
    pub regression: RegressionLoss,
}

/// Loss of the cancer head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LossKind {
    /// Binary cross-entropy.
    Bce,
    /// Cross-entropy, less for those that are told well already (Lin et al. 2017).
    Focal,
}

/// Loss of a regression target, in standard deviations of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegressionLoss {
    /// Squared within one standard deviation, absolute beyond.
    Huber,
    /// Squared.
    Mse,
}

/// The `train.optimizer` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Which rule.
    pub kind: OptimizerKind,
    /// The highest of the schedule.
    pub learning_rate: f64,
    /// Decoupled under AdamW, a part of the gradient under SGD; of weights alone, never of norms and
    /// biases.
    pub weight_decay: f64,
    /// AdamW's decays of the first and second moment.
    pub betas: [f64; 2],
    /// AdamW's addend under the fraction.
    pub epsilon: f64,
    /// SGD's.
    pub momentum: f64,
    /// SGD's variant.
    pub nesterov: bool,
    /// Longest gradient; a longer one is shortened to it. `None` for any.
    pub max_grad_norm: Option<f64>,
}

/// How a gradient becomes a step.
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
    /// The curve.
    pub kind: ScheduleKind,
    /// Share of all steps in which the rate rises to its highest.
    pub warmup_ratio: f64,
    /// What `cosine` ends at, as a share of the highest.
    pub min_lr_ratio: f64,
    /// Epochs between two falls of `step`.
    pub step_epochs: usize,
    /// What is left at each fall of `step`.
    pub step_factor: f64,
}

/// Curve of the learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// Warm-up in a line, then half a cosine (Loshchilov and Hutter 2017).
    Cosine,
    /// PyTorch's `OneCycleLR`: up from a 25th, then down to nearly nothing.
    OneCycle,
    /// Warm-up in a line, then a fall every `step_epochs`.
    Step,
    /// Warm-up in a line, then level.
    Constant,
}

/// The `train.early_stopping` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStoppingConfig {
    /// What the best epoch is best at, on the held-out breasts.
    pub metric: Metric,
    /// Epochs without a better one before the run ends; `None` for all epochs.
    pub patience: Option<usize>,
}

/// A figure of validation, by breast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Metric {
    Auroc,
    Auprc,
    Pf1,
    F1,
}

/// Where the folds come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Folds {
    /// As the release has them.
    Release,
    /// Dealt anew by the `folds` section.
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
