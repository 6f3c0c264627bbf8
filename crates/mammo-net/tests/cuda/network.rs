//! The whole network on the GPU and on the CPU.

use mammo_net::{
    Buffer, Device, GradientCheckpointing, Images, Mode, Options, Pixels, Precision, Rule, Update,
    Variant, build,
};

use crate::gpu;

const BATCH: usize = 3;
const HEIGHT: usize = 70;
const WIDTH: usize = 45;

/// What two training steps and an evaluation give.
struct Outcome {
    features: Vec<f32>,
    gradient: Vec<f32>,
    parameters: Vec<f32>,
    statistics: Vec<f32>,
    evaluated: Vec<f32>,
    tapped: Vec<f32>,
}

fn train(
    device: Device,
    precision: Precision,
    gradient_checkpointing: GradientCheckpointing,
    channels: usize,
) -> Outcome {
    let options = Options { device, precision, gradient_checkpointing, ..Options::default() };
    let mut network = build(Variant::B0, channels, &options, 5).unwrap();
    let pixels: Vec<u8> = (0..BATCH * HEIGHT * WIDTH).map(|i| (i * i / 7 % 251) as u8).collect();
    let pixels = Pixels::U8(&pixels);
    let images = Images { pixels, batch: BATCH, height: HEIGHT, width: WIDTH };
    let (mut features, mut gradient) = (Vec::new(), Vec::new());
    for step in 0..2 {
        features = network.forward(&images, Mode::Train { seed: step }).unwrap();
        network.backward(&grad_features(features.len()), &mut |_| {}).unwrap();
        gradient = network.read(Buffer::Gradient).unwrap();
        let update = Update {
            rule: Rule::Sgd { momentum: 0.9, nesterov: false },
            learning_rate: 1e-3,
            weight_decay: 0.01,
            gradient_scale: 1.0,
            step,
            ema_decay: Some(0.9),
        };
        network.update(&update).unwrap();
    }
    network.swap_ema().unwrap();
    let evaluated = network.forward(&images, Mode::Evaluate).unwrap();
    network.swap_ema().unwrap();
    network.tap(Some("blocks.2.0")).unwrap();
    network.forward(&images, Mode::Explain).unwrap();
    network.backward(&grad_features(features.len()), &mut |_| {}).unwrap();
    let tapped = network.tapped().unwrap();
    Outcome {
        features,
        gradient,
        parameters: network.read(Buffer::Parameters).unwrap(),
        statistics: network.read(Buffer::Statistics).unwrap(),
        evaluated,
        tapped: tapped.gradient,
    }
}

/// A gradient of the features.
fn grad_features(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 37 % 101) as f32 - 50.0) / 5000.0).collect()
}

/// The length of the difference, relative to the length of `expected`.
fn off(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let length = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    let differences = found.iter().zip(expected).map(|(f, e)| f64::from(*f) - f64::from(*e));
    let expected = length(&mut expected.iter().map(|e| f64::from(*e)));
    length(&mut differences.into_iter()) / expected
}

fn assert_near(found: &Outcome, expected: &Outcome, tolerance: f64, of_gradient: f64) {
    let pairs = [
        ("features", &found.features, &expected.features, tolerance),
        ("gradient", &found.gradient, &expected.gradient, of_gradient),
        ("parameters", &found.parameters, &expected.parameters, tolerance),
        ("statistics", &found.statistics, &expected.statistics, tolerance),
        ("evaluation", &found.evaluated, &expected.evaluated, tolerance),
        ("tapped gradient", &found.tapped, &expected.tapped, of_gradient),
    ];
    for (name, found, expected, tolerance) in pairs {
        let off = off(found, expected);
        assert!(off <= tolerance, "{name}: off by {off:e} of its length, {tolerance:e} is allowed");
    }
}

#[test]
fn two_steps_of_training_end_where_the_cpus_do() {
    gpu();
    let expected = train(Device::Cpu, Precision::F32, GradientCheckpointing::Off, 1);
    let found = train(Device::Cuda(0), Precision::F32, GradientCheckpointing::Off, 1);
    assert_near(&found, &expected, 1e-4, 1e-3);
    let again = train(Device::Cuda(0), Precision::F32, GradientCheckpointing::Stages, 1);
    assert!(
        again.gradient == found.gradient && again.parameters == found.parameters,
        "bit for bit"
    );
}

#[test]
fn bf16_stays_close_to_f32() {
    gpu();
    let expected = train(Device::Cpu, Precision::F32, GradientCheckpointing::Off, 3);
    let found = train(Device::Cuda(0), Precision::Bf16, GradientCheckpointing::Off, 3);
    // PyTorch's own bf16 is as far from its f32 on this network at this size: features 0.12,
    // gradient 0.32 (timm's efficientnet_b0 under torch.autocast). The last norms see 18 pixels.
    assert_near(&found, &expected, 0.25, 0.5);
}
