//! Parses the data elements of a data set (DICOM PS3.5 chapter 7) in place.
//!
//! In: the bytes of a file. Out: each element's tag, value representation, and the slice that is
//! its value. Nothing is copied, and nothing is allocated because of a length that the file
//! declares, so a hostile file costs no more than its size.

use std::ops::Range;

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_dictionary_std::{StandardDataDictionary, tags};

use super::ReadError;
use crate::dicom::has_short_length;
pub use crate::dicom::{Encoding, Tag};

const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_DELIMITER: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_DELIMITER: Tag = Tag(0xFFFE, 0xE0DD);

/// The deepest nesting of sequences that is accepted: deeper than any real file, small enough for
/// any stack.
const MAX_DEPTH: usize = 16;

/// The head of an element; its value follows.
#[derive(Debug, Clone, Copy)]
pub struct Element {
    /// Group and element number.
    pub tag: Tag,
    /// The value representation, if the encoding states it.
    pub vr: Option<[u8; 2]>,
    /// The length of the value in bytes; `None` if a delimiter ends it.
    pub length: Option<usize>,
}

/// The name of a tag in PS3.6, or the tag itself.
pub fn name(tag: Tag) -> String {
    match StandardDataDictionary.by_tag(tag) {
        Some(entry) if !entry.alias().is_empty() => entry.alias().to_owned(),
        _ => tag.to_string(),
    }
}

/// A position in the elements of a data set.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    bytes: &'a [u8],
    at: usize,
    encoding: Encoding,
}

impl<'a> Elements<'a> {
    /// A position at the offset `at` of `bytes`.
    pub fn new(bytes: &'a [u8], at: usize, encoding: Encoding) -> Self {
        Self { bytes, at, encoding }
    }

    /// The offset of the next byte.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The byte order of the data set.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The head of the next element, or `None` at the end of the bytes.
    ///
    /// # Errors
    /// [`ReadError::Truncated`] inside a head, [`ReadError::Structure`] for bytes that are not a
    /// head.
    pub fn next(&mut self) -> Result<Option<Element>, ReadError> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let head = self.peek(8, || "the head of an element".into())?;
        let tag = Tag(self.encoding.u16(head), self.encoding.u16(&head[2..]));
        // Items and delimiters (PS3.5 7.5) have no value representation in any encoding.
        if tag.group() == 0xFFFE || self.encoding == Encoding::ImplicitLittle {
            let length = self.encoding.u32(&head[4..]);
            self.at += 8;
            return Ok(Some(Element { tag, vr: None, length: defined(length) }));
        }
        let vr = [head[4], head[5]];
        let length = if has_short_length(vr) {
            self.at += 8;
            Some(usize::from(self.encoding.u16(&head[6..])))
        } else if vr.iter().all(u8::is_ascii_uppercase) {
            let head = self.peek(12, || name(tag))?;
            self.at += 12;
            defined(self.encoding.u32(&head[8..]))
        } else {
            return Err(ReadError::Structure {
                attribute: name(tag),
                at: self.at,
                found: format!("bytes {:02x} {:02x}", vr[0], vr[1]),
                needed: "a value representation",
            });
        };
        Ok(Some(Element { tag, vr: Some(vr), length }))
    }

    /// The value of `element`, whose head was read last. Moves the position to its end. A sequence
    /// or fragments of undefined length are skipped and give an empty value.
    ///
    /// # Errors
    /// [`ReadError::Truncated`] if the value exceeds the bytes, and those of [`Elements::items`].
    pub fn value(&mut self, element: &Element) -> Result<&'a [u8], ReadError> {
        self.nested_value(element, 0)
    }

    fn nested_value(&mut self, element: &Element, depth: usize) -> Result<&'a [u8], ReadError> {
        match element.length {
            Some(length) => {
                let value = self.peek(length, || name(element.tag))?;
                self.at += length;
                Ok(value)
            }
            None if is_fragments(element) => {
                while self.fragment(element.tag)?.is_some() {}
                Ok(&[])
            }
            None => {
                self.nested_items(element, depth, &mut |_, _, _| {})?;
                Ok(&[])
            }
        }
    }

    /// Calls `visit` with the item's number, the element and its value, for each element directly
    /// in an item of `sequence`, whose head was read last. Moves the position to the sequence's
    /// end.
    ///
    /// # Errors
    /// [`ReadError::Truncated`], or [`ReadError::Structure`] if items and delimiters do not match
    /// or sequences are nested too deep.
    pub fn items(
        &mut self,
        sequence: &Element,
        mut visit: impl FnMut(usize, &Element, &'a [u8]),
    ) -> Result<(), ReadError> {
        self.nested_items(sequence, 0, &mut visit)
    }

    fn nested_items(
        &mut self,
        sequence: &Element,
        depth: usize,
        visit: &mut dyn FnMut(usize, &Element, &'a [u8]),
    ) -> Result<(), ReadError> {
        if depth == MAX_DEPTH {
            return Err(self.structure(sequence.tag, "another sequence inside", "16 at most"));
        }
        let end = self.end(sequence)?;
        let outside = self.encoding;
        // PS3.5 6.2.2: a UN of undefined length is a sequence in Implicit VR Little Endian.
        if sequence.vr == Some(*b"UN") {
            self.encoding = Encoding::ImplicitLittle;
        }
        let mut index = 0;
        while !self.reached(end, sequence.tag)? {
            let item = self.inside(sequence.tag)?;
            match item.tag {
                SEQUENCE_DELIMITER if end.is_none() => break,
                ITEM => {}
                other => return Err(self.structure(sequence.tag, &name(other), "an item")),
            }
            let item_end = self.end(&item)?;
            while !self.reached(item_end, sequence.tag)? {
                let element = self.inside(sequence.tag)?;
                if element.tag == ITEM_DELIMITER && item_end.is_none() {
                    break;
                }
                let value = self.nested_value(&element, depth + 1)?;
                visit(index, &element, value);
            }
            index += 1;
        }
        self.encoding = outside;
        Ok(())
    }

    /// The byte range of the next fragment of encapsulated pixel data (PS3.5 A.4), or `None` after
    /// the delimiter that ends the fragments.
    ///
    /// # Errors
    /// [`ReadError::Truncated`], or [`ReadError::Structure`] if something else is there.
    pub fn fragment(&mut self, owner: Tag) -> Result<Option<Range<usize>>, ReadError> {
        let Some(range) = self.declared_fragment(owner)? else { return Ok(None) };
        self.peek(range.len(), || name(owner))?;
        self.at = range.end;
        Ok(Some(range))
    }

    /// The range that the head of the next fragment declares, even if the bytes are not all there.
    /// Moves the position to the range's first byte. `None` after the delimiter that ends the
    /// fragments.
    ///
    /// # Errors
    /// As [`Elements::fragment`], but for the fragment's value.
    pub fn declared_fragment(&mut self, owner: Tag) -> Result<Option<Range<usize>>, ReadError> {
        let item = self.inside(owner)?;
        match (item.tag, item.length) {
            (SEQUENCE_DELIMITER, _) => Ok(None),
            (ITEM, Some(length)) => Ok(Some(self.at..self.at + length)),
            (other, _) => Err(self.structure(owner, &name(other), "a fragment of known length")),
        }
    }

    fn inside(&mut self, owner: Tag) -> Result<Element, ReadError> {
        self.next()?.ok_or_else(|| ReadError::Truncated {
            attribute: name(owner),
            need: 8,
            have: 0,
        })
    }

    fn end(&self, element: &Element) -> Result<Option<usize>, ReadError> {
        let Some(length) = element.length else { return Ok(None) };
        self.peek(length, || name(element.tag))?;
        Ok(Some(self.at + length))
    }

    fn reached(&self, end: Option<usize>, owner: Tag) -> Result<bool, ReadError> {
        match end {
            Some(end) if self.at > end => {
                Err(self.structure(owner, "an element across its end", "elements inside it"))
            }
            end => Ok(end == Some(self.at)),
        }
    }

    fn structure(&self, owner: Tag, found: &str, needed: &'static str) -> ReadError {
        ReadError::Structure { attribute: name(owner), at: self.at, found: found.into(), needed }
    }

    fn peek(&self, count: usize, what: impl FnOnce() -> String) -> Result<&'a [u8], ReadError> {
        let left = &self.bytes[self.at..];
        left.get(..count).ok_or_else(|| ReadError::Truncated {
            attribute: what(),
            need: count as u64,
            have: left.len() as u64,
        })
    }
}

fn defined(length: u32) -> Option<usize> {
    (length != u32::MAX).then_some(length as usize)
}

fn is_fragments(element: &Element) -> bool {
    element.tag == tags::PIXEL_DATA || [Some(*b"OB"), Some(*b"OW")].contains(&element.vr)
}
