//! Columns in the types that this program writes, from those that other programs write: pandas has
//! large texts, and real numbers for a column of whole numbers with gaps.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use std::sync::Arc;

use super::Prediction;
use crate::shard::records::{self, Column};

/// The rows with our own types; columns that are not ours stay as they are.
///
/// # Errors
/// The column whose values cannot be held in our type: it would be read as empty.
pub(super) fn ours(rows: &RecordBatch) -> Result<RecordBatch, String> {
    let known = records::columns::<Prediction>(&[]);
    let schema = rows.schema();
    let mut fields = Vec::new();
    let mut arrays = Vec::new();
    for (field, array) in schema.fields().iter().zip(rows.columns()) {
        let column = known.iter().find(|column| column.name == *field.name());
        let array = match column {
            Some(column) => convert(array, column)?,
            None => Arc::clone(array),
        };
        fields.push(Field::new(field.name(), array.data_type().clone(), true));
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|e| e.to_string())
}

fn convert(array: &ArrayRef, column: &Column) -> Result<ArrayRef, String> {
    let (have, need) = (array.data_type(), column.array.data_type());
    let is_whole = |real: &dyn Array| {
        let mut numbers = real.as_primitive::<Float64Type>().iter().flatten();
        numbers.all(|number| number.is_nan() || number.fract() == 0.0)
    };
    let converted = match (have, need) {
        _ if have == need || (have.is_floating() && need.is_floating()) => Ok(Arc::clone(array)),
        (DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..), DataType::Utf8) => {
            cast(array, need)
        }
        // What does not fit becomes empty without this check.
        (_, DataType::Int64) if have.is_integer() => cast(array, need)
            .ok()
            .filter(|cast| cast.null_count() == array.null_count())
            .ok_or_else(|| ArrowError::CastError("a number is too large".into())),
        (DataType::Float64, DataType::Int64) if is_whole(array) => cast(array, need),
        (DataType::Null, _) => cast(array, need),
        _ => return Err(format!("column {} has type {have}, needs {need}", column.name)),
    };
    converted.map_err(|problem| format!("column {}: {problem}", column.name))
}
