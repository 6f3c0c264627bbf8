//! Reads a tile's packets: which code-blocks they contain, and where their bytes are (ISO/IEC
//! 15444-1, B.9 to B.12).
//!
//! In: a tile's bytes and its laid-out components. Out: the bit-planes and passes of every block,
//! and [`Packets::pieces`], the byte ranges of their codeword segments. Nothing is decoded.

use super::coding::{Coding, Style};
use super::error::Error;
use super::geometry::{Block, TileComponent};
use super::memory::{Memory, PIECE};
use super::progression::{Place, in_order};
use super::size::Area;
use super::tag_tree::HeaderBits;

/// One packet's contribution to a codeword segment.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    pub start: u32,
    pub length: u32,
    pub passes: u8,
    /// Whether it continues the segment of the block's previous piece.
    pub continues: bool,
    /// The block's next piece; 0 for none.
    pub next: u32,
}

/// A tile's packets, as far as they are available.
#[derive(Clone, Copy)]
pub struct Body<'a> {
    pub bytes: &'a [u8],
    /// The bytes of all packets; if tile-parts may be missing, an upper bound.
    pub length: usize,
    /// Whether some packets may be missing.
    pub is_cut: bool,
    /// The packets' headers, if these are stored separately.
    pub headers: Option<&'a [u8]>,
}

impl Body<'_> {
    /// The number of bytes that justify what is declared.
    pub fn backing(&self) -> usize {
        self.length + self.headers.map_or(0, <[u8]>::len)
    }
}

/// The positions of the bytes of a tile's code-blocks.
#[derive(Default)]
pub struct Packets {
    /// Piece 0 is unused, so that 0 can mean none.
    pub pieces: Vec<Piece>,
    /// The end of the last needed packet in the body; if that is not available, how far the packets
    /// are known to reach.
    pub reach: usize,
    /// Pieces of the current packet: the block, and its piece.
    open: Vec<u32>,
}

impl Packets {
    /// Reads the packets of a tile: all of them, or for a truncated body at least those that are
    /// needed when `reduce` levels are left out.
    ///
    /// # Errors
    /// [`Error::Truncated`] when the bytes end before those packets do, [`Error::TooMuchMemory`]
    /// for more contributions than `memory` has room for.
    pub fn read(
        &mut self,
        body: Body,
        coding: &Coding,
        tile: &Area,
        reduce: u8,
        components: &mut [TileComponent],
        memory: &mut Memory,
    ) -> Result<(), Error> {
        if body.length > u32::MAX as usize {
            return Err(Error::Unsupported("a tile of more than 4 GiB"));
        }
        self.pieces.clear();
        self.pieces.push(Piece { start: 0, length: 0, passes: 0, continues: false, next: 0 });
        self.reach = 0;
        let mut counted = 0;
        let mut reader = PacketReader {
            packets: self,
            bytes: body.bytes,
            position: 0,
            headers: body.headers,
            header_position: 0,
            coding,
            is_cut: body.is_cut,
        };
        let walked = in_order(coding, tile, components, |component, place, layer| {
            reader.packet(component, place, layer)?;
            let pieces = reader.packets.pieces.len() - counted;
            counted += pieces;
            memory.take_for_tile(pieces as u64 * PIECE)?;
            if place.is_needed(component, reduce) {
                reader.packets.reach = reader.position;
            }
            Ok(())
        });
        let position = reader.position;
        let has = |discarded: u8| {
            components.iter().all(|component| {
                let left = component.resolutions.len().saturating_sub(discarded.into());
                let first_without = component.resolutions.get(left).map(|r| r.first_precinct);
                component.precincts[..first_without.unwrap_or(component.precincts.len())]
                    .iter()
                    .all(|precinct| precinct.next_layer == coding.layers)
            })
        };
        match walked {
            Ok(()) if has(0) => Ok(()),
            Ok(()) | Err(Error::Truncated(_)) if body.is_cut && has(reduce) => Ok(()),
            Ok(()) if body.is_cut => {
                self.reach = position;
                Err(Error::Truncated("a progression is not at hand"))
            }
            Ok(()) => Err(Error::Damaged("packets that no progression names")),
            Err(error) => {
                self.reach = position;
                Err(error)
            }
        }
    }
}

impl Packets {
    /// The number of bytes of the code-block of `components` that has the most.
    pub fn longest(&self, components: &[TileComponent]) -> u64 {
        let length = |block: &Block| {
            let first = Some(block.first).filter(|&first| first != 0);
            let pieces = std::iter::successors(first, |&piece| {
                Some(self.pieces[piece as usize].next).filter(|&next| next != 0)
            });
            pieces.map(|piece| u64::from(self.pieces[piece as usize].length)).sum()
        };
        components.iter().flat_map(|c| &c.blocks).map(length).max().unwrap_or(0)
    }
}

struct PacketReader<'a> {
    packets: &'a mut Packets,
    bytes: &'a [u8],
    position: usize,
    headers: Option<&'a [u8]>,
    header_position: usize,
    coding: &'a Coding,
    is_cut: bool,
}

impl PacketReader<'_> {
    fn packet(
        &mut self,
        component: &mut TileComponent,
        place: &Place,
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
            let style = self.coding.components[usize::from(place.component)].decomposition.style;
            let precinct = place.precinct(component);
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
                            // One more than possible, to detect a contradiction.
                            let zero = part.zero_planes.below(
                                &mut bits,
                                x,
                                y,
                                u16::from(band.planes) + 1,
                            )?;
                            let zero = zero.ok_or(Error::Damaged(
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
        if self.coding.packet_headers_end_marked {
            if source[end..].starts_with(&[0xFF, 0x92]) {
                end += 2;
            } else if self.is_cut && self.headers.is_none() && source[end..].len() == 1 {
                // Half of the marker must not be taken for a body of one byte.
                return Err(Error::Truncated("the stream ends within a packet header"));
            }
        }
        match self.headers {
            Some(_) => self.header_position = end,
            None => self.position = end,
        }
        for &piece in &self.packets.open {
            let piece = &mut self.packets.pieces[piece as usize];
            piece.start = self.position as u32;
            self.position += piece.length as usize;
        }
        if self.position > self.bytes.len() {
            return Err(Error::Truncated("a packet's body runs beyond the end of its tile"));
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
                // A clean-up pass, then two that refine it.
                _ if style.high_throughput() => {
                    if block.capacity == 1 {
                        2
                    } else {
                        1
                    }
                }
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
            return Err(Error::Damaged("a segment length of more than 32 bits"));
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
