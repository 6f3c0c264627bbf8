//! Finds the codestream in a JP2 file (ISO/IEC 15444-1 Annex I).
//!
//! In: a DICOM fragment, which is a JP2 file or a bare codestream. Out: the bytes from SOC on. The
//! colour information in other boxes is ignored, because the DICOM header gives it.

use super::error::Error;

const SIGNATURE: [u8; 12] = [0, 0, 0, 12, b'j', b'P', b' ', b' ', 0x0D, 0x0A, 0x87, 0x0A];
const SOC: [u8; 2] = [0xFF, 0x4F];

const SHORT: Error = Error::Truncated("no codestream box before the end of the file");

/// A codestream, or the beginning of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents<'a> {
    /// From SOC on.
    pub bytes: &'a [u8],
    /// The offset of SOC in the stream.
    pub start: usize,
    /// The length of the whole codestream in bytes.
    pub length: usize,
}

impl Contents<'_> {
    /// Whether only the beginning is available.
    pub fn is_cut(&self) -> bool {
        self.bytes.len() < self.length
    }
}

/// The codestream within `bytes`: all of them, or the contents of the first `jp2c` box.
pub fn codestream(bytes: &[u8]) -> Result<Contents<'_>, Error> {
    beginning(bytes, bytes.len())
}

/// The codestream within a stream of `length` bytes, of which `bytes` are the first.
pub fn beginning(bytes: &[u8], length: usize) -> Result<Contents<'_>, Error> {
    if bytes.starts_with(&SOC) {
        return Ok(Contents { bytes, start: 0, length });
    }
    let missing = length - bytes.len();
    if bytes.len() < SIGNATURE.len() && missing > 0 {
        return Err(SHORT);
    }
    let mut rest = bytes
        .strip_prefix(&SIGNATURE)
        .ok_or(Error::Malformed("neither JP2 signature nor SOC marker"))?;
    loop {
        let Jp2Box { kind, body, declared, next } = next_box(rest)?;
        match &kind {
            b"jp2c" if body.starts_with(&SOC) => {
                let start = bytes.len() - next.len() - body.len();
                let length = declared.min(body.len() + if next.is_empty() { missing } else { 0 });
                return Ok(Contents { bytes: body, start, length });
            }
            b"jp2c" if body.len() < SOC.len() && missing > 0 => return Err(SHORT),
            b"jp2c" => return Err(Error::Malformed("the codestream box does not start with SOC")),
            b"jp2h" => refuse_mappings(body)?,
            _ => {}
        }
        rest = next;
    }
}

/// A palette maps one component to several, and channels may be components in another order; neither
/// is known of mammograms.
fn refuse_mappings(mut header: &[u8]) -> Result<(), Error> {
    while !header.is_empty() {
        let Jp2Box { kind, body, next, .. } = next_box(header)?;
        match &kind {
            b"pclr" => return Err(Error::Unsupported("palette")),
            b"cdef" if reorders(body) => {
                return Err(Error::Unsupported("channels in another order"));
            }
            _ => {}
        }
        header = next;
    }
    Ok(())
}

/// Whether a channel definition (I.5.3.6) gives a component the colour of another place.
fn reorders(definition: &[u8]) -> bool {
    const COLOUR: u16 = 0;
    let channels = definition.get(2..).unwrap_or_default().as_chunks::<6>().0;
    channels.iter().any(|c| {
        let [channel, kind, colour] = [0, 2, 4].map(|at| u16::from_be_bytes([c[at], c[at + 1]]));
        // 0 is the whole image, and 65535 is none of its colours.
        kind == COLOUR && !matches!(colour, 0 | u16::MAX) && colour - 1 != channel
    })
}

struct Jp2Box<'a> {
    kind: [u8; 4],
    body: &'a [u8],
    /// Bytes of the body, as its head says; a last box of open length has as many as follow.
    declared: usize,
    /// The bytes that follow it.
    next: &'a [u8],
}

/// The first box in `bytes`.
///
/// The last box may run beyond the end of the bytes: the codestream's own markers tell more
/// precisely what is missing.
fn next_box(bytes: &[u8]) -> Result<Jp2Box<'_>, Error> {
    let (head, rest) = bytes.split_first_chunk::<8>().ok_or(SHORT)?;
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    let kind = [head[4], head[5], head[6], head[7]];
    let (body, length) = match length {
        0 => (rest, u64::MAX),
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
    let declared = usize::try_from(length).unwrap_or(usize::MAX);
    let (body, next) = body.split_at(declared.min(body.len()));
    Ok(Jp2Box { kind, body, declared, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_in_another_order_are_refused() {
        let definition = |order: [u8; 2]| {
            let channel = |(i, colour): (usize, u8)| [0, i as u8, 0, 0, 0, colour];
            let channels = order.into_iter().enumerate().flat_map(channel);
            [0, 2].into_iter().chain(channels).collect::<Vec<u8>>()
        };
        let with = |body: Vec<u8>| {
            let mut header = (8 + body.len() as u32).to_be_bytes().to_vec();
            header.extend(b"cdef");
            header.extend(body);
            refuse_mappings(&header)
        };
        assert!(with(definition([1, 2])).is_ok() && with(vec![0]).is_ok());
        assert!(matches!(with(definition([2, 1])), Err(Error::Unsupported(_))));
    }
}
