//! The pixels of a row: their position in a column, and their checksum.

use std::borrow::Cow;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, FixedSizeListArray, StringArray, UInt64Array,
};
use arrow::datatypes::{DataType, Schema, UInt8Type, UInt16Type};
use arrow::record_batch::RecordBatch;

/// XXH3 (64 bits) of the pixels, little-endian where they have 16 bits.
pub fn checksum(pixels: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(pixels)
}

/// Name and type of every column, as in the manifest.
pub fn columns(schema: &Schema) -> Vec<(String, String)> {
    schema.fields().iter().map(|f| (f.name().clone(), f.data_type().to_string())).collect()
}

/// The columns of a batch that hold pixels.
pub struct Rows<'a> {
    ids: &'a StringArray,
    checksums: &'a UInt64Array,
    pixels: Pixels<'a>,
}

enum Pixels<'a> {
    Binary(&'a BinaryArray),
    Tensor(&'a FixedSizeListArray),
}

impl<'a> Rows<'a> {
    /// Finds the columns.
    ///
    /// # Errors
    /// A text with the name of the column that is absent or has another type.
    pub fn of(batch: &'a RecordBatch) -> Result<Self, String> {
        let column =
            |name: &str| batch.column_by_name(name).ok_or_else(|| format!("has no column {name}"));
        let wrong = |name: &str, found: &ArrayRef| {
            format!("column {name} has the type {}", found.data_type())
        };
        let ids = column("image_id")?;
        let checksums = column("checksum")?;
        let image = column("image")?;
        let pixels = match image.data_type() {
            DataType::Binary => Pixels::Binary(image.as_binary()),
            DataType::FixedSizeList(item, _)
                if matches!(item.data_type(), DataType::UInt8 | DataType::UInt16) =>
            {
                Pixels::Tensor(image.as_fixed_size_list())
            }
            _ => return Err(wrong("image", image)),
        };
        Ok(Self {
            ids: ids.as_string_opt().ok_or_else(|| wrong("image_id", ids))?,
            checksums: checksums.as_primitive_opt().ok_or_else(|| wrong("checksum", checksums))?,
            pixels,
        })
    }

    /// The image's id.
    pub fn image_id(&self, row: usize) -> &'a str {
        self.ids.value(row)
    }

    /// The pixels, row-major, little-endian where they have 16 bits.
    pub fn pixels(&self, row: usize) -> Cow<'a, [u8]> {
        match self.pixels {
            Pixels::Binary(array) => Cow::Borrowed(array.value(row)),
            Pixels::Tensor(array) => {
                let values = array.value(row);
                Cow::Owned(match values.data_type() {
                    DataType::UInt8 => values.as_primitive::<UInt8Type>().values().to_vec(),
                    _ => values
                        .as_primitive::<UInt16Type>()
                        .values()
                        .iter()
                        .flat_map(|v| v.to_le_bytes())
                        .collect(),
                })
            }
        }
    }

    /// Whether the pixels match the checksum.
    pub fn matches(&self, row: usize) -> bool {
        checksum(&self.pixels(row)) == self.checksums.value(row)
    }
}
