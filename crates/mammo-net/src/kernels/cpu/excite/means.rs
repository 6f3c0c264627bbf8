//! Channel means of each image.

use std::ops::Range;

use pulp::{Arch, Simd};
use rayon::prelude::*;

use super::super::lanes::{self, Kernel, add_to_sums, load};
use super::super::operand::Rows;
use super::super::pool::{Buffer, Pool};
use super::super::sums::BLOCK;
use super::parts;
use crate::kernels::Shape;

/// The mean over the pixels of each image, `[batch, channels]`.
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
