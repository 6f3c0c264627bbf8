//! Squeeze and excitation: means per image, two small linear layers, and the backward pass.
//!
//! Means and sums over pixels are in `excite/means.rs` and `excite/activated.rs`; the rest is
//! arithmetic on `[batch, channels]` numbers, here.

mod activated;
mod means;

use std::ops::Range;

pub use self::activated::{Activated, ExciteSums, Factors, backward_sums, gradient, norm_sums};
pub use self::means::pool_images;
use super::super::{Excited, Shape};
use super::matrix::{Matrix, MatrixMut};
use super::pool::{Buffer, Pool};
use super::sums::BLOCK;
use crate::plan::ExcitePlan;

/// Pixels of a task.
fn chunk_pixels(area: usize) -> usize {
    area.div_ceil(4).next_multiple_of(BLOCK).min(1024)
}

/// The tasks: an image, and some of its pixels.
fn parts(shape: Shape) -> Vec<(usize, Range<usize>)> {
    let (area, chunk) = (shape.area(), chunk_pixels(shape.area()));
    let of_image = |image: usize| {
        (0..area).step_by(chunk).map(move |first| (image, first..(first + chunk).min(area)))
    };
    (0..shape.batch).flat_map(of_image).collect()
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// Fills every row of `out` with the bias.
fn bias(out: &mut [f32], bias: &[f32]) {
    out.chunks_exact_mut(bias.len()).for_each(|row| row.copy_from_slice(bias));
}

/// Hidden values and gate, from the channel means.
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

/// Adds the gradients of weights and biases, and gives that of the channel means.
pub fn backward(
    sums: &ExciteSums,
    excited: &Excited<Buffer>,
    batch: usize,
    plan: &ExcitePlan,
    parameters: &[f32],
    gradient: &mut [f32],
    pool: &Pool,
) -> Buffer {
    let (channels, hidden) = (sums.channels, plan.hidden);
    let mut grad_gate = pool.take(batch * channels);
    for image in 0..batch {
        let places = image * channels..(image + 1) * channels;
        let gates = &excited.gate[places.clone()];
        let parts = gates.iter().zip(sums.of(image, 0));
        for (grad, (gate, sum)) in grad_gate[places].iter_mut().zip(parts) {
            *grad = *sum as f32 * gate * (1.0 - gate);
        }
    }
    let activated: Vec<f32> = excited.hidden.iter().map(|x| x * sigmoid(*x)).collect();
    let expand = Matrix::new(&parameters[plan.expand_weight.clone()], hidden);
    let reduce = Matrix::new(&parameters[plan.reduce_weight.clone()], channels);
    linear_gradient(
        (&grad_gate, channels),
        (&activated, hidden),
        [&plan.expand_weight, &plan.expand_bias],
        gradient,
    );
    let mut grad_hidden = vec![0.0; batch * hidden];
    MatrixMut::new(&mut grad_hidden, hidden).multiply(
        Matrix::new(&grad_gate, channels),
        expand,
        false,
    );
    for (grad, x) in grad_hidden.iter_mut().zip(&*excited.hidden) {
        let s = sigmoid(*x);
        *grad *= s * (1.0 + x * (1.0 - s));
    }
    linear_gradient(
        (&grad_hidden, hidden),
        (&excited.pooled, channels),
        [&plan.reduce_weight, &plan.reduce_bias],
        gradient,
    );
    let mut pooled = pool.take(batch * channels);
    MatrixMut::new(&mut pooled, channels).multiply(
        Matrix::new(&grad_hidden, hidden),
        reduce,
        false,
    );
    pooled
}

/// Adds the gradients of a linear layer's weight and bias.
fn linear_gradient(
    (grad_output, outputs): (&[f32], usize),
    (x, inputs): (&[f32], usize),
    [weight, bias]: [&Range<usize>; 2],
    gradient: &mut [f32],
) {
    let (grad_rows, x) = (Matrix::new(grad_output, outputs), Matrix::new(x, inputs));
    let mut weight = MatrixMut::new(&mut gradient[weight.clone()], inputs);
    weight.multiply(grad_rows.transposed(), x, true);
    for row in grad_output.chunks_exact(outputs) {
        gradient[bias.clone()].iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
}
