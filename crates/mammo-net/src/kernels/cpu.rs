//! The kernels on the CPU: f32, on the threads of a rayon pool, in the widest vectors of the machine.
//!
//! The caller decides on the threads, by the rayon pool that it calls from. Shapes alone decide how
//! work is divided, and parts are added in their order, so results are the same bits for any number
//! of threads.

mod depthwise;
mod excite;
mod residual_add;
mod lanes;
mod line;
mod matrix;
mod norm;
mod operand;
mod optimizer;
mod pointwise;
mod pool;
mod stem;
mod sums;

use std::ops::Range;

use pulp::Arch;

use self::excite::{Activated, Factors};
use self::operand::{GradientSource, Rows, Source};
use super::{
    Activation, Excited, GradientOperand, Kernels, Norm, Operand, Result, Shape, Slopes, Step,
};
use crate::plan::{ExcitePlan, NormPlan, STEM_WINDOW, Window};
use crate::{Images, Normalisation};

pub use excite::ExciteSums;
pub use pool::{Buffer, Pool};
pub use sums::Sums;

/// The CPU.
pub struct Cpu {
    arch: Arch,
    pool: Pool,
    /// The shape of the last input. Free buffers are kept while it stays the same.
    shape: Option<Shape>,
}

impl Default for Cpu {
    fn default() -> Self {
        Self { arch: Arch::new(), pool: Pool::default(), shape: None }
    }
}

impl Cpu {
    /// The CPU of this machine, with its widest vectors.
    pub fn new() -> Self {
        Self::default()
    }

    fn with(&self) -> (Arch, &Pool) {
        (self.arch, &self.pool)
    }
}

fn activated<'a>(raw: &'a Activation<Buffer>, norm: &'a Norm<Buffer>) -> Activated<'a> {
    Activated {
        raw: &raw.values,
        shape: raw.shape,
        mean: &norm.mean,
        scale: &norm.scale,
        shift: &norm.shift,
    }
}

impl Kernels for Cpu {
    type Floats = Buffer;
    type Values = Buffer;
    type Sums = Sums;
    type ExciteSums = ExciteSums;

    fn zeros(&mut self, length: usize) -> Result<Buffer> {
        Ok(self.pool.zeros(length))
    }

    fn upload(&mut self, values: &[f32]) -> Result<Buffer> {
        Ok(self.pool.copy(values))
    }

    fn overwrite(&mut self, target: &mut Buffer, values: &[f32]) -> Result<()> {
        target.copy_from_slice(values);
        Ok(())
    }

    fn download(&self, floats: &Buffer) -> Result<Vec<f32>> {
        Ok(floats.to_vec())
    }

    fn download_operand(&mut self, x: Operand<'_, Self>) -> Result<Vec<f32>> {
        let source = Source::new(x);
        if let Some(values) = source.plain() {
            return Ok(values.to_vec());
        }
        let shape = x.raw.shape;
        let mut out = vec![0.0; shape.len()];
        source.fill(self.arch, 0..shape.rows(), 0..shape.channels, &mut out);
        Ok(out)
    }

    fn duplicate(&mut self, floats: &Buffer) -> Result<Buffer> {
        Ok(self.pool.copy(floats))
    }

    fn input(
        &mut self,
        images: &Images<'_>,
        normalisation: &Normalisation,
        channels: usize,
    ) -> Result<Activation<Buffer>> {
        let (batch, height, width) = (images.batch, images.height, images.width);
        let shape = Shape { batch, height, width, channels };
        if self.shape.replace(shape).is_some_and(|last| last != shape) {
            self.pool.trim();
        }
        let values = stem::input(images, normalisation, channels, &self.pool);
        Ok(Activation { shape, values })
    }

    fn stem(
        &mut self,
        x: &Activation<Buffer>,
        parameters: &Buffer,
        weight: &Range<usize>,
        sums: bool,
    ) -> Result<(Activation<Buffer>, Option<Sums>)> {
        let weight = &parameters[weight.clone()];
        let (values, sums) = stem::forward(&x.values, x.shape, weight, sums, self.with());
        let outputs = weight.len() / (9 * x.shape.channels);
        let shape = x.shape.convolved(STEM_WINDOW).with_channels(outputs);
        Ok((Activation { shape, values }, sums))
    }

    fn pointwise(
        &mut self,
        x: Operand<'_, Self>,
        parameters: &Buffer,
        weight: &Range<usize>,
        sums: bool,
    ) -> Result<(Activation<Buffer>, Option<Sums>)> {
        let (weight, shape) = (&parameters[weight.clone()], x.raw.shape);
        let (values, sums) =
            pointwise::forward(Source::new(x), shape.rows(), weight, sums, self.with());
        let shape = shape.with_channels(weight.len() / shape.channels);
        Ok((Activation { shape, values }, sums))
    }

    fn depthwise(
        &mut self,
        x: Operand<'_, Self>,
        window: Window,
        parameters: &Buffer,
        weight: &Range<usize>,
        sums: bool,
    ) -> Result<(Activation<Buffer>, Option<Sums>)> {
        let (weight, shape) = (&parameters[weight.clone()], x.raw.shape);
        let (values, sums) =
            depthwise::forward(Source::new(x), shape, window, weight, sums, self.with());
        Ok((Activation { shape: shape.convolved(window), values }, sums))
    }

    fn batch_norm(
        &mut self,
        sums: Sums,
        rows: usize,
        plan: &NormPlan,
        parameters: &Buffer,
        statistics: Option<&mut Buffer>,
    ) -> Result<Norm<Buffer>> {
        let statistics = statistics.map(|buffer| &mut **buffer);
        Ok(norm::of_batch(&sums, rows, plan, parameters, statistics, &self.pool))
    }

    fn running_norm(
        &mut self,
        plan: &NormPlan,
        parameters: &Buffer,
        statistics: &Buffer,
    ) -> Result<Norm<Buffer>> {
        Ok(norm::of_running(plan, parameters, statistics, &self.pool))
    }

    fn pool(&mut self, x: Operand<'_, Self>) -> Result<Buffer> {
        Ok(excite::pool_images(Source::new(x), x.raw.shape, self.with()))
    }

    fn excite(
        &mut self,
        pooled: Buffer,
        batch: usize,
        plan: &ExcitePlan,
        parameters: &Buffer,
    ) -> Result<Excited<Buffer>> {
        Ok(excite::forward(pooled, batch, plan, parameters, &self.pool))
    }

    fn residual_add(
        &mut self,
        raw: &Activation<Buffer>,
        norm: &Norm<Buffer>,
        drop_path_mask: Option<&Buffer>,
        shortcut: Option<&Activation<Buffer>>,
    ) -> Result<Activation<Buffer>> {
        let mut values = self.pool.take(raw.shape.len());
        let branch = residual_add::Branch {
            raw: &raw.values,
            scale: &norm.scale,
            shift: &norm.shift,
            drop_path_mask: drop_path_mask.map(|mask| (&**mask, raw.shape.area())),
            shortcut: shortcut.map(|shortcut| &*shortcut.values),
        };
        residual_add::forward(branch, &mut values, self.arch);
        Ok(Activation { shape: raw.shape, values })
    }

    fn residual_add_sums(
        &mut self,
        raw: &Activation<Buffer>,
        norm: &Norm<Buffer>,
        grad_output: &Activation<Buffer>,
        drop_path_mask: Option<&Buffer>,
    ) -> Result<Sums> {
        let drop_path_mask = drop_path_mask.map(|mask| (&**mask, raw.shape.area()));
        Ok(residual_add::sums(
            &raw.values,
            &grad_output.values,
            &norm.mean,
            drop_path_mask,
            self.arch,
        ))
    }

    fn slopes(
        &mut self,
        sums: Sums,
        rows: usize,
        norm: &Norm<Buffer>,
        plan: &NormPlan,
        gradient: &mut Buffer,
    ) -> Result<Slopes<Buffer>> {
        Ok(norm::slopes(&sums, rows, norm, plan, gradient, &self.pool))
    }

    fn pointwise_backward(
        &mut self,
        grad_output: GradientOperand<'_, Self>,
        x: Operand<'_, Self>,
        parameters: &Buffer,
        weight: &Range<usize>,
        gradient: &mut Buffer,
        accumulate_into: Option<Activation<Buffer>>,
    ) -> Result<Activation<Buffer>> {
        let shape = x.raw.shape;
        let operands = (GradientSource::new(grad_output), Source::new(x), shape.rows());
        let accumulate_into = accumulate_into.map(|accumulate_into| accumulate_into.values);
        let gradient = &mut gradient[weight.clone()];
        let weight = &parameters[weight.clone()];
        let values = pointwise::backward(operands, weight, gradient, accumulate_into, self.with());
        Ok(Activation { shape, values })
    }

    fn excite_sums(
        &mut self,
        raw: &Activation<Buffer>,
        norm: &Norm<Buffer>,
        grad_output: Option<&Activation<Buffer>>,
    ) -> Result<ExciteSums> {
        let grad_output = grad_output.map(|grad_output| &*grad_output.values);
        Ok(excite::backward_sums(activated(raw, norm), grad_output, self.arch))
    }

    fn excite_backward(
        &mut self,
        sums: &ExciteSums,
        excited: &Excited<Buffer>,
        batch: usize,
        plan: &ExcitePlan,
        parameters: &Buffer,
        gradient: &mut Buffer,
    ) -> Result<Buffer> {
        Ok(excite::backward(sums, excited, batch, plan, parameters, gradient, &self.pool))
    }

    fn excited_sums(
        &mut self,
        sums: ExciteSums,
        shape: Shape,
        gate: Option<&Buffer>,
        pooled: &Buffer,
    ) -> Result<Sums> {
        Ok(excite::norm_sums(&sums, shape, gate.map(|gate| &**gate), pooled))
    }

    fn excited_gradient(
        &mut self,
        raw: &Activation<Buffer>,
        norm: &Norm<Buffer>,
        grad_output: Option<(Activation<Buffer>, &Buffer)>,
        pooled: &Buffer,
        slopes: &Slopes<Buffer>,
    ) -> Result<Activation<Buffer>> {
        let slopes = [&*slopes.grad_output, &*slopes.raw, &*slopes.constant];
        let (mut values, gate) = match grad_output {
            Some((grad_output, gate)) => (grad_output.values, Some(&**gate)),
            None => (self.pool.take(raw.shape.len()), None),
        };
        let factors = Factors { gate, pooled, slopes };
        excite::gradient(activated(raw, norm), factors, &mut values, self.arch);
        Ok(Activation { shape: raw.shape, values })
    }

    fn depthwise_backward(
        &mut self,
        grad_output: &Activation<Buffer>,
        x: Operand<'_, Self>,
        window: Window,
        parameters: &Buffer,
        weight: &Range<usize>,
        gradient: &mut Buffer,
        accumulate_into: Option<Activation<Buffer>>,
    ) -> Result<(Activation<Buffer>, Option<Sums>)> {
        let shape = x.raw.shape;
        let norm = x.norm.map(|norm| [&*norm.scale, &*norm.shift, &*norm.mean]);
        let x = depthwise::Input { raw: &x.raw.values, shape, norm };
        let gradient = &mut gradient[weight.clone()];
        let weight = &parameters[weight.clone()];
        let accumulate_into = accumulate_into.map(|accumulate_into| accumulate_into.values);
        let (values, sums) = depthwise::backward(
            &grad_output.values,
            x,
            window,
            weight,
            gradient,
            accumulate_into,
            self.with(),
        );
        Ok((Activation { shape, values }, sums))
    }

    fn stem_backward(
        &mut self,
        grad_output: GradientOperand<'_, Self>,
        x: &Activation<Buffer>,
        weight: &Range<usize>,
        gradient: &mut Buffer,
    ) -> Result<()> {
        let gradient = &mut gradient[weight.clone()];
        stem::backward(GradientSource::new(grad_output), &x.values, x.shape, gradient, self.with());
        Ok(())
    }

    fn l2_norm(&mut self, floats: &Buffer) -> Result<f64> {
        Ok(optimizer::l2_norm(floats))
    }

    fn step(&mut self, step: Step<'_, Buffer>) -> Result<()> {
        optimizer::step(step, self.arch);
        Ok(())
    }

    fn update_ema(&mut self, ema: &mut Buffer, values: &Buffer, decay: f64) -> Result<()> {
        optimizer::update_ema(ema, values, decay);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
