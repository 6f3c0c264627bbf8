//! Measures the speed of training steps without a loader. The peer is
//! `benches/peers/train_torch.py`.
//!
//! In: a network and the size of a batch. Out: [`Report`], the median time of steps (forward,
//! backward, AdamW) on random images, and the peak memory.

use std::time::Instant;

use serde::Serialize;

use crate::error::Fault;
use crate::model::{
    Backbone, Images, Mode, ModelError, Options, Pixels, Rule, Update, Variant, build,
};
use crate::random::Random;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The network.
    pub variant: Variant,
    /// Its input channels: 1 or 3.
    pub channels: usize,
    /// Device, precision and gradient checkpointing.
    pub options: Options,
    /// Images per step.
    pub batch: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Measured steps.
    pub steps: usize,
    /// Unmeasured steps before those.
    pub warmup: usize,
    /// Inference instead of training.
    pub forward_only: bool,
}

/// The result. The peer uses the same names.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// timm's name of the network.
    pub model: String,
    /// Images per step.
    pub batch: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// CPU threads.
    pub threads: usize,
    /// Inference instead of training.
    pub forward_only: bool,
    /// Median time of a step in milliseconds.
    pub step_ms: f64,
    /// Images per second at that time.
    pub images_per_s: f64,
    /// Peak memory of this process in MiB; `None` where the system does not report it.
    pub peak_mib: Option<f64>,
    /// Loss of the last step. It falls over the steps, because the batch stays the same.
    pub loss: Option<f64>,
}

/// Measures on the threads of the current rayon pool.
///
/// # Errors
/// A [`Fault`] if the device is missing or fails.
pub fn measure(spec: &Spec) -> Result<Report, Fault> {
    let mut backbone = build(spec.variant, spec.channels, &spec.options, 1)?;
    let mut random = Random::new(1);
    let count = spec.batch * spec.height * spec.width;
    let pixels: Vec<u8> = (0..count).map(|_| (random.next() >> 56) as u8).collect();
    let labels: Vec<f64> = (0..spec.batch).map(|image| (image % 2) as f64).collect();
    let classifier: Vec<f32> =
        (0..backbone.features()).map(|_| random.between(-0.02, 0.02)).collect();
    let (batch, height, width) = (spec.batch, spec.height, spec.width);
    let images = Images { pixels: Pixels::U8(&pixels), batch, height, width };

    let mut times = Vec::new();
    let mut last = None;
    for step in 0..spec.warmup + spec.steps {
        let start = Instant::now();
        if spec.forward_only {
            backbone.forward(&images, Mode::Evaluate)?;
        } else {
            last = Some(train(backbone.as_mut(), &images, (&classifier, &labels), step as u64)?);
        }
        if step >= spec.warmup {
            times.push(start.elapsed().as_secs_f64());
        }
    }
    times.sort_by(f64::total_cmp);
    let median = (times[(times.len() - 1) / 2] + times[times.len() / 2]) / 2.0;
    Ok(Report {
        model: spec.variant.to_string(),
        batch,
        height,
        width,
        threads: rayon::current_num_threads(),
        forward_only: spec.forward_only,
        step_ms: median * 1e3,
        images_per_s: batch as f64 / median,
        peak_mib: peak_mib(),
        loss: last,
    })
}

/// A training step with a fixed linear classifier instead of trained heads, whose cost is
/// negligible. Returns the loss before the step.
fn train(
    backbone: &mut dyn Backbone,
    images: &Images<'_>,
    (classifier, labels): (&[f32], &[f64]),
    step: u64,
) -> Result<f64, ModelError> {
    let features = backbone.forward(images, Mode::Train { seed: step })?;
    let (mut loss, mut gradient) = (0.0, Vec::with_capacity(features.len()));
    for (features, label) in features.chunks_exact(classifier.len()).zip(labels) {
        let pairs = features.iter().zip(classifier);
        let logit: f64 = pairs.map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
        loss += logit.max(0.0) - logit * label + (-logit.abs()).exp().ln_1p();
        let grad_logit = (1.0 / (1.0 + (-logit).exp()) - label) / labels.len() as f64;
        gradient.extend(classifier.iter().map(|w| grad_logit as f32 * w));
    }
    backbone.backward(&gradient, &mut |_| {})?;
    backbone.update(&Update {
        rule: Rule::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
        learning_rate: 1e-4,
        weight_decay: 0.01,
        gradient_scale: 1.0,
        step,
        ema_decay: None,
    })?;
    Ok(loss / labels.len() as f64)
}

/// Peak memory of the process in MiB.
fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}
