//! Backbone and heads as one: images and their rows of the table to logits.

use super::heads::{Heads, Outputs};
use super::{Backbone, Images, Mode, ModelError, Tap, Update};
use crate::record::ImageRecord;

/// A network that can be trained and asked.
pub struct Network {
    /// Images to features.
    pub backbone: Box<dyn Backbone>,
    /// Features to logits.
    pub heads: Heads,
}

impl Network {
    /// A forward pass with all that the way back needs; `seed` alone decides what dropout and
    /// drop-path drop.
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn train(
        &mut self,
        images: &Images<'_>,
        rows: &[&ImageRecord],
        seed: u64,
    ) -> Result<Outputs, ModelError> {
        let features = self.backbone.forward(images, Mode::Train { seed })?;
        self.heads.forward(&features, rows, Some(seed))
    }

    /// Walks back from `loss`, a scalar of the graph of `outputs`, to every parameter.
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn backward(
        &mut self,
        outputs: &Outputs,
        loss: &candle_core::Tensor,
    ) -> Result<(), ModelError> {
        let gradient = self.heads.backward(outputs, loss)?;
        self.backbone.backward(&gradient, &mut |_| {})
    }

    /// Logits of cancer, one an image, with running statistics and nothing dropped. The rows
    /// matter only if the heads are told something.
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn logits(
        &mut self,
        images: &Images<'_>,
        rows: &[&ImageRecord],
    ) -> Result<Vec<f64>, ModelError> {
        let features = self.backbone.forward(images, Mode::Evaluate)?;
        self.heads.forward(&features, rows, None)?.logits()
    }

    /// Logits of cancer, and what block `layer` put out with the gradient of its own image's logit
    /// there. The gradient of the parameters is added to as well, and means nothing.
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
        let features = self.backbone.forward(images, Mode::Explain)?;
        let outputs = self.heads.forward(&features, rows, None)?;
        // With running statistics no image touches another: the gradient of the sum of the
        // batch's logits is that of each.
        self.backbone.backward(&outputs.gradient_of_cancer()?, &mut |_| {})?;
        let tap = self.backbone.tapped().ok_or(ModelError::NothingKept)?;
        self.backbone.tap(None)?;
        Ok((outputs.logits()?, tap))
    }

    /// Euclidean norm of the gradient of all parameters.
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn gradient_norm(&mut self) -> Result<f64, ModelError> {
        Ok(self.backbone.gradient_norm()?.hypot(self.heads.gradient_norm()))
    }

    /// One optimizer step over all parameters; clears the gradient.
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn update(&mut self, update: &Update) -> Result<(), ModelError> {
        self.heads.update(update);
        self.backbone.update(update)
    }

    /// Exchanges all weights with their moving averages, and back.
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn exchange_average(&mut self) -> Result<(), ModelError> {
        self.heads.exchange_average();
        self.backbone.exchange_average()
    }
}
