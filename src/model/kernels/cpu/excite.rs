//! Squeeze and excitation: means by image, two small linear maps, and the way back.
//!
//! On the way back one pass over activation and gradient adds up by image and channel all that
//! both the gate's gradient and the norm below it need; the rest is arithmetic on
//! `[batch, channels]`.

use std::ops::Range;

use pulp::{Arch, Simd};
use rayon::prelude::*;

use super::super::{Excited, Shape};
use super::lanes::{self, Kernel, add_to_sums, load, store};
use super::matrix::{Matrix, MatrixMut};
use super::operand::Rows;
use super::pool::{Buffer, Pool};
use super::sums::{BLOCK, Sums};
use crate::model::plan::ExcitePlan;

/// By image and channel, in the order that [`super::Kernels::excite_sums`] names them.
pub struct ExciteSums {
    channels: usize,
    /// `[batch, 5, channels]`.
    sums: Vec<f64>,
}

impl ExciteSums {
    fn of(&self, image: usize, which: usize) -> &[f64] {
        &self.sums[(image * 5 + which) * self.channels..][..self.channels]
    }
}

/// Pixels of a task.
fn chunk_pixels(area: usize) -> usize {
    area.div_ceil(4).next_multiple_of(BLOCK).min(1024)
}

/// The parts of every image: image and its pixels.
fn parts(shape: Shape) -> Vec<(usize, Range<usize>)> {
    let (area, chunk) = (shape.area(), chunk_pixels(shape.area()));
    let of_image = |image: usize| {
        (0..area).step_by(chunk).map(move |first| (image, first..(first + chunk).min(area)))
    };
    (0..shape.batch).flat_map(of_image).collect()
}

/// Means over each image, `[batch, channels]`.
pub fn pool_images<R: Rows>(x: R, shape: Shape, (arch, pool): (Arch, &Pool)) -> Buffer {
    let channels = shape.channels;
    let tasks = parts(shape).into_par_iter().map(|(image, pixels)| {
        let mut sums = vec![0.0_f64; channels];
        let mut scratch = pool.take(BLOCK * channels);
        for first in pixels.clone().step_by(BLOCK) {
            let count = BLOCK.min(pixels.end - first);
            let row = image * shape.area() + first;
            let rows = match x.plain() {
                Some(values) => &values[row * channels..][..count * channels],
                None => {
                    let out = &mut scratch[..count * channels];
                    x.fill(arch, row..row + count, 0..channels, out);
                    out
                }
            };
            lanes::run(arch, channels, &mut ColumnSums { rows, channels, sums: &mut sums });
        }
        (image, sums)
    });
    let tasks: Vec<(usize, Vec<f64>)> = tasks.collect();
    let mut means = vec![0.0_f64; shape.batch * channels];
    for (image, sums) in tasks {
        let mean = &mut means[image * channels..][..channels];
        mean.iter_mut().zip(sums).for_each(|(mean, sum)| *mean += sum);
    }
    let mut out = pool.take(means.len());
    let area = shape.area() as f64;
    out.iter_mut().zip(means).for_each(|(out, sum)| *out = (sum / area) as f32);
    out
}

struct ColumnSums<'a> {
    rows: &'a [f32],
    channels: usize,
    sums: &'a mut [f64],
}

impl Kernel for ColumnSums<'_> {
    #[inline(always)]
    fn run<S: Simd>(&mut self, simd: S, channels: Range<usize>) {
        for at in channels.step_by(S::F32_LANES) {
            let mut sum = simd.splat_f32s(0.0);
            for row in self.rows.chunks_exact(self.channels) {
                sum = simd.add_f32s(sum, load::<S>(row, at));
            }
            add_to_sums::<S>(self.sums, at, sum);
        }
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

fn bias(out: &mut [f32], bias: &[f32]) {
    out.chunks_exact_mut(bias.len()).for_each(|row| row.copy_from_slice(bias));
}

/// The gate.
pub fn forward(
    pooled: Buffer,
    batch: usize,
    plan: &ExcitePlan,
    parameters: &[f32],
    pool: &Pool,
) -> Excited<Buffer> {
    let channels = pooled.len() / batch;
    let weight = |range: &Range<usize>, inputs| Matrix::new(&parameters[range.clone()], inputs);
    let mut hidden = pool.take(batch * plan.hidden);
    bias(&mut hidden, &parameters[plan.reduce_bias.clone()]);
    let reduce = weight(&plan.reduce_weight, channels).transposed();
    MatrixMut::new(&mut hidden, plan.hidden).multiply(Matrix::new(&pooled, channels), reduce, true);
    let activated: Vec<f32> = hidden.iter().map(|x| x * sigmoid(*x)).collect();
    let mut gate = pool.take(batch * channels);
    bias(&mut gate, &parameters[plan.expand_bias.clone()]);
    let expand = weight(&plan.expand_weight, plan.hidden).transposed();
    let activated = Matrix::new(&activated, plan.hidden);
    MatrixMut::new(&mut gate, channels).multiply(activated, expand, true);
    gate.iter_mut().for_each(|x| *x = sigmoid(*x));
    Excited { pooled, hidden, gate }
}

/// The gradient of the means; adds those of the weights.
pub fn back(
    sums: &ExciteSums,
    excited: &Excited<Buffer>,
    batch: usize,
    plan: &ExcitePlan,
    parameters: &[f32],
    gradient: &mut [f32],
    pool: &Pool,
) -> Buffer {
    let (channels, hidden) = (sums.channels, plan.hidden);
    let mut outer = pool.take(batch * channels);
    for image in 0..batch {
        let places = image * channels..(image + 1) * channels;
        let gates = &excited.gate[places.clone()];
        let parts = gates.iter().zip(sums.of(image, 0));
        for (outer, (gate, sum)) in outer[places].iter_mut().zip(parts) {
            *outer = *sum as f32 * gate * (1.0 - gate);
        }
    }
    let activated: Vec<f32> = excited.hidden.iter().map(|x| x * sigmoid(*x)).collect();
    let expand = Matrix::new(&parameters[plan.expand_weight.clone()], hidden);
    let reduce = Matrix::new(&parameters[plan.reduce_weight.clone()], channels);
    linear_gradient(
        (&outer, channels),
        (&activated, hidden),
        [&plan.expand_weight, &plan.expand_bias],
        gradient,
    );
    let mut inner = vec![0.0; batch * hidden];
    MatrixMut::new(&mut inner, hidden).multiply(Matrix::new(&outer, channels), expand, false);
    for (inner, x) in inner.iter_mut().zip(&*excited.hidden) {
        let s = sigmoid(*x);
        *inner *= s * (1.0 + x * (1.0 - s));
    }
    linear_gradient(
        (&inner, hidden),
        (&excited.pooled, channels),
        [&plan.reduce_weight, &plan.reduce_bias],
        gradient,
    );
    let mut pooled = pool.take(batch * channels);
    MatrixMut::new(&mut pooled, channels).multiply(Matrix::new(&inner, hidden), reduce, false);
    pooled
}

fn linear_gradient(
    (outer, outputs): (&[f32], usize),
    (x, inputs): (&[f32], usize),
    [weight, bias]: [&Range<usize>; 2],
    gradient: &mut [f32],
) {
    let (outer_rows, x) = (Matrix::new(outer, outputs), Matrix::new(x, inputs));
    let mut weight = MatrixMut::new(&mut gradient[weight.clone()], inputs);
    weight.multiply(outer_rows.transposed(), x, true);
    for row in outer.chunks_exact(outputs) {
        gradient[bias.clone()].iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
}

/// Raw values under an activation, with their norm.
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

/// One pass that adds up all that the way back needs.
pub fn back_sums(x: Activated<'_>, outer: Option<&[f32]>, arch: Arch) -> ExciteSums {
    let channels = x.shape.channels;
    let tasks = parts(x.shape).into_par_iter().map(|(image, pixels)| {
        let mut sums = vec![0.0; 5 * channels];
        let places = |pixel: usize| (image * x.shape.area() + pixel) * channels;
        for first in pixels.clone().step_by(BLOCK / 2) {
            let here = places(first)..places((first + BLOCK / 2).min(pixels.end));
            let mut kernel = BackSums {
                raw: &x.raw[here.clone()],
                outer: outer.map(|outer| &outer[here]),
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

struct BackSums<'a> {
    raw: &'a [f32],
    outer: Option<&'a [f32]>,
    x: Activated<'a>,
    sums: &'a mut [f64],
}

impl Kernel for BackSums<'_> {
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
                if let Some(outer) = self.outer {
                    let outer = load::<S>(outer, i * width + at);
                    let sloped = simd.mul_f32s(outer, slope);
                    sums[0] = simd.mul_add_e_f32s(outer, value, sums[0]);
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

/// The sums of the norm under the activation.
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
    /// `[batch, channels]`; `None` where there is no outer gradient.
    pub gate: Option<&'a [f32]>,
    /// `[batch, channels]`: gradient of the means.
    pub pooled: &'a [f32],
    /// Of the norm, `[channels]` each: outer, raw, constant.
    pub slopes: [&'a [f32]; 3],
}

/// Overwrites the outer gradient (or whatever `values` hold, without a gate) with that of the
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
                let mut outer = simd.mul_f32s(load::<S>(pooled, at), per_pixel);
                if let Some(gate) = gate {
                    let value = load::<S>(values, at);
                    outer = simd.mul_add_e_f32s(value, load::<S>(gate, at), outer);
                }
                let [of_outer, of_raw, constant] = self.factors.slopes;
                let rest = simd.mul_add_e_f32s(raw, load::<S>(of_raw, at), load::<S>(constant, at));
                let outer = simd.mul_f32s(outer, slope);
                store::<S>(values, at, simd.mul_add_e_f32s(outer, load::<S>(of_outer, at), rest));
            }
        }
    }
}
