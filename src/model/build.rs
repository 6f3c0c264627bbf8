//! A network for a device, by what it should be able to do.

use std::fmt;
use std::str::FromStr;

use super::backbone::{EfficientNet, Settings};
use super::kernels::cpu::Cpu;
use super::plan::Plan;
use super::{Backbone, ModelError, Normalisation, Variant, weights};

/// Where a network computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// Threads of the rayon pool that calls.
    #[default]
    Cpu,
    /// The GPU of this number.
    Cuda(usize),
}

impl fmt::Display for Device {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => formatter.write_str("cpu"),
            Self::Cuda(number) => write!(formatter, "cuda:{number}"),
        }
    }
}

impl FromStr for Device {
    type Err = String;

    /// `cpu`, `cuda:1`, or `cuda` for the first.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = match text {
            "cpu" => return Ok(Self::Cpu),
            "cuda" => Some(0),
            other => other.strip_prefix("cuda:").and_then(|number| number.parse().ok()),
        };
        number.map(Self::Cuda).ok_or_else(|| "needs cpu, cuda, cuda:0, cuda:1, ...".to_owned())
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            _ => Err(format!("no precision is named {name}: f32 or bf16")),
        }
    }
}

/// Numbers of the activations; weights, statistics and gradients of weights are f32 always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits, with the range of f32. On a GPU alone.
    Bf16,
}

/// What of a forward pass is kept for the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// What every block needs.
    #[default]
    Everything,
    /// What enters each stage; the rest is computed again. Less memory, a third more time.
    StageInputs,
}

/// How a network is built.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Where it computes.
    pub device: Device,
    /// In what.
    pub precision: Precision,
    /// How grey levels enter; `None` for timm's of pretrained weights: ImageNet's mean and
    /// deviation for three channels, their mean for one.
    pub normalisation: Option<Normalisation>,
    /// Probability that the last block is dropped from an image in training (timm's
    /// `drop_path_rate`); it grows linearly from 0 at the first.
    pub drop_path: f64,
    /// Memory against time.
    pub keep: Keep,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            device: Device::Cpu,
            precision: Precision::F32,
            normalisation: None,
            drop_path: 0.2,
            keep: Keep::Everything,
        }
    }
}

impl Normalisation {
    /// That of timm's weights, which were trained on ImageNet's colours; one channel takes the
    /// means of the three.
    pub fn of_pretrained(channels: usize) -> Self {
        let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
        if channels == 1 {
            let mid = |values: [f32; 3]| vec![values.iter().sum::<f32>() / 3.0];
            return Self { mean: mid(mean), std: mid(std) };
        }
        Self { mean: mean.into(), std: std.into() }
    }
}

/// A network with random weights, drawn as timm draws them; `seed` decides them.
///
/// # Errors
/// [`ModelError::Channels`] unless there are 1 or 3, [`ModelError::Device`] where the device is
/// missing or cannot compute so.
pub fn build(
    variant: Variant,
    channels: usize,
    options: &Options,
    seed: u64,
) -> Result<Box<dyn Backbone>, ModelError> {
    if ![1, 3].contains(&channels) {
        return Err(ModelError::Channels(channels));
    }
    let normalisation = options.normalisation.clone();
    let settings = Settings {
        normalisation: normalisation.unwrap_or_else(|| Normalisation::of_pretrained(channels)),
        drop_path: options.drop_path,
        keep: options.keep,
    };
    let plan = Plan::new(variant, channels);
    let mut backbone: Box<dyn Backbone> = match (options.device, options.precision) {
        (Device::Cpu, Precision::F32) => Box::new(EfficientNet::new(Cpu::new(), plan, settings)?),
        (Device::Cpu, Precision::Bf16) => {
            return Err(ModelError::Device("bf16 needs a GPU; the CPU computes in f32".into()));
        }
        (Device::Cuda(number), precision) => on_gpu(number, precision, plan, settings)?,
    };
    weights::randomise(backbone.as_mut(), seed)?;
    Ok(backbone)
}

#[cfg(feature = "cuda")]
fn on_gpu(
    number: usize,
    precision: Precision,
    plan: Plan,
    settings: Settings,
) -> Result<Box<dyn Backbone>, ModelError> {
    let kernels = super::kernels::cuda::Cuda::new(number, precision)?;
    Ok(Box::new(EfficientNet::new(kernels, plan, settings)?))
}

#[cfg(not(feature = "cuda"))]
fn on_gpu(_: usize, _: Precision, _: Plan, _: Settings) -> Result<Box<dyn Backbone>, ModelError> {
    let reason = "this program was built without CUDA; build it with --features cuda, or take \
                  --device cpu";
    Err(ModelError::Device(reason.into()))
}
