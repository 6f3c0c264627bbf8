//! The settings that decide the columns of a release.

use crate::config::{Config, ShardFormat};

/// The settings that decide the columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The height of an image in pixels.
    pub height: usize,
    /// The width of an image in pixels.
    pub width: usize,
    /// Bits per pixel, 8 or 16.
    pub bits: u8,
    /// The file format of the shards.
    pub format: ShardFormat,
    /// The names of the table's further columns.
    pub extra: Vec<String>,
    /// Whether there is a column of lesion boxes.
    pub boxes: bool,
}

impl Shape {
    /// The shape that `config` gives.
    pub fn of(config: &Config) -> Self {
        Self {
            height: config.resize.height,
            width: config.resize.width,
            bits: config.window.bits,
            format: config.shard.format,
            extra: config.dataset.extra_columns.clone(),
            boxes: !config.dataset.boxes.is_empty(),
        }
    }

    /// The type of a grey level, by its NumPy name.
    pub fn dtype(&self) -> &'static str {
        if self.bits == 8 { "uint8" } else { "uint16" }
    }
}
