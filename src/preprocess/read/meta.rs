//! Reads the beginning of a file: preamble and File Meta Information (PS3.10 chapter 7). Also
//! inflates the data set of a deflated file.

use std::io::{self, Read};

use bytes::Bytes;
use dicom_dictionary_std::tags;
use flate2::read::DeflateDecoder;

use super::elements::{Elements, Encoding, Tag};
use super::file_kind;
use super::head::encoding_at;
use super::held::held;
use super::{ReadError, TransferSyntax};
use crate::flow::Budget;
use crate::shard::notes::{Note, Notes};

/// The bytes of a deflated data set that are inflated to read a header.
const MAX_HEADER: u64 = 16 << 20;

/// What the beginning of a file tells.
#[derive(Debug, Clone)]
pub struct Meta {
    /// The transfer syntax.
    pub syntax: TransferSyntax,
    /// The offset of the data set; in a deflated file, of its compressed bytes.
    pub end: usize,
    /// Media Storage SOP Class UID.
    pub class: Option<String>,
    /// What was unusual.
    pub notes: Notes,
}

/// Reads the beginning of a file.
///
/// The group length is not used: the group ends where another group begins. So a file without
/// (0002,0000), or with a wrong value, is read like any other. If the group is there twice (a PACS
/// stored a whole file behind a group of its own), the first describes the file, and the second is
/// left from what was stored.
///
/// # Errors
/// [`ReadError::Empty`], [`ReadError::NotDicom`], and errors of the group's elements.
pub fn read(bytes: &[u8]) -> Result<Meta, ReadError> {
    let (mut uid, mut class) = (None, None);
    let mut notes = Notes::default();
    let mut last = Tag(0, 0);
    let text = |value| String::from_utf8_lossy(value).trim_matches([' ', '\0']).to_owned();
    let end = walk(bytes, |tag, value| {
        if tag <= last {
            notes.add(Note::TwoMetaGroups);
        }
        last = tag;
        match tag {
            tags::TRANSFER_SYNTAX_UID if uid.is_none() => uid = Some(text(value)),
            tags::MEDIA_STORAGE_SOP_CLASS_UID if class.is_none() => class = Some(text(value)),
            _ => {}
        }
    })?;
    if end == bytes.len() {
        return Err(ReadError::Truncated { attribute: "the data set".into(), need: 8, have: 0 });
    }
    let syntax = match uid.filter(|uid| !uid.is_empty()) {
        Some(uid) => TransferSyntax::from_uid(&uid).ok_or_else(|| ReadError::Unsupported {
            attribute: "TransferSyntaxUID",
            found: uid_or_length(uid),
            needed: "a transfer syntax of still grey images",
        })?,
        None => {
            notes.add(Note::SyntaxAssumed);
            assumed(bytes, end)?
        }
    };
    Ok(Meta { syntax, end, class, notes })
}

/// A UID, or the length of a text that is none: such a text may be anything and is not repeated.
fn uid_or_length(text: String) -> String {
    let is_uid = text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_uid { text } else { format!("{} characters that are no UID", text.chars().count()) }
}

/// The transfer syntax of a data set at `start` that no UID describes, as its elements are encoded.
fn assumed(bytes: &[u8], start: usize) -> Result<TransferSyntax, ReadError> {
    match encoding_at(bytes, start..bytes.len(), Encoding::ImplicitLittle) {
        Some(Encoding::ImplicitLittle) => Ok(TransferSyntax::ImplicitLittleEndian),
        Some(Encoding::ExplicitLittle) => Ok(TransferSyntax::ExplicitLittleEndian),
        Some(Encoding::ExplicitBig) => Ok(TransferSyntax::ExplicitBigEndian),
        None => Err(ReadError::Missing { attribute: "TransferSyntaxUID".into() }),
    }
}

/// The value of an attribute of the group, if the file has it.
pub fn value(bytes: &[u8], wanted: Tag) -> Option<&[u8]> {
    let mut found = None;
    walk(bytes, |tag, value| {
        if tag == wanted {
            found = found.or(Some(value));
        }
    })
    .ok()?;
    found
}

/// Calls `visit` with every attribute of the group. Returns the offset of its end.
fn walk<'a>(bytes: &'a [u8], mut visit: impl FnMut(Tag, &'a [u8])) -> Result<usize, ReadError> {
    let start = match bytes {
        [] => return Err(ReadError::Empty),
        _ if is_preamble(bytes) => 132,
        // Some archives omit the preamble, and some the group as well.
        [0x02, 0x00, ..] => 0,
        [0x08, 0x00, ..] | [0x00, 0x08, ..]
            if encoding_at(bytes, 0..bytes.len(), Encoding::ImplicitLittle).is_some() =>
        {
            return Ok(0);
        }
        _ => {
            return Err(ReadError::NotDicom { found: file_kind::of(bytes) });
        }
    };
    let mut elements = Elements::new(bytes, start, Encoding::ExplicitLittle);
    loop {
        let rest = &bytes[elements.at()..];
        // The data set that follows may have another encoding, so check the group before reading on.
        if rest.starts_with(&[0x02, 0x00]) {
            let Some(element) = elements.next()? else { break };
            visit(element.tag, elements.value(&element)?);
        } else if is_preamble(rest) && rest[..128].iter().all(|byte| *byte == 0) {
            // A whole file behind the group.
            elements = Elements::new(bytes, elements.at() + 132, Encoding::ExplicitLittle);
        } else {
            break;
        }
    }
    Ok(elements.at())
}

fn is_preamble(bytes: &[u8]) -> bool {
    bytes.get(128..132) == Some(b"DICM")
}

/// Inflates a whole data set of at most `max` bytes, which count in `memory`. It is inflated twice,
/// because its size has to be known before the memory is taken.
///
/// # Errors
/// [`ReadError::TooManyBytes`], [`ReadError::Memory`] or [`ReadError::Deflate`].
pub fn inflate(bytes: &[u8], max: u64, memory: &Budget) -> Result<Bytes, ReadError> {
    let mut decoder = DeflateDecoder::new(bytes).take(max + 1);
    let size = io::copy(&mut decoder, &mut io::sink()).map_err(ReadError::Deflate)?;
    if size > max {
        let found = "a deflated data set of more".into();
        return Err(ReadError::TooManyBytes { found, max });
    }
    held(memory, size as usize, || {
        let mut inflated = Vec::with_capacity(size as usize);
        DeflateDecoder::new(bytes).read_to_end(&mut inflated).map_err(ReadError::Deflate)?;
        Ok(inflated)
    })
}

/// Inflates as much as a header may need, from a data set whose end may be missing.
///
/// # Errors
/// [`ReadError::Deflate`] if no bytes result.
pub fn inflate_beginning(bytes: &[u8]) -> Result<Vec<u8>, ReadError> {
    let mut inflated = Vec::new();
    let mut decoder = DeflateDecoder::new(bytes).take(MAX_HEADER);
    match decoder.read_to_end(&mut inflated) {
        Err(error) if inflated.is_empty() => Err(ReadError::Deflate(error)),
        _ => Ok(inflated),
    }
}
