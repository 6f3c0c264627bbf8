//! Launches of `source/excite.cu`: squeeze and excitation on `[batch, channels]` numbers.

use super::super::{Excited, Result, Shape};
use super::{Cuda, ExciteSums, Floats, Sums, arguments};
use crate::plan::ExcitePlan;

/// Threads of a block; `DOT_THREADS` in the source.
const THREADS: u32 = 128;
/// Hidden values of a block of `excite_grad_hidden`.
const HIDDEN: usize = 32;

fn blocks(count: usize) -> usize {
    count.div_ceil(THREADS as usize)
}

impl Cuda {
    /// See [`super::Kernels::excite`].
    pub(super) fn excite_forward(
        &mut self,
        pooled: Floats,
        batch: usize,
        plan: &ExcitePlan,
        parameters: &Floats,
    ) -> Result<Excited<Floats>> {
        let (channels, width) = (pooled.length / batch, plan.hidden);
        let hidden = self.floats(batch * width)?;
        let weight = parameters.from(plan.reduce_weight.start);
        let bias = parameters.from(plan.reduce_bias.start);
        let arguments = arguments![&pooled, weight, bias, &hidden, channels, width];
        self.device.launch("excite_hidden", [width, batch, 1], THREADS, arguments)?;
        let gate = self.floats(batch * channels)?;
        let weight = parameters.from(plan.expand_weight.start);
        let bias = parameters.from(plan.expand_bias.start);
        let arguments = arguments![&hidden, weight, bias, &gate, channels, width];
        self.device.launch("excite_gate", [blocks(channels), batch, 1], THREADS, arguments)?;
        Ok(Excited { pooled, hidden, gate })
    }

    /// See [`super::Kernels::excite_backward`].
    pub(super) fn excite_gradients(
        &mut self,
        sums: &ExciteSums,
        excited: &Excited<Floats>,
        batch: usize,
        plan: &ExcitePlan,
        parameters: &Floats,
        gradient: &Floats,
    ) -> Result<Floats> {
        let (channels, width) = (excited.pooled.length / batch, plan.hidden);
        let by_channel = [blocks(channels), batch, 1];
        let grad_gate = self.floats(batch * channels)?;
        let arguments = arguments![&sums.floats, &excited.gate, &grad_gate, channels];
        self.device.launch("excite_grad_gate", by_channel, THREADS, arguments)?;

        let grad_hidden = self.floats(batch * width)?;
        let weight = parameters.from(plan.expand_weight.start);
        let arguments =
            arguments![&grad_gate, weight, &excited.hidden, &grad_hidden, channels, width];
        let grid = [width.div_ceil(HIDDEN), batch, 1];
        self.device.launch("excite_grad_hidden", grid, THREADS, arguments)?;

        let places = (plan.expand_weight.start, plan.expand_bias.start);
        let x = (&excited.hidden, width, 1);
        self.linear_gradient((&grad_gate, channels), x, batch, places, gradient)?;
        let places = (plan.reduce_weight.start, plan.reduce_bias.start);
        let x = (&excited.pooled, channels, 0);
        self.linear_gradient((&grad_hidden, width), x, batch, places, gradient)?;

        let pooled = self.floats(batch * channels)?;
        let weight = parameters.from(plan.reduce_weight.start);
        let arguments = arguments![&grad_hidden, weight, &pooled, channels, width];
        self.device.launch("excite_grad_pooled", by_channel, THREADS, arguments)?;
        Ok(pooled)
    }

    /// Adds the gradients of a linear layer's weight and bias. SiLU comes before the layer if
    /// `activated` is 1.
    fn linear_gradient(
        &mut self,
        (grad_output, outputs): (&Floats, usize),
        (x, inputs, activated): (&Floats, usize, i32),
        batch: usize,
        (weight, bias): (usize, usize),
        gradient: &Floats,
    ) -> Result<()> {
        let (weight, bias) = (gradient.from(weight), gradient.from(bias));
        let arguments = arguments![grad_output, x, weight, bias, batch, outputs, inputs, activated];
        let grid = [blocks(outputs * inputs), 1, 1];
        self.device.launch("linear_gradient", grid, THREADS, arguments)
    }

    /// See [`super::Kernels::excited_sums`].
    pub(super) fn excited_norm_sums(
        &mut self,
        sums: &ExciteSums,
        shape: Shape,
        gate: Option<&Floats>,
        pooled: &Floats,
    ) -> Result<Sums> {
        let channels = shape.channels;
        let floats = self.floats(2 * channels)?;
        let arguments =
            arguments![&sums.floats, gate, pooled, &floats, shape.batch, shape.area(), channels];
        self.device.launch("excited_sums", [blocks(channels), 1, 1], THREADS, arguments)?;
        Ok(Sums { floats, slabs: 1 })
    }
}
