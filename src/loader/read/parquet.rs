//! Reads single images from a Parquet shard.
//!
//! The writer puts every image into its own page, and the offset index of the file gives its
//! position, so only that page is read and decompressed. Only the metadata of the image column are
//! kept: 24 bytes per row, and a few hundred per group of 16. Images smaller than a page share one;
//! then the whole page is read.

use std::sync::Arc;

use ::parquet::basic::{Encoding, LogicalType, Type};
use ::parquet::column::page::{Page, PageReader};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{ColumnChunkMetaData, PageIndexPolicy, ParquetMetaDataReader};
use ::parquet::file::page_index::offset_index::PageLocation;
use ::parquet::file::serialized_reader::SerializedPageReader;
use bytes::Bytes;

use crate::shard::guard::guarded;

/// An open shard.
pub struct ParquetImages {
    bytes: Arc<Bytes>,
    groups: Vec<Group>,
    /// First row of each group.
    starts: Vec<usize>,
    /// Whether values may be null; then a page has definition levels before its values.
    has_levels: bool,
}

struct Group {
    chunk: ColumnChunkMetaData,
    rows: usize,
    pages: Vec<PageLocation>,
}

impl ParquetImages {
    /// Reads the positions of the images.
    ///
    /// # Errors
    /// A message about what is wrong with the file.
    pub fn open(bytes: Bytes) -> Result<Self, String> {
        let metadata = guarded(|| {
            let reader = ParquetMetaDataReader::new();
            let reader = reader.with_offset_index_policy(PageIndexPolicy::Optional);
            reader.parse_and_finish(&bytes).map_err(|e| e.to_string())
        })?;
        let columns = metadata.file_metadata().schema_descr().columns();
        let column = columns.iter().position(|column| column.path().string() == "image");
        let column = column.ok_or("has no column image")?;
        let described = &columns[column];
        if described.physical_type() != Type::BYTE_ARRAY
            || described.logical_type_ref() == Some(&LogicalType::String)
            || described.max_rep_level() != 0
        {
            return Err("column image holds no bytes".into());
        }
        let mut groups = Vec::with_capacity(metadata.num_row_groups());
        let mut starts = Vec::with_capacity(metadata.num_row_groups());
        let mut start = 0;
        for (number, group) in metadata.row_groups().iter().enumerate() {
            let index = metadata.page_index_for_row_group(number);
            let index = index.offset_index(column).ok_or("has no offset index")?;
            let pages = index.page_locations().clone();
            let rows = usize::try_from(group.num_rows()).map_err(|e| e.to_string())?;
            groups.push(Group { chunk: group.column(column).clone(), rows, pages });
            starts.push(start);
            start += rows;
        }
        Ok(Self {
            bytes: Arc::new(bytes),
            groups,
            starts,
            has_levels: described.max_def_level() > 0,
        })
    }

    /// The bytes of row `row`.
    ///
    /// # Errors
    /// A message about what is wrong with the row.
    pub fn pixels(&self, row: usize) -> Result<Bytes, String> {
        let number = self.starts.partition_point(|start| *start <= row).checked_sub(1);
        let number = number.ok_or("the file has no rows")?;
        let (group, row) = (&self.groups[number], row - self.starts[number]);
        if row >= group.rows {
            return Err("the file has fewer rows".into());
        }
        let first = |page: &PageLocation| page.first_row_index as usize;
        let page = group.pages.partition_point(|page| first(page) <= row).checked_sub(1);
        let page = page.ok_or("the offset index has no page for it")?;
        let within = row - first(&group.pages[page]);
        let bytes = Arc::clone(&self.bytes);
        let pages = Some(group.pages.clone());
        let read = || {
            let mut reader = SerializedPageReader::new(bytes, &group.chunk, group.rows, pages)?;
            (0..page).try_for_each(|_| reader.skip_next_page())?;
            reader.get_next_page()
        };
        let page = guarded(|| read().map_err(|e: ParquetError| e.to_string()))?;
        let page = page.ok_or("its page is not there")?;
        self.value(&page, within).ok_or_else(|| "its page is cut off".to_owned())?
    }

    /// Value `index` of a page in plain encoding: 4 bytes of length, then as many bytes. Our column
    /// has no nulls, so the index of a value is that of its row.
    fn value(&self, page: &Page, index: usize) -> Option<Result<Bytes, String>> {
        let (buffer, encoding, start) = match page {
            Page::DataPage { buf, encoding, .. } => {
                let levels = if self.has_levels { 4 + length(buf, 0)? } else { 0 };
                (buf, *encoding, levels)
            }
            Page::DataPageV2 {
                buf,
                encoding,
                def_levels_byte_len,
                rep_levels_byte_len,
                num_nulls: 0,
                ..
            } => (buf, *encoding, (def_levels_byte_len + rep_levels_byte_len) as usize),
            _ => return Some(Err("its page holds nulls or a dictionary".into())),
        };
        if encoding != Encoding::PLAIN {
            return Some(Err(format!("its page is encoded as {encoding}, needs PLAIN")));
        }
        let mut at = start;
        for _ in 0..index {
            at = at.checked_add(4)?.checked_add(length(buffer, at)?)?;
        }
        let end = at.checked_add(4)?.checked_add(length(buffer, at)?)?;
        (end <= buffer.len()).then(|| Ok(buffer.slice(at + 4..end)))
    }
}

fn length(buffer: &Bytes, at: usize) -> Option<usize> {
    let bytes: [u8; 4] = buffer.get(at..at.checked_add(4)?)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}
