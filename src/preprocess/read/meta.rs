//! Reads the beginning of a file: preamble and File Meta Information (PS3.10 chapter 7). Also
//! inflates the data set of a deflated file.

use std::io::Read;

use dicom_dictionary_std::tags;
use flate2::read::DeflateDecoder;

use super::elements::{Elements, Encoding, Tag};
use super::{ReadError, TransferSyntax};

/// The bytes of a deflated data set that are inflated to read a header.
const MAX_HEADER: u64 = 16 << 20;

/// The transfer syntax, and the offset of the data set.
///
/// The group length is not used: the group ends where another group begins. So a file without
/// (0002,0000), or with a wrong value, is read like any other.
///
/// # Errors
/// [`ReadError::Empty`], [`ReadError::NotDicom`], and errors of the group's elements.
pub fn read(bytes: &[u8]) -> Result<(TransferSyntax, usize), ReadError> {
    let mut uid = None;
    let end = walk(bytes, |tag, value| {
        if tag == tags::TRANSFER_SYNTAX_UID {
            uid = Some(String::from_utf8_lossy(value).trim_matches([' ', '\0']).to_owned());
        }
    })?;
    if end == bytes.len() {
        return Err(ReadError::Truncated { attribute: "the data set".into(), need: 8, have: 0 });
    }
    let uid = uid.ok_or_else(|| ReadError::Missing { attribute: "TransferSyntaxUID".into() })?;
    let syntax = TransferSyntax::from_uid(&uid).ok_or_else(|| ReadError::Unsupported {
        attribute: "TransferSyntaxUID",
        found: uid.chars().take(64).collect::<String>().escape_debug().to_string(),
        needed: "a transfer syntax of still grey images",
    })?;
    Ok((syntax, end))
}

/// The value of an attribute of the group, if the file has it.
pub fn value(bytes: &[u8], wanted: Tag) -> Option<&[u8]> {
    let mut found = None;
    walk(bytes, |tag, value| {
        if tag == wanted {
            found = Some(value);
        }
    })
    .ok()?;
    found
}

/// Calls `visit` with every attribute of the group. Returns the offset of its end.
fn walk<'a>(bytes: &'a [u8], mut visit: impl FnMut(Tag, &'a [u8])) -> Result<usize, ReadError> {
    let start = match bytes {
        [] => return Err(ReadError::Empty),
        _ if bytes.get(128..132) == Some(b"DICM") => 132,
        // Some archives omit the preamble.
        [0x02, 0x00, ..] => 0,
        _ => {
            let found = bytes.iter().take(16).flat_map(|byte| byte.escape_ascii());
            return Err(ReadError::NotDicom { found: found.map(char::from).collect() });
        }
    };
    let mut elements = Elements::new(bytes, start, Encoding::ExplicitLittle);
    // The data set that follows may have another encoding, so check the group before reading on.
    while bytes.get(elements.at()..elements.at() + 2) == Some(&[0x02, 0x00]) {
        let Some(element) = elements.next()? else { break };
        visit(element.tag, elements.value(&element)?);
    }
    Ok(elements.at())
}

/// Inflates a whole data set of at most `max` bytes.
///
/// # Errors
/// [`ReadError::TooManyBytes`] or [`ReadError::Deflate`].
pub fn inflate(bytes: &[u8], max: u64) -> Result<Vec<u8>, ReadError> {
    let mut inflated = Vec::new();
    let mut decoder = DeflateDecoder::new(bytes).take(max + 1);
    decoder.read_to_end(&mut inflated).map_err(ReadError::Deflate)?;
    if inflated.len() as u64 > max {
        let found = "a deflated data set of more".into();
        return Err(ReadError::TooManyBytes { found, max });
    }
    Ok(inflated)
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
