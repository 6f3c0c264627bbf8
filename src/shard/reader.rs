//! Reads the rows of a shard, batch by batch, in either format.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchReader};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::error::ReleaseError;
use super::guard::guarded;
use super::map::map;
use super::tensor::TensorFile;
use crate::error::Fault;
use crate::store;

/// An open shard.
pub struct ShardReader {
    inner: Format,
    schema: SchemaRef,
    path: PathBuf,
}

enum Format {
    Parquet(Box<ParquetRecordBatchReader>),
    Tensor { file: TensorFile, columns: Option<Vec<usize>>, next: usize },
}

impl ShardReader {
    /// Opens a `.parquet` or `.arrow` file. `columns` limits the columns that are read; all if
    /// `None`.
    ///
    /// # Errors
    /// [`Fault::Io`]; [`ReleaseError::Shard`] if it is not such a file, or lacks a column.
    pub fn open(path: &Path, columns: Option<&[&str]>) -> Result<Self, Fault> {
        let damaged =
            |reason: String| Fault::from(ReleaseError::Shard { path: path.into(), reason });
        let (inner, schema) = if path.extension().is_some_and(|e| e == "arrow") {
            let file = TensorFile::open(map(path)?).map_err(damaged)?;
            let columns =
                columns.map(|c| indices(file.schema(), c)).transpose().map_err(damaged)?;
            let schema = match &columns {
                Some(columns) => {
                    Arc::new(file.schema().project(columns).expect("indices are of its columns"))
                }
                None => Arc::clone(file.schema()),
            };
            (Format::Tensor { file, columns, next: 0 }, schema)
        } else {
            let file = store::open_regular(path).map_err(Fault::io(path))?;
            let open = || ParquetRecordBatchReaderBuilder::try_new(file);
            let builder = guarded(|| open().map_err(|e| e.to_string())).map_err(damaged)?;
            let builder = match columns {
                None => builder,
                Some(columns) => {
                    let keep = indices(builder.schema(), columns).map_err(damaged)?;
                    let mask =
                        parquet::arrow::ProjectionMask::roots(builder.parquet_schema(), keep);
                    builder.with_projection(mask)
                }
            };
            let reader = builder.with_batch_size(BATCH_ROWS).build();
            let reader = reader.map_err(|e| damaged(e.to_string()))?;
            let schema = reader.schema();
            (Format::Parquet(Box::new(reader)), schema)
        };
        Ok(Self { inner, schema, path: path.into() })
    }

    /// Its columns.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// What the Parquet library said, with what to do about a compression that it lacks.
fn told(problem: &str) -> String {
    match problem.split_once("Disabled feature at compile time: ") {
        Some((_, codec)) => {
            format!(
                "its compression {codec} is not supported; write it with zstd, snappy, gzip or lz4"
            )
        }
        None => problem.to_owned(),
    }
}

/// The number of rows read at once: those of one row group of a shard.
pub const BATCH_ROWS: usize = 16;

fn indices(schema: &SchemaRef, columns: &[&str]) -> Result<Vec<usize>, String> {
    let index = |name: &&str| schema.index_of(name).map_err(|_| format!("has no column {name}"));
    columns.iter().map(index).collect()
}

impl Iterator for ShardReader {
    type Item = Result<RecordBatch, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = match &mut self.inner {
            Format::Parquet(reader) => {
                guarded(|| reader.next().transpose().map_err(|e| told(&e.to_string())))
                    .transpose()?
            }
            Format::Tensor { file, columns, next } => {
                let index = *next;
                *next += 1;
                (index < file.batches()).then(|| file.batch(index, columns.as_deref()))?
            }
        };
        Some(batch.map_err(|reason| ReleaseError::Shard { path: self.path.clone(), reason }.into()))
    }
}
