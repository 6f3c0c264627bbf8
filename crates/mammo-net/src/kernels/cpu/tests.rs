//! Every kernel against the plain candle expression, forward and through candle's autograd.

mod block;
mod convolution;

use candle_core::{D, DType, Device, Tensor, Var};

use super::*;
use crate::kernels::{NormGradient, Statistics};
use crate::random::Random;

/// Random numbers, on the device and for candle.
struct Numbers {
    random: Random,
    cpu: Cpu,
}

impl Numbers {
    fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), cpu: Cpu::new() }
    }

    fn draw(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.random.normal() as f32).collect()
    }

    fn floats(&mut self, count: usize) -> Buffer {
        let values = self.draw(count);
        self.cpu.upload(&values).unwrap()
    }

    fn activation(&mut self, shape: Shape) -> Activation<Buffer> {
        Activation { shape, values: self.floats(shape.len()) }
    }

    /// A norm that is given, not computed.
    fn norm(&mut self, channels: usize) -> Norm<Buffer> {
        let [mean, inverse_deviation, scale, shift] = [(); 4].map(|()| self.floats(channels));
        Norm { mean, inverse_deviation, scale, shift, source: Statistics::Running }
    }
}

fn shape(batch: usize, height: usize, width: usize, channels: usize) -> Shape {
    Shape { batch, height, width, channels }
}

fn tensor(values: &[f32], dims: &[usize]) -> Tensor {
    let values: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
    Tensor::from_vec(values, dims, &Device::Cpu).unwrap()
}

fn var(values: &[f32], dims: &[usize]) -> Var {
    Var::from_tensor(&tensor(values, dims)).unwrap()
}

/// An activation as candle's convolutions take it, channels first.
fn planes(x: &Activation<Buffer>) -> Tensor {
    let Shape { batch, height, width, channels } = x.shape;
    let nhwc = tensor(&x.values, &[batch, height, width, channels]);
    nhwc.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap()
}

/// And back to rows.
fn rows(x: &Tensor) -> Tensor {
    x.permute((0, 2, 3, 1)).unwrap().contiguous().unwrap()
}

fn by_channel(values: &Buffer) -> Tensor {
    tensor(values, &[1, values.len(), 1, 1])
}

fn silu(x: &Tensor) -> Tensor {
    (x / (x.neg().unwrap().exp().unwrap() + 1.0).unwrap()).unwrap()
}

fn sigmoid(x: &Tensor) -> Tensor {
    (x.neg().unwrap().exp().unwrap() + 1.0).unwrap().recip().unwrap()
}

fn dot(x: &Tensor, y: &Tensor) -> Tensor {
    (x * y).unwrap().sum_all().unwrap()
}

/// A convolution padded by half its window. Candle's own way back through a stride of 2 fails on
/// odd sizes, so a stride is every second place of the convolution without one.
fn convolved(x: &Tensor, weight: &Tensor, stride: usize, groups: usize) -> Tensor {
    let y = x.conv2d(weight, weight.dim(2).unwrap() / 2, 1, 1, groups).unwrap();
    let every = |axis: usize, y: Tensor| {
        let places: Vec<u32> = (0..y.dim(axis).unwrap() as u32).step_by(stride).collect();
        y.contiguous()
            .unwrap()
            .index_select(&Tensor::new(places, &Device::Cpu).unwrap(), axis)
            .unwrap()
    };
    every(3, every(2, y))
}

/// Within a share of the largest.
#[track_caller]
fn equal(what: &str, found: &[f32], expected: &Tensor) {
    let expected: Vec<f64> = expected.flatten_all().unwrap().to_vec1().unwrap();
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let pairs = found.iter().zip(&expected);
    let worst = pairs.map(|(x, y)| (f64::from(*x) - y).abs()).fold(0.0, f64::max);
    assert!(worst <= 2e-5 * largest.max(1e-3), "{what}: {worst:.1e} of {largest:.1e} off");
}

#[track_caller]
fn sums_equal(found: &[f64], expected: &Tensor) {
    let found: Vec<f32> = found.iter().map(|value| *value as f32).collect();
    equal("a sum", &found, expected);
}

fn sum_of_rows(x: &Tensor) -> Tensor {
    x.flatten_to(D::Minus2).unwrap().sum(0).unwrap()
}

#[test]
fn a_step_shared_out_to_threads_is_the_step_of_one_loop() {
    use crate::{Kind, Rule, Update, update};
    let count = 100_000;
    let decayed = [10..40_000, 40_000..40_001, 70_000..100_000];
    for rule in [
        Rule::AdamW { beta1: 0.9, beta2: 0.99, epsilon: 1e-8 },
        Rule::Sgd { momentum: 0.9, nesterov: true },
    ] {
        let mut numbers = Numbers::new(15);
        let [mut p, mut g, mut m, mut v, mut a] = [(); 5].map(|()| numbers.floats(count));
        v.iter_mut().for_each(|v| *v = v.abs());
        let by = Update {
            rule,
            learning_rate: 0.01,
            weight_decay: 0.1,
            gradient_scale: 0.5,
            step: 3,
            ema_decay: Some(0.9),
        };
        let mut loops = [&p, &m, &v, &a].map(|buffer| buffer.to_vec());
        for i in 0..count {
            let kind =
                if decayed.iter().any(|d| d.contains(&i)) { Kind::Weight } else { Kind::Bias };
            let [p, m, v, a] = loops.each_mut().map(|values| &mut values[i..=i]);
            update::step(&by, kind, p, &g[i..=i], m, v, a);
        }
        let step = Step {
            parameters: &mut p,
            gradient: &mut g,
            first: &mut m,
            second: Some(&mut v),
            ema: Some(&mut a),
            decayed: &decayed,
            update: &by,
        };
        numbers.cpu.step(step).unwrap();
        for (found, expected) in [&p, &m, &v, &a].into_iter().zip(&loops) {
            equal("a buffer", found, &tensor(expected, &[count]));
        }
        assert!(g.iter().all(|g| *g == 0.0));
    }
}

#[test]
fn grey_levels_enter_as_shares_of_the_full_range() {
    let mut cpu = Cpu::new();
    let normalisation = Normalisation { mean: vec![0.5, 0.25], std: vec![0.25, 0.5] };
    let bytes = [0_u8, 255, 51, 204];
    let words = bytes.map(|byte| u16::from(byte) * 257);
    let expected = [-2.0, -0.5, 2.0, 1.5, -1.2, -0.1, 1.2, 1.1];
    for pixels in [crate::Pixels::U8(&bytes), crate::Pixels::U16(&words)] {
        let images = Images { pixels, batch: 1, height: 2, width: 2 };
        let x = cpu.input(&images, &normalisation, 2).unwrap();
        equal("input", &x.values, &tensor(&expected, &[8]).to_dtype(DType::F64).unwrap());
    }
}
