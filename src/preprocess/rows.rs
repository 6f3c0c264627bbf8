//! Collects samples into the row groups of one shard.
//!
//! Memory: the samples of one group ([`BATCH_ROWS`]), and the same group in encoded form.

use super::columns;
use super::stages::Sample;
use crate::config::ShardConfig;
use crate::error::Fault;
use crate::shard::Shape;
use crate::shard::reader::BATCH_ROWS;
use crate::shard::writer::ShardWriter;
use crate::store::{Aside, Written};

/// The open file of a shard, and the samples of its next row group.
pub struct SampleWriter {
    writer: ShardWriter,
    shape: Shape,
    pending: Vec<Sample>,
    rows: usize,
}

impl SampleWriter {
    /// Starts a shard in `file`.
    ///
    /// # Errors
    /// Those of [`ShardWriter::new`].
    pub fn new(file: Aside, config: &ShardConfig, shape: Shape) -> Result<Self, Fault> {
        let writer = ShardWriter::new(file, config, columns::schema(&shape))?;
        Ok(Self { writer, shape, pending: Vec::with_capacity(BATCH_ROWS), rows: 0 })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// Those of [`ShardWriter::write`].
    pub fn push(&mut self, sample: Sample) -> Result<(), Fault> {
        self.rows += 1;
        self.pending.push(sample);
        if self.pending.len() == BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Fault> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let batch = columns::batch(&self.pending, &self.shape);
        self.pending.clear();
        self.writer.write(&batch)
    }

    /// Completes the file and flushes it to the disk. Returns it with its number of rows.
    ///
    /// # Errors
    /// Those of [`ShardWriter::write`] and [`ShardWriter::close`].
    pub fn close(mut self) -> Result<(Written, usize), Fault> {
        self.flush()?;
        Ok((self.writer.close()?, self.rows))
    }
}
