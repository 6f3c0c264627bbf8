//! The number of bit-planes of each code-block to decode.

use super::local::Local;

/// The bit-planes to decode.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum BitPlanes {
    /// All planes of the stream.
    #[default]
    Exact,
    /// All but the given number of low planes of each wavelet level, finest level first, in the
    /// bands HL, LH and HH (high-pass along x, along y, along both). Levels beyond the end of the
    /// list are decoded in full. An omitted part is set to the middle of its range.
    Skip(Vec<[u8; 3]>),
    /// All but those that each code-block can leave out, by the values around it.
    Local(Box<Local>),
}
