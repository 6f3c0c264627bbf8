//! The position of the pixels: slices of the file's one buffer, never copies.

use bytes::Bytes;

use super::elements::{Element, Elements, Encoding};
use super::{Header, PixelLayout, ReadError, TransferSyntax};
use crate::shard::notes::{Note, Notes};

/// The value of Pixel Data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PixelData {
    /// Uncompressed pixels.
    Native {
        /// Exactly the bytes of the frame, and one more if that makes their number even.
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
    /// Adds to the header's notes what is unusual about it, and sets the header's syntax to that of
    /// a compressed stream that is there though the header says that there is none.
    ///
    /// # Errors
    /// [`ReadError::Truncated`] if the file ends too early, [`ReadError::PixelDataLength`] if the
    /// length differs from the header's, [`ReadError::Structure`] if the value is encapsulated and
    /// the transfer syntax is not, or the reverse.
    pub fn take(
        bytes: &Bytes,
        mut elements: Elements,
        element: &Element,
        header: &mut Header,
    ) -> Result<Self, ReadError> {
        let structure = |at, found: &str, needed| ReadError::Structure {
            attribute: "PixelData".into(),
            at,
            found: found.into(),
            needed,
        };
        let at = elements.at();
        match (header.syntax.is_encapsulated(), element.length) {
            (true, Some(_)) => Err(structure(at, "a value without fragments", "fragments")),
            (false, None) => {
                let fragments = fragments(bytes, elements, element, &mut header.notes)?;
                let Some(syntax) = TransferSyntax::of_stream(&fragments[0]) else {
                    return Err(structure(at, "fragments", "a value without fragments"));
                };
                header.syntax = syntax;
                header.notes.add(Note::StreamInNative);
                Ok(Self::Fragments(fragments))
            }
            (true, None) => {
                let fragments = fragments(bytes, elements, element, &mut header.notes)?;
                if header.syntax == TransferSyntax::EncapsulatedUncompressed {
                    let have = fragments.iter().map(Bytes::len).sum();
                    check_length(&header.layout, have, &fragments, &mut header.notes)?;
                }
                Ok(Self::Fragments(fragments))
            }
            (false, Some(have)) => {
                elements.value(element)?;
                let value = bytes.slice(at..at + have);
                let all = std::slice::from_ref(&value);
                check_length(&header.layout, have, all, &mut header.notes)?;
                let is_words = element.vr != Some(*b"OB");
                let order = match elements.encoding() {
                    Encoding::ExplicitBig if is_words => ByteOrder::Big,
                    _ => ByteOrder::Little,
                };
                // Bytes in words (8 bits in an OW) are swapped in pairs, so the last pixel may lie
                // in the byte that makes the length even.
                let need = bytes_of(&header.layout);
                Ok(Self::Native { bytes: value.slice(..have.min(need + need % 2)), order })
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

/// One frame has one fragment; a few writers divide it into pieces of some kilobytes.
const MOST_FRAGMENTS: usize = 1 << 16;

/// The bytes that the pixels of `layout` take without compression.
pub fn bytes_of(layout: &PixelLayout) -> usize {
    layout.pixels() * usize::from(layout.bits_allocated / 8)
}

/// Checks the length of uncompressed pixels, whose value is `parts` one after the other.
///
/// PS3.5 8.1.1 allows one byte more, to an even length. Files have more: zeros up to a multiple of a
/// block, or a few bytes of anything. That is padding where it cannot be rows or columns that the
/// header leaves out: less than one of either, or zeros that are no whole number of either.
fn check_length(
    layout: &PixelLayout,
    have: usize,
    parts: &[Bytes],
    notes: &mut Notes,
) -> Result<(), ReadError> {
    /// The largest block that a file is filled up to.
    const MOST: usize = 1 << 16;
    let need = bytes_of(layout);
    if have == need || have == need + 1 {
        return Ok(());
    }
    let excess = have.checked_sub(need);
    let (rows, columns) = (layout.rows, layout.columns);
    let of = |length: u16| usize::from(length) * usize::from(layout.bits_allocated / 8);
    let is_padding = |excess: &usize| {
        let is_small = *excess < of(rows).min(of(columns));
        let is_whole = excess.is_multiple_of(of(rows)) || excess.is_multiple_of(of(columns));
        is_small || (*excess <= MOST && !is_whole && ends_with_zeros(parts, *excess))
    };
    if excess.as_ref().is_some_and(is_padding) {
        notes.add(Note::ExcessPadding);
        return Ok(());
    }
    Err(ReadError::PixelDataLength { have, need, rows, columns })
}

/// Whether the last `count` bytes of `parts` are 0.
fn ends_with_zeros(parts: &[Bytes], count: usize) -> bool {
    parts.iter().rev().flat_map(|part| part.iter().rev()).take(count).all(|byte| *byte == 0)
}

/// The first item is the Basic Offset Table (PS3.5 A.4), which a single frame does not need. All
/// other fragments belong to that frame.
///
/// Where the delimiter after them is missing, or zeros are in its place up to the end of the file,
/// the fragments are all that there are. Whether the stream in them is whole is for its decoder to
/// find out.
fn fragments(
    bytes: &Bytes,
    mut elements: Elements,
    element: &Element,
    notes: &mut Notes,
) -> Result<Vec<Bytes>, ReadError> {
    let mut fragments = Vec::new();
    let mut is_first = true;
    loop {
        if !is_first && elements.is_left_open() {
            notes.add(Note::FragmentsWithoutEnd);
            break;
        }
        let Some(range) = elements.fragment(element.tag)? else { break };
        if fragments.len() == MOST_FRAGMENTS {
            return Err(ReadError::Unsupported {
                attribute: "PixelData",
                found: format!("a frame in more than {MOST_FRAGMENTS} fragments"),
                needed: "fewer, and most often one",
            });
        }
        let fragment = bytes.slice(range);
        // Some writers leave out the table.
        let is_table = is_first && TransferSyntax::of_stream(&fragment).is_none();
        if !is_table && !fragment.is_empty() {
            fragments.push(fragment);
        }
        is_first = false;
    }
    if fragments.is_empty() {
        return Err(ReadError::Missing { attribute: "a fragment of PixelData".into() });
    }
    Ok(fragments)
}
