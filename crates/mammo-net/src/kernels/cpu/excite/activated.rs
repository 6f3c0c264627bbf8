//! Values under an activation: the sums over them, and their gradient.
//!
//! In the backward pass, one pass over activation and gradient adds up per image and channel all
//! that the gradient of the gate and the norm below the activation need.

use std::ops::Range;

use pulp::{Arch, Simd};
use rayon::prelude::*;

use super::super::lanes::{self, Kernel, add_to_sums, load, store};
use super::super::sums::{BLOCK, Sums};
use super::parts;
use crate::kernels::Shape;

/// Sums per image and channel, in the order of
/// [`Kernels::excite_sums`](crate::kernels::Kernels::excite_sums).
pub struct ExciteSums {
    pub(super) channels: usize,
    /// `[batch, 5, channels]`.
    sums: Vec<f64>,
}

impl ExciteSums {
    /// Sum number `which` of an image, `[channels]`.
    pub fn of(&self, image: usize, which: usize) -> &[f64] {
        &self.sums[(image * 5 + which) * self.channels..][..self.channels]
    }
}

/// Raw values, and the norm between them and the activation.
#[derive(Clone, Copy)]
pub struct Activated<'a> {
    /// Raw values.
    pub raw: &'a [f32],
    /// Their shape.
    pub shape: Shape,
    /// `[channels]` of the norm.
    pub mean: &'a [f32],
    /// `[channels]` of the norm.
    pub scale: &'a [f32],
    /// `[channels]` of the norm.
    pub shift: &'a [f32],
}

/// One pass that adds up all that the backward pass needs.
pub fn backward_sums(x: Activated<'_>, grad_output: Option<&[f32]>, arch: Arch) -> ExciteSums {
    let channels = x.shape.channels;
    let tasks = parts(x.shape).into_par_iter().map(|(image, pixels)| {
        let mut sums = vec![0.0; 5 * channels];
        let places = |pixel: usize| (image * x.shape.area() + pixel) * channels;
        for first in pixels.clone().step_by(BLOCK / 2) {
            let here = places(first)..places((first + BLOCK / 2).min(pixels.end));
            let mut kernel = BackwardSums {
                raw: &x.raw[here.clone()],
                grad_output: grad_output.map(|grad_output| &grad_output[here]),
                x,
                sums: &mut sums,
            };
            lanes::run(arch, channels, &mut kernel);
        }
        (image, sums)
    });
    let tasks: Vec<(usize, Vec<f64>)> = tasks.collect();
    let mut sums = vec![0.0; x.shape.batch * 5 * channels];
    for (image, part) in tasks {
        let of_image = &mut sums[image * 5 * channels..][..5 * channels];
        of_image.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    ExciteSums { channels, sums }
}

struct BackwardSums<'a> {
    raw: &'a [f32],
    grad_output: Option<&'a [f32]>,
    x: Activated<'a>,
    sums: &'a mut [f64],
}

impl Kernel for BackwardSums<'_> {
    #[inline(always)]
    fn run<S: Simd>(&mut self, simd: S, channels: Range<usize>) {
        let width = self.x.mean.len();
        for at in channels.step_by(S::F32_LANES) {
            let (mean, scale) = (load::<S>(self.x.mean, at), load::<S>(self.x.scale, at));
            let shift = load::<S>(self.x.shift, at);
            let mut sums = [simd.splat_f32s(0.0); 5];
            for (i, raw) in self.raw.chunks_exact(width).enumerate() {
                let raw = load::<S>(raw, at);
                let (value, slope) =
                    lanes::silu_and_slope(simd, simd.mul_add_e_f32s(raw, scale, shift));
                let centred = simd.sub_f32s(raw, mean);
                sums[2] = simd.add_f32s(sums[2], slope);
                sums[4] = simd.mul_add_e_f32s(slope, centred, sums[4]);
                if let Some(grad_output) = self.grad_output {
                    let grad_output = load::<S>(grad_output, i * width + at);
                    let sloped = simd.mul_f32s(grad_output, slope);
                    sums[0] = simd.mul_add_e_f32s(grad_output, value, sums[0]);
                    sums[1] = simd.add_f32s(sums[1], sloped);
                    sums[3] = simd.mul_add_e_f32s(sloped, centred, sums[3]);
                }
            }
            for (i, sum) in sums.into_iter().enumerate() {
                add_to_sums::<S>(self.sums, i * width + at, sum);
            }
        }
    }
}

/// The sums for the norm below the activation.
pub fn norm_sums(sums: &ExciteSums, shape: Shape, gate: Option<&[f32]>, pooled: &[f32]) -> Sums {
    let channels = sums.channels;
    let mut out = Sums::zeros(channels);
    for image in 0..shape.batch {
        let [gated, plain, gated_centred, plain_centred] = [1, 2, 3, 4].map(|i| sums.of(image, i));
        for c in 0..channels {
            let gate = gate.map_or(0.0, |gate| f64::from(gate[image * channels + c]));
            let mean = f64::from(pooled[image * channels + c]) / shape.area() as f64;
            out.first[c] += gate * gated[c] + mean * plain[c];
            out.second[c] += gate * gated_centred[c] + mean * plain_centred[c];
        }
    }
    out
}

/// What [`gradient`] multiplies and adds.
#[derive(Clone, Copy)]
pub struct Factors<'a> {
    /// `[batch, channels]`; `None` where there is no grad_output gradient.
    pub gate: Option<&'a [f32]>,
    /// `[batch, channels]`: the gradient of the channel means.
    pub pooled: &'a [f32],
    /// Of the norm, `[channels]` each: grad_output, raw, constant.
    pub slopes: [&'a [f32]; 3],
}

/// Overwrites the grad_output gradient (or whatever `values` hold, without a gate) with that of the
/// raw values.
pub fn gradient(x: Activated<'_>, factors: Factors<'_>, values: &mut [f32], arch: Arch) {
    const ROWS: usize = 64;
    let channels = x.shape.channels;
    values.par_chunks_mut(ROWS * channels).enumerate().for_each(|(i, values)| {
        let raw = &x.raw[i * ROWS * channels..][..values.len()];
        let mut kernel = Gradient { raw, values, first_row: i * ROWS, x, factors };
        lanes::run(arch, channels, &mut kernel);
    });
}

struct Gradient<'a> {
    raw: &'a [f32],
    values: &'a mut [f32],
    first_row: usize,
    x: Activated<'a>,
    factors: Factors<'a>,
}

impl Kernel for Gradient<'_> {
    #[inline(always)]
    fn run<S: Simd>(&mut self, simd: S, channels: Range<usize>) {
        let width = self.x.mean.len();
        let area = self.x.shape.area();
        let per_pixel = simd.splat_f32s(1.0 / area as f32);
        let rows = self.raw.chunks_exact(width).zip(self.values.chunks_exact_mut(width));
        for (i, (raw, values)) in rows.enumerate() {
            let image = (self.first_row + i) / area;
            let pooled = &self.factors.pooled[image * width..][..width];
            let gate = self.factors.gate.map(|gate| &gate[image * width..][..width]);
            for at in channels.clone().step_by(S::F32_LANES) {
                let raw = load::<S>(raw, at);
                let scale = load::<S>(self.x.scale, at);
                let shift = load::<S>(self.x.shift, at);
                let (_, slope) =
                    lanes::silu_and_slope(simd, simd.mul_add_e_f32s(raw, scale, shift));
                let mut grad_output = simd.mul_f32s(load::<S>(pooled, at), per_pixel);
                if let Some(gate) = gate {
                    let value = load::<S>(values, at);
                    grad_output = simd.mul_add_e_f32s(value, load::<S>(gate, at), grad_output);
                }
                let [of_grad_output, of_raw, constant] = self.factors.slopes;
                let rest = simd.mul_add_e_f32s(raw, load::<S>(of_raw, at), load::<S>(constant, at));
                let grad_output = simd.mul_f32s(grad_output, slope);
                store::<S>(
                    values,
                    at,
                    simd.mul_add_e_f32s(grad_output, load::<S>(of_grad_output, at), rest),
                );
            }
        }
    }
}
