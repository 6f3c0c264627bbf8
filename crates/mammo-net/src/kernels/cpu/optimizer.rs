//! Optimizer steps over flat buffers: one pass over all parameters and their moving average.
//!
//! The arithmetic is that of [`update::step`]. This module divides it among threads and vectors.

use std::ops::Range;

use pulp::Arch;
use rayon::prelude::*;

use super::super::Step;
use super::pool::Buffer;
use crate::{Kind, Update, update};

/// Parameters of a task.
const SPAN: usize = 1 << 15;

/// The Euclidean norm, summed in f64. The length alone decides on the order of the sum.
pub fn l2_norm(values: &[f32]) -> f64 {
    let square = |span: &[f32]| span.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>();
    let parts: Vec<f64> = values.par_chunks(SPAN).map(square).collect();
    parts.into_iter().sum::<f64>().sqrt()
}

/// See [`super::Kernels::update_ema`].
pub fn update_ema(ema: &mut [f32], values: &[f32], decay: f64) {
    let decay = decay as f32;
    ema.par_chunks_mut(SPAN).zip(values.par_chunks(SPAN)).for_each(|(ema, values)| {
        let pairs = ema.iter_mut().zip(values);
        pairs.for_each(|(old, new)| *old = decay * *old + (1.0 - decay) * *new);
    });
}

/// The parts of the buffers that one task updates.
struct Part<'a> {
    start: usize,
    parameters: &'a mut [f32],
    gradient: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    ema: &'a mut [f32],
}

/// See [`super::Kernels::step`].
pub fn step(step: Step<'_, Buffer>, arch: Arch) {
    let Step { parameters, gradient, first, second, ema, decayed, update } = step;
    let parts = parameters.len().div_ceil(SPAN);
    let rest = spans(second, parts).into_iter().zip(spans(ema, parts));
    let always =
        parameters.chunks_mut(SPAN).zip(gradient.chunks_mut(SPAN)).zip(first.chunks_mut(SPAN));
    let tasks: Vec<Part<'_>> = always
        .zip(rest)
        .enumerate()
        .map(|(i, (((parameters, gradient), first), (second, ema)))| Part {
            start: i * SPAN,
            parameters,
            gradient,
            first,
            second,
            ema,
        })
        .collect();
    tasks.into_par_iter().for_each(|part| arch.dispatch(|| run(part, decayed, update)));
}

/// A buffer in spans; empty spans if there is no buffer.
fn spans(buffer: Option<&mut Buffer>, parts: usize) -> Vec<&mut [f32]> {
    match buffer {
        Some(buffer) => buffer.chunks_mut(SPAN).collect(),
        None => std::iter::repeat_with(|| &mut [][..]).take(parts).collect(),
    }
}

#[inline(always)]
fn run(part: Part<'_>, decayed: &[Range<usize>], update: &Update) {
    let end = part.start + part.parameters.len();
    let mut at = part.start;
    let mut next = decayed.partition_point(|range| range.end <= at);
    while at < end {
        // The longest span from here on that decays as a whole, or does not decay at all.
        let (until, kind) = match decayed.get(next) {
            Some(range) if range.start > at => (range.start.min(end), Kind::Bias),
            Some(range) => {
                next += 1;
                (range.end.min(end), Kind::Weight)
            }
            None => (end, Kind::Bias),
        };
        let here = at - part.start..until - part.start;
        update::step(
            update,
            kind,
            &mut part.parameters[here.clone()],
            &part.gradient[here.clone()],
            &mut part.first[here.clone()],
            within(part.second, &here),
            within(part.ema, &here),
        );
        at = until;
    }
    part.gradient.fill(0.0);
}

/// The part of a buffer, if there is a buffer.
#[inline(always)]
fn within<'a>(values: &'a mut [f32], here: &Range<usize>) -> &'a mut [f32] {
    if values.is_empty() { values } else { &mut values[here.clone()] }
}
