//! The input, and the stem: a full 3x3 convolution of stride 2.
//!
//! The convolution is a matrix product. Its left side holds the window of each output pixel
//! (`[pixels, channels * 9]`, in the order of PyTorch's weight), written out chunk by chunk.

use std::ops::Range;

use pulp::Arch;
use rayon::prelude::*;

use super::super::Shape;
use super::matrix::{Matrix, MatrixMut};
use super::operand::Rows;
use super::pointwise;
use super::pool::{Buffer, Pool};
use super::sums::{self, Sums};
use crate::plan::STEM_WINDOW;
use crate::{Images, Normalisation, Pixels};

/// Output pixels of a chunk.
const CHUNK: usize = 1024;
/// Values in a window of one channel.
const TAPS: usize = 9;

/// The input values of the network, `[batch, height, width, channels]`.
pub fn input(
    images: &Images<'_>,
    normalisation: &Normalisation,
    channels: usize,
    pool: &Pool,
) -> Buffer {
    let area = images.height * images.width;
    let mut out = pool.take(images.batch * area * channels);
    let line = |per_level: f32| -> Vec<(f32, f32)> {
        let pairs = normalisation.mean.iter().zip(&normalisation.std);
        pairs.map(|(mean, std)| (per_level / std, -mean / std)).collect()
    };
    match images.pixels {
        Pixels::U8(pixels) => grey(pixels, &line(1.0 / 255.0), &mut out),
        Pixels::U16(pixels) => grey(pixels, &line(1.0 / 65_535.0), &mut out),
        Pixels::F32(values) => {
            let images =
                out.par_chunks_mut(area * channels).zip(values.par_chunks(area * channels));
            images.for_each(|(out, planes)| {
                for (channel, plane) in planes.chunks_exact(area).enumerate() {
                    let places = out[channel..].iter_mut().step_by(channels);
                    places.zip(plane).for_each(|(place, value)| *place = *value);
                }
            });
        }
    }
    out
}

fn grey<T: Copy + Sync + Into<f32>>(pixels: &[T], lines: &[(f32, f32)], out: &mut [f32]) {
    const SPAN: usize = 1 << 14;
    let channels = lines.len();
    out.par_chunks_mut(SPAN * channels).zip(pixels.par_chunks(SPAN)).for_each(|(out, pixels)| {
        for (out, pixel) in out.chunks_exact_mut(channels).zip(pixels) {
            let level: f32 = (*pixel).into();
            for (out, (factor, shift)) in out.iter_mut().zip(lines) {
                *out = level * factor + shift;
            }
        }
    });
}

/// Writes the windows of some output pixels, `[pixels, channels * 9]`.
fn windows(x: &[f32], shape: Shape, pixels: Range<usize>, out: &mut [f32]) {
    let slid = shape.convolved(STEM_WINDOW);
    for (pixel, out) in pixels.zip(out.chunks_exact_mut(shape.channels * TAPS)) {
        let (image, in_image) = (pixel / slid.area(), pixel % slid.area());
        let (row, column) = (in_image / slid.width, in_image % slid.width);
        for tap in 0..TAPS {
            // One pixel of padding: input = 2 * output + tap - 1.
            let y = (row * 2 + tap / 3).wrapping_sub(1);
            let x_at = (column * 2 + tap % 3).wrapping_sub(1);
            let inside = y < shape.height && x_at < shape.width;
            let place = ((image * shape.height + y.min(shape.height - 1)) * shape.width
                + x_at.min(shape.width - 1))
                * shape.channels;
            for channel in 0..shape.channels {
                let value = if inside { x[place + channel] } else { 0.0 };
                out[channel * TAPS + tap] = value;
            }
        }
    }
}

/// The output, and its sums.
pub fn forward(
    x: &[f32],
    shape: Shape,
    weight: &[f32],
    with_sums: bool,
    (arch, pool): (Arch, &Pool),
) -> (Buffer, Option<Sums>) {
    let inputs = shape.channels * TAPS;
    let outputs = weight.len() / inputs;
    let mut y = pool.take(shape.convolved(STEM_WINDOW).rows() * outputs);
    let weight = Matrix::new(weight, inputs).transposed();
    let parts = y.par_chunks_mut(CHUNK * outputs).enumerate().map(|(i, out)| {
        let count = out.len() / outputs;
        let mut scratch = pool.take(count * inputs);
        windows(x, shape, i * CHUNK..i * CHUNK + count, &mut scratch);
        MatrixMut::new(out, outputs).multiply(Matrix::new(&scratch, inputs), weight, false);
        with_sums.then(|| sums::squares(arch, out, outputs))
    });
    let parts: Vec<Option<Sums>> = parts.collect();
    let sums = with_sums.then(|| Sums::total(outputs, parts.into_iter().flatten()));
    (y, sums)
}

/// Adds the gradient of the weight.
pub fn backward<G: Rows>(
    grad_output: G,
    x: &[f32],
    shape: Shape,
    gradient: &mut [f32],
    (arch, pool): (Arch, &Pool),
) {
    let fill = |pixels: Range<usize>, out: &mut [f32]| windows(x, shape, pixels, out);
    let count = shape.convolved(STEM_WINDOW).rows();
    pointwise::weight_gradient(grad_output, count, CHUNK, fill, gradient, (arch, pool));
}
