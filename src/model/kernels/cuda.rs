//! The kernels on a GPU of NVIDIA's: f32 or bf16 activations, everything else f32.
//!
//! Written in CUDA C++ (`cuda/source/*.cu`) and compiled for the GPU at hand when a program
//! first uses it, by NVIDIA's run-time compiler; 1x1 convolutions are products by cuBLAS. Both
//! libraries and the driver are looked for at run time ([`library`]), so a program built with
//! the feature `cuda` needs none of them to be built, nor to start.
//!
//! All work is queued on one stream and ends in order; the host waits only where it asks for
//! numbers. Memory comes from the driver's stream-ordered pool, which keeps what is freed, so
//! that steps after the first allocate nothing. Sums are taken in an order that shapes alone
//! decide: the same numbers give the same bits.

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
use crate::model::plan::{ExcitePlan, NormPlan, STEM_WINDOW, Window};
use crate::model::{Images, Normalisation, Precision};

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

/// Sums by channel and slab, `[slabs, 2, channels]`.
#[derive(Debug)]
pub struct Sums {
    floats: Floats,
    slabs: usize,
}

/// Sums by image and channel, `[batch, 5, channels]`.
#[derive(Debug)]
pub struct ExciteSums {
    floats: Floats,
}

impl Cuda {
    /// The GPU of this number, with its kernels compiled.
    ///
    /// # Errors
    /// [`crate::model::ModelError::Device`]: what is missing, and how to get it.
    pub fn new(number: usize, precision: Precision) -> Result<Self> {
        let device = Device::open(number, precision)?;
        Ok(Self { device, weights: Weights::default(), decays: None })
    }

    /// What it calls itself, such as `NVIDIA H100 80GB HBM3`.
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
    /// The part from here on, for a kernel.
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

/// What a kernel takes, in its order.
macro_rules! arguments {
    ($($argument:expr),* $(,)?) => { &[$($crate::model::kernels::cuda::Argument::from($argument)),*] };
}
use arguments;

/// The bytes of numbers, as the device keeps them.
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
        let y = self.activation(x.shape.slid(STEM_WINDOW).with_channels(outputs))?;
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

    fn join(
        &mut self,
        raw: &Activation<Values>,
        norm: &Norm<Floats>,
        keep: Option<&Floats>,
        shortcut: Option<&Activation<Values>>,
    ) -> Result<Activation<Values>> {
        self.join_forward(raw, norm, keep, shortcut)
    }

    fn join_sums(
        &mut self,
        raw: &Activation<Values>,
        norm: &Norm<Floats>,
        outer: &Activation<Values>,
        keep: Option<&Floats>,
    ) -> Result<Sums> {
        self.join_back_sums(raw, norm, outer, keep)
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

    fn pointwise_back(
        &mut self,
        outer: GradientOperand<'_, Self>,
        x: Operand<'_, Self>,
        parameters: &Floats,
        weight: &Range<usize>,
        gradient: &mut Floats,
        onto: Option<Activation<Values>>,
    ) -> Result<Activation<Values>> {
        self.pointwise_gradients(outer, x, parameters, weight, gradient, onto)
    }

    fn excite_sums(
        &mut self,
        raw: &Activation<Values>,
        norm: &Norm<Floats>,
        outer: Option<&Activation<Values>>,
    ) -> Result<ExciteSums> {
        self.excite_back_sums(raw, norm, outer)
    }

    fn excite_back(
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
        outer: Option<(Activation<Values>, &Floats)>,
        pooled: &Floats,
        slopes: &Slopes<Floats>,
    ) -> Result<Activation<Values>> {
        self.gradient_under_activation(raw, norm, outer, pooled, slopes)
    }

    fn depthwise_back(
        &mut self,
        outer: &Activation<Values>,
        x: Operand<'_, Self>,
        window: Window,
        parameters: &Floats,
        weight: &Range<usize>,
        gradient: &mut Floats,
        onto: Option<Activation<Values>>,
    ) -> Result<(Activation<Values>, Option<Sums>)> {
        self.depthwise_weights(outer, x, window, weight, gradient)?;
        self.depthwise_input(outer, x, window, parameters, weight, onto)
    }

    fn stem_back(
        &mut self,
        outer: GradientOperand<'_, Self>,
        x: &Activation<Values>,
        weight: &Range<usize>,
        gradient: &mut Floats,
    ) -> Result<()> {
        self.stem_weights(outer, x, weight, gradient)
    }

    fn length_of(&mut self, floats: &Floats) -> Result<f64> {
        self.length(floats)
    }

    fn step(&mut self, step: Step<'_, Floats>) -> Result<()> {
        self.optimizer_step(step)
    }

    fn average(&mut self, average: &mut Floats, values: &Floats, decay: f64) -> Result<()> {
        self.move_average(average, values, decay)
    }
}
