//! The network: EfficientNet with its gradients written by hand, and heads on its features.
//!
//! In: a batch of images as the loader hands it over. Out: pooled features, and on the way
//! back the gradient of every parameter. The backbone knows no loss: heads and losses run on
//! the host, through candle's autograd, on `[batch, features]` numbers; the gradient that they
//! give for the features enters [`Backbone::backward`].
//!
//! All parameters lie in one flat buffer of f32 ([`Layout`] says which is where, in timm's
//! names), so that optimizer, EMA, clipping and checkpoints are loops over it.

pub mod variant;
pub mod plan;
pub mod kernels;
pub mod backbone;
pub mod build;
pub mod weights;
pub mod columns;
pub mod heads;
pub mod network;
pub mod update;

use std::ops::Range;

use crate::error::faults;
pub use build::{Device, Keep, Options, Precision, build};
pub use variant::Variant;

/// One image batch, grey levels as the shards hold them.
#[derive(Debug, Clone, Copy)]
pub struct Images<'a> {
    /// `[batch, height, width]`, row-major.
    pub pixels: Pixels<'a>,
    /// Images.
    pub batch: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
}

/// Grey levels of a batch.
#[derive(Debug, Clone, Copy)]
pub enum Pixels<'a> {
    /// 8 bits, full range.
    U8(&'a [u8]),
    /// 16 bits, full range.
    U16(&'a [u16]),
    /// Input values as they enter the network, `[batch, channel, height, width]`, for tests of parity.
    F32(&'a [f32]),
}

/// Grey levels as shares of the full range become `(share - mean) / std`, channel by channel.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Normalisation {
    /// One value a channel.
    pub mean: Vec<f32>,
    /// One value a channel.
    pub std: Vec<f32>,
}

/// What a forward pass is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Statistics of the batch, drop-path; running statistics are updated; what the backward
    /// pass needs is kept. `seed` alone decides what is dropped (of the step, say).
    Train {
        /// Seed of drop-path.
        seed: u64,
    },
    /// Running statistics; nothing is kept.
    Evaluate,
    /// Running statistics; what the backward pass needs is kept (Grad-CAM).
    Explain,
}

/// What kind of parameter it is: decides weight decay and initial values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Weight of a convolution or a linear map.
    Weight,
    /// Scale of a norm.
    Scale,
    /// Shift of a norm, or bias of a convolution or a linear map.
    Bias,
}

/// One parameter (or running statistic) in its flat buffer.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// timm's name, such as `blocks.1.0.conv_pw.weight`.
    pub name: String,
    /// PyTorch's shape, such as `[out, in, height, width]`.
    pub shape: Vec<usize>,
    /// Where its values are; in PyTorch's order.
    pub range: Range<usize>,
    /// What it is.
    pub kind: Kind,
}

/// Where each parameter and each running statistic lies.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layout {
    /// Trained, in the order of the network.
    pub parameters: Vec<Entry>,
    /// Running means and variances, in the order of the network, in a buffer of their own.
    pub statistics: Vec<Entry>,
}

/// The flat buffers of a backbone, for checkpoints and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buffer {
    /// f32 master weights; as [`Layout::parameters`].
    Parameters,
    /// Their gradient of the steps since [`Backbone::update`].
    Gradient,
    /// Running statistics; as [`Layout::statistics`].
    Statistics,
    /// First moment (AdamW) or velocity (SGD).
    FirstMoment,
    /// Second moment (AdamW).
    SecondMoment,
    /// Exponential moving average of the parameters.
    AveragedParameters,
    /// Exponential moving average of the statistics.
    AveragedStatistics,
}

/// One optimizer step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Update {
    /// How a gradient becomes a step.
    pub rule: Rule,
    /// Of this step.
    pub learning_rate: f64,
    /// On [`Kind::Weight`] alone: under AdamW a share of the weight per unit of learning rate, under
    /// SGD the share of the weight that is added to the gradient.
    pub weight_decay: f64,
    /// What the gradient is multiplied with first: 1 / accumulated batches, times clipping.
    pub gradient_scale: f64,
    /// Steps done before this one (for AdamW's bias correction).
    pub step: u64,
    /// Decay of the moving average; `None` keeps none.
    pub average_decay: Option<f64>,
}

/// How a gradient becomes a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// Loshchilov and Hutter, as PyTorch computes it.
    AdamW {
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        epsilon: f64,
    },
    /// Stochastic gradient descent, as PyTorch computes it.
    Sgd {
        /// Share of the velocity that is kept.
        momentum: f64,
        /// Nesterov's variant.
        nesterov: bool,
    },
}

/// Activation and gradient at a block, for Grad-CAM.
#[derive(Debug, Clone, PartialEq)]
pub struct Tap {
    /// `[batch, height, width, channels]` of both.
    pub shape: [usize; 4],
    /// What the block put out.
    pub activation: Vec<f32>,
    /// The gradient of the scalar that was walked back, with respect to it.
    pub gradient: Vec<f32>,
}

/// A network on a device, as training and evaluation use it.
pub trait Backbone: Send {
    /// Names, shapes and places of the parameters and statistics.
    fn layout(&self) -> &Layout;

    /// Pooled features an image: 1792 for B4.
    fn features(&self) -> usize;

    /// Pooled features, `[batch, features]`, on the host.
    ///
    /// # Errors
    /// [`ModelError`].
    fn forward(&mut self, images: &Images<'_>, mode: Mode) -> Result<Vec<f32>, ModelError>;

    /// Walks back from the gradient of the features, `[batch, features]`, after a forward pass
    /// in [`Mode::Train`] or [`Mode::Explain`], and adds to [`Buffer::Gradient`]. `ready` is
    /// called with each range of it that is final for this pass, last stage first.
    ///
    /// # Errors
    /// [`ModelError`].
    fn backward(
        &mut self,
        gradient: &[f32],
        ready: &mut dyn FnMut(Range<usize>),
    ) -> Result<(), ModelError>;

    /// Asks for activation and gradient at the end of the block of this name (`blocks.5.7`;
    /// `blocks.5` for the last of that stage; `conv_head` for the last activation before
    /// pooling); `None` ends it.
    ///
    /// # Errors
    /// [`ModelError::NoBlock`].
    fn tap(&mut self, block: Option<&str>) -> Result<(), ModelError>;

    /// What the last backward pass left at the tap.
    fn tapped(&mut self) -> Option<Tap>;

    /// Euclidean norm of [`Buffer::Gradient`].
    ///
    /// # Errors
    /// [`ModelError`].
    fn gradient_norm(&mut self) -> Result<f64, ModelError>;

    /// One optimizer step over all parameters; clears the gradient.
    ///
    /// # Errors
    /// [`ModelError`].
    fn update(&mut self, update: &Update) -> Result<(), ModelError>;

    /// Exchanges the weights and statistics with their moving averages, and back.
    ///
    /// # Errors
    /// [`ModelError`].
    fn exchange_average(&mut self) -> Result<(), ModelError>;

    /// A buffer, copied to the host.
    ///
    /// # Errors
    /// [`ModelError`].
    fn read(&self, buffer: Buffer) -> Result<Vec<f32>, ModelError>;

    /// Overwrites a buffer from the host.
    ///
    /// # Errors
    /// [`ModelError`], [`ModelError::Length`] among them.
    fn write(&mut self, buffer: Buffer, values: &[f32]) -> Result<(), ModelError>;
}

/// Why a network cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A buffer of another size.
    #[error("{what} holds {have} values, the network needs {need}")]
    Length {
        /// Which.
        what: &'static str,
        /// What was given.
        have: usize,
        /// What is needed.
        need: usize,
    },
    /// No such block.
    #[error("the network has no block {name}; the last is {last}")]
    NoBlock {
        /// What was asked for.
        name: String,
        /// The last there is.
        last: String,
    },
    /// A norm cannot learn from a single pixel.
    #[error("the statistics at {place} would come from one pixel: take more images or larger ones")]
    SinglePixel {
        /// The block or norm.
        place: String,
    },
    /// Neither grey nor colour.
    #[error("a network takes 1 or 3 channels, not {0}")]
    Channels(usize),
    /// A backward pass without its forward pass.
    #[error("a backward pass needs a forward pass in training or explaining mode before it")]
    NothingKept,
    /// Weights cannot be had or do not fit.
    #[error(transparent)]
    Weights(#[from] weights::WeightsError),
    /// The device refused.
    #[error("{0}")]
    Device(String),
}
faults!(ModelError);

impl ModelError {
    /// What candle said, for `map_err`.
    pub(crate) fn candle(error: candle_core::Error) -> Self {
        Self::Device(error.to_string())
    }
}
