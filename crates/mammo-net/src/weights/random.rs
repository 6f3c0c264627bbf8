//! Random weights, drawn from the distributions that timm draws an EfficientNet's from.
//!
//! This is timm's `_init_weight_goog`: convolutions are normal with variance 2 / fan-out (of one
//! group), biases are 0, scales of norms are 1. Each tensor draws from a stream of its own, by its
//! name, so the same seed gives the same stem to every variant with the same stem width.

use crate::random::Random;
use crate::{Backbone, Buffer, Entry, Kind, Layout, ModelError};

/// Overwrites parameters and running statistics with fresh ones. `seed` decides them.
///
/// # Errors
/// [`ModelError::Device`] if the device fails.
pub fn randomise(backbone: &mut dyn Backbone, seed: u64) -> Result<(), ModelError> {
    let (parameters, statistics) = draw(backbone.layout(), seed);
    backbone.write(Buffer::Parameters, &parameters)?;
    backbone.write(Buffer::Statistics, &statistics)
}

fn draw(layout: &Layout, seed: u64) -> (Vec<f32>, Vec<f32>) {
    let flat = |entries: &[Entry]| entries.iter().flat_map(|entry| tensor(entry, seed)).collect();
    (flat(&layout.parameters), flat(&layout.statistics))
}

fn tensor(entry: &Entry, seed: u64) -> Vec<f32> {
    let count = entry.range.len();
    match entry.kind {
        Kind::Scale => vec![1.0; count],
        Kind::Bias => vec![0.0; count],
        Kind::Weight => {
            let window: usize = entry.shape[2..].iter().product();
            // A depthwise convolution has one output channel per group.
            let depthwise = entry.name.ends_with("conv_dw.weight");
            let outputs = if depthwise { 1 } else { entry.shape[0] };
            let deviation = (2.0 / (outputs * window) as f64).sqrt();
            let name = xxhash_rust::xxh3::xxh3_64(entry.name.as_bytes());
            let mut random = Random::new(Random::seed_of(seed, name));
            (0..count).map(|_| (random.normal() * deviation) as f32).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Variant;
    use crate::plan::Plan;

    fn deviation(values: &[f32]) -> f64 {
        let mean = values.iter().map(|x| f64::from(*x)).sum::<f64>() / values.len() as f64;
        let square = |x: &f32| (f64::from(*x) - mean).powi(2);
        (values.iter().map(square).sum::<f64>() / values.len() as f64).sqrt()
    }

    #[test]
    fn deviations_are_those_of_timm() {
        let layout = Plan::new(Variant::B0, 3).layout;
        let (parameters, _) = draw(&layout, 5);
        // sqrt(2 / fan_out) with fan_out = kernel^2 * out / groups.
        for (name, expected) in [
            ("conv_stem.weight", (2.0_f64 / (9.0 * 32.0)).sqrt()),
            ("blocks.2.1.conv_dw.weight", (2.0_f64 / 25.0).sqrt()),
            ("blocks.4.1.conv_pw.weight", (2.0_f64 / 672.0).sqrt()),
            ("blocks.4.1.se.conv_reduce.weight", (2.0_f64 / 28.0).sqrt()),
            ("conv_head.weight", (2.0_f64 / 1280.0).sqrt()),
        ] {
            let entry = layout.parameters.iter().find(|entry| entry.name == name).unwrap();
            let found = deviation(&parameters[entry.range.clone()]);
            // A deviation of n numbers is off by 1 / sqrt(2 n); the stem has 864.
            assert!((found / expected - 1.0).abs() < 0.08, "{name}: {found} {expected}");
        }
    }

    #[test]
    fn a_seed_gives_the_same_weights_and_another_gives_others() {
        let layout = Plan::new(Variant::B0, 1).layout;
        assert_eq!(draw(&layout, 5), draw(&layout, 5));
        assert_ne!(draw(&layout, 5), draw(&layout, 6));
    }
}
