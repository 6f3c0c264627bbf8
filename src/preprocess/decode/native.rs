//! Uncompressed pixels: 8 or 16 bits each, in the file's byte order.

use crate::preprocess::read::{ByteOrder, PixelLayout};

/// Fills the empty `out` with as many samples as `layout` has pixels. `bytes` holds that many.
///
/// The bytes in a big endian OW are stored in 16-bit words with the first pixel in the high byte,
/// so each pair is swapped (PS3.5 8.1.1). Where the last of an odd number has no word, it is itself.
pub fn decode(bytes: &[u8], order: ByteOrder, layout: &PixelLayout, out: &mut Vec<u16>) {
    let pixels = layout.pixels();
    match (layout.bits_allocated, order) {
        (16, ByteOrder::Little) => {
            out.extend(words(&bytes[..2 * pixels]).map(u16::from_le_bytes));
        }
        (16, ByteOrder::Big) => out.extend(words(&bytes[..2 * pixels]).map(u16::from_be_bytes)),
        (_, ByteOrder::Little) => out.extend(bytes[..pixels].iter().copied().map(u16::from)),
        (_, ByteOrder::Big) => {
            out.extend(words(bytes).flat_map(|[first, second]| [second, first].map(u16::from)));
            out.extend(bytes.chunks_exact(2).remainder().iter().copied().map(u16::from));
            out.truncate(pixels);
        }
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = [u8; 2]> {
    bytes.chunks_exact(2).map(|word| [word[0], word[1]])
}
