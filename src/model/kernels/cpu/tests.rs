//! Every kernel beside the plain candle expression, forward and through candle's autograd.

use candle_core::{D, DType, Device, Tensor, Var};

use super::*;
use crate::model::kernels::{NormGradient, Statistics};
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
        (0..count).map(|_| self.random.normal()).collect()
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
fn a_depthwise_convolution_behind_a_norm_is_candles() {
    for (kernel, stride, height, width, channels) in [
        (3, 1, 13, 9, 24),
        (3, 2, 12, 17, 8),
        (5, 1, 21, 20, 48),
        (5, 2, 19, 6, 40),
        (5, 2, 2, 1, 8),
    ] {
        let mut numbers = Numbers::new(kernel as u64 * 10 + stride as u64);
        let window = Window { kernel, stride };
        let raw = numbers.activation(shape(2, height, width, channels));
        let norm = numbers.norm(channels);
        let weights = numbers.floats(channels * kernel * kernel);
        let range = 0..weights.len();
        let x = Operand { raw: &raw, norm: Some(&norm), gate: None };
        let (y, sums) = numbers.cpu.depthwise(x, window, &weights, &range, true).unwrap();

        let z = planes(&raw).broadcast_mul(&by_channel(&norm.scale)).unwrap();
        let z = z.broadcast_add(&by_channel(&norm.shift)).unwrap();
        let z = Var::from_tensor(&z).unwrap();
        let w = var(&weights, &[channels, 1, kernel, kernel]);
        let expected = convolved(&silu(&z), &w, stride, channels);
        let expected_rows = rows(&expected);
        equal("output", &y.values, &expected_rows);
        let sums = sums.unwrap();
        sums_equal(&sums.first, &sum_of_rows(&expected_rows));
        sums_equal(&sums.second, &sum_of_rows(&expected_rows.sqr().unwrap()));

        let outer = numbers.activation(y.shape);
        let mut gradient = numbers.cpu.zeros(weights.len()).unwrap();
        let (dz, sums) = numbers
            .cpu
            .depthwise_back(&outer, x, window, &weights, &range, &mut gradient, None)
            .unwrap();
        let store = dot(&expected, &planes(&outer)).backward().unwrap();
        equal("gradient of the weight", &gradient, store.get(&w).unwrap());
        let expected = rows(store.get(&z).unwrap());
        equal("gradient of the norm's output", &dz.values, &expected);
        let sums = sums.unwrap();
        sums_equal(&sums.first, &sum_of_rows(&expected));
        let centred = rows(&planes(&raw).broadcast_sub(&by_channel(&norm.mean)).unwrap());
        sums_equal(&sums.second, &sum_of_rows(&(expected * centred).unwrap()));
    }
}

#[test]
fn a_depthwise_convolution_of_plain_values_adds_its_gradient_to_the_shortcuts() {
    let mut numbers = Numbers::new(5);
    let window = Window { kernel: 3, stride: 1 };
    let raw = numbers.activation(shape(3, 11, 7, 24));
    let weights = numbers.floats(24 * 9);
    let x = Operand { raw: &raw, norm: None, gate: None };
    let range = 0..weights.len();
    let (y, _) = numbers.cpu.depthwise(x, window, &weights, &range, false).unwrap();
    let (z, w) = (Var::from_tensor(&planes(&raw)).unwrap(), var(&weights, &[24, 1, 3, 3]));
    let expected = z.conv2d(&w, 1, 1, 1, 24).unwrap();
    equal("output", &y.values, &rows(&expected));
    let (outer, onto) = (numbers.activation(y.shape), numbers.activation(raw.shape));
    let loss = (dot(&expected, &planes(&outer)) + dot(&z, &planes(&onto))).unwrap();
    let mut gradient = numbers.cpu.zeros(weights.len()).unwrap();
    let (dx, sums) = numbers
        .cpu
        .depthwise_back(&outer, x, window, &weights, &range, &mut gradient, Some(onto))
        .unwrap();
    let store = loss.backward().unwrap();
    assert!(sums.is_none());
    equal("gradient", &dx.values, &rows(store.get(&z).unwrap()));
    equal("gradient of the weight", &gradient, store.get(&w).unwrap());
}

/// Few pixels are shared out by columns, many by rows: both, with and without a shortcut.
#[test]
fn a_pointwise_convolution_of_lazy_operands_is_candles() {
    for (size, inputs, outputs, with_onto) in
        [(shape(2, 5, 7, 40), 40, 136, false), (shape(2, 23, 31, 24), 24, 56, true)]
    {
        let mut numbers = Numbers::new(inputs as u64);
        let raw = numbers.activation(size);
        let norm = numbers.norm(inputs);
        let gate = numbers.floats(size.batch * inputs);
        let weights = numbers.floats(outputs * inputs);
        let range = 0..weights.len();
        let x = Operand { raw: &raw, norm: Some(&norm), gate: Some(&gate) };
        let (y, sums) = numbers.cpu.pointwise(x, &weights, &range, true).unwrap();

        let z = planes(&raw).broadcast_mul(&by_channel(&norm.scale)).unwrap();
        let h = silu(&z.broadcast_add(&by_channel(&norm.shift)).unwrap());
        let h = h.broadcast_mul(&tensor(&gate, &[size.batch, inputs, 1, 1])).unwrap();
        let (h, w) = (Var::from_tensor(&h).unwrap(), var(&weights, &[outputs, inputs, 1, 1]));
        let expected = h.conv2d(&w, 0, 1, 1, 1).unwrap();
        equal("output", &y.values, &rows(&expected));
        let sums = sums.unwrap();
        sums_equal(&sums.first, &sum_of_rows(&rows(&expected)));
        sums_equal(&sums.second, &sum_of_rows(&rows(&expected).sqr().unwrap()));

        let (outer, keep) = (numbers.activation(y.shape), numbers.floats(size.batch));
        let [of_outer, of_raw, constant] = [(); 3].map(|()| numbers.floats(outputs));
        let slopes = Slopes { outer: of_outer, raw: of_raw, constant };
        let through = NormGradient { raw: &y, slopes: &slopes };
        let given = GradientOperand { outer: &outer, keep: Some(&keep), norm: Some(through) };
        let onto = with_onto.then(|| numbers.activation(size));
        let kept = planes(&outer).broadcast_mul(&tensor(&keep, &[size.batch, 1, 1, 1])).unwrap();
        let full = (kept.broadcast_mul(&by_channel(&slopes.outer)).unwrap()
            + planes(&y).broadcast_mul(&by_channel(&slopes.raw)).unwrap())
        .unwrap()
        .broadcast_add(&by_channel(&slopes.constant))
        .unwrap();
        let mut loss = dot(&expected, &full);
        if let Some(onto) = &onto {
            loss = (loss + dot(&h, &planes(onto))).unwrap();
        }
        // What is there already stays: gradients are added.
        let mut gradient = numbers.cpu.upload(&vec![1.0; weights.len()]).unwrap();
        let dx =
            numbers.cpu.pointwise_back(given, x, &weights, &range, &mut gradient, onto).unwrap();
        let store = loss.backward().unwrap();
        equal("gradient", &dx.values, &rows(store.get(&h).unwrap()));
        equal("gradient of the weight", &gradient, &(store.get(&w).unwrap() + 1.0).unwrap());
    }
}

#[test]
fn the_stem_is_candles_convolution() {
    for (size, outputs) in [(shape(2, 47, 33, 1), 48), (shape(1, 8, 5, 3), 32)] {
        let mut numbers = Numbers::new(9);
        let x = numbers.activation(size);
        let weights = numbers.floats(outputs * size.channels * 9);
        let range = 0..weights.len();
        let (y, sums) = numbers.cpu.stem(&x, &weights, &range, true).unwrap();
        let w = var(&weights, &[outputs, size.channels, 3, 3]);
        let expected = convolved(&planes(&x), &w, 2, 1);
        equal("output", &y.values, &rows(&expected));
        sums_equal(&sums.unwrap().first, &sum_of_rows(&rows(&expected)));
        let outer = numbers.activation(y.shape);
        let given = GradientOperand { outer: &outer, keep: None, norm: None };
        let mut gradient = numbers.cpu.zeros(weights.len()).unwrap();
        numbers.cpu.stem_back(given, &x, &range, &mut gradient).unwrap();
        let store = dot(&expected, &planes(&outer)).backward().unwrap();
        equal("gradient of the weight", &gradient, store.get(&w).unwrap());
    }
}

fn norm_plan(channels: usize, first: usize) -> NormPlan {
    NormPlan {
        channels,
        scale: first..first + channels,
        shift: first + channels..first + 2 * channels,
        mean: 0..channels,
        variance: channels..2 * channels,
    }
}

/// `gamma * (x - mean) / sqrt(variance + epsilon) + beta` by the batch's own statistics.
fn batch_norm(x: &Tensor, gamma: &Tensor, beta: &Tensor) -> Tensor {
    let flat = x.permute((1, 0, 2, 3)).unwrap().flatten_from(1).unwrap();
    let channels = flat.dim(0).unwrap();
    let mean = flat.mean_keepdim(1).unwrap();
    let variance = flat.broadcast_sub(&mean).unwrap().sqr().unwrap().mean_keepdim(1).unwrap();
    let by = |values: &Tensor| values.reshape((1, channels, 1, 1)).unwrap();
    let deviation = (variance + super::super::EPSILON).unwrap().sqrt().unwrap();
    let z = x.broadcast_sub(&by(&mean)).unwrap().broadcast_div(&by(&deviation)).unwrap();
    z.broadcast_mul(&by(gamma)).unwrap().broadcast_add(&by(beta)).unwrap()
}

#[test]
fn norm_activation_and_excitation_carry_gradients_back_as_candle_does() {
    let size = shape(3, 9, 14, 40);
    let (channels, hidden, batch) = (size.channels, 6, size.batch);
    let mut numbers = Numbers::new(12);
    let raw = numbers.activation(size);
    let norm_places = norm_plan(channels, 0);
    let first = 2 * channels;
    let ends = [hidden * channels, hidden, channels * hidden, channels]
        .iter()
        .scan(first, |at, count| {
            *at += count;
            Some(*at)
        })
        .collect::<Vec<_>>();
    let plan = ExcitePlan {
        hidden,
        reduce_weight: first..ends[0],
        reduce_bias: ends[0]..ends[1],
        expand_weight: ends[1]..ends[2],
        expand_bias: ends[2]..ends[3],
    };
    let parameters = numbers.floats(ends[3]);
    let outer = numbers.activation(size);
    let cpu = &mut numbers.cpu;

    let sums = sums::squares(cpu.arch, &raw.values, channels);
    let norm = cpu.batch_norm(sums, size.rows(), &norm_places, &parameters, None).unwrap();
    let x = Operand { raw: &raw, norm: Some(&norm), gate: None };
    let pooled = cpu.pool(x).unwrap();
    let excited = cpu.excite(pooled, batch, &plan, &parameters).unwrap();
    let gated = Operand { gate: Some(&excited.gate), ..x };
    let y = cpu.download_operand(gated).unwrap();

    let all = |range: &Range<usize>, dims: &[usize]| var(&parameters[range.clone()], dims);
    let d = Var::from_tensor(&planes(&raw)).unwrap();
    let (gamma, beta) =
        (all(&norm_places.scale, &[channels]), all(&norm_places.shift, &[channels]));
    let reduce = all(&plan.reduce_weight, &[hidden, channels]);
    let reduce_bias = all(&plan.reduce_bias, &[1, hidden]);
    let expand = all(&plan.expand_weight, &[channels, hidden]);
    let expand_bias = all(&plan.expand_bias, &[1, channels]);
    let h = silu(&batch_norm(&d, &gamma, &beta));
    let means = h.flatten_from(2).unwrap().mean(2).unwrap();
    let map = |x: &Tensor, weight: &Tensor, bias: &Tensor| {
        x.matmul(&weight.t().unwrap()).unwrap().broadcast_add(bias).unwrap()
    };
    let gate = sigmoid(&map(&silu(&map(&means, &reduce, &reduce_bias)), &expand, &expand_bias));
    let expected = h.broadcast_mul(&gate.reshape((batch, channels, 1, 1)).unwrap()).unwrap();
    equal("output", &y, &rows(&expected));

    let mut gradient = cpu.zeros(parameters.len()).unwrap();
    let given = Activation { shape: size, values: cpu.duplicate(&outer.values).unwrap() };
    let sums = cpu.excite_sums(&raw, &norm, Some(&given)).unwrap();
    let pooled =
        cpu.excite_back(&sums, &excited, batch, &plan, &parameters, &mut gradient).unwrap();
    let sums = cpu.excited_sums(sums, size, Some(&excited.gate), &pooled).unwrap();
    let slopes = cpu.slopes(sums, size.rows(), &norm, &norm_places, &mut gradient).unwrap();
    let gated = Some((given, &excited.gate));
    let dd = cpu.excited_gradient(&raw, &norm, gated, &pooled, &slopes).unwrap();

    let store = dot(&expected, &planes(&outer)).backward().unwrap();
    equal("gradient", &dd.values, &rows(store.get(&d).unwrap()));
    for (what, range, var) in [
        ("gamma", &norm_places.scale, &gamma),
        ("beta", &norm_places.shift, &beta),
        ("reduce", &plan.reduce_weight, &reduce),
        ("reduce's bias", &plan.reduce_bias, &reduce_bias),
        ("expand", &plan.expand_weight, &expand),
        ("expand's bias", &plan.expand_bias, &expand_bias),
    ] {
        equal(what, &gradient[range.clone()], store.get(var).unwrap());
    }
}

/// As at the head, where nothing but the means goes on.
#[test]
fn means_alone_carry_gradients_back_as_candle_does() {
    let size = shape(2, 7, 5, 24);
    let mut numbers = Numbers::new(13);
    let raw = numbers.activation(size);
    let places = norm_plan(24, 0);
    let parameters = numbers.floats(48);
    let outer = numbers.floats(48);
    let cpu = &mut numbers.cpu;
    let sums = sums::squares(cpu.arch, &raw.values, 24);
    let norm = cpu.batch_norm(sums, size.rows(), &places, &parameters, None).unwrap();
    let mut gradient = cpu.zeros(48).unwrap();
    let sums = cpu.excite_sums(&raw, &norm, None).unwrap();
    let sums = cpu.excited_sums(sums, size, None, &outer).unwrap();
    let slopes = cpu.slopes(sums, size.rows(), &norm, &places, &mut gradient).unwrap();
    let dx = cpu.excited_gradient(&raw, &norm, None, &outer, &slopes).unwrap();

    let x = Var::from_tensor(&planes(&raw)).unwrap();
    let (gamma, beta) = (var(&parameters[..24], &[24]), var(&parameters[24..], &[24]));
    let means = silu(&batch_norm(&x, &gamma, &beta)).flatten_from(2).unwrap().mean(2).unwrap();
    let store = dot(&means, &tensor(&outer, &[2, 24])).backward().unwrap();
    equal("gradient", &dx.values, &rows(store.get(&x).unwrap()));
    equal("gamma", &gradient[..24], store.get(&gamma).unwrap());
    equal("beta", &gradient[24..], store.get(&beta).unwrap());
}

#[test]
fn the_end_of_a_block_drops_branches_and_carries_gradients_back_as_candle_does() {
    let size = shape(3, 12, 11, 24);
    let mut numbers = Numbers::new(14);
    let (raw, shortcut, outer) =
        (numbers.activation(size), numbers.activation(size), numbers.activation(size));
    let places = norm_plan(24, 0);
    let parameters = numbers.floats(48);
    let cpu = &mut numbers.cpu;
    let keep = cpu.upload(&[1.25, 0.0, 1.25]).unwrap();
    let mut statistics = cpu.upload(&[0.5; 48]).unwrap();
    let sums = sums::squares(cpu.arch, &raw.values, 24);
    let norm =
        cpu.batch_norm(sums, size.rows(), &places, &parameters, Some(&mut statistics)).unwrap();
    let y = cpu.join(&raw, &norm, Some(&keep), Some(&shortcut)).unwrap();

    let x = Var::from_tensor(&planes(&raw)).unwrap();
    let (gamma, beta) = (var(&parameters[..24], &[24]), var(&parameters[24..], &[24]));
    let branch = batch_norm(&x, &gamma, &beta);
    let branch = branch.broadcast_mul(&tensor(&keep, &[3, 1, 1, 1])).unwrap();
    let expected = (branch + planes(&shortcut)).unwrap();
    equal("output", &y.values, &rows(&expected));
    // 0.9 * 0.5 + 0.1 * the batch's, the variance unbiased.
    let count = size.rows() as f64;
    let flat = rows(&x).flatten_to(2).unwrap();
    let mean = flat.mean_keepdim(0).unwrap();
    let variance = flat.broadcast_sub(&mean).unwrap().sqr().unwrap().sum(0).unwrap();
    equal("running mean", &statistics[..24], &mean.affine(0.1, 0.45).unwrap());
    let variance = variance.affine(0.1 / (count - 1.0), 0.45).unwrap();
    equal("running variance", &statistics[24..], &variance);

    let mut gradient = cpu.zeros(48).unwrap();
    let sums = cpu.join_sums(&raw, &norm, &outer, Some(&keep)).unwrap();
    let slopes = cpu.slopes(sums, size.rows(), &norm, &places, &mut gradient).unwrap();
    // A convolution by the identity gives the lazy gradient itself.
    let identity: Vec<f32> = (0..24 * 24).map(|i| f32::from(u8::from(i / 24 == i % 24))).collect();
    let identity = cpu.upload(&identity).unwrap();
    let through = NormGradient { raw: &raw, slopes: &slopes };
    let given = GradientOperand { outer: &outer, keep: Some(&keep), norm: Some(through) };
    let plain = Operand { raw: &raw, norm: None, gate: None };
    let mut unused = cpu.zeros(24 * 24).unwrap();
    let dx = cpu.pointwise_back(given, plain, &identity, &(0..24 * 24), &mut unused, None).unwrap();
    let store = dot(&expected, &planes(&outer)).backward().unwrap();
    equal("gradient", &dx.values, &rows(store.get(&x).unwrap()));
    equal("gamma", &gradient[..24], store.get(&gamma).unwrap());
    equal("beta", &gradient[24..], store.get(&beta).unwrap());
}

#[test]
fn a_step_shared_out_to_threads_is_the_step_of_one_loop() {
    use crate::model::{Kind, Rule, Update, update};
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
            average_decay: Some(0.9),
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
            average: Some(&mut a),
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
    for pixels in [crate::model::Pixels::U8(&bytes), crate::model::Pixels::U16(&words)] {
        let images = Images { pixels, batch: 1, height: 2, width: 2 };
        let x = cpu.input(&images, &normalisation, 2).unwrap();
        equal("input", &x.values, &tensor(&expected, &[8]).to_dtype(DType::F64).unwrap());
    }
}
