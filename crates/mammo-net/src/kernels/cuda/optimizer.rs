//! Launches of `source/optimizer.cu`: one pass over the flat buffers.

use super::super::{Result, Step};
use super::{Cuda, Floats, arguments};
use crate::Rule;

/// Threads of a block; `FLAT_THREADS` in the source.
pub const THREADS: u32 = 256;
/// The number of parts whose sums of squares are added on the host, one after the other.
const PARTS: usize = 1024;

/// Enough blocks for one thread per number.
fn grid(count: usize) -> [usize; 3] {
    [count.div_ceil(THREADS as usize), 1, 1]
}

impl Cuda {
    /// See [`super::Kernels::step`]; the arithmetic is that of `update.rs`.
    pub(super) fn optimizer_step(&mut self, step: Step<'_, Floats>) -> Result<()> {
        let Step { parameters, gradient, first, second, ema, decayed, update } = step;
        let length = parameters.length;
        let decays = self.decays(decayed, length)?;
        let count = length as u64;
        let scale = update.gradient_scale as f32;
        let ema_decay = update.ema_decay.unwrap_or_default() as f32;
        let ema = ema.as_deref().filter(|_| update.ema_decay.is_some());
        let second = second.as_deref();
        match update.rule {
            Rule::AdamW { beta1, beta2, epsilon } => {
                let steps = i32::try_from(update.step + 1).unwrap_or(i32::MAX);
                let rate = (update.learning_rate / (1.0 - beta1.powi(steps))) as f32;
                let root = (1.0 - beta2.powi(steps)).sqrt().recip() as f32;
                let (beta1, beta2, epsilon) = (beta1 as f32, beta2 as f32, epsilon as f32);
                let kept = (1.0 - update.learning_rate * update.weight_decay) as f32;
                let arguments = arguments![
                    &*parameters,
                    &*gradient,
                    &*first,
                    second,
                    ema,
                    decays,
                    count,
                    scale,
                    kept,
                    rate,
                    root,
                    beta1,
                    beta2,
                    epsilon,
                    ema_decay,
                ];
                self.device.launch("adamw", grid(length), THREADS, arguments)
            }
            Rule::Sgd { momentum, nesterov } => {
                let arguments = arguments![
                    &*parameters,
                    &*gradient,
                    &*first,
                    ema,
                    decays,
                    count,
                    scale,
                    update.weight_decay as f32,
                    update.learning_rate as f32,
                    momentum as f32,
                    i32::from(nesterov),
                    ema_decay,
                ];
                self.device.launch("sgd", grid(length), THREADS, arguments)
            }
        }
    }

    /// See [`super::Kernels::update_ema`].
    pub(super) fn ema_step(&mut self, ema: &Floats, values: &Floats, decay: f64) -> Result<()> {
        let arguments = arguments![ema, values, values.length as u64, decay as f32];
        self.device.launch("update_ema", grid(values.length), THREADS, arguments)
    }

    /// See [`super::Kernels::l2_norm`].
    pub(super) fn l2_norm_of(&mut self, floats: &Floats) -> Result<f64> {
        let slab = floats.length.div_ceil(PARTS).next_multiple_of(THREADS as usize);
        let parts = floats.length.div_ceil(slab).max(1);
        let sums = self.device.allocate(parts * size_of::<f64>())?;
        let arguments = arguments![floats, sums.address(), floats.length as u64, slab as u64];
        self.device.launch("square_sums", [parts, 1, 1], THREADS, arguments)?;
        let mut bytes = vec![0; parts * size_of::<f64>()];
        self.device.read(&sums, &mut bytes)?;
        let (numbers, _) = bytes.as_chunks();
        Ok(numbers.iter().map(|number| f64::from_le_bytes(*number)).sum::<f64>().sqrt())
    }
}
