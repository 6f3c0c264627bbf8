//! Reads files of weights: safetensors, and what `torch.save` wrote.

use std::collections::BTreeMap;
use std::path::Path;

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

use super::WeightsError;

/// The endings of files of weights.
pub const EXTENSIONS: [&str; 4] = ["safetensors", "pth", "pt", "bin"];

/// A tensor of a file, in f32.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// PyTorch's shape.
    pub shape: Vec<usize>,
    /// The values, row by row.
    pub values: Vec<f32>,
}

/// All tensors of a file, by name.
pub type Tensors = BTreeMap<String, Tensor>;

/// The keys under which training scripts store weights in a checkpoint. Moving averages come first,
/// as in timm.
#[cfg(feature = "pytorch")]
const KEYS: [&str; 4] = ["state_dict_ema", "model_ema", "state_dict", "model"];

/// Reads a file of weights, by its ending.
///
/// # Errors
/// [`WeightsError::Unreadable`].
pub fn read(path: &Path) -> Result<Tensors, WeightsError> {
    let wrong = |reason: String| WeightsError::Unreadable { path: path.into(), reason };
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension {
        Some("safetensors") => {
            let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
            safetensors(&bytes).map_err(wrong)
        }
        Some("pth" | "pt" | "bin") => {
            std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
            pytorch(path).map_err(wrong)
        }
        _ => Err(wrong(format!("weights end in .{}", EXTENSIONS.join(", .")))),
    }
}

fn safetensors(bytes: &[u8]) -> Result<Tensors, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let mut tensors = Tensors::new();
    for (name, view) in file.iter() {
        let data = view.data();
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => by(data, f32::from_le_bytes),
            Dtype::F16 => by(data, |bytes| f16::from_le_bytes(bytes).to_f32()),
            Dtype::BF16 => by(data, |bytes| bf16::from_le_bytes(bytes).to_f32()),
            Dtype::F64 => by(data, |bytes| f64::from_le_bytes(bytes) as f32),
            // Counters of batches; no weight is a whole number.
            Dtype::I64 => by(data, |bytes| i64::from_le_bytes(bytes) as f32),
            other => return Err(format!("{name} is of type {other:?}")),
        };
        tensors.insert(name.into(), Tensor { shape: view.shape().into(), values });
    }
    Ok(tensors)
}

fn by<const N: usize>(data: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    data.as_chunks().0.iter().map(|bytes| number(*bytes)).collect()
}

#[cfg(not(feature = "pytorch"))]
fn pytorch(_: &Path) -> Result<Tensors, String> {
    Err("this program was built without the feature `pytorch` of mammo-net".into())
}

#[cfg(feature = "pytorch")]
fn pytorch(path: &Path) -> Result<Tensors, String> {
    use candle_core::{DType, Tensor as CandleTensor, pickle};

    let said = |error: candle_core::Error| {
        format!("{error} (PyTorch 1.6 and later write what can be read: torch.save it again)")
    };
    let mut found = pickle::read_all_with_key(path, None).map_err(said)?;
    for key in KEYS {
        if found.is_empty() {
            found = pickle::read_all_with_key(path, Some(key)).unwrap_or_default();
        }
    }
    let values = |tensor: CandleTensor| -> candle_core::Result<Tensor> {
        let shape = tensor.dims().to_vec();
        let values = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        Ok(Tensor { shape, values })
    };
    let named = found.into_iter().map(|(name, tensor)| Ok((name, values(tensor)?)));
    let tensors: Tensors = named.collect::<candle_core::Result<_>>().map_err(said)?;
    if tensors.is_empty() { Err("holds no tensors".into()) } else { Ok(tensors) }
}
