//! Batch norm: from sums to scale and shift, and to the factors of its gradient.
//!
//! Ioffe and Szegedy 2015, computed as PyTorch does: the variance is biased in the norm, and
//! unbiased in the running statistics.

use super::super::{EPSILON, MOMENTUM, Norm, Slopes, Statistics};
use super::pool::{Buffer, Pool};
use super::sums::Sums;
use crate::plan::NormPlan;

fn norm(
    plan: &NormPlan,
    parameters: &[f32],
    moments: impl Fn(usize) -> (f64, f64),
    source: Statistics,
    pool: &Pool,
) -> Norm<Buffer> {
    let take = || pool.take(plan.channels);
    let (mut mean, mut inverse_deviation) = (take(), take());
    let (mut scale, mut shift) = (take(), take());
    for c in 0..plan.channels {
        let (mu, variance) = moments(c);
        let inverse = 1.0 / (variance + EPSILON).sqrt();
        let factor = f64::from(parameters[plan.scale.start + c]) * inverse;
        mean[c] = mu as f32;
        inverse_deviation[c] = inverse as f32;
        scale[c] = factor as f32;
        shift[c] = (f64::from(parameters[plan.shift.start + c]) - mu * factor) as f32;
    }
    Norm { mean, inverse_deviation, scale, shift, source }
}

/// The norm by the sums of the batch. Updates the running statistics if they are given.
pub fn of_batch(
    sums: &Sums,
    rows: usize,
    plan: &NormPlan,
    parameters: &[f32],
    statistics: Option<&mut [f32]>,
    pool: &Pool,
) -> Norm<Buffer> {
    let count = rows as f64;
    let moments = |c: usize| {
        let mean = sums.first[c] / count;
        (mean, (sums.second[c] / count - mean * mean).max(0.0))
    };
    if let Some(statistics) = statistics {
        let blend = |place: &mut f32, new: f64| {
            *place = ((1.0 - MOMENTUM) * f64::from(*place) + MOMENTUM * new) as f32;
        };
        for c in 0..plan.channels {
            let (mean, variance) = moments(c);
            blend(&mut statistics[plan.mean.start + c], mean);
            blend(&mut statistics[plan.variance.start + c], variance * count / (count - 1.0));
        }
    }
    norm(plan, parameters, moments, Statistics::Batch, pool)
}

/// The norm by the running statistics.
pub fn of_running(
    plan: &NormPlan,
    parameters: &[f32],
    statistics: &[f32],
    pool: &Pool,
) -> Norm<Buffer> {
    let at = |place: usize| f64::from(statistics[place]);
    let moments = |c: usize| (at(plan.mean.start + c), at(plan.variance.start + c));
    norm(plan, parameters, moments, Statistics::Running, pool)
}

/// The factors of the gradient. With z = gamma * (x - mean) * r + beta over m pixels and
/// r = 1 / deviation,
/// dx = gamma * r * (dz - sum(dz) / m - (x - mean) * r^2 * sum(dz * (x - mean)) / m).
/// By running statistics, which do not depend on x, dx = gamma * r * dz.
pub fn slopes(
    sums: &Sums,
    rows: usize,
    norm: &Norm<Buffer>,
    plan: &NormPlan,
    gradient: &mut [f32],
    pool: &Pool,
) -> Slopes<Buffer> {
    let take = || pool.zeros(plan.channels);
    let (mut grad_output, mut raw, mut constant) = (take(), take(), take());
    for c in 0..plan.channels {
        let (sum, centred) = (sums.first[c], sums.second[c]);
        let r = f64::from(norm.inverse_deviation[c]);
        gradient[plan.shift.start + c] += sum as f32;
        gradient[plan.scale.start + c] += (centred * r) as f32;
        let factor = f64::from(norm.scale[c]);
        grad_output[c] = norm.scale[c];
        if norm.source == Statistics::Batch {
            let pull = factor * centred * r * r / rows as f64;
            raw[c] = -pull as f32;
            constant[c] = (pull * f64::from(norm.mean[c]) - factor * sum / rows as f64) as f32;
        }
    }
    Slopes { grad_output, raw, constant }
}
