//! Backward: a task takes a band of input rows.
//!
//! Activation and slope of a row are computed once. They serve the gradient of the weight, that of
//! the input, and the sums for the norm before the convolution.

use std::ops::Range;

use pulp::{Arch, Simd};
use rayon::prelude::*;

use super::super::lanes::{self, Kernel, add_to_sums, load, store};
use super::super::line::{Line, correlate};
use super::super::pool::{Buffer, Pool};
use super::super::sums::Sums;
use super::{bands, by_tap};
use crate::kernels::Shape;
use crate::plan::Window;

/// The input of the convolution.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// Raw values.
    pub raw: &'a [f32],
    /// Their shape.
    pub shape: Shape,
    /// Scale, shift and mean of the norm that is applied to it, if there is one.
    pub norm: Option<[&'a [f32]; 3]>,
}

/// Adds the gradient of the weight, and gives that of the input and its sums; see
/// [`Kernels::depthwise_backward`](crate::kernels::Kernels::depthwise_backward).
pub fn backward(
    grad_output: &[f32],
    x: Input<'_>,
    window: Window,
    weight: &[f32],
    gradient: &mut [f32],
    accumulate_into: Option<Buffer>,
    (arch, pool): (Arch, &Pool),
) -> (Buffer, Option<Sums>) {
    let channels = x.shape.channels;
    let weights = by_tap(weight, channels, pool);
    let accumulate = accumulate_into.is_some();
    let mut dx = accumulate_into.unwrap_or_else(|| pool.take(x.shape.len()));
    let parts = bands(&mut dx, x.shape).into_par_iter().map(|(image, first, values)| {
        let task = Backward { grad_output, x, weights: &weights, accumulate, arch, pool };
        match (window.kernel, window.stride) {
            (3, 1) => task.band::<3, 1>(image, first, values),
            (3, 2) => task.band::<3, 2>(image, first, values),
            (5, 1) => task.band::<5, 1>(image, first, values),
            (5, 2) => task.band::<5, 2>(image, first, values),
            other => unreachable!("windows are 3 or 5 wide and move by 1 or 2, not {other:?}"),
        }
    });
    let parts: Vec<(Buffer, Sums)> = parts.collect();
    let taps = weight.len() / channels;
    gradient.par_chunks_mut(taps).enumerate().with_min_len(16).for_each(|(channel, window)| {
        for (tap, value) in window.iter_mut().enumerate() {
            *value += parts.iter().map(|(part, _)| part[tap * channels + channel]).sum::<f32>();
        }
    });
    let sums = x.norm.map(|_| Sums::total(channels, parts.into_iter().map(|(_, sums)| sums)));
    (dx, sums)
}

/// A task.
struct Backward<'a> {
    grad_output: &'a [f32],
    x: Input<'a>,
    weights: &'a [f32],
    accumulate: bool,
    arch: Arch,
    pool: &'a Pool,
}

impl Backward<'_> {
    fn band<const KERNEL: usize, const STRIDE: usize>(
        &self,
        image: usize,
        first: usize,
        values: &mut [f32],
    ) -> (Buffer, Sums) {
        let Shape { height, width, channels, .. } = self.x.shape;
        let window = Window { kernel: KERNEL, stride: STRIDE };
        let out = self.x.shape.convolved(window);
        let row = width * channels;
        let mut sums = Sums::zeros(channels);
        let mut weights_gradient = self.pool.zeros(self.weights.len());
        let mut activated = self.x.norm.map(|_| (self.pool.take(row), self.pool.take(row)));
        let mut result = (self.accumulate).then(|| self.pool.take(row));
        for (i, dx) in values.chunks_mut(row).enumerate() {
            let at = first + i;
            let raw = &self.x.raw[(image * height + at) * row..][..row];
            if let (Some((value, slope)), Some([scale, shift, _])) = (&mut activated, self.x.norm) {
                let mut kernel = Activate { raw, scale, shift, value, slope };
                lanes::run(self.arch, channels, &mut kernel);
            }
            // Output row o reads this row by tap t where o * stride + t - padding = at.
            let rows: [Option<&[f32]>; KERNEL] = std::array::from_fn(|tap| {
                let shifted = (at + KERNEL / 2).checked_sub(tap)?;
                let o = shifted / STRIDE;
                let reads = shifted % STRIDE == 0 && o < out.height;
                let length = out.width * channels;
                reads.then(|| &self.grad_output[(image * out.height + o) * length..][..length])
            });
            let after = match (&activated, self.x.norm) {
                (Some((_, slope)), Some([_, _, mean])) => Some((&**slope, mean)),
                _ => None,
            };
            let value = activated.as_ref().map_or(raw, |(value, _)| &**value);
            let mut kernel = BackwardRow::<KERNEL, STRIDE> {
                rows,
                weights: self.weights,
                weights_gradient: &mut weights_gradient,
                width: channels,
                inputs: width,
                value,
                raw,
                after,
                dx: result.as_deref_mut().unwrap_or(&mut *dx),
                sums: &mut sums,
            };
            lanes::run(self.arch, channels, &mut kernel);
            if let Some(result) = &result {
                dx.iter_mut().zip(&**result).for_each(|(sum, value)| *sum += value);
            }
        }
        (weights_gradient, sums)
    }
}

/// Computes value and slope of SiLU at the norm of a row.
struct Activate<'a> {
    raw: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    value: &'a mut [f32],
    slope: &'a mut [f32],
}

impl Kernel for Activate<'_> {
    #[inline(always)]
    fn run<S: Simd>(&mut self, simd: S, channels: Range<usize>) {
        let width = self.scale.len();
        let out = self.value.chunks_exact_mut(width).zip(self.slope.chunks_exact_mut(width));
        for (raw, (values, slopes)) in self.raw.chunks_exact(width).zip(out) {
            for at in channels.clone().step_by(S::F32_LANES) {
                let scale = load::<S>(self.scale, at);
                let x = simd.mul_add_e_f32s(load::<S>(raw, at), scale, load::<S>(self.shift, at));
                let (value, slope) = lanes::silu_and_slope(simd, x);
                store::<S>(values, at, value);
                store::<S>(slopes, at, slope);
            }
        }
    }
}

/// One input row.
struct BackwardRow<'a, const KERNEL: usize, const STRIDE: usize> {
    rows: [Option<&'a [f32]>; KERNEL],
    weights: &'a [f32],
    weights_gradient: &'a mut [f32],
    width: usize,
    inputs: usize,
    value: &'a [f32],
    raw: &'a [f32],
    /// The slope of the activation and the mean of the norm, if there is one.
    after: Option<(&'a [f32], &'a [f32])>,
    dx: &'a mut [f32],
    sums: &'a mut Sums,
}

impl<const KERNEL: usize, const STRIDE: usize> BackwardRow<'_, KERNEL, STRIDE> {
    #[inline(always)]
    fn input<S: Simd>(&mut self, simd: S, at: usize) {
        let places = (self.width, at);
        let outputs = self.inputs.div_ceil(STRIDE);
        if STRIDE == 1 {
            let line = Line {
                taps: std::array::from_fn(|i| KERNEL - 1 - i),
                first: -((KERNEL / 2) as isize),
                inputs: outputs,
                outputs: self.inputs,
                out_first: 0,
                out_step: 1,
            };
            correlate::<S, KERNEL, KERNEL, 1>(
                simd,
                &self.rows,
                self.weights,
                places,
                &line,
                self.dx,
            );
            return;
        }
        // With a stride of 2, the even inputs are a correlation with every second tap, and so are
        // the odd ones.
        macro_rules! of_parity {
            ($parity:expr, $first_tap:expr, $taps:literal) => {{
                let line = Line {
                    taps: std::array::from_fn::<_, $taps, _>(|i| $first_tap + 2 * ($taps - 1 - i)),
                    first: (($parity + KERNEL / 2 - $first_tap) / 2) as isize + 1 - $taps,
                    inputs: outputs,
                    outputs: (self.inputs + 1 - $parity) / 2,
                    out_first: $parity,
                    out_step: 2,
                };
                correlate::<S, KERNEL, $taps, 1>(
                    simd,
                    &self.rows,
                    self.weights,
                    places,
                    &line,
                    self.dx,
                );
            }};
        }
        if KERNEL == 3 {
            of_parity!(0, 1, 1);
            of_parity!(1, 0, 2);
        } else {
            of_parity!(0, 0, 3);
            of_parity!(1, 1, 2);
        }
    }

    #[inline(always)]
    fn weights<S: Simd>(&mut self, simd: S, at: usize) {
        let (width, inputs, padding) = (self.width, self.inputs, KERNEL / 2);
        let outputs = inputs.div_ceil(STRIDE);
        for tap in 0..KERNEL {
            let Some(grad_output) = self.rows[tap] else { continue };
            let place = |i: usize| (tap * KERNEL + i) * width + at;
            let mut sums: [S::f32s; KERNEL] =
                std::array::from_fn(|i| load::<S>(self.weights_gradient, place(i)));
            for o in 0..outputs {
                let grad_output = load::<S>(grad_output, o * width + at);
                let left = o * STRIDE;
                if left >= padding && left - padding + KERNEL <= inputs {
                    for (i, sum) in sums.iter_mut().enumerate() {
                        let x = load::<S>(self.value, (left - padding + i) * width + at);
                        *sum = simd.mul_add_e_f32s(grad_output, x, *sum);
                    }
                } else {
                    for (i, sum) in sums.iter_mut().enumerate() {
                        if left + i >= padding && left + i - padding < inputs {
                            let x = load::<S>(self.value, (left + i - padding) * width + at);
                            *sum = simd.mul_add_e_f32s(grad_output, x, *sum);
                        }
                    }
                }
            }
            for (i, sum) in sums.into_iter().enumerate() {
                store::<S>(self.weights_gradient, place(i), sum);
            }
        }
    }

    #[inline(always)]
    fn norm<S: Simd>(&mut self, simd: S, at: usize) {
        let Some((slope, mean)) = self.after else { return };
        let mean = load::<S>(mean, at);
        let (mut first, mut second) = (simd.splat_f32s(0.0), simd.splat_f32s(0.0));
        let rows = self.raw.chunks_exact(self.width).zip(slope.chunks_exact(self.width));
        for (dx, (raw, slope)) in self.dx.chunks_exact_mut(self.width).zip(rows) {
            let value = simd.mul_f32s(load::<S>(dx, at), load::<S>(slope, at));
            store::<S>(dx, at, value);
            first = simd.add_f32s(first, value);
            let centred = simd.sub_f32s(load::<S>(raw, at), mean);
            second = simd.mul_add_e_f32s(value, centred, second);
        }
        add_to_sums::<S>(&mut self.sums.first, at, first);
        add_to_sums::<S>(&mut self.sums.second, at, second);
    }
}

impl<const KERNEL: usize, const STRIDE: usize> Kernel for BackwardRow<'_, KERNEL, STRIDE> {
    #[inline(always)]
    fn run<S: Simd>(&mut self, simd: S, channels: Range<usize>) {
        for at in channels.step_by(S::F32_LANES) {
            self.input(simd, at);
            self.weights(simd, at);
            self.norm(simd, at);
        }
    }
}
