//! Writes record batches to the file of one shard.
//!
//! Memory: one batch in encoded form.

use arrow::datatypes::SchemaRef;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::error::ReleaseError;
use super::reader::BATCH_ROWS;
use crate::config::{Compression, ShardConfig, ShardFormat};
use crate::error::Fault;
use crate::store::{Aside, Written};

/// The size in bytes at which a data page ends: larger than the small columns of a row group and
/// smaller than an image, so every image has its own page and can be read alone.
const PAGE_BYTES: usize = 32 << 10;

/// The open file of a shard.
pub struct ShardWriter {
    format: Format,
}

enum Format {
    Parquet(Box<ArrowWriter<Aside>>),
    Tensor(Box<FileWriter<Aside>>),
}

/// The extension of a shard's name.
pub fn extension(format: ShardFormat) -> &'static str {
    match format {
        ShardFormat::Parquet => "parquet",
        ShardFormat::Tensor => "arrow",
    }
}

impl ShardWriter {
    /// Starts a shard with the columns of `schema` in `file`.
    ///
    /// # Errors
    /// [`ReleaseError::Shard`] if the library of the file format fails.
    pub fn new(file: Aside, config: &ShardConfig, schema: SchemaRef) -> Result<Self, Fault> {
        let path = file.path().to_owned();
        let fault = |reason: String| Fault::from(ReleaseError::Shard { path, reason });
        let format = match config.format {
            ShardFormat::Parquet => {
                let writer = ArrowWriter::try_new(file, schema, Some(properties(config)))
                    .map_err(|e| fault(e.to_string()))?;
                Format::Parquet(Box::new(writer))
            }
            ShardFormat::Tensor => {
                let writer = IpcWriteOptions::default()
                    .try_with_compression(ipc_compression(config))
                    .and_then(|options| FileWriter::try_new_with_options(file, &schema, options))
                    .map_err(|e| fault(e.to_string()))?;
                Format::Tensor(Box::new(writer))
            }
        };
        Ok(Self { format })
    }

    /// Adds a row group: a batch with this schema and [`BATCH_ROWS`] rows (the last may have
    /// fewer).
    ///
    /// # Errors
    /// [`ReleaseError::Shard`], for example if the disk is full.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), Fault> {
        let path = self.path();
        let written = match &mut self.format {
            Format::Parquet(writer) => writer.write(batch).and_then(|()| writer.flush()).err(),
            Format::Tensor(writer) => writer.write(batch).map_err(|e| e.into()).err(),
        };
        written.map_or(Ok(()), |e: parquet::errors::ParquetError| {
            Err(ReleaseError::Shard { path, reason: e.to_string() }.into())
        })
    }

    fn path(&self) -> std::path::PathBuf {
        match &self.format {
            Format::Parquet(writer) => writer.inner().path().to_owned(),
            Format::Tensor(writer) => writer.get_ref().path().to_owned(),
        }
    }

    /// Completes the file and flushes it to the disk.
    ///
    /// # Errors
    /// [`ReleaseError::Shard`], [`Fault::Io`].
    pub fn close(self) -> Result<Written, Fault> {
        let path = self.path();
        let fault = |reason: String| Fault::from(ReleaseError::Shard { path, reason });
        let file = match self.format {
            Format::Parquet(writer) => writer.into_inner().map_err(|e| fault(e.to_string()))?,
            Format::Tensor(writer) => writer.into_inner().map_err(|e| fault(e.to_string()))?,
        };
        file.close()
    }
}

fn properties(config: &ShardConfig) -> WriterProperties {
    let codec = match config.compression.unwrap_or(Compression::Zstd) {
        Compression::None => Codec::UNCOMPRESSED,
        Compression::Lz4 => Codec::LZ4_RAW,
        Compression::Zstd => {
            let level = ZstdLevel::try_new(config.level).expect("the configuration is checked");
            Codec::ZSTD(level)
        }
    };
    let image = ColumnPath::from("image");
    WriterProperties::builder()
        // The library's version is left out, because shards of one release would differ between
        // builds.
        .set_created_by("mammo-pipe".into())
        .set_compression(codec)
        // A group has too few rows for a dictionary, and statistics of images are meaningless.
        .set_dictionary_enabled(false)
        .set_column_statistics_enabled(image, EnabledStatistics::None)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(BATCH_ROWS))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_write_batch_size(1)
        .build()
}

fn ipc_compression(config: &ShardConfig) -> Option<CompressionType> {
    match config.compression.unwrap_or(Compression::None) {
        Compression::None => None,
        Compression::Lz4 => Some(CompressionType::LZ4_FRAME),
        Compression::Zstd => Some(CompressionType::ZSTD),
    }
}
