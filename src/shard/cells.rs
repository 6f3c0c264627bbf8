//! Reads single values from a batch of rows, by column name.
//!
//! A column that the release lacks (older releases lack newer columns) and an empty cell both give
//! `None`.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type, UInt64Type};
use arrow::record_batch::RecordBatch;

use crate::image::Rect;

/// The cells of a batch.
pub struct Cells<'a>(pub &'a RecordBatch);

impl Cells<'_> {
    /// Column `name`, if it exists and has a value in row `i`.
    fn value(&self, name: &str, i: usize) -> Option<&ArrayRef> {
        self.0.column_by_name(name).filter(|column| column.is_valid(i))
    }

    /// A text.
    pub fn text(&self, name: &str, i: usize) -> Option<String> {
        Some(self.value(name, i)?.as_string_opt::<i32>()?.value(i).to_owned())
    }

    /// A whole number.
    pub fn integer(&self, name: &str, i: usize) -> Option<i64> {
        Some(self.value(name, i)?.as_primitive_opt::<Int64Type>()?.value(i))
    }

    /// A number of pixels; also `None` for a negative number.
    pub fn size(&self, name: &str, i: usize) -> Option<usize> {
        self.integer(name, i)?.try_into().ok()
    }

    /// A checksum.
    pub fn bits(&self, name: &str, i: usize) -> Option<u64> {
        Some(self.value(name, i)?.as_primitive_opt::<UInt64Type>()?.value(i))
    }

    /// A boolean.
    pub fn boolean(&self, name: &str, i: usize) -> Option<bool> {
        Some(self.value(name, i)?.as_boolean_opt()?.value(i))
    }

    /// A number of any type.
    pub fn real(&self, name: &str, i: usize) -> Option<f64> {
        let column = self.value(name, i)?;
        match column.data_type() {
            DataType::Float32 => Some(column.as_primitive::<Float32Type>().value(i).into()),
            DataType::Float64 => Some(column.as_primitive::<Float64Type>().value(i)),
            DataType::Int64 => Some(column.as_primitive::<Int64Type>().value(i) as f64),
            _ => None,
        }
    }

    /// The boxes in a list of numbers: left, top, right, bottom of each.
    pub fn boxes(&self, name: &str, i: usize) -> Option<Vec<[f32; 4]>> {
        let numbers = self.value(name, i)?.as_list_opt::<i32>()?.value(i);
        let numbers = numbers.as_primitive_opt::<Float32Type>()?;
        Some(numbers.values().as_chunks().0.to_vec())
    }

    /// The rectangle in the columns `PREFIX_left`, `_top`, `_width` and `_height`.
    pub fn rect(&self, prefix: &str, i: usize) -> Option<Rect> {
        let side = |name: &str| self.size(&format!("{prefix}_{name}"), i);
        Some(Rect {
            left: side("left")?,
            top: side("top")?,
            width: side("width")?,
            height: side("height")?,
        })
    }
}
