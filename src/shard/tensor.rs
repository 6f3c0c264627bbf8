//! A tensor shard in memory or mapped: an Arrow IPC file whose batches can be read in any order.
//!
//! Only the requested columns are read or decompressed. Pixels that are not compressed are not
//! copied either: they are a slice of the file's own bytes.

use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::ipc::convert::try_fb_to_schema;
use arrow::ipc::reader::{FileDecoder, read_footer_length};
use arrow::ipc::{Block, MetadataVersion, root_as_footer};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;

use super::guard::guarded;

/// The end of the file: the length of the footer, then `ARROW1`.
const TRAILER: usize = 10;

/// An open file.
#[derive(Debug)]
pub struct TensorFile {
    buffer: Buffer,
    schema: SchemaRef,
    version: MetadataVersion,
    blocks: Vec<Block>,
}

impl TensorFile {
    /// Reads the footer of the file with these bytes.
    ///
    /// # Errors
    /// A text that says what is wrong with it.
    pub fn open(bytes: Bytes) -> Result<Self, String> {
        guarded(|| Self::parse(bytes))
    }

    fn parse(bytes: Bytes) -> Result<Self, String> {
        let too_short = || format!("{} bytes are not an Arrow file", bytes.len());
        let trailer = bytes.len().checked_sub(TRAILER).ok_or_else(too_short)?;
        let length: [u8; TRAILER] = bytes[trailer..].try_into().expect("that many are left");
        let length = read_footer_length(length).map_err(|e| e.to_string())?;
        let start = trailer.checked_sub(length).ok_or_else(too_short)?;
        let footer = root_as_footer(&bytes[start..trailer]).map_err(|e| e.to_string())?;
        let schema = footer.schema().ok_or("the footer has no schema")?;
        let schema = try_fb_to_schema(schema).map_err(|e| e.to_string())?.into();
        let blocks = footer.recordBatches().iter().flatten().copied().collect();
        let version = footer.version();
        Ok(Self { buffer: Buffer::from(bytes), schema, version, blocks })
    }

    /// Its columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The number of batches.
    pub fn batches(&self) -> usize {
        self.blocks.len()
    }

    /// Batch `index`, with the columns of these indices or with all.
    ///
    /// # Errors
    /// A text that says what is wrong with it.
    pub fn batch(&self, index: usize, columns: Option<&[usize]>) -> Result<RecordBatch, String> {
        let block = self.blocks[index];
        let part = |size: i64| usize::try_from(size).ok();
        let place = part(block.offset()).zip(part(block.bodyLength())).and_then(|(start, body)| {
            let length = body.checked_add(usize::try_from(block.metaDataLength()).ok()?)?;
            (start.checked_add(length)? <= self.buffer.len()).then_some((start, length))
        });
        let (start, length) =
            place.ok_or_else(|| format!("batch {index} ends beyond the end of the file"))?;
        let decoder = FileDecoder::new(self.schema.clone(), self.version);
        let decoder = match columns {
            Some(columns) => decoder.with_projection(columns.to_vec()),
            None => decoder,
        };
        let bytes = self.buffer.slice_with_length(start, length);
        let batch =
            guarded(|| decoder.read_record_batch(&block, &bytes).map_err(|e| e.to_string()))?;
        batch.ok_or_else(|| format!("batch {index} holds no rows"))
    }
}
