//! How many bit-planes of each code-block are decoded.

use super::local::Local;

/// How many bit-planes to decode.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum BitPlanes {
    /// All that the stream has.
    #[default]
    Exact,
    /// All but so many low ones of each wavelet level, finest level first, in the bands HL, LH
    /// and HH (high-pass along x, along y, along both); levels behind the end of the list are
    /// decoded whole. What is left out is set to the middle of what it can be.
    Skip(Vec<[u8; 3]>),
    /// All but those that each code-block can spare, by the values around it.
    Local(Box<Local>),
}
