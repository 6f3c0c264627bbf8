//! Launches of `source/stem.cu`: the input, and the stem.

use std::ops::Range;

use super::super::{Activation, GradientOperand, Result, Shape};
use super::rows::{self, Parts};
use super::{Cuda, Floats, Values, arguments, bytes};
use crate::plan::STEM_WINDOW;
use crate::{Images, Normalisation, Pixels};

/// Threads of a block; `PIXEL_THREADS` in the source.
const THREADS: u32 = 256;
/// Slabs of output pixels, at most; each gives a part of the gradient of the weight.
const SLABS: usize = 1024;
/// Output pixels of a slab, at least.
const PIXELS_A_SLAB: usize = 64;

fn grid(count: usize) -> [usize; 3] {
    [count.div_ceil(THREADS as usize), 1, 1]
}

impl Cuda {
    /// See [`super::Kernels::input`]. The pixels are copied on a stream of their own, from pinned
    /// memory, while the GPU still does what was queued before.
    pub(super) fn enter(
        &mut self,
        images: &Images<'_>,
        normalisation: &Normalisation,
        channels: usize,
    ) -> Result<Activation<Values>> {
        let Images { batch, height, width, .. } = *images;
        let out = self.activation(Shape { batch, height, width, channels })?;
        let pixels = (batch * height * width) as u64;
        let (name, staged, range) = match images.pixels {
            Pixels::U8(levels) => ("input_u8", self.device.stage(levels)?, 255.0),
            Pixels::U16(levels) => {
                let levels: Vec<u8> = levels.iter().flat_map(|level| level.to_le_bytes()).collect();
                ("input_u16", self.device.stage(&levels)?, 65_535.0)
            }
            Pixels::F32(values) => {
                let staged = self.device.stage(&bytes(values))?;
                let count = pixels * channels as u64;
                let arguments =
                    arguments![staged.address(), &out.values, count, height * width, channels];
                self.device.launch("input_f32", grid(out.shape.len()), THREADS, arguments)?;
                return Ok(out);
            }
        };
        // As on the CPU: level * factor + shift.
        let factor = |channel: usize| match normalisation.std.get(channel) {
            Some(std) => (1.0 / range) / std,
            None => 0.0,
        };
        let shift = |channel: usize| match normalisation.std.get(channel) {
            Some(std) => -normalisation.mean[channel] / std,
            None => 0.0,
        };
        let arguments = arguments![
            staged.address(),
            &out.values,
            pixels,
            channels,
            factor(0),
            shift(0),
            factor(1),
            shift(1),
            factor(2),
            shift(2),
        ];
        self.device.launch(name, grid(batch * height * width), THREADS, arguments)?;
        Ok(out)
    }

    /// The values as f32.
    pub(super) fn widen(&mut self, values: &Values, length: usize) -> Result<Floats> {
        let floats = self.floats(length)?;
        let arguments = arguments![values, &floats, length as u64];
        self.device.launch("widen", grid(length), THREADS, arguments)?;
        Ok(floats)
    }

    /// See [`super::Kernels::stem`].
    pub(super) fn stem_forward(
        &mut self,
        x: &Activation<Values>,
        parameters: &Floats,
        weight: &Range<usize>,
        y: &Activation<Values>,
    ) -> Result<()> {
        let parts = Parts::new(y.shape.batch, y.shape.area(), y.shape.channels);
        let arguments = arguments![
            &x.values,
            parameters.from(weight.start),
            &y.values,
            x.shape.height,
            x.shape.width,
            x.shape.channels,
            y.shape.height,
            y.shape.width,
            y.shape.channels,
            parts.lanes,
            parts.slab,
        ];
        self.device.launch("stem", parts.grid, rows::THREADS, arguments)
    }

    /// See [`super::Kernels::stem_backward`].
    pub(super) fn stem_weights(
        &mut self,
        grad_output: GradientOperand<'_, Self>,
        x: &Activation<Values>,
        weight: &Range<usize>,
        gradient: &Floats,
    ) -> Result<()> {
        let shape = grad_output.grad_output.shape;
        debug_assert_eq!((shape.height, shape.width), {
            let slid = x.shape.convolved(STEM_WINDOW);
            (slid.height, slid.width)
        });
        let slabs = shape.rows().div_ceil(PIXELS_A_SLAB).min(SLABS);
        let slab = shape.rows().div_ceil(slabs);
        let slabs = shape.rows().div_ceil(slab);
        let sums = self.floats(slabs * weight.len())?;
        let arguments = arguments![
            &grad_output.grad_output.values,
            grad_output.drop_path_mask,
            grad_output.norm.map(|norm| &norm.raw.values),
            grad_output.norm.map(|norm| &norm.slopes.grad_output),
            grad_output.norm.map(|norm| &norm.slopes.raw),
            grad_output.norm.map(|norm| &norm.slopes.constant),
            &x.values,
            &sums,
            x.shape.height,
            x.shape.width,
            x.shape.channels,
            shape.height,
            shape.width,
            shape.channels,
            shape.rows(),
            slab,
        ];
        // One thread per output channel and row of the window.
        let threads = 3 * shape.channels as u32;
        self.device.launch("stem_backward", [slabs, 1, 1], threads, arguments)?;
        self.accumulate_slabs(sums, slabs, weight.len(), gradient, weight.start)
    }
}
