//! What one decoding of a stream leaves for the next: the image at a reduced size, as the wavelet
//! has it.
//!
//! Whoever looks at an image from afar before decoding the part that is worth it has its coarse
//! levels decoded then. They are exact, so the second decoding can go on from there.

use super::size::Area;

/// The low band behind the wavelet levels that a decoding discarded: its samples before they were
/// rounded, shifted and clamped. Four bytes per sample.
#[derive(Clone, Debug, PartialEq)]
pub struct LowBand {
    pub(super) reduce: u8,
    pub(super) area: Area,
    /// `[row, column]` of the reversible wavelet's samples, or of the irreversible one's.
    pub(super) integers: Vec<i32>,
    pub(super) floats: Vec<f32>,
}

impl LowBand {
    /// The one of `area` behind `reduce` levels, without samples yet.
    pub(super) fn new(reduce: u8, area: Area) -> Self {
        Self { reduce, area, integers: Vec::new(), floats: Vec::new() }
    }

    /// Wavelet levels that are still to be decoded.
    pub fn levels(&self) -> u8 {
        self.reduce
    }
}
