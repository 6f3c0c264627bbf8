//! Rows of a shard, batch by batch, whichever format it has.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::FileReader;
use arrow::record_batch::{RecordBatch, RecordBatchReader};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::error::Fault;

/// An open shard.
pub struct ShardReader {
    inner: Box<dyn RecordBatchReader>,
    path: std::path::PathBuf,
}

impl ShardReader {
    /// Opens a `.parquet` or `.arrow` file; `columns` limits what is read, all if `None`.
    ///
    /// # Errors
    /// [`Fault::Io`]; [`Fault::Shard`] if it is not such a file or lacks a column.
    pub fn open(path: &Path, columns: Option<&[&str]>) -> Result<Self, Fault> {
        let file = File::open(path).map_err(Fault::io(path))?;
        let damaged = |reason: String| Fault::Shard { path: path.into(), reason };
        let inner: Box<dyn RecordBatchReader> = if path.extension().is_some_and(|e| e == "arrow") {
            let reader = FileReader::try_new(BufReader::new(file), None)
                .map_err(|e| damaged(e.to_string()))?;
            let keep =
                columns.map(|c| indices(&reader.schema(), c)).transpose().map_err(damaged)?;
            drop(reader);
            let file = BufReader::new(File::open(path).map_err(Fault::io(path))?);
            Box::new(FileReader::try_new(file, keep).map_err(|e| damaged(e.to_string()))?)
        } else {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file)
                .map_err(|e| damaged(e.to_string()))?;
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
            Box::new(reader.map_err(|e| damaged(e.to_string()))?)
        };
        Ok(Self { inner, path: path.into() })
    }

    /// Its columns.
    pub fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }
}

/// Rows read at once: what one row group of a shard holds.
pub const BATCH_ROWS: usize = 16;

fn indices(schema: &SchemaRef, columns: &[&str]) -> Result<Vec<usize>, String> {
    let index = |name: &&str| schema.index_of(name).map_err(|_| format!("has no column {name}"));
    columns.iter().map(index).collect()
}

impl Iterator for ShardReader {
    type Item = Result<RecordBatch, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.inner.next()?;
        Some(batch.map_err(|e| Fault::Shard { path: self.path.clone(), reason: e.to_string() }))
    }
}
