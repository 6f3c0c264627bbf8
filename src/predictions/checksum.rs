//! A checksum of the values of a table, which its file's footer holds: Parquet's own pages have
//! none, and a flipped bit would be another probability.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Float32Type, Float64Type, Int64Type, Schema};
use arrow::record_batch::RecordBatch;
use xxhash_rust::xxh3::Xxh3;

/// The checksum of the rows so far. It depends on the columns' names and values, not on how the rows
/// are divided into batches.
pub(super) struct Checksum {
    columns: Vec<Xxh3>,
    bytes: Vec<u8>,
}

impl Checksum {
    /// Of a table without rows.
    pub(super) fn new(schema: &Schema) -> Self {
        let named = |name: &str| {
            let mut hash = Xxh3::new();
            hash.update(name.as_bytes());
            hash
        };
        Self {
            columns: schema.fields().iter().map(|field| named(field.name())).collect(),
            bytes: Vec::new(),
        }
    }

    /// Adds rows.
    pub(super) fn add(&mut self, batch: &RecordBatch) {
        for (hash, array) in self.columns.iter_mut().zip(batch.columns()) {
            self.bytes.clear();
            append(array.as_ref(), &mut self.bytes);
            hash.update(&self.bytes);
        }
    }

    /// XXH3 of all columns, in hexadecimal.
    pub(super) fn finish(&self) -> String {
        let mut whole = Xxh3::new();
        self.columns.iter().for_each(|column| whole.update(&column.digest().to_le_bytes()));
        format!("{:016x}", whole.digest())
    }
}

/// Appends the values, each after a byte that says whether there is one. Only types that a table of
/// predictions has are looked at.
fn append(array: &dyn Array, bytes: &mut Vec<u8>) {
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().iter().for_each(|text| {
            bytes.push(u8::from(text.is_some()));
            let text = text.unwrap_or_default();
            bytes.extend(text.len().to_le_bytes());
            bytes.extend(text.as_bytes());
        }),
        DataType::Boolean => {
            bytes.extend(array.as_boolean().iter().map(|value| value.map_or(2, u8::from)));
        }
        DataType::Int64 => numbers::<Int64Type, 8>(array, bytes, i64::to_le_bytes),
        DataType::Float32 => numbers::<Float32Type, 4>(array, bytes, f32::to_le_bytes),
        DataType::Float64 => numbers::<Float64Type, 8>(array, bytes, f64::to_le_bytes),
        _ => {}
    }
}

fn numbers<T: ArrowPrimitiveType, const N: usize>(
    array: &dyn Array,
    bytes: &mut Vec<u8>,
    to_bytes: impl Fn(T::Native) -> [u8; N],
) {
    for value in array.as_primitive::<T>() {
        bytes.push(u8::from(value.is_some()));
        bytes.extend(value.map_or([0; N], &to_bytes));
    }
}
