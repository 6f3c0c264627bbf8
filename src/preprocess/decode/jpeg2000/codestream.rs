//! Reads the marker segments of a codestream (ISO/IEC 15444-1 Annex A).
//!
//! In: the bytes from SOC on, or the first of them. Out: [`Codestream`], the image's grid, how each tile is coded
//! and where its packets lie. Nothing is allocated from a count that the bytes do not back:
//! components are at most [`MAX_COMPONENTS`], and a tile exists only once it has a tile-part.

use std::collections::BTreeMap;
use std::ops::Range;

use super::boxes::Contents;
use super::coding::{Coding, Defaults};
use super::error::Error;
use super::geometry::TileComponent;
use super::packet::Body;
use super::reader::Reader;

/// More components than this go to another decoder: pixels have one, three or four.
pub const MAX_COMPONENTS: usize = 4;

const SOT: u16 = 0xFF90;
const SOD: u16 = 0xFF93;
const EOC: u16 = 0xFFD9;

/// Half-open rectangle on the reference grid or one derived from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Area {
    pub x0: u32,
    pub y0: u32,
    pub x1: u32,
    pub y1: u32,
}

impl Area {
    pub fn width(&self) -> usize {
        self.x1.saturating_sub(self.x0) as usize
    }

    pub fn height(&self) -> usize {
        self.y1.saturating_sub(self.y0) as usize
    }

    pub fn is_empty(&self) -> bool {
        self.x1 <= self.x0 || self.y1 <= self.y0
    }

    /// What both hold; empty (with `x1 < x0` perhaps) when nothing.
    pub fn intersect(&self, other: &Self) -> Self {
        Self {
            x0: self.x0.max(other.x0),
            y0: self.y0.max(other.y0),
            x1: self.x1.min(other.x1),
            y1: self.y1.min(other.y1),
        }
    }

    /// The samples that are left when `levels` wavelet levels are discarded.
    pub fn reduced(&self, levels: u8) -> Self {
        let f = |v: u32| ceil_shift(v, levels);
        Self { x0: f(self.x0), y0: f(self.y0), x1: f(self.x1), y1: f(self.y1) }
    }
}

/// `ceil(value / 2^shift)`.
pub fn ceil_shift(value: u32, shift: u8) -> u32 {
    match shift {
        0..=31 => ((u64::from(value) + (1 << shift) - 1) >> shift) as u32,
        _ => u32::from(value > 0),
    }
}

/// One component as SIZ declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    pub precision: u8,
    pub signed: bool,
}

/// The SIZ marker segment, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    pub image: Area,
    tile_x0: u32,
    tile_y0: u32,
    tile_width: u32,
    tile_height: u32,
    tiles_across: u32,
    tiles_down: u32,
    pub components: Vec<Component>,
}

impl Size {
    fn read(mut r: Reader<'_>) -> Result<Self, Error> {
        let capabilities = r.u16()?;
        if capabilities & 0x8000 != 0 {
            return Err(Error::Unsupported("extensions of Part 2"));
        }
        let [x1, y1, x0, y0] = [r.u32()?, r.u32()?, r.u32()?, r.u32()?];
        let [tile_width, tile_height, tile_x0, tile_y0] = [r.u32()?, r.u32()?, r.u32()?, r.u32()?];
        let count = r.u16()?;
        let image = Area { x0, y0, x1, y1 };
        if image.is_empty() || x1.max(y1) > i32::MAX as u32 {
            return Err(Error::Malformed("the image area is empty or beyond 2^31"));
        }
        let beyond = |start: u32, size: u32, first: u32| {
            u64::from(start) + u64::from(size) <= u64::from(first)
        };
        if tile_width == 0
            || tile_height == 0
            || tile_x0 > x0
            || tile_y0 > y0
            || beyond(tile_x0, tile_width, x0)
            || beyond(tile_y0, tile_height, y0)
        {
            return Err(Error::Malformed("the first tile does not meet the image"));
        }
        let tiles_across = (x1 - tile_x0).div_ceil(tile_width);
        let tiles_down = (y1 - tile_y0).div_ceil(tile_height);
        if u64::from(tiles_across) * u64::from(tiles_down) > 65_535 {
            return Err(Error::Malformed("more than 65535 tiles"));
        }
        if count == 0 {
            return Err(Error::Malformed("no component"));
        }
        if usize::from(count) > MAX_COMPONENTS {
            return Err(Error::Unsupported("more than four components"));
        }
        let mut components = Vec::with_capacity(MAX_COMPONENTS);
        for _ in 0..count {
            let [depth, dx, dy] = [r.u8()?, r.u8()?, r.u8()?];
            let component = Component { precision: (depth & 0x7F) + 1, signed: depth & 0x80 != 0 };
            if component.precision > 16 {
                return Err(Error::Unsupported("more than 16 bits a sample"));
            }
            if (dx, dy) != (1, 1) {
                return Err(Error::Unsupported("subsampled components"));
            }
            if components.first().is_some_and(|first| *first != component) {
                return Err(Error::Unsupported("components of different precision"));
            }
            components.push(component);
        }
        Ok(Self {
            image,
            tile_x0,
            tile_y0,
            tile_width,
            tile_height,
            tiles_across,
            tiles_down,
            components,
        })
    }

    /// How many tiles there are.
    pub fn tiles(&self) -> u32 {
        self.tiles_across * self.tiles_down
    }

    /// The samples of tile `index`.
    pub fn tile(&self, index: u32) -> Area {
        let edge = |start: u32, size: u32, n: u32| {
            (u64::from(start) + u64::from(size) * u64::from(n)).min(u64::from(u32::MAX)) as u32
        };
        let (column, row) = (index % self.tiles_across, index / self.tiles_across);
        let whole = Area {
            x0: edge(self.tile_x0, self.tile_width, column),
            y0: edge(self.tile_y0, self.tile_height, row),
            x1: edge(self.tile_x0, self.tile_width, column + 1),
            y1: edge(self.tile_y0, self.tile_height, row + 1),
        };
        whole.intersect(&self.image)
    }
}

/// One tile: how it is coded, and where in the codestream its tile-parts' packets are.
#[derive(Clone, Debug)]
pub struct Tile {
    pub coding: Coding,
    /// Never beyond the codestream's length; the last may end beyond what is at hand.
    pub parts: Vec<Range<usize>>,
    /// Packet headers moved out of the packets (PPM, PPT), in order.
    pub packed_headers: Option<Vec<u8>>,
    /// Lengths of the first packets, as far as they are listed (PLT).
    pub packet_lengths: Vec<u32>,
}

impl Tile {
    /// Its packets in the codestream; copied to `joined` from several tile-parts.
    pub fn body<'a>(&'a self, contents: Contents<'a>, joined: &'a mut Vec<u8>) -> Body<'a> {
        let (bytes, is_cut) = (contents.bytes, contents.is_cut());
        let at_hand = |part: &Range<usize>| &bytes[part.start..part.end.min(bytes.len())];
        let bytes = match self.parts.as_slice() {
            [part] => at_hand(part),
            parts => {
                joined.clear();
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

    /// Where byte `position` of the body lies in the codestream.
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

/// A codestream's headers, as far as they are at hand.
#[derive(Clone, Debug)]
pub struct Codestream {
    pub size: Size,
    /// What the main header says for every tile.
    pub main: Coding,
    pub tiles: BTreeMap<u32, Tile>,
}

impl Codestream {
    /// Wavelet levels of the component and tile that have the fewest.
    pub fn fewest_levels(&self) -> u8 {
        let codings = self.tiles.values().map(|tile| &tile.coding).chain([&self.main]);
        let levels = codings.flat_map(|c| c.components.iter().map(|c| c.decomposition.levels));
        levels.min().unwrap_or(0)
    }

    /// The components of `tile`, which is `area` and has `body`.
    ///
    /// # Errors
    /// [`TileComponent::new`]'s.
    pub fn lay_out(
        &self,
        tile: &Tile,
        area: Area,
        body: &Body,
    ) -> Result<Vec<TileComponent>, Error> {
        let precision = self.size.components[0].precision;
        let components = tile.coding.components.iter();
        components.map(|c| TileComponent::new(area, precision, c, body.backing())).collect()
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

/// What has been read of a tile so far.
#[derive(Default)]
struct OpenTile {
    defaults: Defaults,
    parts: Vec<Range<usize>>,
    packed: Option<Vec<u8>>,
    packet_lengths: Vec<u32>,
}

/// Reads every header that is at hand.
pub fn read(contents: Contents) -> Result<Codestream, Error> {
    let mut r = Reader::new(contents.bytes);
    let header = MainHeader::read(&mut r)?;
    let MainHeader { size, defaults: main, packed } = header;
    let mut packed =
        (!packed.is_empty()).then(|| packed.into_values().flatten().collect::<Vec<u8>>());
    let mut packed = packed.as_mut().map(|packed| Reader::new(packed));
    let mut open: BTreeMap<u32, OpenTile> = BTreeMap::new();
    loop {
        match tile_part(&mut r, contents, &size, &mut open, packed.as_mut()) {
            Ok(Behind::TilePart) => {}
            Ok(Behind::End) => break,
            // The headers that are cut off are of packets that are cut off as well.
            Err(Error::Truncated(_)) if contents.is_cut() => break,
            Err(error) => return Err(error),
        }
    }
    let mut tiles = BTreeMap::new();
    for (index, tile) in open.into_iter().filter(|(_, tile)| !tile.parts.is_empty()) {
        let coding = main.resolve(&tile.defaults, &size.components)?;
        let OpenTile { parts, packed, packet_lengths, .. } = tile;
        tiles.insert(index, Tile { coding, parts, packed_headers: packed, packet_lengths });
    }
    let main = main.resolve(&Defaults::default(), &size.components)?;
    Ok(Codestream { size, main, tiles })
}

/// What stands behind a tile-part.
enum Behind {
    TilePart,
    End,
}

/// Reads a tile-part's header, from just behind its SOT marker to just behind the next one.
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
        // A missing EOC costs no pixel, and encoders have left it out.
        return Ok(Behind::End);
    }
    match r.u16()? {
        SOT => Ok(Behind::TilePart),
        EOC => Ok(Behind::End),
        _ => Err(Error::Malformed("neither SOT nor EOC behind a tile-part")),
    }
}

/// Takes in a PLT segment (A.7.3): seven bits of a length a byte, more of it where the eighth is set.
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
