//! Parses the data elements of a data set (DICOM PS3.5 chapter 7) in place.
//!
//! In: the bytes of a file. Out: each element's tag, value representation, and the slice that is
//! its value. Nothing is copied, and nothing is allocated because of a length that the file
//! declares, so a hostile file costs no more than its size.
//!
//! Where a file differs from the standard and leaves one way to read it, it is read, and
//! [`Elements::notes`] says so.

use std::ops::Range;

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_dictionary_std::{StandardDataDictionary, tags};

use super::ReadError;
use super::head::{Bytes, Head, Usual, encoding_at};
pub use crate::dicom::{Encoding, Tag};
use crate::shard::notes::{Note, Notes};

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
    /// Where the innermost sequence or item of known length ends, or the bytes do.
    end: usize,
    /// What was unusual so far.
    pub notes: Notes,
}

/// An element of an item, with its value.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// Its head.
    pub element: Element,
    /// Its value; of a sequence of undefined length, with the delimiter.
    pub bytes: &'a [u8],
    /// How elements inside it are encoded.
    pub encoding: Encoding,
}

impl<'a> Found<'a> {
    /// Reads this element as a sequence, as [`Elements::items`] does.
    ///
    /// # Errors
    /// As [`Elements::items`].
    pub fn items(&self, visit: impl FnMut(usize, Found<'a>)) -> Result<(), ReadError> {
        let whole = Element { length: Some(self.bytes.len()), ..self.element };
        Elements::new(self.bytes, 0, self.encoding).items(&whole, visit)
    }
}

impl<'a> Elements<'a> {
    /// A position at the offset `at` of `bytes`.
    pub fn new(bytes: &'a [u8], at: usize, encoding: Encoding) -> Self {
        Self { bytes, at, encoding, end: bytes.len(), notes: Notes::default() }
    }

    /// The beginning of the data set at the offset `at`, in the encoding that its first element
    /// has, if that is another than `declared`.
    pub fn of_data_set(bytes: &'a [u8], at: usize, declared: Encoding) -> Self {
        let found = encoding_at(bytes, at..bytes.len(), declared).unwrap_or(declared);
        let mut elements = Self::new(bytes, at, found);
        if found != declared {
            elements.notes.add(Note::EncodingMismatch);
        }
        elements
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
        self.peek(8, || "the head of an element".into())?;
        let bytes = Bytes { all: self.bytes, end: self.end, encoding: self.encoding };
        let Some(Head { element, size, usual }) = bytes.head(self.at) else {
            return Err(self.no_head());
        };
        match usual {
            Usual::Yes => {}
            Usual::NoVr => self.notes.add(Note::VrUnusable),
            Usual::OtherEncoding => self.notes.add(Note::EncodingMismatch),
        }
        self.at += size;
        Ok(Some(element))
    }

    /// Why no head is here. The beginning of a file may end where it cannot be told.
    fn no_head(&self) -> ReadError {
        let bytes = &self.bytes[self.at..];
        let tag = Tag(self.encoding.u16(bytes), self.encoding.u16(&bytes[2..]));
        // Bytes that are no tag of the standard may be those of a text, and are not repeated.
        let is_known = StandardDataDictionary.by_tag(tag).is_some();
        let attribute = if is_known { name(tag) } else { "an element".to_owned() };
        let short = usize::from(self.encoding.u16(&bytes[6..]));
        if bytes.len() < 12 || short + 16 > bytes.len() {
            let (need, have) = (short.max(4) as u64 + 8, bytes.len() as u64);
            return ReadError::Truncated { attribute, need, have };
        }
        ReadError::Structure {
            attribute,
            at: self.at,
            found: "none".into(),
            needed: "a value representation",
        }
    }

    /// The value of `element`, whose head was read last. Moves the position to its end. The value of
    /// a sequence or of fragments of undefined length includes the delimiter.
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
            None => {
                let start = self.at;
                if is_fragments(element) {
                    while self.fragment(element.tag)?.is_some() {}
                } else {
                    self.nested_items(element, depth, &mut |_, _| {})?;
                }
                Ok(&self.bytes[start..self.at])
            }
        }
    }

    /// Calls `visit` with the item's number and the element, for each element directly in an item of
    /// `sequence`, whose head was read last. Moves the position to the sequence's
    /// end.
    ///
    /// # Errors
    /// [`ReadError::Truncated`], or [`ReadError::Structure`] if items and delimiters do not match
    /// or sequences are nested too deep.
    pub fn items(
        &mut self,
        sequence: &Element,
        mut visit: impl FnMut(usize, Found<'a>),
    ) -> Result<(), ReadError> {
        self.nested_items(sequence, 0, &mut visit)
    }

    fn nested_items(
        &mut self,
        sequence: &Element,
        depth: usize,
        visit: &mut dyn FnMut(usize, Found<'a>),
    ) -> Result<(), ReadError> {
        if depth == MAX_DEPTH {
            return Err(self.structure(sequence.tag, "another sequence inside", "16 at most"));
        }
        let end = self.end(sequence)?;
        let (outside, outer_end) = (self.encoding, self.end);
        self.end = end.unwrap_or(outer_end);
        // PS3.5 6.2.2: a UN of undefined length is a sequence in Implicit VR Little Endian.
        if sequence.vr == Some(*b"UN") {
            self.encoding = Encoding::ImplicitLittle;
        }
        let mut index = 0;
        while !self.reached(end, sequence.tag)? {
            let start = self.at;
            let item = self.inside(sequence.tag)?;
            match item.tag {
                SEQUENCE_DELIMITER => {
                    self.at = end.unwrap_or(self.at);
                    break;
                }
                ITEM => {}
                // The delimiter is missing: the next element of the data set follows.
                other if end.is_none() && other > sequence.tag => {
                    self.at = start;
                    self.notes.add(Note::SequenceWithoutEnd);
                    break;
                }
                other => return Err(self.structure(sequence.tag, &name(other), "an item")),
            }
            self.item(sequence.tag, &item, depth, &mut |found| visit(index, found))?;
            index += 1;
        }
        (self.encoding, self.end) = (outside, outer_end);
        Ok(())
    }

    /// Reads the elements of an item, whose head was read last.
    fn item(
        &mut self,
        owner: Tag,
        item: &Element,
        depth: usize,
        visit: &mut dyn FnMut(Found<'a>),
    ) -> Result<(), ReadError> {
        let end = self.end(item)?;
        let outer_end = self.end;
        self.end = end.unwrap_or(outer_end);
        while !self.reached(end, owner)? {
            let start = self.at;
            let element = self.inside(owner)?;
            match element.tag {
                ITEM_DELIMITER if end.is_none() => break,
                // The delimiter is missing: the next item, or the end of the sequence.
                ITEM | SEQUENCE_DELIMITER if end.is_none() => {
                    self.at = start;
                    self.notes.add(Note::SequenceWithoutEnd);
                    break;
                }
                _ => {}
            }
            let bytes = self.nested_value(&element, depth + 1)?;
            visit(Found { element, bytes, encoding: self.encoding });
        }
        self.end = outer_end;
        Ok(())
    }

    /// Whether nothing but zeros, or the beginning of a delimiter, is left of the bytes: fragments
    /// end here, though nothing says so.
    pub fn is_left_open(&self) -> bool {
        let left = &self.bytes[self.at..];
        let is_cut = left.len() < 8 && [0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0].starts_with(left);
        // Data Set Trailing Padding, without the delimiter before it.
        let is_padding = left.starts_with(&[0xFC, 0xFF, 0xFC, 0xFF]);
        is_cut || is_padding || left.iter().all(|byte| *byte == 0)
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

fn is_fragments(element: &Element) -> bool {
    element.tag == tags::PIXEL_DATA || [Some(*b"OB"), Some(*b"OW")].contains(&element.vr)
}
