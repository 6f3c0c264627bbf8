//! The trait of a network: what those who train it, use it or explain it can ask of it.

use std::ops::Range;

use crate::{Buffer, Images, Layout, ModelError, Update};

/// What a forward pass is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Batch norms use the statistics of the batch and update the running ones; drop-path is on;
    /// what the backward pass needs is kept.
    Train {
        /// Seed of drop-path. It alone decides which branches are dropped, so give each step its
        /// own.
        seed: u64,
    },
    /// Batch norms use the running statistics; nothing is kept.
    Evaluate,
    /// Batch norms use the running statistics; what the backward pass needs is kept. For Grad-CAM.
    Explain,
}

/// The activation of a block and the gradient with respect to it, for Grad-CAM.
#[derive(Debug, Clone, PartialEq)]
pub struct Tap {
    /// `[batch, height, width, channels]`, of both.
    pub shape: [usize; 4],
    /// The block's output.
    pub activation: Vec<f32>,
    /// The gradient with respect to that output.
    pub gradient: Vec<f32>,
}

/// A network on a device, from images to pooled features, with its backward pass and its parameters.
pub trait Backbone: Send {
    /// Names, shapes and places of the parameters and the running statistics.
    fn layout(&self) -> &Layout;

    /// The number of pooled features per image: 1792 for B4.
    fn features(&self) -> usize;

    /// Pooled features, `[batch, features]`, on the host.
    ///
    /// # Errors
    /// [`ModelError::Length`] if the number of pixels does not match the batch,
    /// [`ModelError::SinglePixel`] if a batch norm cannot be trained on images this small,
    /// [`ModelError::Device`] if the device fails.
    fn forward(&mut self, images: &Images<'_>, mode: Mode) -> Result<Vec<f32>, ModelError>;

    /// Takes the gradient of the loss with respect to the features, `[batch, features]`, of the
    /// last forward pass in [`Mode::Train`] or [`Mode::Explain`], and adds the gradient of every
    /// parameter to [`Buffer::Gradient`]. `ready` is called with each range of that buffer as soon
    /// as this pass is done with it, the last stage first. Each forward pass
    /// allows one backward pass.
    ///
    /// # Errors
    /// [`ModelError::NothingKept`] without such a forward pass, [`ModelError::Length`] if the
    /// gradient is of another batch, [`ModelError::Device`] if the device fails.
    fn backward(
        &mut self,
        gradient: &[f32],
        ready: &mut dyn FnMut(Range<usize>),
    ) -> Result<(), ModelError>;

    /// From now on, keeps the activation and the gradient at the end of a block: `blocks.5.7`, or
    /// `blocks.5` for the last block of that stage, or `conv_head` for the last activation before
    /// pooling. `None` ends it.
    ///
    /// # Errors
    /// [`ModelError::NoBlock`].
    fn tap(&mut self, block: Option<&str>) -> Result<(), ModelError>;

    /// What the last backward pass left at the tap. A second call gives `None`.
    fn tapped(&mut self) -> Option<Tap>;

    /// The Euclidean norm of [`Buffer::Gradient`].
    ///
    /// # Errors
    /// [`ModelError::Device`] if the device fails.
    fn gradient_norm(&mut self) -> Result<f64, ModelError>;

    /// Makes one optimizer step on all parameters, updates their moving average if the update has
    /// a decay for it, and sets the gradient to zero.
    ///
    /// # Errors
    /// [`ModelError::Device`] if the device fails.
    fn update(&mut self, update: &Update) -> Result<(), ModelError>;

    /// Swaps parameters and running statistics with their moving averages; a second call swaps
    /// them back. Does nothing while there is no moving average.
    ///
    /// # Errors
    /// [`ModelError::Device`] if the device fails.
    fn swap_ema(&mut self) -> Result<(), ModelError>;

    /// Copies a buffer to the host. A moment that no update has used yet is all zeros; a moving
    /// average that does not exist yet is what it would start from.
    ///
    /// # Errors
    /// [`ModelError::Device`] if the device fails.
    fn read(&self, buffer: Buffer) -> Result<Vec<f32>, ModelError>;

    /// Overwrites a buffer from the host.
    ///
    /// # Errors
    /// [`ModelError::Length`] if there are not as many values as the buffer has,
    /// [`ModelError::Device`] if the device fails.
    fn write(&mut self, buffer: Buffer, values: &[f32]) -> Result<(), ModelError>;
}
