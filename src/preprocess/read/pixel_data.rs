//! The position of the pixels: slices of the file's one buffer, never copies.

use bytes::Bytes;

use super::elements::{Element, Elements, Encoding};
use super::{Header, ReadError};

/// The value of Pixel Data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PixelData {
    /// Uncompressed pixels.
    Native {
        /// Exactly the bytes of the frame.
        bytes: Bytes,
        /// The order of the bytes in a 16-bit word.
        order: ByteOrder,
    },
    /// The fragments of one frame's compressed stream, in order; at least one.
    Fragments(Vec<Bytes>),
    /// The first bytes of the single fragment of a JPEG 2000 stream, as far as they were read.
    Prefix {
        /// The bytes that were read.
        bytes: Bytes,
        /// The length of the whole fragment in bytes.
        length: usize,
    },
}

/// The order of the bytes in a 16-bit word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ByteOrder {
    Little,
    Big,
}

impl PixelData {
    /// Takes the value of `element`, at which `elements` (over the same `bytes`) is positioned.
    ///
    /// # Errors
    /// [`ReadError::Truncated`] if the file ends too early, [`ReadError::PixelDataLength`] if the
    /// length differs from the header's, [`ReadError::Structure`] if the value is encapsulated and
    /// the transfer syntax is not, or the reverse.
    pub fn take(
        bytes: &Bytes,
        mut elements: Elements,
        element: &Element,
        header: &Header,
    ) -> Result<Self, ReadError> {
        let structure = |found: &str, needed| ReadError::Structure {
            attribute: "PixelData".into(),
            at: elements.at(),
            found: found.into(),
            needed,
        };
        match (header.syntax.is_encapsulated(), element.length) {
            (true, Some(_)) => Err(structure("a value without fragments", "fragments")),
            (false, None) => Err(structure("fragments", "a value without fragments")),
            (true, None) => Ok(Self::Fragments(fragments(bytes, elements, element)?)),
            (false, Some(have)) => {
                let layout = &header.layout;
                let need = layout.pixels() * usize::from(layout.bits_allocated / 8);
                let at = elements.at();
                elements.value(element)?;
                // Every value has an even length, so an odd number of bytes is followed by one
                // more.
                if have != need && have != need + 1 {
                    let (rows, columns) = (layout.rows, layout.columns);
                    return Err(ReadError::PixelDataLength { have, need, rows, columns });
                }
                let is_words = element.vr != Some(*b"OB");
                let order = match elements.encoding() {
                    Encoding::ExplicitBig if is_words => ByteOrder::Big,
                    _ => ByteOrder::Little,
                };
                // Bytes in words (8 bits in an OW) are swapped in pairs, so the last pixel may lie
                // in the byte that makes the length even.
                let bytes = bytes.slice(at..at + have);
                Ok(Self::Native { bytes, order })
            }
        }
    }

    /// The bytes of the value, as far as they were read.
    pub fn len(&self) -> usize {
        match self {
            Self::Native { bytes, .. } => bytes.len(),
            Self::Fragments(fragments) => fragments.iter().map(Bytes::len).sum(),
            Self::Prefix { bytes, .. } => bytes.len(),
        }
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The first item is the Basic Offset Table (PS3.5 A.4), which a single frame does not need. All
/// other fragments belong to that frame.
fn fragments(
    bytes: &Bytes,
    mut elements: Elements,
    element: &Element,
) -> Result<Vec<Bytes>, ReadError> {
    let mut fragments = Vec::new();
    let mut table = true;
    while let Some(range) = elements.fragment(element.tag)? {
        if !table && !range.is_empty() {
            fragments.push(bytes.slice(range));
        }
        table = false;
    }
    if fragments.is_empty() {
        return Err(ReadError::Missing { attribute: "a fragment of PixelData".into() });
    }
    Ok(fragments)
}
