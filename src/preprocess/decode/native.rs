//! Pixels without compression: 8 or 16 bits each, in the file's byte order.

use crate::preprocess::read::{ByteOrder, PixelLayout};

/// Fills `out`, which is empty, with as many samples as `layout` has pixels; `bytes` has them.
///
/// Bytes in a big endian OW come in words of two with the first on top, so those are swapped
/// (PS3.5 8.1.1).
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
            out.truncate(pixels);
        }
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = [u8; 2]> {
    bytes.chunks_exact(2).map(|word| [word[0], word[1]])
}
