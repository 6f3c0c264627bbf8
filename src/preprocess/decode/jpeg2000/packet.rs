//! Reads a tile's packets: which code-blocks they hold, and where their bytes are
//! (ISO/IEC 15444-1, B.9 to B.12).
//!
//! In: a tile's bytes and its laid-out components. Out: every block's bit-planes and passes,
//! and [`Packets::pieces`], the byte ranges of their codeword segments. Nothing is decoded.

use super::codestream::Area;
use super::coding::{Coding, Order, Style};
use super::error::Error;
use super::geometry::{Block, TileComponent};
use super::tag_tree::HeaderBits;

/// One packet's contribution to a codeword segment.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    pub start: u32,
    pub length: u32,
    pub passes: u8,
    /// Whether the segment goes on from the block's previous piece.
    pub continues: bool,
    /// The block's next piece; 0 for none.
    pub next: u32,
}

/// Where the bytes of a tile's code-blocks are.
#[derive(Default)]
pub struct Packets {
    /// Piece 0 is nobody's, so that 0 can mean none.
    pub pieces: Vec<Piece>,
    /// Pieces of the packet at hand: the block, and its piece.
    open: Vec<u32>,
}

/// One packet's place in the loops of its progression.
#[derive(Clone, Copy)]
struct Place {
    key: (u64, u64, u64, u64),
    component: u8,
    resolution: u8,
    precinct: u32,
}

impl Packets {
    /// Reads all packets of a tile from `bytes`, their headers from `headers` where they were
    /// moved there.
    ///
    /// # Errors
    /// [`Error::Truncated`] when the bytes end before the packets do.
    pub fn read(
        &mut self,
        bytes: &[u8],
        headers: Option<&[u8]>,
        coding: &Coding,
        tile: &Area,
        components: &mut [TileComponent],
    ) -> Result<(), Error> {
        if bytes.len() > u32::MAX as usize {
            return Err(Error::Unsupported("a tile of more than 4 GiB"));
        }
        self.pieces.clear();
        self.pieces.push(Piece { start: 0, length: 0, passes: 0, continues: false, next: 0 });
        let mut reader =
            PacketReader { packets: self, bytes, position: 0, headers, header_position: 0, coding };
        for progression in &coding.progressions {
            let mut places = Vec::new();
            for (c, component) in components.iter().enumerate() {
                if !(progression.component_start..progression.component_end).contains(&(c as u16)) {
                    continue;
                }
                let levels = component.resolutions.len() as u8 - 1;
                for r in progression.resolution_start..progression.resolution_end.min(levels + 1) {
                    let resolution = &component.resolutions[usize::from(r)];
                    for precinct in 0..resolution.across * resolution.down {
                        let (y, x) = resolution.position(precinct, levels - r, tile);
                        let (c, r, p) = (c as u64, u64::from(r), u64::from(precinct));
                        let key = match progression.order {
                            Order::Lrcp | Order::Rlcp => (r, c, p, 0),
                            Order::Rpcl => (r, y, x, c),
                            Order::Pcrl => (y, x, c, r),
                            Order::Cprl => (c, y, x, r),
                        };
                        places.push(Place {
                            key,
                            component: c as u8,
                            resolution: r as u8,
                            precinct,
                        });
                    }
                }
            }
            places.sort_unstable_by_key(|place| (place.key, place.precinct));
            let layers = progression.layer_end.min(coding.layers);
            match progression.order {
                Order::Lrcp => reader.layer_by_layer(components, &places, layers)?,
                Order::Rlcp => {
                    for places in places.chunk_by(|a, b| a.resolution == b.resolution) {
                        reader.layer_by_layer(components, places, layers)?;
                    }
                }
                Order::Rpcl | Order::Pcrl | Order::Cprl => {
                    for place in places.chunks(1) {
                        reader.layer_by_layer(components, place, layers)?;
                    }
                }
            }
        }
        let sent = |component: &TileComponent| {
            component.precincts.iter().all(|p| p.next_layer == coding.layers)
        };
        if components.iter().all(sent) {
            Ok(())
        } else {
            Err(Error::Malformed("packets that no progression names"))
        }
    }
}

struct PacketReader<'a> {
    packets: &'a mut Packets,
    bytes: &'a [u8],
    position: usize,
    headers: Option<&'a [u8]>,
    header_position: usize,
    coding: &'a Coding,
}

impl PacketReader<'_> {
    fn layer_by_layer(
        &mut self,
        tile: &mut [TileComponent],
        places: &[Place],
        layers: u16,
    ) -> Result<(), Error> {
        for layer in 0..layers {
            for place in places {
                let component = &mut tile[usize::from(place.component)];
                let resolution = &component.resolutions[usize::from(place.resolution)];
                let precinct = resolution.first_precinct + place.precinct as usize;
                // An earlier progression may have sent this one (B.12.2).
                if component.precincts[precinct].next_layer == layer {
                    component.precincts[precinct].next_layer += 1;
                    self.packet(component, usize::from(place.component), place, precinct, layer)?;
                }
            }
        }
        Ok(())
    }

    fn packet(
        &mut self,
        component: &mut TileComponent,
        index: usize,
        place: &Place,
        precinct: usize,
        layer: u16,
    ) -> Result<(), Error> {
        // SOP: six bytes that may stand before any packet, and that no packet begins with.
        if self.bytes[self.position..].starts_with(&[0xFF, 0x91]) {
            self.position = (self.position + 6).min(self.bytes.len());
        }
        let (source, at) = match self.headers {
            Some(headers) => (headers, self.header_position),
            None => (self.bytes, self.position),
        };
        let mut bits = HeaderBits::new(source, at);
        self.packets.open.clear();
        if bits.bit()? == 1 {
            let style = self.coding.components[index].decomposition.style;
            let TileComponent { resolutions, bands, blocks, precincts, .. } = component;
            let bands = &bands[resolutions[usize::from(place.resolution)].bands.clone()];
            for (band, part) in bands.iter().zip(&mut precincts[precinct].bands) {
                for row in part.rows.clone() {
                    for column in part.columns.clone() {
                        let block = &mut blocks[band.block(column, row)];
                        let (x, y) = (
                            (column - part.columns.start) as usize,
                            (row - part.rows.start) as usize,
                        );
                        let included = if block.length_bits > 0 {
                            bits.bit()? == 1
                        } else {
                            part.inclusion.below(&mut bits, x, y, layer + 1)?.is_some()
                        };
                        if !included {
                            continue;
                        }
                        if block.length_bits == 0 {
                            // One more than there can be, to tell a contradiction.
                            let zero = part.zero_planes.below(
                                &mut bits,
                                x,
                                y,
                                u16::from(band.planes) + 1,
                            )?;
                            let zero = zero.ok_or(Error::Malformed(
                                "a code-block of more zero bit-planes than planes",
                            ))?;
                            block.planes = band.planes - zero as u8;
                            block.length_bits = 3;
                        }
                        contribution(&mut bits, block, style, self.packets)?;
                    }
                }
            }
        }
        let mut end = bits.finish()?;
        if self.coding.packet_headers_end_marked && source[end..].starts_with(&[0xFF, 0x92]) {
            end += 2;
        }
        match self.headers {
            Some(_) => self.header_position = end,
            None => self.position = end,
        }
        for &piece in &self.packets.open {
            let piece = &mut self.packets.pieces[piece as usize];
            piece.start = self.position as u32;
            self.position += piece.length as usize;
            if self.position > self.bytes.len() {
                return Err(Error::Truncated("a packet's body runs beyond the end of its tile"));
            }
        }
        Ok(())
    }
}

/// Reads how many passes a packet adds to a block, and the length of each segment they are in.
fn contribution(
    bits: &mut HeaderBits,
    block: &mut Block,
    style: Style,
    packets: &mut Packets,
) -> Result<(), Error> {
    let mut passes = pass_count(bits)?;
    while bits.bit()? == 1 {
        block.length_bits = block.length_bits.saturating_add(1);
    }
    while passes > 0 {
        let continues = block.room > 0;
        if !continues {
            block.capacity = match (style.terminate_each_pass(), style.bypass(), block.capacity) {
                (true, ..) => 1,
                // Four planes (ten passes) by arithmetic coder, then raw and coded in turn.
                (false, true, 0) => 10,
                (false, true, 1 | 10) => 2,
                (false, true, _) => 1,
                (false, false, _) => 109,
            };
            block.room = block.capacity;
        }
        let take = passes.min(block.room);
        let width = u32::from(block.length_bits) + take.ilog2();
        if width > 32 {
            return Err(Error::Malformed("a segment length of more than 32 bits"));
        }
        let length = bits.bits(width)?;
        let index = packets.pieces.len() as u32;
        packets.pieces.push(Piece { start: 0, length, passes: take, continues, next: 0 });
        packets.open.push(index);
        match block.last {
            0 => block.first = index,
            last => packets.pieces[last as usize].next = index,
        }
        block.last = index;
        block.room -= take;
        block.passes = block.passes.saturating_add(take.into());
        passes -= take;
    }
    Ok(())
}

/// Table B.4: 1 to 164 coding passes.
fn pass_count(bits: &mut HeaderBits) -> Result<u8, Error> {
    if bits.bit()? == 0 {
        return Ok(1);
    }
    if bits.bit()? == 0 {
        return Ok(2);
    }
    Ok(match bits.bits(2)? {
        3 => match bits.bits(5)? {
            31 => 37 + bits.bits(7)? as u8,
            n => 6 + n as u8,
        },
        n => 3 + n as u8,
    })
}
