//! From options to a network on a device.

use std::fmt;
use std::str::FromStr;

use crate::efficientnet::{EfficientNet, Settings};
use crate::kernels::cpu::Cpu;
use crate::plan::Plan;
use crate::{Backbone, GradientCheckpointing, ModelError, Normalisation, Variant, weights};

/// Where a network computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The CPU: the threads of the rayon pool that calls.
    #[default]
    Cpu,
    /// The NVIDIA GPU of this number.
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

    /// Takes `cpu`, `cuda:1`, or `cuda` for the first GPU.
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

/// The number format of the activations. Parameters, their gradients, and statistics are always f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits, with the range of f32. Only on a GPU.
    Bf16,
}

/// How a network is built.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The device.
    pub device: Device,
    /// The number format of the activations.
    pub precision: Precision,
    /// How grey levels become input values; `None` for [`Normalisation::of_pretrained`].
    pub normalisation: Option<Normalisation>,
    /// The probability that the branch of the last block is dropped for an image in training. It
    /// grows linearly from 0 at the first block. It is timm's `drop_path_rate`.
    pub drop_path: f64,
    /// Whether activations are stored or computed again.
    pub gradient_checkpointing: GradientCheckpointing,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            device: Device::Cpu,
            precision: Precision::F32,
            normalisation: None,
            drop_path: 0.2,
            gradient_checkpointing: GradientCheckpointing::Off,
        }
    }
}

/// A network of `channels` input channels (1 or 3) with random weights, drawn as timm draws them.
/// `seed` decides them.
///
/// # Errors
/// [`ModelError::Channels`] unless `channels` is 1 or 3, [`ModelError::Length`] if the normalisation
/// is for another number of channels, [`ModelError::Device`] if the device is missing or cannot
/// compute in this precision.
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
        gradient_checkpointing: options.gradient_checkpointing,
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
    let kernels = crate::kernels::cuda::Cuda::new(number, precision)?;
    Ok(Box::new(EfficientNet::new(kernels, plan, settings)?))
}

#[cfg(not(feature = "cuda"))]
fn on_gpu(_: usize, _: Precision, _: Plan, _: Settings) -> Result<Box<dyn Backbone>, ModelError> {
    let reason = "this program was built without CUDA: build it with --features cuda, or compute on \
                  the device cpu";
    Err(ModelError::Device(reason.into()))
}
