//! Reads safetensors: a length, a header in JSON, and the values in the header's order.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};

use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde::Deserialize;

use super::file::{Number, Tensor, Tensors, VALUES, shown, values};

/// The bytes of a header, at most; those of EfficientNet-B7 are 0.1 MB.
const HEADER: u64 = 4 << 20;

#[derive(Deserialize)]
struct Header {
    /// Texts for people.
    #[serde(rename = "__metadata__")]
    _metadata: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    tensors: BTreeMap<String, TensorInfo>,
}

/// Reads all tensors of a file of `length` bytes.
pub fn read(file: &File, length: u64) -> Result<Tensors, String> {
    let said = |error: std::io::Error| error.to_string();
    let mut file = BufReader::new(file);
    let mut bytes = [0; 8];
    if length < 8 {
        return Err(format!("{length} bytes are no safetensors file"));
    }
    file.read_exact(&mut bytes).map_err(said)?;
    let header_length = u64::from_le_bytes(bytes);
    if header_length > length - 8 {
        return Err(format!(
            "the header of {header_length} bytes is longer than the file of {length}: not safetensors, or cut off"
        ));
    }
    if header_length > HEADER {
        return Err(format!("the header has {header_length} bytes, at most {HEADER} are read"));
    }
    let mut text = vec![0; header_length as usize];
    file.read_exact(&mut text).map_err(said)?;
    // The parser's own words would quote the header.
    let header: Header = serde_json::from_slice(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("the header is not that of safetensors (line {line}, column {column})")
    })?;
    drop(text);
    let mut tensors: Vec<(String, TensorInfo)> = header.tensors.into_iter().collect();
    // Stable, so tensors without values stay in the order of their names.
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    let mut end = 0_u64;
    let mut total = 0_u64;
    for (name, info) in &tensors {
        let (from, to) = (info.data_offsets.0 as u64, info.data_offsets.1 as u64);
        let count = info.shape.iter().try_fold(1_u64, |n, size| n.checked_mul(*size as u64));
        let size = number(name, info.dtype)?.size() as u64;
        if from != end || count.and_then(|count| count.checked_mul(size)) != to.checked_sub(from) {
            return Err(format!(
                "{} lies at bytes {from} to {to}, which is not where its shape and its neighbours put it",
                shown(name)
            ));
        }
        end = to;
        total = total.saturating_add((to - from) / size);
    }
    if end != length - 8 - header_length {
        let have = length - 8 - header_length;
        return Err(format!("the tensors have {end} bytes by the header, the file has {have}"));
    }
    if total > VALUES {
        return Err(format!("{total} values, at most {VALUES} are read"));
    }
    let read = tensors.into_iter().map(|(name, info)| {
        let count = info.shape.iter().product();
        let values = values(&mut file, number(&name, info.dtype)?, count).map_err(said)?;
        Ok((name, Tensor { shape: info.shape, values }))
    });
    read.collect()
}

fn number(name: &str, dtype: Dtype) -> Result<Number, String> {
    Ok(match dtype {
        Dtype::F16 => Number::F16,
        Dtype::BF16 => Number::Bf16,
        Dtype::F32 => Number::F32,
        Dtype::F64 => Number::F64,
        Dtype::I64 => Number::I64,
        other => return Err(format!("{} is of type {other:?}", shown(name))),
    })
}
