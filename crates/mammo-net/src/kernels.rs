//! The operations that a device needs for a backbone.
//!
//! Activations are `[batch, height, width, channels]`, with the channels of a pixel side by side
//! (NHWC), so that a 1x1 convolution is one matrix product.
//!
//! Everything wide is *lazy*. A convolution takes an [`Operand`]: the raw output of the convolution
//! before it, with the norm, the activation and the gate that are still to be applied. A device may
//! apply them while it reads (the CPU does so chunk by chunk, so that normalised values never
//! travel to memory), or compute them first. Gradients of norms are lazy too ([`GradientOperand`]).
//! Therefore a block stores only the raw outputs of its three convolutions for the backward pass.
//!
//! What an implementation must keep to:
//! - Only the methods that are documented to do so copy between host and device.
//! - The same numbers give the same bits whenever they are computed again; on the CPU also for any
//!   number of threads.
//! - `parameters` and `gradient` are the flat buffers, and ranges are places in them. Gradients of
//!   parameters are added to the buffer, never written over it.

pub mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;
mod operand;

use std::ops::Range;

pub use self::operand::{
    Activation, Excited, GradientOperand, Norm, NormGradient, Operand, Shape, Slopes, Statistics,
    Step, Summed,
};
use crate::plan::{ExcitePlan, NormPlan, Window};
use crate::{Images, ModelError, Normalisation};

/// What kernels return.
pub type Result<T> = std::result::Result<T, ModelError>;

/// Added to a variance before its root is taken, as in timm.
pub const EPSILON: f64 = 1e-5;
/// The share of the batch's statistics in the new running statistics, as in timm.
pub const MOMENTUM: f64 = 0.1;

/// The operations of a backbone on one device. Each returns [`ModelError::Device`] if the device
/// fails.
pub trait Kernels: Send {
    /// f32 numbers on the device: flat buffers, and vectors by channel or by image.
    type Floats: Send;
    /// The numbers of an activation on the device, f32 or bf16.
    type Values: Send;
    /// Two sums per channel, perhaps not yet added up over the whole batch.
    type Sums: Send;
    /// The sums per image and channel of [`Kernels::excite_sums`].
    type ExciteSums: Send;

    /// Zeros.
    fn zeros(&mut self, length: usize) -> Result<Self::Floats>;
    /// Copies values from the host.
    fn upload(&mut self, values: &[f32]) -> Result<Self::Floats>;
    /// Copies values from the host over `target`, which has the same length.
    fn overwrite(&mut self, target: &mut Self::Floats, values: &[f32]) -> Result<()>;
    /// Copies to the host.
    fn download(&self, floats: &Self::Floats) -> Result<Vec<f32>>;
    /// Computes an operand and copies it to the host, in the order of its shape.
    fn download_operand(&mut self, x: Operand<'_, Self>) -> Result<Vec<f32>>;
    /// A copy on the device.
    fn duplicate(&mut self, floats: &Self::Floats) -> Result<Self::Floats>;
    /// Called whenever the parameters changed. The device renews here what it derives from them,
    /// such as bf16 copies.
    fn refresh(&mut self, _parameters: &Self::Floats) -> Result<()> {
        Ok(())
    }

    /// The input of the network. Grey levels are normalised and go to every channel; f32 pixels
    /// enter as they are, with their channels moved last.
    fn input(
        &mut self,
        images: &Images<'_>,
        normalisation: &Normalisation,
        channels: usize,
    ) -> Result<Activation<Self::Values>>;

    /// The stem, a full convolution by [`STEM_WINDOW`](crate::plan::STEM_WINDOW) with the weight
    /// `[out, in, 3, 3]`. With `sums`, also the sums of the outputs and of their squares.
    fn stem(
        &mut self,
        x: &Activation<Self::Values>,
        parameters: &Self::Floats,
        weight: &Range<usize>,
        sums: bool,
    ) -> Result<Summed<Self>>;

    /// A 1x1 convolution with the weight `[out, in]`; sums as in [`Kernels::stem`].
    fn pointwise(
        &mut self,
        x: Operand<'_, Self>,
        parameters: &Self::Floats,
        weight: &Range<usize>,
        sums: bool,
    ) -> Result<Summed<Self>>;

    /// A depthwise convolution with the weight `[channels, 1, kernel, kernel]`; sums as in
    /// [`Kernels::stem`].
    fn depthwise(
        &mut self,
        x: Operand<'_, Self>,
        window: Window,
        parameters: &Self::Floats,
        weight: &Range<usize>,
        sums: bool,
    ) -> Result<Summed<Self>>;

    /// A norm by the sums of the batch over `rows` pixels. Updates the running statistics if they
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

    /// The mean over the pixels of each image, `[batch, channels]`.
    fn pool(&mut self, x: Operand<'_, Self>) -> Result<Self::Floats>;

    /// Squeeze and excitation: `gate = sigmoid(expand(silu(reduce(pooled))))`.
    fn excite(
        &mut self,
        pooled: Self::Floats,
        batch: usize,
        plan: &ExcitePlan,
        parameters: &Self::Floats,
    ) -> Result<Excited<Self::Floats>>;

    /// The end of a block, which has no activation: `norm(raw) * drop_path_mask + shortcut`. The
    /// mask is `[batch]`.
    fn residual_add(
        &mut self,
        raw: &Activation<Self::Values>,
        norm: &Norm<Self::Floats>,
        drop_path_mask: Option<&Self::Floats>,
        shortcut: Option<&Activation<Self::Values>>,
    ) -> Result<Activation<Self::Values>>;

    /// The sums that [`Kernels::slopes`] needs for the norm in [`Kernels::residual_add`]: of
    /// `g = grad_output * drop_path_mask`, and of `g * (raw - mean)`.
    fn residual_add_sums(
        &mut self,
        raw: &Activation<Self::Values>,
        norm: &Norm<Self::Floats>,
        grad_output: &Activation<Self::Values>,
        drop_path_mask: Option<&Self::Floats>,
    ) -> Result<Self::Sums>;

    /// The factors that carry a gradient back through a norm over `rows` pixels. Adds the gradients
    /// of the norm's own scale and shift.
    fn slopes(
        &mut self,
        sums: Self::Sums,
        rows: usize,
        norm: &Norm<Self::Floats>,
        plan: &NormPlan,
        gradient: &mut Self::Floats,
    ) -> Result<Slopes<Self::Floats>>;

    /// The backward pass of a 1x1 convolution. Adds the gradient of the weight, and gives the
    /// gradient of the computed operand, added into `accumulate_into` if that is given.
    fn pointwise_backward(
        &mut self,
        grad_output: GradientOperand<'_, Self>,
        x: Operand<'_, Self>,
        parameters: &Self::Floats,
        weight: &Range<usize>,
        gradient: &mut Self::Floats,
        accumulate_into: Option<Activation<Self::Values>>,
    ) -> Result<Activation<Self::Values>>;

    /// One pass over `h = silu(norm(raw))` and the gradient of `h * gate` (`None` for zero), which
    /// adds up all that [`Kernels::excite_backward`] and [`Kernels::excited_sums`] need. With s' the
    /// slope of SiLU at norm(raw), these are five sums per image and channel: of grad_output * h,
    /// grad_output * s', s', grad_output * s' * (raw - mean), and s' * (raw - mean).
    fn excite_sums(
        &mut self,
        raw: &Activation<Self::Values>,
        norm: &Norm<Self::Floats>,
        grad_output: Option<&Activation<Self::Values>>,
    ) -> Result<Self::ExciteSums>;

    /// The backward pass of squeeze and excitation. Adds the gradients of its weights and biases,
    /// and gives the gradient of the channel means, `[batch, channels]`.
    fn excite_backward(
        &mut self,
        sums: &Self::ExciteSums,
        excited: &Excited<Self::Floats>,
        batch: usize,
        plan: &ExcitePlan,
        parameters: &Self::Floats,
        gradient: &mut Self::Floats,
    ) -> Result<Self::Floats>;

    /// The sums that [`Kernels::slopes`] needs for the norm before the activation, where the
    /// gradient of `h` is `grad_output * gate + pooled / area`.
    fn excited_sums(
        &mut self,
        sums: Self::ExciteSums,
        shape: Shape,
        gate: Option<&Self::Floats>,
        pooled: &Self::Floats,
    ) -> Result<Self::Sums>;

    /// The gradient of the raw values before norm, activation and excitation:
    /// `(grad_output * gate + pooled / area) * s' * slopes.grad_output + raw * slopes.raw +
    /// slopes.constant`. It replaces the values of `grad_output` if that is given.
    fn excited_gradient(
        &mut self,
        raw: &Activation<Self::Values>,
        norm: &Norm<Self::Floats>,
        grad_output: Option<(Activation<Self::Values>, &Self::Floats)>,
        pooled: &Self::Floats,
        slopes: &Slopes<Self::Floats>,
    ) -> Result<Activation<Self::Values>>;

    /// The backward pass of a depthwise convolution. Adds the gradient of the weight. If `x` has a
    /// norm, gives the gradient of the norm's output (before the activation) and its sums for
    /// [`Kernels::slopes`]; otherwise the gradient of `x`, added into `accumulate_into` if that is
    /// given.
    #[allow(clippy::too_many_arguments)]
    fn depthwise_backward(
        &mut self,
        grad_output: &Activation<Self::Values>,
        x: Operand<'_, Self>,
        window: Window,
        parameters: &Self::Floats,
        weight: &Range<usize>,
        gradient: &mut Self::Floats,
        accumulate_into: Option<Activation<Self::Values>>,
    ) -> Result<Summed<Self>>;

    /// The backward pass of the stem: adds the gradient of the weight. Images have no gradient.
    fn stem_backward(
        &mut self,
        grad_output: GradientOperand<'_, Self>,
        x: &Activation<Self::Values>,
        weight: &Range<usize>,
        gradient: &mut Self::Floats,
    ) -> Result<()>;

    /// The Euclidean norm.
    fn l2_norm(&mut self, floats: &Self::Floats) -> Result<f64>;

    /// One optimizer step over all parameters, in one pass.
    fn step(&mut self, step: Step<'_, Self::Floats>) -> Result<()>;

    /// `ema = ema * decay + values * (1 - decay)`.
    fn update_ema(
        &mut self,
        ema: &mut Self::Floats,
        values: &Self::Floats,
        decay: f64,
    ) -> Result<()>;
}
