//! What a device must be able to compute for a backbone.
//!
//! Activations are `[batch, height, width, channels]` with the channels side by side (NHWC), so
//! a 1x1 convolution is one matrix product. Everything wide is *lazy*: a convolution takes an
//! [`Operand`], the raw output of the convolution before it together with the norm, activation
//! and gate that are still to be applied. A device may apply them while it reads (the CPU does,
//! chunk by chunk, so that normalised values never travel to memory) or make them first.
//! The gradient of a norm is lazy in the same way ([`GradientOperand`]).
//!
//! So of a block only the raw outputs of its three convolutions are kept for the way back, and
//! each is read a handful of times. Nothing here copies between host and device but the
//! functions that say so. Every result must be the same bits whenever it is computed again from
//! the same numbers (on the CPU for any number of threads, too).

pub mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;

use std::ops::Range;

use super::plan::{ExcitePlan, NormPlan, Window};
use super::{Images, ModelError, Normalisation, Update};

/// What kernels return.
pub type Result<T> = std::result::Result<T, ModelError>;

/// Added to a variance before its root is taken, as in timm.
pub const EPSILON: f64 = 1e-5;
/// Share of the batch's statistics in a running statistic, as in timm.
pub const MOMENTUM: f64 = 0.1;

/// Shape of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Images.
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

    /// Pixels of the batch: rows of the matrix `[rows, channels]`.
    pub fn rows(self) -> usize {
        self.batch * self.area()
    }

    /// Numbers in all.
    pub fn len(self) -> usize {
        self.rows() * self.channels
    }

    /// Whether there is nothing.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// With other channels.
    pub fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }

    /// After `window` slid over it.
    pub fn slid(self, window: Window) -> Self {
        let (height, width) = (window.outputs(self.height), window.outputs(self.width));
        Self { height, width, ..self }
    }
}

/// Numbers `[batch, height, width, channels]` on the device.
#[derive(Debug)]
pub struct Activation<V> {
    /// Their shape.
    pub shape: Shape,
    /// Their values, in the device's precision.
    pub values: V,
}

/// A norm with its statistics known: `(x - mean) * inverse_deviation * gamma + beta`.
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
    /// Whose statistics they are.
    pub source: Statistics,
}

/// Whose mean and variance a norm uses. Gradients flow through those of the batch alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistics {
    /// The batch's own.
    Batch,
    /// Those that training left.
    Running,
}

/// The input of a convolution: `gate * silu(norm(raw))`, as far as each is given.
pub struct Operand<'a, K: Kernels + ?Sized> {
    /// As the convolution before left it.
    pub raw: &'a Activation<K::Values>,
    /// The norm to apply; SiLU follows it.
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

/// The gradient of a convolution's output: `outer` itself, or carried back through the norm
/// behind it.
pub struct GradientOperand<'a, K: Kernels + ?Sized> {
    /// Gradient of the norm's output; of the convolution's without `norm`.
    pub outer: &'a Activation<K::Values>,
    /// Factors `[batch]` of `outer` (drop-path).
    pub keep: Option<&'a K::Floats>,
    /// Through which norm it comes.
    pub norm: Option<NormGradient<'a, K>>,
}

impl<K: Kernels + ?Sized> Clone for GradientOperand<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Kernels + ?Sized> Copy for GradientOperand<'_, K> {}

/// The gradient through a norm: `outer * a + raw * b + c`, channel by channel.
pub struct NormGradient<'a, K: Kernels + ?Sized> {
    /// What the norm was given.
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

/// Factors of [`NormGradient`], `[channels]` each.
#[derive(Debug)]
pub struct Slopes<F> {
    /// Of the outer gradient.
    pub outer: F,
    /// Of the norm's input.
    pub raw: F,
    /// Added.
    pub constant: F,
}

/// What squeeze and excitation computed.
#[derive(Debug)]
pub struct Excited<F> {
    /// Channel means, `[batch, channels]`.
    pub pooled: F,
    /// Before its activation, `[batch, hidden]`.
    pub hidden: F,
    /// Factors, `[batch, channels]`.
    pub gate: F,
}

/// What a convolution gives: values, and their two sums by channel where they were asked for.
pub type Summed<K> = (Activation<<K as Kernels>::Values>, Option<<K as Kernels>::Sums>);

/// One optimizer step over flat buffers.
pub struct Step<'a, F> {
    /// Master weights.
    pub parameters: &'a mut F,
    /// Cleared by the step.
    pub gradient: &'a mut F,
    /// First moment or velocity.
    pub first: &'a mut F,
    /// Second moment, for AdamW.
    pub second: Option<&'a mut F>,
    /// Moving average of the parameters.
    pub average: Option<&'a mut F>,
    /// Ranges of the parameters that decay, ascending.
    pub decayed: &'a [Range<usize>],
    /// Rule, rate and scale.
    pub update: &'a Update,
}

/// The operations of a backbone on one device. `parameters` and `gradient` are the flat
/// buffers, ranges are places in them; gradients of weights are added, never overwritten.
pub trait Kernels: Send {
    /// f32 numbers on the device: flat buffers, and vectors by channel or by image.
    type Floats: Send;
    /// An activation's numbers on the device, f32 or bf16.
    type Values: Send;
    /// Two sums by channel, not yet added up over the whole batch.
    type Sums: Send;
    /// What one pass over an excited activation and its gradient adds up, by image and channel.
    type ExciteSums: Send;

    /// Zeros.
    fn zeros(&mut self, length: usize) -> Result<Self::Floats>;
    /// From the host.
    fn upload(&mut self, values: &[f32]) -> Result<Self::Floats>;
    /// From the host, in place; the lengths are equal.
    fn overwrite(&mut self, target: &mut Self::Floats, values: &[f32]) -> Result<()>;
    /// To the host.
    fn download(&self, floats: &Self::Floats) -> Result<Vec<f32>>;
    /// To the host, with everything lazy applied, in the order of its shape.
    fn download_operand(&mut self, x: Operand<'_, Self>) -> Result<Vec<f32>>;
    /// A copy on the device.
    fn duplicate(&mut self, floats: &Self::Floats) -> Result<Self::Floats>;
    /// Exchanges the contents of two buffers of one length.
    fn exchange(&mut self, a: &mut Self::Floats, b: &mut Self::Floats) -> Result<()> {
        std::mem::swap(a, b);
        Ok(())
    }
    /// Called whenever parameters changed: time to renew what a device derives from them
    /// (bf16 copies, transposed windows).
    fn refresh(&mut self, _parameters: &Self::Floats) -> Result<()> {
        Ok(())
    }

    /// Grey levels as shares of the full range, normalised, one grey level to every channel;
    /// `f32` pixels enter as they are, channels last.
    fn input(
        &mut self,
        images: &Images<'_>,
        normalisation: &Normalisation,
        channels: usize,
    ) -> Result<Activation<Self::Values>>;

    /// The stem: a full convolution by [`super::plan::STEM_WINDOW`], weight
    /// `[out, in, 3, 3]`. With `sums` also the sums of the outputs and of their squares.
    fn stem(
        &mut self,
        x: &Activation<Self::Values>,
        parameters: &Self::Floats,
        weight: &Range<usize>,
        sums: bool,
    ) -> Result<Summed<Self>>;

    /// A 1x1 convolution, weight `[out, in]`.
    fn pointwise(
        &mut self,
        x: Operand<'_, Self>,
        parameters: &Self::Floats,
        weight: &Range<usize>,
        sums: bool,
    ) -> Result<Summed<Self>>;

    /// A depthwise convolution, weight `[channels, 1, kernel, kernel]`.
    fn depthwise(
        &mut self,
        x: Operand<'_, Self>,
        window: Window,
        parameters: &Self::Floats,
        weight: &Range<usize>,
        sums: bool,
    ) -> Result<Summed<Self>>;

    /// A norm by the batch's sums over `rows` pixels; moves the running statistics where they
    /// are given.
    fn batch_norm(
        &mut self,
        sums: Self::Sums,
        rows: usize,
        plan: &NormPlan,
        parameters: &Self::Floats,
        statistics: Option<&mut Self::Floats>,
    ) -> Result<Norm<Self::Floats>>;

    /// A norm by the running statistics.
    fn running_norm(
        &mut self,
        plan: &NormPlan,
        parameters: &Self::Floats,
        statistics: &Self::Floats,
    ) -> Result<Norm<Self::Floats>>;

    /// Mean over each image, `[batch, channels]`.
    fn pool(&mut self, x: Operand<'_, Self>) -> Result<Self::Floats>;

    /// `sigmoid(expand(silu(reduce(pooled))))`.
    fn excite(
        &mut self,
        pooled: Self::Floats,
        batch: usize,
        plan: &ExcitePlan,
        parameters: &Self::Floats,
    ) -> Result<Excited<Self::Floats>>;

    /// The end of a block: `norm(raw) * keep + shortcut`, no activation; `keep` is `[batch]`.
    fn join(
        &mut self,
        raw: &Activation<Self::Values>,
        norm: &Norm<Self::Floats>,
        keep: Option<&Self::Floats>,
        shortcut: Option<&Activation<Self::Values>>,
    ) -> Result<Activation<Self::Values>>;

    /// Sums for the gradient of a norm without activation: of `outer * keep`, and of that times
    /// `raw - mean`.
    fn join_sums(
        &mut self,
        raw: &Activation<Self::Values>,
        norm: &Norm<Self::Floats>,
        outer: &Activation<Self::Values>,
        keep: Option<&Self::Floats>,
    ) -> Result<Self::Sums>;

    /// What a norm needs to carry gradients back over `rows` pixels; adds the gradients of its
    /// own scale and shift.
    fn slopes(
        &mut self,
        sums: Self::Sums,
        rows: usize,
        norm: &Norm<Self::Floats>,
        plan: &NormPlan,
        gradient: &mut Self::Floats,
    ) -> Result<Slopes<Self::Floats>>;

    /// The way back through a 1x1 convolution: adds the weight's gradient, and gives that of
    /// its input after norm, activation and gate; added to `onto` where given.
    fn pointwise_back(
        &mut self,
        outer: GradientOperand<'_, Self>,
        x: Operand<'_, Self>,
        parameters: &Self::Floats,
        weight: &Range<usize>,
        gradient: &mut Self::Floats,
        onto: Option<Activation<Self::Values>>,
    ) -> Result<Activation<Self::Values>>;

    /// One pass over `h = silu(norm(raw))` and the gradient of `h * gate` (zero if `None`) that
    /// adds up whatever [`Kernels::excite_back`] and [`Kernels::excited_sums`] need: by image
    /// and channel, with s' the slope of SiLU at norm(raw), the sums of outer * h, outer * s',
    /// s', outer * s' * (raw - mean), s' * (raw - mean).
    fn excite_sums(
        &mut self,
        raw: &Activation<Self::Values>,
        norm: &Norm<Self::Floats>,
        outer: Option<&Activation<Self::Values>>,
    ) -> Result<Self::ExciteSums>;

    /// The way back through squeeze and excitation: adds its weights' gradients, and gives that
    /// of the channel means, `[batch, channels]`.
    fn excite_back(
        &mut self,
        sums: &Self::ExciteSums,
        excited: &Excited<Self::Floats>,
        batch: usize,
        plan: &ExcitePlan,
        parameters: &Self::Floats,
        gradient: &mut Self::Floats,
    ) -> Result<Self::Floats>;

    /// The sums for [`Kernels::slopes`] of the norm before the activation, where the gradient
    /// of `h` is `outer * gate + pooled / area`.
    fn excited_sums(
        &mut self,
        sums: Self::ExciteSums,
        shape: Shape,
        gate: Option<&Self::Floats>,
        pooled: &Self::Floats,
    ) -> Result<Self::Sums>;

    /// Gradient of the raw values under an excited activation:
    /// `(outer * gate + pooled / area) * s' * slopes.outer + raw * slopes.raw + slopes.constant`;
    /// in place of `outer` where there is one.
    fn excited_gradient(
        &mut self,
        raw: &Activation<Self::Values>,
        norm: &Norm<Self::Floats>,
        outer: Option<(Activation<Self::Values>, &Self::Floats)>,
        pooled: &Self::Floats,
        slopes: &Slopes<Self::Floats>,
    ) -> Result<Activation<Self::Values>>;

    /// The way back through a depthwise convolution: adds the weight's gradient. Where `x` has a
    /// norm, gives the gradient of the norm's output (before the activation) and its sums for
    /// [`Kernels::slopes`]; otherwise that of `x`, added to `onto` where given.
    #[allow(clippy::too_many_arguments)]
    fn depthwise_back(
        &mut self,
        outer: &Activation<Self::Values>,
        x: Operand<'_, Self>,
        window: Window,
        parameters: &Self::Floats,
        weight: &Range<usize>,
        gradient: &mut Self::Floats,
        onto: Option<Activation<Self::Values>>,
    ) -> Result<Summed<Self>>;

    /// The way back through the stem: adds the weight's gradient.
    fn stem_back(
        &mut self,
        outer: GradientOperand<'_, Self>,
        x: &Activation<Self::Values>,
        weight: &Range<usize>,
        gradient: &mut Self::Floats,
    ) -> Result<()>;

    /// Euclidean norm.
    fn length_of(&mut self, floats: &Self::Floats) -> Result<f64>;

    /// One optimizer step over everything, in one pass.
    fn step(&mut self, step: Step<'_, Self::Floats>) -> Result<()>;

    /// `average = average * decay + values * (1 - decay)`.
    fn average(
        &mut self,
        average: &mut Self::Floats,
        values: &Self::Floats,
        decay: f64,
    ) -> Result<()>;
}
