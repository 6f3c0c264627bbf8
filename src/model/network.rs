//! Backbone and heads as one: from images and their rows of the table to logits.

use mammo_net::candle::CandleBackbone;

use super::heads::{Heads, Outputs};
use super::{Backbone, Images, Mode, ModelError, Tap, Update};
use crate::record::ImageRecord;

/// A backbone with heads.
pub struct Network {
    /// From images to features.
    pub backbone: CandleBackbone,
    /// From features to logits.
    pub heads: Heads,
}

impl Network {
    /// Heads on a backbone.
    ///
    /// # Errors
    /// [`ModelError::Device`] if candle cannot take the backbone.
    pub fn new(backbone: Box<dyn Backbone>, heads: Heads) -> Result<Self, ModelError> {
        Ok(Self { backbone: CandleBackbone::new(backbone)?, heads })
    }

    /// A forward pass that stores what the backward pass needs. `seed` alone decides what dropout
    /// and drop-path drop.
    ///
    /// # Errors
    /// [`ModelError`]; see [`Backbone::forward`].
    pub fn train(
        &mut self,
        images: &Images<'_>,
        rows: &[&ImageRecord],
        seed: u64,
    ) -> Result<Outputs, ModelError> {
        let features = self.backbone.forward_images(images, Mode::Train { seed })?;
        self.heads.forward(&features, rows, Some(seed))
    }

    /// Adds the gradient of every parameter, of heads and backbone. `loss` is a scalar of the graph
    /// of `outputs`.
    ///
    /// # Errors
    /// [`ModelError::Device`] if candle or the device fails.
    pub fn backward(
        &mut self,
        outputs: &Outputs,
        loss: &candle_core::Tensor,
    ) -> Result<(), ModelError> {
        self.heads.backward(outputs, loss).map(drop)
    }

    /// Logits of cancer, one per image, by running statistics and with nothing dropped. The rows
    /// matter only if the heads have auxiliary inputs.
    ///
    /// # Errors
    /// [`ModelError`]; see [`Backbone::forward`].
    pub fn logits(
        &mut self,
        images: &Images<'_>,
        rows: &[&ImageRecord],
    ) -> Result<Vec<f64>, ModelError> {
        let features = self.backbone.forward_images(images, Mode::Evaluate)?;
        self.heads.forward(&features, rows, None)?.logits()
    }

    /// Logits of cancer, and the output of block `layer` with the gradient of each image's own
    /// logit with respect to it. The backward pass also adds to the gradient of the parameters,
    /// where it has no meaning.
    ///
    /// # Errors
    /// [`ModelError::NoBlock`] among others.
    pub fn explain(
        &mut self,
        images: &Images<'_>,
        rows: &[&ImageRecord],
        layer: &str,
    ) -> Result<(Vec<f64>, Tap), ModelError> {
        self.backbone.tap(Some(layer))?;
        let features = self.backbone.forward_images(images, Mode::Explain)?;
        let outputs = self.heads.forward(&features, rows, None)?;
        // By running statistics no image depends on another, so the gradient of the sum of the
        // batch's logits is that of each.
        let sum = outputs.cancer.sum_all().and_then(|sum| sum.backward());
        sum.map_err(ModelError::candle)?;
        let tap = self.backbone.tapped().ok_or(ModelError::NothingKept)?;
        self.backbone.tap(None)?;
        Ok((outputs.logits()?, tap))
    }

    /// The Euclidean norm of the gradient of all parameters.
    ///
    /// # Errors
    /// [`ModelError::Device`] if the device fails.
    pub fn gradient_norm(&mut self) -> Result<f64, ModelError> {
        Ok(self.backbone.gradient_norm()?.hypot(self.heads.gradient_norm()))
    }

    /// One optimizer step on all parameters. Sets the gradient to zero.
    ///
    /// # Errors
    /// [`ModelError::Device`] if the device fails.
    pub fn update(&mut self, update: &Update) -> Result<(), ModelError> {
        self.heads.update(update);
        self.backbone.update(update)
    }

    /// Swaps all parameters with their exponential moving averages; a second call swaps them back.
    ///
    /// # Errors
    /// [`ModelError::Device`] if the device fails.
    pub fn swap_ema(&mut self) -> Result<(), ModelError> {
        self.heads.swap_ema();
        self.backbone.swap_ema()
    }
}
