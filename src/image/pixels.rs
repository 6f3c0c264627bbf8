//! The pixels of an output image.

use super::Plane;

/// An output image: the full range of its type, with the breast bright and air dark.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Pixels {
    U8(Plane<u8>),
    U16(Plane<u16>),
}

impl Pixels {
    /// The width in pixels.
    pub fn width(&self) -> usize {
        match self {
            Self::U8(plane) => plane.width(),
            Self::U16(plane) => plane.width(),
        }
    }

    /// The height in pixels.
    pub fn height(&self) -> usize {
        match self {
            Self::U8(plane) => plane.height(),
            Self::U16(plane) => plane.height(),
        }
    }

    /// The pixels row by row as they are stored, 16-bit values in little endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::U8(plane) => plane.pixels().to_vec(),
            Self::U16(plane) => plane.pixels().iter().flat_map(|v| v.to_le_bytes()).collect(),
        }
    }
}
