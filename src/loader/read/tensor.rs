//! Reads single images from a tensor shard, or blocks of images if it is compressed.

use std::sync::OnceLock;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, UInt8Type, UInt16Type};
use bytes::Bytes;

use crate::shard::reader::BATCH_ROWS;
use crate::shard::tensor::TensorFile;

/// An open shard.
pub struct TensorImages {
    file: TensorFile,
    column: usize,
    image_bytes: usize,
    blocks: Blocks,
}

enum Blocks {
    /// Slices of the file, found at their first use.
    Plain(Vec<OnceLock<Bytes>>),
    Compressed,
}

/// A buffer that owns the memory of `Bytes`.
struct Owner(Buffer);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl TensorImages {
    /// Reads the positions of the blocks. An image has `image_bytes` bytes.
    ///
    /// # Errors
    /// A message about what is wrong with the file.
    pub fn open(bytes: Bytes, image_bytes: usize, compressed: bool) -> Result<Self, String> {
        let file = TensorFile::open(bytes)?;
        let column = file.schema().index_of("image").map_err(|_| "has no column image")?;
        let blocks = match compressed {
            true => Blocks::Compressed,
            false => Blocks::Plain((0..file.batches()).map(|_| OnceLock::new()).collect()),
        };
        Ok(Self { file, column, image_bytes, blocks })
    }

    /// The bytes of row `row`. A compressed block comes from the cache `kept`, which calls its
    /// argument to read a block that it does not have.
    ///
    /// # Errors
    /// A message about what is wrong with the row.
    pub fn pixels(
        &self,
        row: usize,
        kept: impl FnOnce(usize, &dyn Fn() -> Result<Bytes, String>) -> Result<Bytes, String>,
    ) -> Result<Bytes, String> {
        // The writer fills every block but the last.
        let (block, row) = (row / BATCH_ROWS, row % BATCH_ROWS);
        if block >= self.file.batches() {
            return Err("the file has fewer rows".into());
        }
        let pixels = match &self.blocks {
            Blocks::Compressed => kept(block, &|| self.block(block))?,
            Blocks::Plain(blocks) => match blocks[block].get() {
                Some(pixels) => pixels.clone(),
                None => {
                    let pixels = self.block(block)?;
                    blocks[block].get_or_init(|| pixels).clone()
                }
            },
        };
        let range = row * self.image_bytes..(row + 1) * self.image_bytes;
        if range.end > pixels.len() {
            return Err("the file has fewer rows".into());
        }
        Ok(pixels.slice(range))
    }

    /// The pixels of a block.
    fn block(&self, index: usize) -> Result<Bytes, String> {
        let batch = self.file.batch(index, Some(&[self.column]))?;
        let image: &ArrayRef = batch.column(0);
        let wrong = || format!("column image has the type {}", image.data_type());
        let list = image.as_fixed_size_list_opt().ok_or_else(wrong)?;
        let values = list.values();
        let buffer = match values.data_type() {
            DataType::UInt8 => values.as_primitive::<UInt8Type>().values().inner(),
            DataType::UInt16 => values.as_primitive::<UInt16Type>().values().inner(),
            _ => return Err(wrong()),
        };
        Ok(Bytes::from_owner(Owner(buffer.clone())))
    }
}
