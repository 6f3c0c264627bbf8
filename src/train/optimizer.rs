//! The [`Update`] of an optimizer step, from the settings and the number of the step.

use crate::config::TrainConfig;
use crate::config::train::OptimizerKind;
use crate::model::{Rule, Update};

/// The update of optimizer step `step`. `norm` is the norm of its gradient, which is the sum of the
/// gradients of the accumulated batches.
pub fn update(config: &TrainConfig, learning_rate: f64, norm: f64, step: u64) -> Update {
    let optimizer = &config.optimizer;
    let mean = 1.0 / config.accumulate as f64;
    // As torch.nn.utils.clip_grad_norm_, with its 1e-6.
    let clip = optimizer.max_grad_norm.map_or(1.0, |max| (max / (norm * mean + 1e-6)).min(1.0));
    Update {
        rule: match optimizer.kind {
            OptimizerKind::Adamw => Rule::AdamW {
                beta1: optimizer.betas[0],
                beta2: optimizer.betas[1],
                epsilon: optimizer.epsilon,
            },
            OptimizerKind::Sgd => {
                Rule::Sgd { momentum: optimizer.momentum, nesterov: optimizer.nesterov }
            }
        },
        learning_rate,
        weight_decay: optimizer.weight_decay,
        gradient_scale: mean * clip,
        step,
        ema_decay: config.ema_decay.map(|decay| ema_decay(decay, step)),
    }
}

/// The decay rises over the first steps, so that the average forgets the random initial weights
/// (as TensorFlow's `ExponentialMovingAverage` with `num_updates`).
fn ema_decay(highest: f64, step: u64) -> f64 {
    let step = step as f64;
    highest.min((1.0 + step) / (10.0 + step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gradient_above_the_maximum_norm_is_scaled_down_and_a_smaller_one_is_not() {
        let mut config = TrainConfig::default();
        (config.optimizer.max_grad_norm, config.accumulate) = (Some(2.0), 4);
        // 4 batches with a mean norm of 4, twice the maximum.
        let scale = |norm| update(&config, 0.1, norm, 0).gradient_scale;
        assert!((scale(16.0) - 0.25 / 2.0).abs() < 1e-6);
        assert_eq!(scale(8.0 - 1e-3), 0.25);
    }

    #[test]
    fn the_average_spans_few_steps_at_first_and_many_later() {
        let mut config = TrainConfig { ema_decay: Some(0.999), ..TrainConfig::default() };
        let decay = |step| update(&config, 0.1, 1.0, step).ema_decay.unwrap();
        assert_eq!([0, 90].map(decay), [0.1, 0.91]);
        assert_eq!(decay(1_000_000), 0.999);
        config.ema_decay = None;
        assert_eq!(update(&config, 0.1, 1.0, 0).ema_decay, None);
    }
}
