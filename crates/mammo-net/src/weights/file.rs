//! Reads files of weights: safetensors, and what `torch.save` wrote.
//!
//! A file may come from anywhere, so nothing in it is believed: every size is compared with the
//! bytes that are there before memory is taken for it. Texts tell lengths and places, and of the
//! content only names of tensors ([`shown`]).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use half::{bf16, f16};

use super::{WeightsError, safetensors};

#[cfg(feature = "pytorch")]
use super::pytorch;

/// The endings of files of weights.
pub const EXTENSIONS: [&str; 4] = ["safetensors", "pth", "pt", "bin"];

/// The values of one file, at most: four times those of EfficientNet-B7 with its classifier.
pub const VALUES: u64 = 1 << 28;

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

/// What the values of a tensor are in the file, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    F16,
    Bf16,
    F32,
    F64,
    /// Counters of batches; no weight is a whole number.
    I64,
}

impl Number {
    /// The bytes of one value.
    pub fn size(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 | Self::I64 => 8,
        }
    }

    /// Appends the values of whole numbers of bytes.
    pub fn append(self, bytes: &[u8], values: &mut Vec<f32>) {
        match self {
            Self::F16 => each(bytes, values, |bytes| f16::from_le_bytes(bytes).to_f32()),
            Self::Bf16 => each(bytes, values, |bytes| bf16::from_le_bytes(bytes).to_f32()),
            Self::F32 => each(bytes, values, f32::from_le_bytes),
            Self::F64 => each(bytes, values, |bytes| f64::from_le_bytes(bytes) as f32),
            Self::I64 => each(bytes, values, |bytes| i64::from_le_bytes(bytes) as f32),
        }
    }
}

fn each<const N: usize>(bytes: &[u8], values: &mut Vec<f32>, number: impl Fn([u8; N]) -> f32) {
    values.extend(bytes.as_chunks().0.iter().map(|bytes| number(*bytes)));
}

/// Reads `count` values, a piece at a time.
pub fn values(from: &mut impl Read, number: Number, count: usize) -> io::Result<Vec<f32>> {
    const PIECE: usize = 1 << 20;
    let mut values = Vec::with_capacity(count);
    let mut piece = vec![0; PIECE.min(count * number.size())];
    while values.len() < count {
        let bytes = piece.len().min((count - values.len()) * number.size());
        from.read_exact(&mut piece[..bytes])?;
        number.append(&piece[..bytes], &mut values);
    }
    Ok(values)
}

/// A tensor's name for a text. What could be anything else than a name is described.
pub fn shown(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.len() <= 200 && name.bytes().all(plain) {
        name.into()
    } else {
        format!("a name of {} characters", name.chars().count())
    }
}

/// Reads a file of weights, by its ending.
///
/// # Errors
/// [`WeightsError::Unreadable`].
pub fn read(path: &Path) -> Result<Tensors, WeightsError> {
    let wrong = |reason: String| WeightsError::Unreadable { path: path.into(), reason };
    let extension = path.extension().and_then(|extension| extension.to_str());
    let reader = match extension {
        Some("safetensors") => safetensors::read,
        Some("pth" | "pt" | "bin") => pytorch::read,
        _ => return Err(wrong(format!("weights end in .{}", EXTENSIONS.join(", .")))),
    };
    let about = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
    if !about.is_file() {
        // Opening a pipe would wait for its writer.
        return Err(wrong("not a regular file".into()));
    }
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let length = about.len();
    reader(&file, length).map_err(wrong)
}

#[cfg(not(feature = "pytorch"))]
mod pytorch {
    pub fn read(_: &super::File, _: u64) -> Result<super::Tensors, String> {
        Err("this program was built without the feature `pytorch` of mammo-net".into())
    }
}
