//! Reads the pixels of any row of a release and verifies them.
//!
//! In: a [`Table`] and the index of a row. Out: its pixels as they were written, or a fault that
//! names shard, row and image. Every read is compared with the row's checksum.
//!
//! An image is read alone where the format allows it: a page of Parquet, or a slice of an
//! uncompressed tensor. In a compressed tensor, the block of 16 images is decompressed and cached
//! in [`Blocks`] for its other rows.
//!
//! A [`Store`] provides the bytes of a shard.

mod blocks;
mod parquet;
mod tensor;

use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use self::blocks::Blocks;
use self::parquet::ParquetImages;
use self::tensor::TensorImages;
use super::order::in_blocks;
use crate::config::ShardFormat;
use crate::error::Fault;
use crate::shard::ReleaseError;
use crate::shard::image::checksum;
use crate::shard::map::map;
use crate::shard::table::Table;

/// A place where shards are stored.
pub trait Store: Send + Sync {
    /// All bytes of the shard at `path` below the release; they may be loaded lazily. Called once
    /// per shard.
    ///
    /// # Errors
    /// [`Fault::Io`].
    fn open(&self, release: &Path, path: &str) -> Result<Bytes, Fault>;
}

/// A local folder; shards are memory-mapped.
#[derive(Debug, Clone, Copy)]
pub struct Local;

impl Store for Local {
    fn open(&self, release: &Path, path: &str) -> Result<Bytes, Fault> {
        map(&release.join(path))
    }
}

/// The pixels of rows, for any number of threads.
pub struct Images {
    table: Arc<Table>,
    store: Box<dyn Store>,
    shards: Vec<Mutex<Option<Arc<Shard>>>>,
    blocks: Blocks,
}

/// An open shard.
enum Shard {
    Parquet(ParquetImages),
    Tensor(TensorImages),
}

impl Images {
    /// The images of `table`. If its shards are compressed in blocks ([`in_blocks`]), caches at
    /// most `kept` decompressed blocks of 16 images, at least one.
    pub fn new(table: Arc<Table>, store: Box<dyn Store>, kept: usize) -> Self {
        let shards = table.shards.iter().map(|_| Mutex::new(None)).collect();
        let kept = if in_blocks(&table) { kept } else { 0 };
        Self { table, store, shards, blocks: Blocks::new(kept) }
    }

    /// The rows.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// The pixels of row `index` of the table, row-major, little-endian if they have 16 bits. Not
    /// copied if the shard is not compressed.
    ///
    /// # Errors
    /// [`ReleaseError::Row`] if they cannot be read or do not match their checksum,
    /// [`ReleaseError::Shard`] and [`Fault::Io`] if the shard cannot be opened.
    pub fn pixels(&self, index: usize) -> Result<Bytes, Fault> {
        let row = &self.table.rows[index];
        let bad = |reason: String| {
            Ok::<Fault, Fault>(
                ReleaseError::Row {
                    path: self.table.path(row.shard)?,
                    row: row.row,
                    image_id: row.record.image_id.to_string(),
                    reason,
                }
                .into(),
            )
        };
        let shard = self.shard(row.shard)?;
        let pixels = match shard.as_ref() {
            Shard::Parquet(shard) => shard.pixels(row.row),
            Shard::Tensor(shard) => {
                shard.pixels(row.row, |block, read| self.blocks.get((row.shard, block), read))
            }
        };
        let pixels = pixels.or_else(|reason| Err(bad(reason)?))?;
        let needed = self.table.image_bytes();
        if pixels.len() != needed {
            let reason = format!("has {} bytes of pixels, needs {needed}", pixels.len());
            return Err(bad(reason)?);
        }
        if checksum(&pixels) != row.checksum {
            let reason = "the pixels do not match their checksum; mammo-pipe verify lists all \
                          damage, and preprocess writes a deleted shard again";
            return Err(bad(reason.into())?);
        }
        Ok(pixels)
    }

    fn shard(&self, index: usize) -> Result<Arc<Shard>, Fault> {
        let mut place = self.shards[index].lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(shard) = place.as_ref() {
            return Ok(Arc::clone(shard));
        }
        let path = self.table.path(index)?;
        let name = self.table.shards[index].file.as_deref().unwrap_or_default();
        let bytes = self.store.open(&self.table.release, name)?;
        let opened = match self.table.shape.format {
            ShardFormat::Parquet => ParquetImages::open(bytes).map(Shard::Parquet),
            ShardFormat::Tensor => {
                let compressed = in_blocks(&self.table);
                TensorImages::open(bytes, self.table.image_bytes(), compressed).map(Shard::Tensor)
            }
        };
        let shard = Arc::new(opened.map_err(|reason| ReleaseError::Shard { path, reason })?);
        *place = Some(Arc::clone(&shard));
        Ok(shard)
    }
}
