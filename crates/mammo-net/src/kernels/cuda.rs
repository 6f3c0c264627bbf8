//! The kernels on an NVIDIA GPU: activations are f32 or bf16, everything else is f32.
//!
//! They are written in CUDA C++ (`cuda/source/*.cu`). NVIDIA's run-time compiler compiles them for
//! the GPU of the machine when a program first uses it. 1x1 convolutions are products by cuBLAS.
//! Both libraries and the driver are found at run time ([`library`]), so a program with the feature
//! `cuda` builds and starts without them.
//!
//! All work is queued on one stream and is done in order. The host waits only when it asks for
//! numbers. Memory comes from the driver's stream-ordered pool, which keeps freed memory, so that
//! only the first step allocates. Shapes alone decide on the order of sums, so the same numbers give
//! the same bits.

mod compile;
mod depthwise;
mod device;
mod excite;
pub mod library;
mod norm;
mod optimizer;
mod pointwise;
mod rows;
mod stem;
mod weights;

use std::ops::Range;

use self::device::{Argument, Device, Memory};
use self::weights::{Decays, Weights};
use super::{
    Activation, Excited, GradientOperand, Kernels, Norm, Operand, Result, Shape, Slopes, Step,
};
use crate::plan::{ExcitePlan, NormPlan, STEM_WINDOW, Window};
use crate::{Images, Normalisation, Precision};

pub use compile::{SOURCE, compile};

/// A GPU.
pub struct Cuda {
    device: Device,
    weights: Weights,
    decays: Option<Decays>,
}

/// f32 numbers on the GPU.
#[derive(Debug)]
pub struct Floats {
    memory: Memory,
    length: usize,
}

/// Numbers of an activation on the GPU, in its precision.
#[derive(Debug)]
pub struct Values {
    memory: Memory,
}

/// Two sums per slab and channel, `[slabs, 2, channels]`.
#[derive(Debug)]
pub struct Sums {
    floats: Floats,
    slabs: usize,
}

/// Five sums per image and channel, `[batch, 5, channels]`.
#[derive(Debug)]
pub struct ExciteSums {
    floats: Floats,
}

impl Cuda {
    /// The GPU of this number, with its kernels compiled.
    ///
    /// # Errors
    /// [`crate::ModelError::Device`], which says what is missing and how to get it.
    pub fn new(number: usize, precision: Precision) -> Result<Self> {
        let device = Device::open(number, precision)?;
        Ok(Self { device, weights: Weights::default(), decays: None })
    }

    /// Its name, such as `NVIDIA H100 80GB HBM3`.
    pub fn name(&self) -> &str {
        &self.device.name
    }

    fn floats(&mut self, length: usize) -> Result<Floats> {
        Ok(Floats { memory: self.device.allocate(length * size_of::<f32>())?, length })
    }

    fn values(&mut self, length: usize) -> Result<Values> {
        Ok(Values { memory: self.device.allocate(length * self.device.value_bytes())? })
    }

    fn activation(&mut self, shape: Shape) -> Result<Activation<Values>> {
        Ok(Activation { shape, values: self.values(shape.len())? })
    }
}

impl Floats {
    /// The part from `place` on, as an argument of a kernel.
    fn from(&self, place: usize) -> Argument {
        Argument::Address(self.memory.address() + (place * size_of::<f32>()) as u64)
    }
}

impl From<&Floats> for Argument {
    fn from(floats: &Floats) -> Self {
        Self::Address(floats.memory.address())
    }
}

impl From<&Values> for Argument {
    fn from(values: &Values) -> Self {
        Self::Address(values.memory.address())
    }
}

impl<T> From<Option<&T>> for Argument
where
    Self: for<'a> From<&'a T>,
{
    fn from(given: Option<&T>) -> Self {
        given.map_or(Self::Address(0), Self::from)
    }
}

/// The arguments of a kernel, in its order.
macro_rules! arguments {
    ($($argument:expr),* $(,)?) => { &[$($crate::kernels::cuda::Argument::from($argument)),*] };
}
use arguments;

/// The bytes of numbers, as they are on the device.
fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

impl Kernels for Cuda {
    type Floats = Floats;
    type Values = Values;
    type Sums = Sums;
    type ExciteSums = ExciteSums;

    fn zeros(&mut self, length: usize) -> Result<Floats> {
        let floats = self.floats(length)?;
        self.device.clear(&floats.memory)?;
        Ok(floats)
    }

    fn upload(&mut self, values: &[f32]) -> Result<Floats> {
        let floats = self.floats(values.len())?;
        self.device.write(&floats.memory, &bytes(values))?;
        Ok(floats)
    }

    fn overwrite(&mut self, target: &mut Floats, values: &[f32]) -> Result<()> {
        self.device.write(&target.memory, &bytes(values))
    }

    fn download(&self, floats: &Floats) -> Result<Vec<f32>> {
        let mut bytes = vec![0; floats.length * size_of::<f32>()];
        self.device.read(&floats.memory, &mut bytes)?;
        let (numbers, _) = bytes.as_chunks();
        Ok(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
    }

    fn download_operand(&mut self, x: Operand<'_, Self>) -> Result<Vec<f32>> {
        let made = self.make(x)?;
        let floats = self.widen(made.values(), x.raw.shape.len())?;
        self.download(&floats)
    }

    fn duplicate(&mut self, floats: &Floats) -> Result<Floats> {
        let copy = self.floats(floats.length)?;
        self.device.copy(&floats.memory, &copy.memory)?;
        Ok(copy)
    }

    fn refresh(&mut self, parameters: &Floats) -> Result<()> {
        self.renew_weights(parameters)
    }

    fn input(
        &mut self,
        images: &Images<'_>,
        normalisation: &Normalisation,
        channels: usize,
    ) -> Result<Activation<Values>> {
        self.enter(images, normalisation, channels)
    }

    fn stem(
        &mut self,
        x: &Activation<Values>,
        parameters: &Floats,
        weight: &Range<usize>,
        sums: bool,
    ) -> Result<(Activation<Values>, Option<Sums>)> {
        let outputs = weight.len() / (9 * x.shape.channels);
        let y = self.activation(x.shape.convolved(STEM_WINDOW).with_channels(outputs))?;
        self.stem_forward(x, parameters, weight, &y)?;
        let sums = sums.then(|| self.squares(&y)).transpose()?;
        Ok((y, sums))
    }

    fn pointwise(
        &mut self,
        x: Operand<'_, Self>,
        parameters: &Floats,
        weight: &Range<usize>,
        sums: bool,
    ) -> Result<(Activation<Values>, Option<Sums>)> {
        let y = self.pointwise_forward(x, parameters, weight)?;
        let sums = sums.then(|| self.squares(&y)).transpose()?;
        Ok((y, sums))
    }

    fn depthwise(
        &mut self,
        x: Operand<'_, Self>,
        window: Window,
        parameters: &Floats,
        weight: &Range<usize>,
        sums: bool,
    ) -> Result<(Activation<Values>, Option<Sums>)> {
        self.depthwise_forward(x, window, parameters, weight, sums)
    }

    fn batch_norm(
        &mut self,
        sums: Sums,
        rows: usize,
        plan: &NormPlan,
        parameters: &Floats,
        statistics: Option<&mut Floats>,
    ) -> Result<Norm<Floats>> {
        self.norm_of_batch(&sums, rows, plan, parameters, statistics.as_deref())
    }

    fn running_norm(
        &mut self,
        plan: &NormPlan,
        parameters: &Floats,
        statistics: &Floats,
    ) -> Result<Norm<Floats>> {
        self.norm_of_running(plan, parameters, statistics)
    }

    fn pool(&mut self, x: Operand<'_, Self>) -> Result<Floats> {
        self.means(x)
    }

    fn excite(
        &mut self,
        pooled: Floats,
        batch: usize,
        plan: &ExcitePlan,
        parameters: &Floats,
    ) -> Result<Excited<Floats>> {
        self.excite_forward(pooled, batch, plan, parameters)
    }

    fn residual_add(
        &mut self,
        raw: &Activation<Values>,
        norm: &Norm<Floats>,
        drop_path_mask: Option<&Floats>,
        shortcut: Option<&Activation<Values>>,
    ) -> Result<Activation<Values>> {
        self.residual_add_forward(raw, norm, drop_path_mask, shortcut)
    }

    fn residual_add_sums(
        &mut self,
        raw: &Activation<Values>,
        norm: &Norm<Floats>,
        grad_output: &Activation<Values>,
        drop_path_mask: Option<&Floats>,
    ) -> Result<Sums> {
        self.residual_add_backward_sums(raw, norm, grad_output, drop_path_mask)
    }

    fn slopes(
        &mut self,
        sums: Sums,
        rows: usize,
        norm: &Norm<Floats>,
        plan: &NormPlan,
        gradient: &mut Floats,
    ) -> Result<Slopes<Floats>> {
        self.norm_slopes(&sums, rows, norm, plan, gradient)
    }

    fn pointwise_backward(
        &mut self,
        grad_output: GradientOperand<'_, Self>,
        x: Operand<'_, Self>,
        parameters: &Floats,
        weight: &Range<usize>,
        gradient: &mut Floats,
        accumulate_into: Option<Activation<Values>>,
    ) -> Result<Activation<Values>> {
        self.pointwise_gradients(grad_output, x, parameters, weight, gradient, accumulate_into)
    }

    fn excite_sums(
        &mut self,
        raw: &Activation<Values>,
        norm: &Norm<Floats>,
        grad_output: Option<&Activation<Values>>,
    ) -> Result<ExciteSums> {
        self.excite_backward_sums(raw, norm, grad_output)
    }

    fn excite_backward(
        &mut self,
        sums: &ExciteSums,
        excited: &Excited<Floats>,
        batch: usize,
        plan: &ExcitePlan,
        parameters: &Floats,
        gradient: &mut Floats,
    ) -> Result<Floats> {
        self.excite_gradients(sums, excited, batch, plan, parameters, gradient)
    }

    fn excited_sums(
        &mut self,
        sums: ExciteSums,
        shape: Shape,
        gate: Option<&Floats>,
        pooled: &Floats,
    ) -> Result<Sums> {
        self.excited_norm_sums(&sums, shape, gate, pooled)
    }

    fn excited_gradient(
        &mut self,
        raw: &Activation<Values>,
        norm: &Norm<Floats>,
        grad_output: Option<(Activation<Values>, &Floats)>,
        pooled: &Floats,
        slopes: &Slopes<Floats>,
    ) -> Result<Activation<Values>> {
        self.gradient_under_activation(raw, norm, grad_output, pooled, slopes)
    }

    fn depthwise_backward(
        &mut self,
        grad_output: &Activation<Values>,
        x: Operand<'_, Self>,
        window: Window,
        parameters: &Floats,
        weight: &Range<usize>,
        gradient: &mut Floats,
        accumulate_into: Option<Activation<Values>>,
    ) -> Result<(Activation<Values>, Option<Sums>)> {
        self.depthwise_weights(grad_output, x, window, weight, gradient)?;
        self.depthwise_input(grad_output, x, window, parameters, weight, accumulate_into)
    }

    fn stem_backward(
        &mut self,
        grad_output: GradientOperand<'_, Self>,
        x: &Activation<Values>,
        weight: &Range<usize>,
        gradient: &mut Floats,
    ) -> Result<()> {
        self.stem_weights(grad_output, x, weight, gradient)
    }

    fn l2_norm(&mut self, floats: &Floats) -> Result<f64> {
        self.l2_norm_of(floats)
    }

    fn step(&mut self, step: Step<'_, Floats>) -> Result<()> {
        self.optimizer_step(step)
    }

    fn update_ema(&mut self, ema: &mut Floats, values: &Floats, decay: f64) -> Result<()> {
        self.ema_step(ema, values, decay)
    }
}
