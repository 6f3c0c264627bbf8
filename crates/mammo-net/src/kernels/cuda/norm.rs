//! Launches of `source/norm.cu`: from sums to norms, and to the factors of their gradients.

use super::super::{Norm, Result, Slopes, Statistics};
use super::{Cuda, Floats, Sums, arguments};
use crate::plan::NormPlan;

/// Threads of a block; `CHANNEL_THREADS` in the source.
pub const THREADS: u32 = 128;

fn grid(count: usize) -> [usize; 3] {
    [count.div_ceil(THREADS as usize), 1, 1]
}

impl Cuda {
    fn empty_norm(&mut self, channels: usize, source: Statistics) -> Result<Norm<Floats>> {
        Ok(Norm {
            mean: self.floats(channels)?,
            inverse_deviation: self.floats(channels)?,
            scale: self.floats(channels)?,
            shift: self.floats(channels)?,
            source,
        })
    }

    /// See [`super::Kernels::batch_norm`].
    pub(super) fn norm_of_batch(
        &mut self,
        sums: &Sums,
        rows: usize,
        plan: &NormPlan,
        parameters: &Floats,
        statistics: Option<&Floats>,
    ) -> Result<Norm<Floats>> {
        let norm = self.empty_norm(plan.channels, Statistics::Batch)?;
        let statistic = |place| statistics.map_or(0_u64.into(), |all| all.from(place));
        let arguments = arguments![
            &sums.floats,
            sums.slabs,
            plan.channels,
            rows as f64,
            parameters.from(plan.scale.start),
            parameters.from(plan.shift.start),
            statistic(plan.mean.start),
            statistic(plan.variance.start),
            &norm.mean,
            &norm.inverse_deviation,
            &norm.scale,
            &norm.shift,
        ];
        self.device.launch("batch_norm", grid(plan.channels), THREADS, arguments)?;
        Ok(norm)
    }

    /// See [`super::Kernels::running_norm`].
    pub(super) fn norm_of_running(
        &mut self,
        plan: &NormPlan,
        parameters: &Floats,
        statistics: &Floats,
    ) -> Result<Norm<Floats>> {
        let norm = self.empty_norm(plan.channels, Statistics::Running)?;
        let arguments = arguments![
            plan.channels,
            parameters.from(plan.scale.start),
            parameters.from(plan.shift.start),
            statistics.from(plan.mean.start),
            statistics.from(plan.variance.start),
            &norm.mean,
            &norm.inverse_deviation,
            &norm.scale,
            &norm.shift,
        ];
        self.device.launch("running_norm", grid(plan.channels), THREADS, arguments)?;
        Ok(norm)
    }

    /// See [`super::Kernels::slopes`].
    pub(super) fn norm_slopes(
        &mut self,
        sums: &Sums,
        rows: usize,
        norm: &Norm<Floats>,
        plan: &NormPlan,
        gradient: &Floats,
    ) -> Result<Slopes<Floats>> {
        let slopes = Slopes {
            grad_output: self.floats(plan.channels)?,
            raw: self.floats(plan.channels)?,
            constant: self.floats(plan.channels)?,
        };
        let of_batch = i32::from(norm.source == Statistics::Batch);
        let arguments = arguments![
            &sums.floats,
            sums.slabs,
            plan.channels,
            rows as f64,
            of_batch,
            &norm.mean,
            &norm.inverse_deviation,
            &norm.scale,
            gradient.from(plan.scale.start),
            gradient.from(plan.shift.start),
            &slopes.grad_output,
            &slopes.raw,
            &slopes.constant,
        ];
        self.device.launch("slopes", grid(plan.channels), THREADS, arguments)?;
        Ok(slopes)
    }

    /// Adds up `[slabs, count]` and adds the result to the gradient from `place` on.
    pub(super) fn accumulate_slabs(
        &mut self,
        sums: Floats,
        slabs: usize,
        count: usize,
        gradient: &Floats,
        place: usize,
    ) -> Result<()> {
        let (sums, slabs) = self.few_slabs(sums, slabs, count)?;
        let arguments = arguments![&sums, gradient.from(place), slabs, count];
        self.device.launch("accumulate_slabs", grid(count), THREADS, arguments)
    }

    /// Adds up `[slabs, taps, channels]` and adds the result, as `[channels, taps]`, to the gradient
    /// from `place` on.
    pub(super) fn accumulate_taps(
        &mut self,
        sums: Floats,
        slabs: usize,
        (taps, channels): (usize, usize),
        gradient: &Floats,
        place: usize,
    ) -> Result<()> {
        let (sums, slabs) = self.few_slabs(sums, slabs, taps * channels)?;
        let arguments = arguments![&sums, gradient.from(place), slabs, taps, channels];
        self.device.launch("accumulate_taps", grid(taps * channels), THREADS, arguments)
    }
}
