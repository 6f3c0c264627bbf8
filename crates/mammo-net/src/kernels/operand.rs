//! What the kernels take and give: activations, norms, and values that are still to be computed.

use std::ops::Range;

use super::Kernels;
use crate::Update;
use crate::plan::Window;

/// The shape of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// The number of images.
    pub batch: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Channels of a pixel.
    pub channels: usize,
}

impl Shape {
    /// Pixels of an image.
    pub fn area(self) -> usize {
        self.height * self.width
    }

    /// Pixels of the batch: the rows of the matrix `[rows, channels]`.
    pub fn rows(self) -> usize {
        self.batch * self.area()
    }

    /// The number of values.
    pub fn len(self) -> usize {
        self.rows() * self.channels
    }

    /// Whether there are no values.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The same shape with another number of channels.
    pub fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }

    /// The shape that a convolution by `window` gives.
    pub fn convolved(self, window: Window) -> Self {
        let (height, width) = (window.outputs(self.height), window.outputs(self.width));
        Self { height, width, ..self }
    }
}

/// Values `[batch, height, width, channels]` on the device.
#[derive(Debug)]
pub struct Activation<V> {
    /// Their shape.
    pub shape: Shape,
    /// The values, in the precision of the device.
    pub values: V,
}

/// A batch norm whose statistics are known: `(x - mean) * inverse_deviation * gamma + beta`, which
/// is `x * scale + shift`.
#[derive(Debug)]
pub struct Norm<F> {
    /// `[channels]`.
    pub mean: F,
    /// `[channels]`: 1 / sqrt(variance + epsilon).
    pub inverse_deviation: F,
    /// `[channels]`: gamma * inverse_deviation.
    pub scale: F,
    /// `[channels]`: beta - mean * scale.
    pub shift: F,
    /// Where mean and variance come from.
    pub source: Statistics,
}

/// Where the mean and the variance of a norm come from. Gradients flow through those of the batch
/// alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistics {
    /// They are those of the batch.
    Batch,
    /// They are the running statistics.
    Running,
}

/// The input of a convolution, not yet computed: `gate * silu(norm(raw))`, or less where parts are
/// `None`.
pub struct Operand<'a, K: Kernels + ?Sized> {
    /// The output of the convolution before.
    pub raw: &'a Activation<K::Values>,
    /// The norm to apply, and SiLU after it.
    pub norm: Option<&'a Norm<K::Floats>>,
    /// Factors `[batch, channels]` to apply after that.
    pub gate: Option<&'a K::Floats>,
}

impl<K: Kernels + ?Sized> Clone for Operand<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Kernels + ?Sized> Copy for Operand<'_, K> {}

/// The gradient of a convolution's output, not yet computed: `grad_output * drop_path_mask`, carried
/// back through the norm behind the convolution if there is one.
pub struct GradientOperand<'a, K: Kernels + ?Sized> {
    /// The gradient of the norm's output; without `norm`, that of the convolution's output.
    pub grad_output: &'a Activation<K::Values>,
    /// Factors `[batch]` of `grad_output`: 0 where drop-path dropped the branch.
    pub drop_path_mask: Option<&'a K::Floats>,
    /// The norm that the gradient passes through.
    pub norm: Option<NormGradient<'a, K>>,
}

impl<K: Kernels + ?Sized> Clone for GradientOperand<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Kernels + ?Sized> Copy for GradientOperand<'_, K> {}

/// The gradient of a norm's input:
/// `grad_output * slopes.grad_output + raw * slopes.raw + slopes.constant`, channel by channel.
pub struct NormGradient<'a, K: Kernels + ?Sized> {
    /// The input of the norm.
    pub raw: &'a Activation<K::Values>,
    /// The three factors.
    pub slopes: &'a Slopes<K::Floats>,
}

impl<K: Kernels + ?Sized> Clone for NormGradient<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Kernels + ?Sized> Copy for NormGradient<'_, K> {}

/// The factors of [`NormGradient`], `[channels]` each.
#[derive(Debug)]
pub struct Slopes<F> {
    /// Factor of the gradient of the norm's output.
    pub grad_output: F,
    /// Factor of the norm's input.
    pub raw: F,
    /// What is added.
    pub constant: F,
}

/// What squeeze and excitation computed.
#[derive(Debug)]
pub struct Excited<F> {
    /// Channel means, `[batch, channels]`.
    pub pooled: F,
    /// The hidden values before their activation, `[batch, hidden]`.
    pub hidden: F,
    /// The factors, `[batch, channels]`.
    pub gate: F,
}

/// What a convolution gives: values, and two sums per channel if they were asked for.
pub type Summed<K> = (Activation<<K as Kernels>::Values>, Option<<K as Kernels>::Sums>);

/// One optimizer step over flat buffers.
pub struct Step<'a, F> {
    /// The parameters.
    pub parameters: &'a mut F,
    /// Their gradient; the step sets it to zero.
    pub gradient: &'a mut F,
    /// First moment or velocity.
    pub first: &'a mut F,
    /// Second moment, for AdamW.
    pub second: Option<&'a mut F>,
    /// Exponential moving average of the parameters.
    pub ema: Option<&'a mut F>,
    /// The places of the parameters that decay, in ascending order.
    pub decayed: &'a [Range<usize>],
    /// Rule, learning rate and scale.
    pub update: &'a Update,
}
