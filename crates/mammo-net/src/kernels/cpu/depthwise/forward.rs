//! Forward: a task computes a band of output rows.
//!
//! The input rows that it needs are computed once each, into a ring of as many rows as the window
//! is high.

use std::ops::Range;

use pulp::{Arch, Simd};
use rayon::prelude::*;

use super::super::lanes::{self, Kernel, add_to_sums, load};
use super::super::line::{Line, correlate};
use super::super::operand::Rows;
use super::super::pool::{Buffer, Pool};
use super::super::sums::Sums;
use super::{bands, by_tap};
use crate::kernels::Shape;
use crate::plan::Window;

/// The output of the convolution, and the sums of its values and of their squares.
pub fn forward<R: Rows>(
    x: R,
    shape: Shape,
    window: Window,
    weight: &[f32],
    with_sums: bool,
    (arch, pool): (Arch, &Pool),
) -> (Buffer, Option<Sums>) {
    let weights = by_tap(weight, shape.channels, pool);
    let out = shape.convolved(window);
    let mut y = pool.take(out.len());
    let parts = bands(&mut y, out).into_par_iter().map(|(image, first, values)| {
        let task = Forward { x, shape, weights: &weights, with_sums, arch, pool };
        match (window.kernel, window.stride) {
            (3, 1) => task.band::<3, 1>(image, first, values),
            (3, 2) => task.band::<3, 2>(image, first, values),
            (5, 1) => task.band::<5, 1>(image, first, values),
            (5, 2) => task.band::<5, 2>(image, first, values),
            other => unreachable!("windows are 3 or 5 wide and move by 1 or 2, not {other:?}"),
        }
    });
    let parts: Vec<Sums> = parts.collect();
    let sums = with_sums.then(|| Sums::total(shape.channels, parts));
    (y, sums)
}

/// A task.
struct Forward<'a, R> {
    x: R,
    shape: Shape,
    weights: &'a [f32],
    with_sums: bool,
    arch: Arch,
    pool: &'a Pool,
}

impl<R: Rows> Forward<'_, R> {
    fn band<const KERNEL: usize, const STRIDE: usize>(
        &self,
        image: usize,
        first: usize,
        values: &mut [f32],
    ) -> Sums {
        let Shape { height, width, channels, .. } = self.shape;
        let row = width * channels;
        let mut sums = Sums::zeros(channels);
        let mut ring = self.x.plain().is_none().then(|| self.pool.take(KERNEL * row));
        // The row in each place of the ring.
        let mut held = [usize::MAX; KERNEL];
        for (i, out) in values.chunks_mut(width.div_ceil(STRIDE) * channels).enumerate() {
            let top = (first + i) * STRIDE;
            let wanted: [Option<usize>; KERNEL] = std::array::from_fn(|tap| {
                (top + tap).checked_sub(KERNEL / 2).filter(|row| *row < height)
            });
            let start = |at: usize| (image * height + at) * width;
            if let Some(ring) = &mut ring {
                for at in wanted.into_iter().flatten() {
                    if held[at % KERNEL] == at {
                        continue;
                    }
                    held[at % KERNEL] = at;
                    let out = &mut ring[at % KERNEL * row..][..row];
                    self.x.fill(self.arch, start(at)..start(at) + width, 0..channels, out);
                }
            }
            let rows = wanted.map(|at| {
                at.map(|at| match &ring {
                    Some(ring) => &ring[at % KERNEL * row..][..row],
                    None => &self.x.plain().expect("without a ring it is")[start(at) * channels..]
                        [..row],
                })
            });
            let mut kernel = ForwardRow::<KERNEL, STRIDE> {
                rows,
                weights: self.weights,
                width: channels,
                inputs: width,
                out,
                sums: self.with_sums.then_some(&mut sums),
            };
            lanes::run(self.arch, channels, &mut kernel);
        }
        sums
    }
}

/// One output row.
struct ForwardRow<'a, const KERNEL: usize, const STRIDE: usize> {
    rows: [Option<&'a [f32]>; KERNEL],
    weights: &'a [f32],
    width: usize,
    inputs: usize,
    out: &'a mut [f32],
    sums: Option<&'a mut Sums>,
}

impl<const KERNEL: usize, const STRIDE: usize> Kernel for ForwardRow<'_, KERNEL, STRIDE> {
    #[inline(always)]
    fn run<S: Simd>(&mut self, simd: S, channels: Range<usize>) {
        let line = Line {
            taps: std::array::from_fn(|tap| tap),
            first: -((KERNEL / 2) as isize),
            inputs: self.inputs,
            outputs: self.inputs.div_ceil(STRIDE),
            out_first: 0,
            out_step: 1,
        };
        for at in channels.step_by(S::F32_LANES) {
            let places = (self.width, at);
            correlate::<S, KERNEL, KERNEL, STRIDE>(
                simd,
                &self.rows,
                self.weights,
                places,
                &line,
                self.out,
            );
            if let Some(sums) = &mut self.sums {
                let (mut sum, mut square) = (simd.splat_f32s(0.0), simd.splat_f32s(0.0));
                for pixel in self.out.chunks_exact(self.width) {
                    let value = load::<S>(pixel, at);
                    sum = simd.add_f32s(sum, value);
                    square = simd.mul_add_e_f32s(value, value, square);
                }
                add_to_sums::<S>(&mut sums.first, at, sum);
                add_to_sums::<S>(&mut sums.second, at, square);
            }
        }
    }
}
