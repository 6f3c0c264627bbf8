//! What a whole network promises besides its numbers (those are in `tests/it/parity.rs`).

use candle_core::{DType, Device, Tensor, Var};

use crate::random::Random;
use crate::{
    Backbone, Buffer, Entry, GradientCheckpointing, Images, Mode, ModelError, Options, Pixels,
    Rule, Update, Variant, build,
};

const BATCH: usize = 3;
const HEIGHT: usize = 70;
const WIDTH: usize = 50;

fn network(options: Options) -> Box<dyn Backbone> {
    build(Variant::B0, 1, &options, 3).unwrap()
}

fn pixels() -> Vec<u8> {
    let mut random = Random::new(4);
    (0..BATCH * HEIGHT * WIDTH).map(|_| (random.next() >> 56) as u8).collect()
}

fn images(pixels: &[u8]) -> Images<'_> {
    Images { pixels: Pixels::U8(pixels), batch: BATCH, height: HEIGHT, width: WIDTH }
}

/// A fixed gradient of the features.
fn grad_features(count: usize) -> Vec<f32> {
    let mut random = Random::new(5);
    (0..count).map(|_| random.normal() as f32 / count as f32).collect()
}

/// One forward and backward pass: features, gradient, statistics.
fn pass(network: &mut dyn Backbone, mode: Mode) -> [Vec<f32>; 3] {
    let features = network.forward(&images(&pixels()), mode).unwrap();
    network.backward(&grad_features(features.len()), &mut |_| {}).unwrap();
    [features, network.read(Buffer::Gradient).unwrap(), network.read(Buffer::Statistics).unwrap()]
}

fn adamw() -> Update {
    Update {
        rule: Rule::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
        learning_rate: 1e-2,
        weight_decay: 0.05,
        gradient_scale: 1.0,
        step: 0,
        ema_decay: Some(0.75),
    }
}

#[test]
fn a_pass_is_the_same_bits_for_any_number_of_threads() {
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut network = network(Options::default());
            let first = pass(&mut *network, Mode::Train { seed: 9 });
            network.update(&adamw()).unwrap();
            (first, network.read(Buffer::Parameters).unwrap())
        })
    };
    let one = on(1);
    for threads in [2, 3] {
        assert!(on(threads) == one, "{threads} threads differ from one");
    }
}

#[test]
fn checkpointed_stages_give_the_same_bits_and_update_statistics_once() {
    let of = |gradient_checkpointing| {
        let mut network =
            network(Options { gradient_checkpointing, drop_path: 0.5, ..Options::default() });
        pass(&mut *network, Mode::Train { seed: 2 })
    };
    assert!(of(GradientCheckpointing::Stages) == of(GradientCheckpointing::Off));
}

#[test]
fn the_seed_alone_decides_what_is_dropped() {
    let mut network = network(Options { drop_path: 0.9, ..Options::default() });
    let pixels = pixels();
    let mut of = |seed| network.forward(&images(&pixels), Mode::Train { seed }).unwrap();
    let first = of(1);
    assert_ne!(of(2), first);
    assert_eq!(of(1), first);
}

#[test]
fn gradients_are_ready_last_stage_first_and_each_once() {
    let mut network = network(Options::default());
    let features = network.forward(&images(&pixels()), Mode::Train { seed: 1 }).unwrap();
    let mut end = network.layout().parameters.last().unwrap().range.end;
    let mut stages = 0;
    let mut ready = |range: std::ops::Range<usize>| {
        assert_eq!(range.end, end);
        (end, stages) = (range.start, stages + 1);
    };
    network.backward(&grad_features(features.len()), &mut ready).unwrap();
    assert_eq!((end, stages), (0, 9));
}

#[test]
fn gradients_of_batches_add_up_until_the_update() {
    let mut network = network(Options { drop_path: 0.0, ..Options::default() });
    let [_, once, _] = pass(&mut *network, Mode::Train { seed: 1 });
    let [_, twice, _] = pass(&mut *network, Mode::Train { seed: 1 });
    let norm = network.gradient_norm().unwrap();
    let expected = twice.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
    assert!((norm / expected - 1.0).abs() < 1e-9);
    let largest = once.iter().fold(0.0_f32, |largest, g| largest.max(g.abs()));
    assert!(once.iter().zip(&twice).all(|(one, two)| (two - 2.0 * one).abs() < 1e-5 * largest));
    network.update(&adamw()).unwrap();
    assert_eq!(network.gradient_norm().unwrap(), 0.0);
}

/// The slope of the loss along a random direction of one tensor, by differences.
fn difference(network: &mut dyn Backbone, entry: &Entry, direction: &[f32], step: f32) -> f64 {
    let parameters = network.read(Buffer::Parameters).unwrap();
    let pixels = pixels();
    let mut loss = |sign: f32| {
        let mut moved = parameters.clone();
        let places = moved[entry.range.clone()].iter_mut().zip(direction);
        places.for_each(|(p, d)| *p += sign * step * d);
        network.write(Buffer::Parameters, &moved).unwrap();
        let features = network.forward(&images(&pixels), Mode::Train { seed: 1 }).unwrap();
        let grad_output = grad_features(features.len());
        features.iter().zip(&grad_output).map(|(f, g)| f64::from(*f) * f64::from(*g)).sum::<f64>()
    };
    let slope = (loss(1.0) - loss(-1.0)) / (2.0 * f64::from(step));
    network.write(Buffer::Parameters, &parameters).unwrap();
    slope
}

#[test]
fn gradients_of_every_kind_of_tensor_are_the_slopes_of_the_loss() {
    let mut network = network(Options::default());
    let [_, gradient, _] = pass(&mut *network, Mode::Train { seed: 1 });
    let entries = network.layout().parameters.clone();
    for name in [
        "conv_stem.weight",
        "bn1.weight",
        "blocks.0.0.conv_dw.weight",
        "blocks.0.0.conv_pw.weight",
        "blocks.1.0.conv_pw.weight",
        "blocks.1.0.conv_dw.weight",
        "blocks.2.1.se.conv_reduce.weight",
        "blocks.2.1.se.conv_expand.bias",
        "blocks.3.2.bn3.weight",
        "blocks.4.1.bn2.bias",
        "blocks.5.0.conv_pwl.weight",
        "conv_head.weight",
        "bn2.bias",
    ] {
        let entry = entries.iter().find(|entry| entry.name == name).unwrap();
        let here = &gradient[entry.range.clone()];
        let length = here.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        // Along the gradient itself the slope is its length, and largest against rounding.
        let direction: Vec<f32> = here.iter().map(|g| (f64::from(*g) / length) as f32).collect();
        let slope = difference(&mut *network, entry, &direction, 3e-3);
        assert!((slope / length - 1.0).abs() < 0.02, "{name}: {slope} {length}");
    }
}

/// From the activation at the last block candle walks through the head by itself.
#[test]
fn the_tap_at_a_block_holds_what_candle_finds_there() {
    let mut network = network(Options::default());
    // Statistics and norms of a network that has learnt something.
    let [_, _, _] = pass(&mut *network, Mode::Train { seed: 1 });
    network.update(&adamw()).unwrap();
    network.tap(Some("blocks.6.0")).unwrap();
    let [features, _, _] = pass(&mut *network, Mode::Explain);
    let tap = network.tapped().unwrap();
    assert!(network.tapped().is_none());
    assert_eq!(tap.shape, [BATCH, 3, 2, 320]);
    // A stage's name is that of its last block.
    network.tap(Some("blocks.6")).unwrap();
    pass(&mut *network, Mode::Explain);
    assert_eq!(network.tapped().unwrap().gradient, tap.gradient);

    let layout = network.layout().clone();
    let named = |name: &str| {
        let find = |entries: &[Entry]| entries.iter().find(|entry| entry.name == name).cloned();
        let (buffer, entry) = match find(&layout.parameters) {
            Some(entry) => (Buffer::Parameters, entry),
            None => (Buffer::Statistics, find(&layout.statistics).unwrap()),
        };
        let values = network.read(buffer).unwrap()[entry.range.clone()].to_vec();
        Tensor::from_vec(values, entry.range.len(), &Device::Cpu).unwrap()
    };
    let head = named("conv_head.weight").reshape((1280, 320)).unwrap();
    let y = Tensor::from_vec(tap.activation.clone(), (BATCH * 6, 320), &Device::Cpu).unwrap();
    let y = Var::from_tensor(&y).unwrap();
    let raw = y.matmul(&head.t().unwrap()).unwrap();
    let deviation = (named("bn2.running_var") + 1e-5).unwrap().sqrt().unwrap();
    let z = raw
        .broadcast_sub(&named("bn2.running_mean"))
        .and_then(|z| z.broadcast_div(&deviation)?.broadcast_mul(&named("bn2.weight")))
        .and_then(|z| z.broadcast_add(&named("bn2.bias")))
        .unwrap();
    let means = z.silu().unwrap().reshape((BATCH, 6, 1280)).unwrap().mean(1).unwrap();
    let expected: Vec<f32> = means.flatten_all().unwrap().to_vec1().unwrap();
    assert!(features.iter().zip(&expected).all(|(f, e)| (f - e).abs() < 1e-5));
    let grad_output =
        Tensor::from_vec(grad_features(features.len()), (BATCH, 1280), &Device::Cpu).unwrap();
    let loss = (means * grad_output).unwrap().sum_all().unwrap().to_dtype(DType::F32).unwrap();
    let store = loss.backward().unwrap();
    let expected: Vec<f32> = store.get(&y).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    let largest = expected.iter().fold(0.0_f32, |largest, g| largest.max(g.abs()));
    assert!(tap.gradient.iter().zip(&expected).all(|(g, e)| (g - e).abs() < 1e-5 * largest));
}

#[test]
fn the_tap_before_pooling_holds_what_the_features_are_means_of() {
    let mut network = network(Options::default());
    network.tap(Some("conv_head")).unwrap();
    let [features, _, _] = pass(&mut *network, Mode::Explain);
    let tap = network.tapped().unwrap();
    let grad_output = grad_features(features.len());
    for image in 0..BATCH {
        for channel in [0, 77, 1279] {
            let at = |values: &[f32], pixel| values[(image * 6 + pixel) * 1280 + channel];
            let mean = (0..6).map(|pixel| at(&tap.activation, pixel)).sum::<f32>() / 6.0;
            assert!((mean - features[image * 1280 + channel]).abs() < 1e-5);
            let share = grad_output[image * 1280 + channel] / 6.0;
            assert!((0..6).all(|pixel| (at(&tap.gradient, pixel) - share).abs() < 1e-9));
        }
    }
}

#[test]
fn moving_averages_start_from_the_weights_and_swap_with_them() {
    let mut network = network(Options::default());
    let before = network.read(Buffer::Parameters).unwrap();
    let [_, _, statistics] = pass(&mut *network, Mode::Train { seed: 1 });
    assert_eq!(network.read(Buffer::EmaParameters).unwrap(), before);
    network.update(&adamw()).unwrap();
    let after = network.read(Buffer::Parameters).unwrap();
    let ema = network.read(Buffer::EmaParameters).unwrap();
    let expected = before.iter().zip(&after).map(|(old, new)| 0.75 * old + 0.25 * new);
    assert!(ema.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6));
    network.swap_ema().unwrap();
    assert_eq!(network.read(Buffer::Parameters).unwrap(), ema);
    assert_eq!(network.read(Buffer::EmaParameters).unwrap(), after);
    network.swap_ema().unwrap();
    assert_eq!(network.read(Buffer::Parameters).unwrap(), after);
    assert_eq!(network.read(Buffer::Statistics).unwrap(), statistics);
}

#[test]
fn what_cannot_be_done_is_said() {
    let mut network = network(Options::default());
    let pixels = pixels();
    network.forward(&images(&pixels), Mode::Evaluate).unwrap();
    let back = |network: &mut dyn Backbone, count| network.backward(&vec![0.0; count], &mut |_| {});
    assert!(matches!(back(&mut *network, 3 * 1280), Err(ModelError::NothingKept)));
    network.forward(&images(&pixels), Mode::Train { seed: 1 }).unwrap();
    assert!(matches!(
        back(&mut *network, 1280),
        Err(ModelError::Length { have: 1280, need: 3840, .. })
    ));
    let short = Images { pixels: Pixels::U8(&pixels[1..]), ..images(&pixels) };
    assert!(matches!(
        network.forward(&short, Mode::Evaluate),
        Err(ModelError::Length { what: "the image batch", .. })
    ));
    let one = Images { pixels: Pixels::U8(&[7; 32 * 32]), batch: 1, height: 32, width: 32 };
    let error = network.forward(&one, Mode::Train { seed: 1 }).unwrap_err();
    assert!(error.to_string().contains("one pixel"), "{error}");
    let last = "the network has no block blocks.7.0; the last is blocks.6.0";
    assert_eq!(network.tap(Some("blocks.7.0")).unwrap_err().to_string(), last);
    assert!(network.tap(Some("blocks")).is_err() && network.tap(Some("blocks.6.0.0")).is_err());
    assert!(matches!(build(Variant::B0, 2, &Options::default(), 1), Err(ModelError::Channels(2))));
}
