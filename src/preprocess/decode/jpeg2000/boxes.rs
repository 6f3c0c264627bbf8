//! Finds the codestream in a JP2 file (ISO/IEC 15444-1 Annex I).
//!
//! In: what a DICOM fragment holds, a JP2 file or a bare codestream. Out: the bytes from SOC
//! on. What the other boxes say about colour is the DICOM header's business here.

use super::error::Error;

const SIGNATURE: [u8; 12] = [0, 0, 0, 12, b'j', b'P', b' ', b' ', 0x0D, 0x0A, 0x87, 0x0A];
const SOC: [u8; 2] = [0xFF, 0x4F];

/// The codestream within `bytes`: all of them, or the contents of the first `jp2c` box.
pub fn codestream(bytes: &[u8]) -> Result<&[u8], Error> {
    if bytes.starts_with(&SOC) {
        return Ok(bytes);
    }
    let mut rest = bytes
        .strip_prefix(&SIGNATURE)
        .ok_or(Error::Malformed("neither JP2 signature nor SOC marker"))?;
    loop {
        let Jp2Box { kind, body, next } = next_box(rest)?;
        match &kind {
            b"jp2c" if body.starts_with(&SOC) => return Ok(body),
            b"jp2c" => return Err(Error::Malformed("the codestream box does not start with SOC")),
            b"jp2h" => refuse_palettes(body)?,
            _ => {}
        }
        rest = next;
    }
}

/// A palette maps one component to several: not what a mammogram holds.
fn refuse_palettes(mut header: &[u8]) -> Result<(), Error> {
    while !header.is_empty() {
        let Jp2Box { kind, next, .. } = next_box(header)?;
        if &kind == b"pclr" {
            return Err(Error::Unsupported("palette"));
        }
        header = next;
    }
    Ok(())
}

struct Jp2Box<'a> {
    kind: [u8; 4],
    body: &'a [u8],
    /// What follows it.
    next: &'a [u8],
}

/// The first box in `bytes`.
///
/// The last box may run beyond the end of the bytes: how much of a codestream is missing
/// is told better by its own markers.
fn next_box(bytes: &[u8]) -> Result<Jp2Box<'_>, Error> {
    const SHORT: Error = Error::Truncated("no codestream box before the end of the file");
    let (head, rest) = bytes.split_first_chunk::<8>().ok_or(SHORT)?;
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    let kind = [head[4], head[5], head[6], head[7]];
    let (body, length) = match length {
        0 => (rest, rest.len() as u64),
        1 => {
            let (long, rest) = rest.split_first_chunk::<8>().ok_or(SHORT)?;
            (
                rest,
                u64::from_be_bytes(*long)
                    .checked_sub(16)
                    .ok_or(Error::Malformed("box length below 16"))?,
            )
        }
        _ => {
            (rest, u64::from(length.checked_sub(8).ok_or(Error::Malformed("box length below 8"))?))
        }
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX).min(body.len());
    let (body, next) = body.split_at(length);
    Ok(Jp2Box { kind, body, next })
}
