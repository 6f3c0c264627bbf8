//! Computes how much of a stream a reduced image needs. If low resolutions come first, it is a
//! prefix.
//!
//! In: the first bytes of a stream. Out: [`Prefix`], the number of bytes that decoding needs.
//! Nothing is decoded: packet headers are read one after the other up to the last packet that is
//! needed. If packet lengths are listed (PLT), they say how far to read at once.

use super::boxes;
use super::codestream;
use super::error::Error;
use super::memory::Memory;
use super::packet::Packets;
use super::progression;
use super::request::Request;

/// The number of a stream's first bytes that decoding needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// This number; it is available.
    Needs(usize),
    /// More than is available, and at least this number.
    NeedsAtLeast(usize),
}

/// The number of bytes of a stream of `length`, which begins with `bytes`, that are needed for
/// `request`, for any region and planes.
///
/// Every tile-part that begins within the prefix ends within the stream, by its own length. Whether
/// the stream ends correctly can only be seen at its end.
///
/// # Errors
/// As for [`Decoder::decode`](super::Decoder::decode), except that the stream may be cut off.
pub fn prefix(bytes: &[u8], length: usize, request: &Request) -> Result<Prefix, Error> {
    let reduce = request.reduce;
    let more = |needs: usize| Prefix::NeedsAtLeast(needs.max(bytes.len() + 1).min(length));
    let is_cut = bytes.len() < length;
    let mut memory = Memory::new(request.max_memory)?;
    let headers = boxes::beginning(bytes, length)
        .and_then(|contents| Ok((contents, codestream::read(contents, &mut memory)?)));
    let (contents, stream) = match headers {
        Err(Error::Truncated(_)) if is_cut => return Ok(more(0)),
        other => other?,
    };
    request.check(&stream)?;
    let mut packets = Packets::default();
    let mut needs = 0;
    for index in 0..stream.size.tiles() {
        let Some(tile) = stream.tiles.get(&index) else {
            return if is_cut { Ok(more(0)) } else { Err(Error::Truncated("a missing tile")) };
        };
        let area = stream.size.tile(index);
        memory.end_tile();
        memory.take_for_tile(tile.copied_bytes(contents))?;
        let mut joined = Vec::new();
        let body = tile.body(contents, &mut joined);
        let mut components = stream.lay_out(tile, area, &body, &mut memory)?;
        match packets.read(body, &tile.coding, &area, reduce, &mut components, &mut memory) {
            Ok(()) => {
                let mut end = tile.offset(packets.reach);
                // Headers of packets without a body may be the last thing that is needed.
                if let (Some(_), Some(last)) = (&tile.packed_headers, tile.parts.last()) {
                    end = end.max(last.start);
                }
                needs = needs.max(contents.start + end);
            }
            Err(Error::Truncated(_)) if is_cut => {
                drop(components);
                memory.end_tile();
                let mut components = stream.lay_out(tile, area, &body, &mut memory)?;
                let count = progression::needed(&tile.coding, &area, reduce, &mut components)?;
                let listed = tile.packet_lengths.iter().take(count).map(|&length| length as usize);
                let reach = packets.reach.max(listed.sum());
                return Ok(more(contents.start + tile.offset(reach)));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Prefix::Needs(needs))
}
