//! Reads the marker segments of a codestream (ISO/IEC 15444-1 Annex A).
//!
//! In: the bytes from SOC on, or the first of them. Out: [`Codestream`]: the image's grid, the
//! coding of each tile, and the position of its packets. No count in the header causes an
//! allocation larger than the bytes justify: there are few components, and a tile exists only once
//! it has a tile-part.

use std::collections::BTreeMap;
use std::ops::Range;

use super::boxes::Contents;
use super::coding::Coding;
use super::defaults::Defaults;
use super::error::Error;
use super::geometry::TileComponent;
use super::memory::{Memory, TILE, make_room};
use super::packet::Body;
use super::reader::Reader;
use super::size::{Area, Size};

const SOT: u16 = 0xFF90;
const SOD: u16 = 0xFF93;
const EOC: u16 = 0xFFD9;

/// One tile: its coding, and the positions of its tile-parts' packets in the codestream.
#[derive(Clone, Debug)]
pub struct Tile {
    pub coding: Coding,
    /// Never beyond the codestream's length; the last may end beyond the available bytes.
    pub parts: Vec<Range<usize>>,
    /// Packet headers moved out of the packets (PPM, PPT), in order.
    pub packed_headers: Option<Vec<u8>>,
    /// Lengths of the first packets, as far as they are listed (PLT).
    pub packet_lengths: Vec<u32>,
}

impl Tile {
    /// Bytes that [`body`](Self::body) copies.
    pub fn copied_bytes(&self, contents: Contents) -> u64 {
        let at_hand = |part: &Range<usize>| part.end.min(contents.bytes.len()) - part.start;
        match self.parts.as_slice() {
            [_] => 0,
            parts => parts.iter().map(|part| at_hand(part) as u64).sum(),
        }
    }

    /// The tile's packets. They are copied to `joined` if there are several tile-parts.
    pub fn body<'a>(&'a self, contents: Contents<'a>, joined: &'a mut Vec<u8>) -> Body<'a> {
        let (bytes, is_cut) = (contents.bytes, contents.is_cut());
        let at_hand = |part: &Range<usize>| &bytes[part.start..part.end.min(bytes.len())];
        let bytes = match self.parts.as_slice() {
            [part] => at_hand(part),
            parts => {
                make_room(joined, self.copied_bytes(contents) as usize);
                parts.iter().for_each(|part| joined.extend_from_slice(at_hand(part)));
                joined
            }
        };
        let length = match is_cut {
            true => contents.length,
            false => bytes.len(),
        };
        Body { bytes, length, is_cut, headers: self.packed_headers.as_deref() }
    }

    /// The position in the codestream of byte `position` of the body.
    pub fn offset(&self, mut position: usize) -> usize {
        for part in &self.parts {
            if position <= part.len() {
                return part.start + position;
            }
            position -= part.len();
        }
        self.parts.last().map_or(0, |part| part.end) + position
    }
}

/// A codestream's headers, as far as they are available.
#[derive(Clone, Debug)]
pub struct Codestream {
    pub size: Size,
    /// The settings of the main header for every tile.
    pub main: Coding,
    pub tiles: BTreeMap<u32, Tile>,
}

impl Codestream {
    /// The number of wavelet levels in the component and tile with the fewest.
    pub fn fewest_levels(&self) -> u8 {
        let codings = self.tiles.values().map(|tile| &tile.coding).chain([&self.main]);
        let levels = codings.flat_map(|c| c.components.iter().map(|c| c.decomposition.levels));
        levels.min().unwrap_or(0)
    }

    /// The components of `tile`, whose area is `area` and whose body is `body`.
    ///
    /// # Errors
    /// [`TileComponent::new`]'s.
    pub fn lay_out(
        &self,
        tile: &Tile,
        area: Area,
        body: &Body,
        memory: &mut Memory,
    ) -> Result<Vec<TileComponent>, Error> {
        let precision = self.size.components[0].precision;
        let components = tile.coding.components.iter();
        components.map(|c| TileComponent::new(area, precision, c, body.backing(), memory)).collect()
    }
}

/// SIZ and the coding of the main header, without looking at any tile.
pub fn read_main(bytes: &[u8]) -> Result<(Size, Coding), Error> {
    let mut r = Reader::new(bytes);
    let main = MainHeader::read(&mut r)?;
    let coding = main.defaults.resolve(&Defaults::default(), &main.size.components)?;
    Ok((main.size, coding))
}

struct MainHeader {
    size: Size,
    defaults: Defaults,
    /// Series of packed packet headers, by Zppm.
    packed: BTreeMap<u8, Vec<u8>>,
}

impl MainHeader {
    /// Reads up to and including the first SOT marker.
    fn read(r: &mut Reader<'_>) -> Result<Self, Error> {
        if r.u16()? != 0xFF4F {
            return Err(Error::Malformed("no SOC marker"));
        }
        let (code, segment) = r.segment()?;
        if code != 0xFF51 {
            return Err(Error::Malformed("SIZ does not follow SOC"));
        }
        let size = Size::read(segment)?;
        let mut defaults = Defaults::default();
        let mut packed = BTreeMap::new();
        loop {
            let code = r.u16()?;
            if code == SOT {
                return Ok(Self { size, defaults, packed });
            }
            let mut segment = r.body(code)?;
            match code {
                // Which other parts of the standard are needed: Part 15 is.
                0xFF50 if segment.u32()? & !(1 << 17) != 0 => {
                    return Err(Error::Unsupported("extensions beyond Part 15"));
                }
                0xFF60 => {
                    packed.insert(segment.u8()?, segment.rest().to_vec());
                }
                _ => defaults.read(code, segment, size.components.len())?,
            }
        }
    }
}

/// The state of a tile whose headers are being read.
#[derive(Default)]
struct OpenTile {
    defaults: Defaults,
    parts: Vec<Range<usize>>,
    packed: Option<Vec<u8>>,
    packet_lengths: Vec<u32>,
}

/// Reads every header that is available.
///
/// # Errors
/// What is wrong with them, or [`Error::TooMuchMemory`] for more tiles than `memory` has room for.
pub fn read(contents: Contents, memory: &mut Memory) -> Result<Codestream, Error> {
    let mut r = Reader::new(contents.bytes);
    let header = MainHeader::read(&mut r)?;
    let MainHeader { size, defaults: main, packed } = header;
    let mut packed =
        (!packed.is_empty()).then(|| packed.into_values().flatten().collect::<Vec<u8>>());
    memory.take(3 * packed.as_ref().map_or(0, |packed| packed.len() as u64))?;
    let mut packed = packed.as_mut().map(|packed| Reader::new(packed));
    let mut known = 0;
    let mut open: BTreeMap<u32, OpenTile> = BTreeMap::new();
    loop {
        if open.len() > known {
            known = open.len();
            memory.take(TILE)?;
        }
        match tile_part(&mut r, contents, &size, &mut open, packed.as_mut()) {
            Ok(Behind::TilePart) => {}
            Ok(Behind::End) => break,
            // Headers that are cut off belong to packets that are cut off as well.
            Err(Error::Truncated(_)) if contents.is_cut() => break,
            Err(error) => return Err(error),
        }
    }
    let lists = open
        .values()
        .map(|tile| 4 * tile.packet_lengths.len() + tile.packed.as_ref().map_or(0, Vec::len));
    memory.take(2 * lists.sum::<usize>() as u64)?;
    let mut tiles = BTreeMap::new();
    for (index, tile) in open.into_iter().filter(|(_, tile)| !tile.parts.is_empty()) {
        let coding = main.resolve(&tile.defaults, &size.components)?;
        let OpenTile { parts, packed, packet_lengths, .. } = tile;
        tiles.insert(index, Tile { coding, parts, packed_headers: packed, packet_lengths });
    }
    let main = main.resolve(&Defaults::default(), &size.components)?;
    Ok(Codestream { size, main, tiles })
}

/// The marker after a tile-part.
enum Behind {
    TilePart,
    End,
}

/// Reads a tile-part's header, from the byte after its SOT marker to the byte after the next one.
fn tile_part(
    r: &mut Reader<'_>,
    contents: Contents,
    size: &Size,
    open: &mut BTreeMap<u32, OpenTile>,
    packed: Option<&mut Reader<'_>>,
) -> Result<Behind, Error> {
    let Contents { bytes, length: whole, .. } = contents;
    let start = r.position() - 2;
    let mut sot = r.body(SOT)?;
    let (index, length, number) = (u32::from(sot.u16()?), sot.u32()?, sot.u8()?);
    if index >= size.tiles() {
        return Err(Error::Malformed("a tile-part of a tile that the image has not"));
    }
    let tile = open.entry(index).or_default();
    // A tile's are numbered from 0 on in their order (A.4.2): else one is missing or there twice.
    if usize::from(number) != tile.parts.len() {
        return Err(Error::Malformed("a tile-part out of order"));
    }
    // Zppt counts in this header, or on from the tile's last one: by either the order is the same.
    let mut in_header = BTreeMap::new();
    loop {
        let code = r.u16()?;
        if code == SOD {
            break;
        }
        let mut segment = r.body(code)?;
        match code {
            0xFF61 => {
                in_header.insert(segment.u8()?, segment.rest().to_vec());
            }
            0xFF58 => packet_lengths(segment, &mut tile.packet_lengths)?,
            _ => tile.defaults.read(code, segment, size.components.len())?,
        }
    }
    if let Some(packed) = packed {
        let length = packed.u32()?;
        let headers = packed.bytes(length as usize)?;
        tile.packed.get_or_insert_default().extend_from_slice(headers);
    } else if !in_header.is_empty() {
        tile.packed.get_or_insert_default().extend(in_header.into_values().flatten());
    }
    let end = match length {
        // The last tile-part may leave its length open: it runs to EOC.
        0 if !contents.is_cut() && bytes.ends_with(&EOC.to_be_bytes()) => whole - 2,
        0 => whole,
        _ => start.saturating_add(length as usize),
    };
    if end > whole {
        return Err(Error::Truncated("a tile-part runs beyond the end of the stream"));
    }
    if end < r.position() {
        return Err(Error::Malformed("a tile-part ends within its header"));
    }
    tile.parts.push(r.position()..end);
    r.seek(end);
    if r.is_empty() {
        // A missing EOC loses no pixel, and some encoders omit it.
        return Ok(Behind::End);
    }
    match r.u16()? {
        SOT => Ok(Behind::TilePart),
        EOC => Ok(Behind::End),
        _ => Err(Error::Malformed("neither SOT nor EOC behind a tile-part")),
    }
}

/// Reads a PLT segment (A.7.3): each byte has seven bits of a length; the eighth says that more
/// follow.
fn packet_lengths(mut segment: Reader<'_>, lengths: &mut Vec<u32>) -> Result<(), Error> {
    let (_index, mut length) = (segment.u8()?, 0_u32);
    while !segment.is_empty() {
        let byte = segment.u8()?;
        length = length << 7 | u32::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            lengths.push(std::mem::take(&mut length));
        }
    }
    Ok(())
}
