//! One optimizer step over flat buffers on the CPU, as PyTorch computes it, and the exponential
//! moving average behind it.

use crate::Kind;

/// One optimizer step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Update {
    /// The optimizer.
    pub rule: Rule,
    /// The learning rate of this step.
    pub learning_rate: f64,
    /// Weight decay, of [`Kind::Weight`] alone. AdamW subtracts `learning_rate * weight_decay *
    /// weight`; SGD adds `weight_decay * weight` to the gradient. PyTorch does the same.
    pub weight_decay: f64,
    /// The gradient is multiplied by this first: 1 / accumulated batches, times the factor of
    /// gradient clipping.
    pub gradient_scale: f64,
    /// The number of steps before this one, for AdamW's bias correction.
    pub step: u64,
    /// Decay of the exponential moving average; `None` leaves the average as it is.
    pub ema_decay: Option<f64>,
}

/// The optimizer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// AdamW (Loshchilov and Hutter 2019), as PyTorch computes it.
    AdamW {
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        epsilon: f64,
    },
    /// Stochastic gradient descent with momentum, as PyTorch computes it.
    Sgd {
        /// The share of the velocity that is kept.
        momentum: f64,
        /// Whether to use Nesterov's variant.
        nesterov: bool,
    },
}

/// Makes one step on `parameters` of one kind, and updates their moments and their moving average.
///
/// All slices have one length, with two exceptions: `second` is not touched by [`Rule::Sgd`], and
/// `ema` is not touched without [`Update::ema_decay`]. Both may be empty then.
///
/// Only weights decay. Under AdamW the decay is separate from the gradient, `parameter -= rate *
/// decay * parameter`; under SGD it is part of it, `gradient += decay * parameter`, so the velocity
/// carries it on.
// Inlined, so that it is compiled for the vectors that its caller dispatched to.
#[inline(always)]
pub fn step(
    update: &Update,
    kind: Kind,
    parameters: &mut [f32],
    gradient: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    ema: &mut [f32],
) {
    let scale = update.gradient_scale as f32;
    let decay = if kind == Kind::Weight { update.weight_decay } else { 0.0 };
    match update.rule {
        Rule::AdamW { beta1, beta2, epsilon } => {
            let steps = i32::try_from(update.step + 1).unwrap_or(i32::MAX);
            let rate = (update.learning_rate / (1.0 - beta1.powi(steps))) as f32;
            let root = (1.0 - beta2.powi(steps)).sqrt().recip() as f32;
            let (beta1, beta2, epsilon) = (beta1 as f32, beta2 as f32, epsilon as f32);
            let kept = (1.0 - update.learning_rate * decay) as f32;
            for (((p, g), m), v) in parameters.iter_mut().zip(gradient).zip(first).zip(second) {
                let g = g * scale;
                *m = beta1 * *m + (1.0 - beta1) * g;
                *v = beta2 * *v + (1.0 - beta2) * g * g;
                *p = *p * kept - rate * *m / (v.sqrt() * root + epsilon);
            }
        }
        Rule::Sgd { momentum, nesterov } => {
            let (momentum, rate) = (momentum as f32, update.learning_rate as f32);
            let decay = decay as f32;
            for ((p, g), m) in parameters.iter_mut().zip(gradient).zip(first) {
                let g = g * scale + decay * *p;
                // At the first step the velocity is 0, and becomes the gradient, as PyTorch's.
                *m = momentum * *m + g;
                let direction = if nesterov { g + momentum * *m } else { *m };
                *p -= rate * direction;
            }
        }
    }
    if let Some(decay) = update.ema_decay {
        let decay = decay as f32;
        for (a, p) in ema.iter_mut().zip(parameters.iter()) {
            *a = decay * *a + (1.0 - decay) * *p;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three steps from (1, -2), with the gradients doubled and halved again by the scale.
    fn run(rule: Rule, weight_decay: f64, kind: Kind) -> [f32; 2] {
        let gradients = [[1.0, -2.0], [0.5, 4.0], [-6.0, 0.0]];
        let (mut p, mut m, mut v, mut a) = ([1.0, -2.0], [0.0; 2], [0.0; 2], [0.0; 2]);
        for (number, gradient) in gradients.iter().enumerate() {
            let update = Update {
                rule,
                learning_rate: 0.1,
                weight_decay,
                gradient_scale: 0.5,
                step: number as u64,
                ema_decay: None,
            };
            step(&update, kind, &mut p, gradient, &mut m, &mut v, &mut a);
        }
        assert_eq!(a, [0.0; 2], "no ema is kept");
        p
    }

    fn assert_near(found: [f32; 2], expected: [f32; 2]) {
        let near = found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-6);
        assert!(near, "{found:?}, PyTorch has {expected:?}");
    }

    /// ```python
    /// g = torch.tensor([[0.5, -1.0], [0.25, 2.0], [-3.0, 0.0]])
    /// p = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    /// o = torch.optim.AdamW([p], lr=0.1, betas=(0.9, 0.99), eps=1e-6, weight_decay=0.02)
    /// # and SGD([p], lr=0.1, momentum=0.9), with weight_decay 0 and 0.5, with and without nesterov
    /// for row in g: p.grad = row.clone(); o.step()
    /// ```
    #[test]
    fn three_steps_end_where_pytorchs_do() {
        let adamw = Rule::AdamW { beta1: 0.9, beta2: 0.99, epsilon: 1e-6 };
        assert_near(run(adamw, 0.02, Kind::Weight), [0.850_657_94, -1.953_237_4]);
        let sgd = |nesterov, decay| run(Rule::Sgd { momentum: 0.9, nesterov }, decay, Kind::Weight);
        assert_near(sgd(false, 0.0), [1.117, -2.109]);
        assert_near(sgd(true, 0.0), [1.330_3, -2.198_1]);
        assert_near(sgd(false, 0.5), [0.859, -1.580_5]);
        assert_near(sgd(true, 0.5), [0.991_162_8, -1.474_700_6]);
    }

    #[test]
    fn norms_and_biases_do_not_decay() {
        let rule = Rule::Sgd { momentum: 0.0, nesterov: false };
        let free = run(rule, 0.0, Kind::Weight);
        assert_eq!(run(rule, 0.5, Kind::Bias), free);
        assert_eq!(run(rule, 0.5, Kind::Scale), free);
        assert_ne!(run(rule, 0.5, Kind::Weight), free);
    }
}
