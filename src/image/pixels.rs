//! The pixels of an output image.

use super::Plane;

/// An output image: full range of its type, breast bright, air dark.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Pixels {
    U8(Plane<u8>),
    U16(Plane<u16>),
}

impl Pixels {
    /// Columns.
    pub fn width(&self) -> usize {
        match self {
            Self::U8(plane) => plane.width(),
            Self::U16(plane) => plane.width(),
        }
    }

    /// Rows.
    pub fn height(&self) -> usize {
        match self {
            Self::U8(plane) => plane.height(),
            Self::U16(plane) => plane.height(),
        }
    }

    /// The pixels row by row as they are stored, 16 bits in little endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::U8(plane) => plane.pixels().to_vec(),
            Self::U16(plane) => plane.pixels().iter().flat_map(|v| v.to_le_bytes()).collect(),
        }
    }
}
