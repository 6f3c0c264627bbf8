//! The backbone as a candle op gives the features and the gradients of plain candle ops.

use std::collections::BTreeMap;

use candle_core::{DType, Device, ModuleT, Result, Tensor, Var};
use mammo_net::candle::CandleBackbone;
use mammo_net::kernels::EPSILON;
use mammo_net::plan::{BlockPlan, Plan, STEM_WINDOW, Window};
use mammo_net::{Backbone, Buffer, Mode, Options, Variant, build};

const BATCH: usize = 4;
const HEIGHT: usize = 48;
const WIDTH: usize = 40;

/// EfficientNet-B0 of one channel in plain candle ops, f64, with batch norms by the batch.
struct Plain {
    plan: Plan,
    parameters: BTreeMap<String, Var>,
}

impl Plain {
    fn new(backbone: &dyn Backbone) -> Result<Self> {
        let values = backbone.read(Buffer::Parameters).unwrap();
        let var = |range: std::ops::Range<usize>, shape: &[usize]| {
            let values: Vec<f64> = values[range].iter().map(|value| f64::from(*value)).collect();
            Var::from_vec(values, shape, &Device::Cpu)
        };
        let entries = backbone.layout().parameters.iter();
        let named =
            entries.map(|entry| Ok((entry.name.clone(), var(entry.range.clone(), &entry.shape)?)));
        Ok(Self { plan: Plan::new(Variant::B0, 1), parameters: named.collect::<Result<_>>()? })
    }

    fn parameter(&self, name: &str) -> &Tensor {
        self.parameters[name].as_tensor()
    }

    fn norm(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let mean = x.mean_keepdim((0, 2, 3))?;
        let centred = x.broadcast_sub(&mean)?;
        let variance = centred.sqr()?.mean_keepdim((0, 2, 3))?;
        let by_channel = |part: &str| {
            let parameter = self.parameter(&format!("{name}.{part}"));
            parameter.reshape((1, parameter.elem_count(), 1, 1))
        };
        let normed = centred.broadcast_div(&(variance + EPSILON)?.sqrt()?)?;
        normed.broadcast_mul(&by_channel("weight")?)?.broadcast_add(&by_channel("bias")?)
    }

    fn pointwise(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        x.conv2d(self.parameter(&format!("{name}.weight")), 0, 1, 1, 1)
    }

    /// As a sum over the taps of the window: candle would make one convolution per channel.
    fn depthwise(&self, x: &Tensor, name: &str, window: Window) -> Result<Tensor> {
        let (_, channels, height, width) = x.dims4()?;
        let weight = self.parameter(&format!("{name}.weight"));
        let padding = window.kernel / 2;
        let padded = x.pad_with_zeros(2, padding, padding)?.pad_with_zeros(3, padding, padding)?;
        let mut sum = x.zeros_like()?;
        for down in 0..window.kernel {
            for right in 0..window.kernel {
                let tap = weight.narrow(2, down, 1)?.narrow(3, right, 1)?;
                let tap = tap.reshape((1, channels, 1, 1))?;
                let shifted = padded.narrow(2, down, height)?.narrow(3, right, width)?;
                sum = (sum + shifted.broadcast_mul(&tap)?)?;
            }
        }
        strided(&sum, window.stride)
    }

    fn excite(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let linear = |x: &Tensor, part: &str| {
            let bias = self.parameter(&format!("{name}.{part}.bias"));
            let bias = bias.reshape((1, bias.elem_count(), 1, 1))?;
            self.pointwise(x, &format!("{name}.{part}"))?.broadcast_add(&bias)
        };
        let pooled = x.mean_keepdim((2, 3))?;
        let gate = linear(&linear(&pooled, "conv_reduce")?.silu()?, "conv_expand")?;
        x.broadcast_mul(&(gate.neg()?.exp()? + 1.0)?.recip()?)
    }

    fn block(&self, x: &Tensor, block: &BlockPlan) -> Result<Tensor> {
        let of = |part: &str| format!("{}.{part}", block.name);
        let wide = match block.expand {
            Some(_) => self.norm(&self.pointwise(x, &of("conv_pw"))?, &of("bn1"))?.silu()?,
            None => x.clone(),
        };
        let (second, third, last) = match block.expand {
            Some(_) => ("bn2", "bn3", "conv_pwl"),
            None => ("bn1", "bn2", "conv_pw"),
        };
        let middle = self.depthwise(&wide, &of("conv_dw"), block.window)?;
        let middle = self.excite(&self.norm(&middle, &of(second))?.silu()?, &of("se"))?;
        let narrow = self.norm(&self.pointwise(&middle, &of(last))?, &of(third))?;
        if block.residual { narrow + x } else { Ok(narrow) }
    }

    fn features(&self, images: &Tensor) -> Result<Tensor> {
        let stem = images.conv2d(self.parameter("conv_stem.weight"), 1, 1, 1, 1)?;
        let mut x = self.norm(&strided(&stem, STEM_WINDOW.stride)?, "bn1")?.silu()?;
        for block in &self.plan.blocks {
            x = self.block(&x, block)?;
        }
        let head = self.norm(&self.pointwise(&x, "conv_head")?, "bn2")?.silu()?;
        head.mean((2, 3))
    }
}

/// Every `stride`-th row and column. candle's backward pass of a stride of 2 fails on odd sizes.
fn strided(x: &Tensor, stride: usize) -> Result<Tensor> {
    let every = |x: &Tensor, axis: usize| {
        let places: Vec<u32> = (0..x.dim(axis)? as u32).step_by(stride).collect();
        x.contiguous()?.index_select(&Tensor::new(places, &Device::Cpu)?, axis)
    };
    every(&every(x, 2)?, 3)
}

/// A loss of plain candle ops: a linear head, and a second path from the features.
fn loss(features: &Tensor, head: &Tensor) -> Result<Tensor> {
    let logits = features.matmul(&head.t()?)?;
    let targets = Tensor::new(&[0.0, 1.0, 1.0, 0.0_f64], &Device::Cpu)?;
    let targets = targets.to_dtype(features.dtype())?.reshape((BATCH, 1))?;
    let errors = logits.broadcast_sub(&targets)?.sqr()?.mean_all()?;
    errors + (features.tanh()?.mean_all()? * 0.1)?
}

fn images() -> Result<Tensor> {
    let count = BATCH * HEIGHT * WIDTH;
    let values: Vec<f32> = (0..count).map(|i| (i * i / 7 % 251) as f32 / 60.0 - 2.0).collect();
    Tensor::from_vec(values, (BATCH, 1, HEIGHT, WIDTH), &Device::Cpu)
}

fn backbone(drop_path: f64) -> CandleBackbone {
    let options = Options { drop_path, ..Options::default() };
    CandleBackbone::new(build(Variant::B0, 1, &options, 3).unwrap()).unwrap()
}

/// The largest magnitude.
fn largest(values: &Tensor) -> Result<f64> {
    values.abs()?.max_all()?.to_dtype(DType::F64)?.to_scalar()
}

/// Within a share of the largest magnitude that is expected, or within `rounding`.
#[track_caller]
fn equal(what: &str, found: &[f32], expected: &Tensor, tolerance: f64, rounding: f64) {
    let expected: Vec<f64> =
        expected.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let pairs = found.iter().zip(&expected);
    let worst = pairs.map(|(x, y)| (f64::from(*x) - y).abs()).fold(0.0, f64::max);
    assert!(worst <= rounding.max(tolerance * largest), "{what}: {worst:.1e} of {largest:.1e} off");
}

#[test]
fn a_plain_candle_head_on_the_op_gives_the_gradients_of_a_plain_candle_network() -> Result<()> {
    let backbone = backbone(0.0);
    let plain = Plain::new(&backbone)?;
    let head: Vec<f32> = (0..1280).map(|i| (i % 17) as f32 / 100.0 - 0.08).collect();
    let head = Var::from_vec(head, (1, 1280), &Device::Cpu)?;

    let features = backbone.forward_tensor(&images()?, Mode::Train { seed: 0 })?;
    let found = loss(&features, &head)?.backward()?;

    let plain_head = Var::from_tensor(&head.to_dtype(DType::F64)?)?;
    let expected_features = plain.features(&images()?.to_dtype(DType::F64)?)?;
    let expected = loss(&expected_features, &plain_head)?.backward()?;

    let flat = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>();
    equal("features", &flat(&features)?, &expected_features, 1e-4, 0.0);
    let gradient = flat(found.get(&head).unwrap())?;
    equal("gradient of the head", &gradient, expected.get(&plain_head).unwrap(), 1e-4, 0.0);
    let gradient = backbone.read(Buffer::Gradient).unwrap();
    let entries = &backbone.layout().parameters;
    let expected = |name: &str| expected.get(plain.parameter(name)).unwrap();
    let magnitudes: Vec<f64> =
        entries.iter().map(|entry| largest(expected(&entry.name))).collect::<Result<_>>()?;
    // The norm behind takes out what the last shift of a block adds: its gradient is zero, but for
    // rounding.
    let rounding = 1e-5 * magnitudes.iter().copied().fold(0.0, f64::max);
    let zero = entries.iter().zip(&magnitudes).filter(|(_, magnitude)| **magnitude < rounding);
    let zero: Vec<&str> = zero.map(|(entry, _)| entry.name.as_str()).collect();
    let last = |block: &BlockPlan| {
        let norm = if block.expand.is_some() { "bn3" } else { "bn2" };
        format!("{}.{norm}.bias", block.name)
    };
    assert_eq!(zero, plain.plan.blocks.iter().map(last).collect::<Vec<_>>());
    for entry in entries {
        equal(&entry.name, &gradient[entry.range.clone()], expected(&entry.name), 2e-3, rounding);
    }
    Ok(())
}

#[test]
fn features_for_evaluation_are_a_plain_tensor() -> Result<()> {
    let backbone = backbone(0.2);
    let features = backbone.forward_t(&images()?, false)?;
    assert!(!features.track_op());
    assert_eq!(features.dims(), [BATCH, 1280]);
    Ok(())
}

#[test]
fn each_training_pass_draws_its_own_drop_path() -> Result<()> {
    let backbone = backbone(0.9);
    let features = |train| backbone.forward_t(&images()?, train)?.to_vec2::<f32>();
    assert_ne!(features(true)?, features(true)?);
    Ok(())
}

#[test]
fn a_graph_is_walked_back_once_and_before_the_next_forward_pass() -> Result<()> {
    let backbone = backbone(0.0);
    let pass = || backbone.forward_tensor(&images()?, Mode::Train { seed: 0 })?.sum_all();
    let (first, second) = (pass()?, pass()?);
    let error = first.backward().unwrap_err().to_string();
    assert!(error.contains("another forward pass"), "{error}");
    second.backward()?;
    let error = second.backward().unwrap_err().to_string();
    assert!(error.contains("needs a forward pass"), "{error}");
    Ok(())
}

#[test]
fn images_that_depend_on_a_variable_are_refused() -> Result<()> {
    let backbone = backbone(0.0);
    let shift = Var::zeros(1, DType::F32, &Device::Cpu)?;
    let shifted = images()?.broadcast_add(&shift)?;
    let train = Mode::Train { seed: 0 };
    let error = backbone.forward_tensor(&shifted, train).unwrap_err().to_string();
    assert!(error.contains("detach them"), "{error}");
    backbone.forward_tensor(&shifted.detach(), train)?;
    Ok(())
}
