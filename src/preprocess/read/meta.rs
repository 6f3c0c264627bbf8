//! The beginning of a file: preamble, File Meta Information (PS3.10 chapter 7), and the
//! inflating of what a deflated file has behind it.

use std::io::Read;

use dicom_dictionary_std::tags;
use flate2::read::DeflateDecoder;

use super::elements::{Elements, Encoding, Tag};
use super::{ReadError, TransferSyntax};

/// As much of a deflated data set as any header takes.
const MAX_HEADER: u64 = 16 << 20;

/// The transfer syntax and the offset at which the data set begins.
///
/// The group's length is not used: the group ends where another begins, so a file without
/// (0002,0000) or with a wrong one reads like any other.
///
/// # Errors
/// [`ReadError::Empty`], [`ReadError::NotDicom`], and what is wrong with the group.
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
        needed: "a syntax of still grey images",
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

/// Calls `visit` with every attribute of the group; gives the offset behind it.
fn walk<'a>(bytes: &'a [u8], mut visit: impl FnMut(Tag, &'a [u8])) -> Result<usize, ReadError> {
    let start = match bytes {
        [] => return Err(ReadError::Empty),
        _ if bytes.get(128..132) == Some(b"DICM") => 132,
        // Some archives leave the preamble out.
        [0x02, 0x00, ..] => 0,
        _ => {
            let found = bytes.iter().take(16).flat_map(|byte| byte.escape_ascii());
            return Err(ReadError::NotDicom { found: found.map(char::from).collect() });
        }
    };
    let mut elements = Elements::new(bytes, start, Encoding::ExplicitLittle);
    // The data set behind may have another encoding, so look at the group before reading on.
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

/// Inflates what a header may take of a data set whose end may be missing.
///
/// # Errors
/// [`ReadError::Deflate`] if nothing comes out.
pub fn inflate_beginning(bytes: &[u8]) -> Result<Vec<u8>, ReadError> {
    let mut inflated = Vec::new();
    let mut decoder = DeflateDecoder::new(bytes).take(MAX_HEADER);
    match decoder.read_to_end(&mut inflated) {
        Err(error) if inflated.is_empty() => Err(ReadError::Deflate(error)),
        _ => Ok(inflated),
    }
}
