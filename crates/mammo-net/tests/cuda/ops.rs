//! Every operation, forward and backward, on the GPU and on the CPU, at sizes that fit no tile.
//!
//! A script of operations is written once, over any [`Kernels`], and run on both. What it records is
//! compared.

use std::ops::Range;

use mammo_net::kernels::cpu::Cpu;
use mammo_net::kernels::{
    Activation, GradientOperand, Kernels, Norm, NormGradient, Operand, Shape, Slopes, Statistics,
    Step,
};
use mammo_net::plan::{ExcitePlan, NormPlan, Window};
use mammo_net::{Images, Normalisation, Pixels, Precision, Rule, Update};

use crate::{cuda, gpu};

/// What a script saw.
#[derive(Default)]
struct Record(Vec<(String, Vec<f32>)>);

/// Numbers around `middle`, exact in bf16 so that both devices start from the same.
fn numbers(name: &str, count: usize, middle: f32) -> Vec<f32> {
    let seed = name.bytes().fold(7_u64, |seed, byte| seed.wrapping_mul(31) + u64::from(byte));
    let number = |i: usize| {
        let mut z = seed.wrapping_add((i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let unit = ((z ^ (z >> 31)) >> 40) as f32 / (1 << 24) as f32;
        f32::from_bits((middle + unit - 0.5).to_bits() & 0xffff_0000)
    };
    (0..count).map(number).collect()
}

/// A device with parameters, a gradient and statistics, of which each plan takes a part.
struct Bench<'a, K: Kernels> {
    kernels: &'a mut K,
    parameters: K::Floats,
    gradient: K::Floats,
    statistics: K::Floats,
    taken: usize,
    records: Record,
}

/// Numbers of each flat buffer.
const FLAT: usize = 60_000;

impl<'a, K: Kernels> Bench<'a, K> {
    fn new(kernels: &'a mut K) -> Self {
        let parameters = kernels.upload(&numbers("parameters", FLAT, 0.1)).unwrap();
        let gradient = kernels.upload(&numbers("gradient", FLAT, 0.0)).unwrap();
        let statistics = kernels.upload(&numbers("statistics", FLAT, 0.7)).unwrap();
        kernels.refresh(&parameters).unwrap();
        // An odd start: weights are not aligned in the flat buffer.
        Self { kernels, parameters, gradient, statistics, taken: 3, records: Record::default() }
    }

    fn place(&mut self, count: usize) -> Range<usize> {
        self.taken += count;
        assert!(self.taken <= FLAT);
        self.taken - count..self.taken
    }

    fn norm_plan(&mut self, channels: usize) -> NormPlan {
        let (scale, shift) = (self.place(channels), self.place(channels));
        let (mean, variance) = (self.place(channels), self.place(channels));
        NormPlan { channels, scale, shift, mean, variance }
    }

    fn floats(&mut self, name: &str, count: usize, middle: f32) -> K::Floats {
        self.kernels.upload(&numbers(name, count, middle)).unwrap()
    }

    fn activation(&mut self, name: &str, shape: Shape) -> Activation<K::Values> {
        let values = numbers(name, shape.len(), 0.2);
        let Shape { batch, height, width, channels } = shape;
        let images = Images { pixels: Pixels::F32(&values), batch, height, width };
        self.kernels.input(&images, &Normalisation::of_pretrained(1), channels).unwrap()
    }

    fn norm(&mut self, name: &str, channels: usize) -> Norm<K::Floats> {
        let of = |part: &str| format!("{name} {part}");
        Norm {
            mean: self.floats(&of("mean"), channels, 0.1),
            inverse_deviation: self.floats(&of("inverse"), channels, 1.5),
            scale: self.floats(&of("scale"), channels, 1.2),
            shift: self.floats(&of("shift"), channels, -0.1),
            source: Statistics::Batch,
        }
    }

    fn slopes(&mut self, name: &str, channels: usize) -> Slopes<K::Floats> {
        let of = |part: &str| format!("{name} {part}");
        Slopes {
            grad_output: self.floats(&of("grad_output"), channels, 0.8),
            raw: self.floats(&of("raw"), channels, 0.0),
            constant: self.floats(&of("constant"), channels, 0.0),
        }
    }

    fn record(&mut self, name: &str, floats: &K::Floats) {
        let values = self.kernels.download(floats).unwrap();
        self.records.0.push((name.into(), values));
    }

    fn record_activation(&mut self, name: &str, x: &Activation<K::Values>) {
        let values =
            self.kernels.download_operand(Operand { raw: x, norm: None, gate: None }).unwrap();
        self.records.0.push((name.into(), values));
    }

    fn record_gradient(&mut self) {
        let gradient = self.kernels.download(&self.gradient).unwrap();
        let before = numbers("gradient", FLAT, 0.0);
        let added = gradient.iter().zip(before).map(|(after, before)| after - before).collect();
        self.records.0.push(("gradient".into(), added));
    }

    /// Sums show in the norm and the slopes that come of them.
    fn record_norm(&mut self, sums: K::Sums, rows: usize, channels: usize) {
        let plan = self.norm_plan(channels);
        let statistics = Some(&mut self.statistics);
        let norm = self.kernels.batch_norm(sums, rows, &plan, &self.parameters, statistics);
        let norm = norm.unwrap();
        self.record("norm mean", &norm.mean);
        self.record("norm inverse deviation", &norm.inverse_deviation);
        self.record("norm scale", &norm.scale);
        self.record("norm shift", &norm.shift);
        let statistics = self.kernels.download(&self.statistics).unwrap();
        self.records.0.push(("statistics".into(), statistics));
    }

    fn record_slopes(
        &mut self,
        sums: K::Sums,
        rows: usize,
        norm: &Norm<K::Floats>,
        channels: usize,
    ) {
        let plan = self.norm_plan(channels);
        let slopes = self.kernels.slopes(sums, rows, norm, &plan, &mut self.gradient).unwrap();
        self.record("slope of grad_output", &slopes.grad_output);
        self.record("slope of raw", &slopes.raw);
        self.record("constant", &slopes.constant);
    }
}

/// A script of operations.
trait Script {
    fn run<K: Kernels>(&self, bench: &mut Bench<'_, K>);
}

/// Runs a script on both devices, in both precisions, and compares what it recorded.
fn assert_same(script: &impl Script) {
    gpu();
    fn recorded<K: Kernels>(kernels: &mut K, script: &impl Script) -> Record {
        let mut bench = Bench::new(kernels);
        script.run(&mut bench);
        bench.records
    }
    let expected = recorded(&mut Cpu::new(), script).0;
    // bf16 keeps 8 bits; some results are rounded more than once.
    for (precision, tolerance) in [(Precision::F32, 2e-5), (Precision::Bf16, 2e-2)] {
        let found = recorded(&mut cuda(precision), script).0;
        assert_eq!(found.len(), expected.len());
        for ((name, found), (_, expected)) in found.iter().zip(&expected) {
            assert_eq!(found.len(), expected.len(), "{name}");
            let largest = expected.iter().fold(1e-3_f32, |most, value| most.max(value.abs()));
            let off = found.iter().zip(expected).map(|(f, e)| (f - e).abs());
            let (at, off) = off.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
            assert!(
                off <= tolerance * largest,
                "{precision:?} {name}[{at}] of {}: {} and not {}, the largest is {largest}",
                found.len(),
                found[at],
                expected[at]
            );
        }
    }
}

/// Two tiles and a bit each way, one block of 32 channels and a bit.
const ODD: Shape = Shape { batch: 3, height: 19, width: 33, channels: 40 };
/// As late layers are: few pixels, many channels.
const WIDE: Shape = Shape { batch: 2, height: 3, width: 5, channels: 264 };
/// A single pixel an image.
const SINGLE: Shape = Shape { batch: 3, height: 1, width: 1, channels: 8 };

struct Depthwise {
    shape: Shape,
    window: Window,
    normed: bool,
}

impl Script for Depthwise {
    fn run<K: Kernels>(&self, bench: &mut Bench<'_, K>) {
        let Self { shape, window, normed } = *self;
        let channels = shape.channels;
        let weight = bench.place(channels * window.kernel * window.kernel);
        let raw = bench.activation("raw", shape);
        let norm = normed.then(|| bench.norm("norm", channels));
        let x = Operand { raw: &raw, norm: norm.as_ref(), gate: None };
        let parameters = &bench.parameters;
        let (y, sums) = bench.kernels.depthwise(x, window, parameters, &weight, true).unwrap();
        assert_eq!(y.shape, shape.convolved(window));
        bench.record_activation("y", &y);
        bench.record_norm(sums.unwrap(), y.shape.rows(), channels);
        let (again, none) =
            bench.kernels.depthwise(x, window, &bench.parameters, &weight, false).unwrap();
        assert!(none.is_none());
        bench.record_activation("y without sums", &again);

        let grad_output = bench.activation("grad_output", y.shape);
        for given in [false, true] {
            let accumulate_into = given.then(|| bench.activation("accumulate_into", shape));
            let (dx, sums) = bench
                .kernels
                .depthwise_backward(
                    &grad_output,
                    x,
                    window,
                    &bench.parameters,
                    &weight,
                    &mut bench.gradient,
                    accumulate_into,
                )
                .unwrap();
            bench.record_activation("dx", &dx);
            assert_eq!(sums.is_some(), normed);
            if let (Some(sums), Some(norm)) = (sums, &norm) {
                bench.record_slopes(sums, shape.rows(), norm, channels);
            }
        }
        bench.record_gradient();
    }
}

#[test]
fn depthwise_convolutions_of_every_window_are_those_of_the_cpu() {
    for kernel in [3, 5] {
        for stride in [1, 2] {
            for (shape, normed) in [(ODD, true), (ODD, false), (WIDE, true), (SINGLE, false)] {
                assert_same(&Depthwise { shape, window: Window { kernel, stride }, normed });
            }
        }
    }
}

struct Pointwise {
    shape: Shape,
    outputs: usize,
    lazy: bool,
}

impl Script for Pointwise {
    fn run<K: Kernels>(&self, bench: &mut Bench<'_, K>) {
        let Self { shape, outputs, lazy } = *self;
        let weight = bench.place(outputs * shape.channels);
        let raw = bench.activation("raw", shape);
        let norm = lazy.then(|| bench.norm("norm", shape.channels));
        let gate = lazy.then(|| bench.floats("gate", shape.batch * shape.channels, 0.5));
        let x = Operand { raw: &raw, norm: norm.as_ref(), gate: gate.as_ref() };
        let lazily = bench.kernels.download_operand(x).unwrap();
        bench.records.0.push(("operand".into(), lazily));
        let (y, sums) = bench.kernels.pointwise(x, &bench.parameters, &weight, true).unwrap();
        bench.record_activation("y", &y);
        bench.record_norm(sums.unwrap(), y.shape.rows(), outputs);

        let grad_output = bench.activation("grad_output", y.shape);
        let drop_path_mask = lazy.then(|| bench.floats("drop_path_mask", shape.batch, 0.9));
        let slopes = bench.slopes("slopes", outputs);
        let through = NormGradient { raw: &y, slopes: &slopes };
        let grad_output = GradientOperand {
            grad_output: &grad_output,
            drop_path_mask: drop_path_mask.as_ref(),
            norm: lazy.then_some(through),
        };
        for given in [false, true] {
            let accumulate_into = given.then(|| bench.activation("accumulate_into", shape));
            let (parameters, gradient) = (&bench.parameters, &mut bench.gradient);
            let dx = bench.kernels.pointwise_backward(
                grad_output,
                x,
                parameters,
                &weight,
                gradient,
                accumulate_into,
            );
            bench.record_activation("dx", &dx.unwrap());
        }
        bench.record_gradient();
    }
}

#[test]
fn pointwise_convolutions_are_those_of_the_cpu() {
    for (shape, outputs) in [(ODD, 24), (ODD, 136), (WIDE, 16), (SINGLE, 8)] {
        for lazy in [false, true] {
            assert_same(&Pointwise { shape, outputs, lazy });
        }
    }
}

struct Excite(Shape);

impl Script for Excite {
    fn run<K: Kernels>(&self, bench: &mut Bench<'_, K>) {
        let shape = self.0;
        let Shape { batch, channels, .. } = shape;
        let hidden = 35;
        let plan = ExcitePlan {
            hidden,
            reduce_weight: bench.place(hidden * channels),
            reduce_bias: bench.place(hidden),
            expand_weight: bench.place(hidden * channels),
            expand_bias: bench.place(channels),
        };
        let raw = bench.activation("raw", shape);
        let norm = bench.norm("norm", channels);
        let x = Operand { raw: &raw, norm: Some(&norm), gate: None };
        let plain = bench.kernels.pool(Operand { norm: None, ..x }).unwrap();
        bench.record("plain means", &plain);
        let pooled = bench.kernels.pool(x).unwrap();
        bench.record("means", &pooled);
        let excited = bench.kernels.excite(pooled, batch, &plan, &bench.parameters).unwrap();
        bench.record("hidden", &excited.hidden);
        bench.record("gate", &excited.gate);
        let gated = Operand { gate: Some(&excited.gate), ..x };
        let gated = bench.kernels.pool(gated).unwrap();
        bench.record("gated means", &gated);

        let grad_output = bench.activation("grad_output", shape);
        for given in [true, false] {
            let of_grad_output = given.then_some(&grad_output);
            let sums = bench.kernels.excite_sums(&raw, &norm, of_grad_output).unwrap();
            let (parameters, gradient) = (&bench.parameters, &mut bench.gradient);
            let kernels = &mut *bench.kernels;
            let pooled = kernels
                .excite_backward(&sums, &excited, batch, &plan, parameters, gradient)
                .unwrap();
            bench.record("gradient of the means", &pooled);
            let gate = given.then_some(&excited.gate);
            let sums = bench.kernels.excited_sums(sums, shape, gate, &pooled).unwrap();
            bench.record_slopes(sums, shape.rows(), &norm, channels);
            let slopes = bench.slopes("slopes", channels);
            let grad_output =
                given.then(|| (bench.activation("grad_output", shape), &excited.gate));
            let dx =
                bench.kernels.excited_gradient(&raw, &norm, grad_output, &pooled, &slopes).unwrap();
            bench.record_activation("gradient under the activation", &dx);
        }
        bench.record_gradient();
    }
}

#[test]
fn squeeze_and_excitation_is_that_of_the_cpu() {
    [ODD, WIDE, SINGLE].into_iter().for_each(|shape| assert_same(&Excite(shape)));
}

struct ResidualAdd(Shape);

impl Script for ResidualAdd {
    fn run<K: Kernels>(&self, bench: &mut Bench<'_, K>) {
        let shape = self.0;
        let (raw, shortcut) = (bench.activation("raw", shape), bench.activation("short", shape));
        let norm = bench.norm("norm", shape.channels);
        let drop_path_mask = bench.floats("drop_path_mask", shape.batch, 0.6);
        for (drop_path_mask, shortcut) in [(None, None), (Some(&drop_path_mask), Some(&shortcut))] {
            let joined = bench.kernels.residual_add(&raw, &norm, drop_path_mask, shortcut).unwrap();
            bench.record_activation("joined", &joined);
            let sums =
                bench.kernels.residual_add_sums(&raw, &norm, &joined, drop_path_mask).unwrap();
            bench.record_slopes(sums, shape.rows(), &norm, shape.channels);
        }
        let running = Norm { source: Statistics::Running, ..norm };
        let sums = bench.kernels.residual_add_sums(&raw, &running, &shortcut, None).unwrap();
        bench.record_slopes(sums, shape.rows(), &running, shape.channels);
        let plan = bench.norm_plan(shape.channels);
        let norm = bench.kernels.running_norm(&plan, &bench.parameters, &bench.statistics);
        let norm = norm.unwrap();
        bench.record("running scale", &norm.scale);
        bench.record("running shift", &norm.shift);
        bench.record_gradient();
    }
}

#[test]
fn residual_adds_and_norms_are_those_of_the_cpu() {
    [ODD, WIDE, SINGLE].into_iter().for_each(|shape| assert_same(&ResidualAdd(shape)));
}

struct Stem(usize);

impl Script for Stem {
    fn run<K: Kernels>(&self, bench: &mut Bench<'_, K>) {
        let (inputs, outputs) = (self.0, 48);
        let (batch, height, width) = (3, 21, 30);
        let weight = bench.place(outputs * inputs * 9);
        let normalisation = Normalisation::of_pretrained(inputs);
        let levels: Vec<u16> = (0..batch * height * width).map(|i| (i * 7919) as u16).collect();
        let bytes: Vec<u8> = levels.iter().map(|level| (level >> 8) as u8).collect();
        for pixels in [Pixels::U16(&levels), Pixels::U8(&bytes)] {
            let images = Images { pixels, batch, height, width };
            let input = bench.kernels.input(&images, &normalisation, inputs).unwrap();
            bench.record_activation("input", &input);
        }
        let x = bench.activation("x", Shape { batch, height, width, channels: inputs });
        bench.record_activation("x", &x);
        let (y, sums) = bench.kernels.stem(&x, &bench.parameters, &weight, true).unwrap();
        assert_eq!(y.shape, Shape { batch, height: 11, width: 15, channels: outputs });
        bench.record_activation("y", &y);
        bench.record_norm(sums.unwrap(), y.shape.rows(), outputs);
        let grad_output = bench.activation("grad_output", y.shape);
        let slopes = bench.slopes("slopes", outputs);
        let drop_path_mask = bench.floats("drop_path_mask", batch, 0.9);
        let through = NormGradient { raw: &y, slopes: &slopes };
        for (drop_path_mask, norm) in [(None, None), (Some(&drop_path_mask), Some(through))] {
            let grad_output = GradientOperand { grad_output: &grad_output, drop_path_mask, norm };
            bench.kernels.stem_backward(grad_output, &x, &weight, &mut bench.gradient).unwrap();
        }
        bench.record_gradient();
    }
}

#[test]
fn the_input_and_the_stem_are_those_of_the_cpu() {
    [1, 3].into_iter().for_each(|inputs| assert_same(&Stem(inputs)));
}

struct Optimizer(Rule);

impl Script for Optimizer {
    fn run<K: Kernels>(&self, bench: &mut Bench<'_, K>) {
        const COUNT: usize = 1003;
        let mut buffers = ["p", "g", "m", "a"].map(|name| bench.floats(name, COUNT, 0.2));
        let mut second = bench.floats("v", COUNT, 0.9);
        for step in 0..2 {
            let update = Update {
                rule: self.0,
                learning_rate: 0.05,
                weight_decay: 0.1,
                gradient_scale: 0.5,
                step,
                // With and without an ema.
                ema_decay: (step == 0).then_some(0.9),
            };
            let [parameters, gradient, first, ema] = &mut buffers;
            let step = Step {
                parameters,
                gradient,
                first,
                second: matches!(self.0, Rule::AdamW { .. }).then_some(&mut second),
                ema: update.ema_decay.is_some().then_some(ema),
                decayed: &[5..6, 40..500, 1000..1003],
                update: &update,
            };
            bench.kernels.step(step).unwrap();
            for (name, buffer) in ["p", "g", "m", "a"].into_iter().zip(&buffers) {
                bench.record(name, buffer);
            }
        }
        let [parameters, _, _, mut ema] = buffers;
        bench.kernels.update_ema(&mut ema, &parameters, 0.75).unwrap();
        bench.record("updated ema", &ema);
        let length = bench.kernels.l2_norm(&ema).unwrap();
        bench.records.0.push(("length".into(), vec![length as f32]));
        let copy = bench.kernels.duplicate(&parameters).unwrap();
        bench.kernels.overwrite(&mut ema, &numbers("new", COUNT, 0.0)).unwrap();
        for (name, buffer) in [("copy", copy), ("parameters", parameters), ("new", ema)] {
            bench.record(name, &buffer);
        }
    }
}

#[test]
fn optimizer_steps_are_those_of_the_cpu() {
    assert_same(&Optimizer(Rule::AdamW { beta1: 0.9, beta2: 0.99, epsilon: 1e-6 }));
    for nesterov in [false, true] {
        assert_same(&Optimizer(Rule::Sgd { momentum: 0.9, nesterov }));
    }
}
