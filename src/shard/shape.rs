//! What the columns of a release depend on.

use crate::config::{Config, ShardFormat};

/// What the columns depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// 8 or 16 bits a pixel.
    pub bits: u8,
    /// How images are stored.
    pub format: ShardFormat,
    /// Names of the table's further columns.
    pub extra: Vec<String>,
}

impl Shape {
    /// As `config` has it.
    pub fn of(config: &Config) -> Self {
        Self {
            height: config.resize.height,
            width: config.resize.width,
            bits: config.window.bits,
            format: config.shard.format,
            extra: config.dataset.extra_columns.clone(),
        }
    }

    /// The type of a grey level, as NumPy names it.
    pub fn dtype(&self) -> &'static str {
        if self.bits == 8 { "uint8" } else { "uint16" }
    }
}
