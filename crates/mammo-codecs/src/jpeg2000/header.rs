//! The main header of a stream.

use super::error::Error;
use super::memory::Memory;
use super::{boxes, codestream};

/// The facts that the main header declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// The number of planes of samples, 1 to 4.
    pub components: u8,
    /// Bits that SIZ declares for a sample, 1 to 16; the samples may use fewer.
    pub precision: u8,
    /// Whether samples are two's complement.
    pub signed: bool,
    /// Wavelet levels of the first component; a tile may have fewer.
    pub levels: u8,
    /// Whether the wavelet is the reversible one (5/3).
    pub reversible: bool,
    /// The number of tiles.
    pub tiles: u32,
    /// The number of quality layers.
    pub layers: u16,
}

/// Reads the main header. Allocates nothing whose size it declares.
///
/// # Errors
/// [`Error::Unsupported`] for features that this decoder does not have, and all errors in the boxes
/// or the main header.
pub fn header(bytes: &[u8]) -> Result<Header, Error> {
    let (size, coding) = codestream::read_main(boxes::codestream(bytes)?.bytes)?;
    let (component, first) = (size.components[0], &coding.components[0].decomposition);
    Ok(Header {
        width: size.image.width() as u32,
        height: size.image.height() as u32,
        components: size.components.len() as u8,
        precision: component.precision,
        signed: component.signed,
        levels: first.levels,
        reversible: first.reversible,
        tiles: size.tiles(),
        layers: coding.layers,
    })
}

/// The number of wavelet levels in the tile that has the fewest, of all tiles whose headers are in
/// `bytes`, the first of a stream of `length`. A tile may have fewer than the main header says.
///
/// # Errors
/// As [`header`], and what is wrong with the tiles' headers.
pub fn fewest_levels(bytes: &[u8], length: usize) -> Result<u8, Error> {
    let contents = boxes::beginning(bytes, length.max(bytes.len()))?;
    let stream = codestream::read(contents, &mut Memory::new(u64::MAX)?)?;
    Ok(stream.fewest_levels())
}
