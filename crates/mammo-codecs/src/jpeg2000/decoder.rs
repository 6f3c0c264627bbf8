//! Decodes a stream: one tile after the other, each component of it, onto one canvas.

use super::block::Segments;
use super::boxes::{self, Contents};
use super::canvas::{Canvas, round};
use super::codestream::{self, Codestream, Tile};
use super::display::BitPlanes;
use super::error::Error;
use super::low::LowBand;
use super::memory::{CODED_BYTE, FIXED, Memory};
use super::packet::Packets;
use super::request::Request;
use super::size::{Area, Component};
use super::strip::{BlockDecoder, Blocks};
use super::tile::{self, Buffers, Source};
use super::wavelet::{Irreversible, Reversible};

/// Decoded samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Column and row of the first sample in the whole image at this size.
    pub origin: (u32, u32),
    /// The number of planes of samples.
    pub components: u8,
    /// Bits per sample.
    pub precision: u8,
    /// Whether samples are two's complement, extended to 16 bits.
    pub signed: bool,
    /// `[component, row, column]`.
    pub samples: Vec<u16>,
    /// Whether no sample was clamped and no code-block lacks coding passes. This holds for every
    /// stream that was coded without loss, if [`Request::range`] has room for the error that
    /// omitted planes cause.
    pub is_within: bool,
}

/// Decodes one image after the other and reuses its buffers.
#[derive(Default)]
pub struct Decoder {
    blocks: BlockDecoder,
    packets: Packets,
    joined: Vec<u8>,
    reversible: Buffers<Reversible>,
    irreversible: Buffers<Irreversible>,
    parallel: bool,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("parallel", &self.parallel).finish_non_exhaustive()
    }
}

impl Decoder {
    /// A decoder with empty buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// A decoder that spreads an image's code-blocks over all cores, for callers with a single
    /// image. Needs up to four more bytes per sample.
    #[cfg(feature = "parallel")]
    pub fn parallel() -> Self {
        Self { parallel: true, ..Self::default() }
    }

    /// A decoder like this one, with empty buffers.
    pub fn fresh(&self) -> Self {
        Self { parallel: self.parallel, ..Self::default() }
    }

    /// Decodes what `request` asks for from a JP2 file or a codestream.
    ///
    /// # Errors
    /// [`Error`]. Fall back to another decoder only on [`Error::Unsupported`].
    pub fn decode(&mut self, bytes: &[u8], request: &Request) -> Result<Image, Error> {
        Ok(self.decode_keeping(bytes, request, Vec::new(), false)?.0)
    }

    /// The same into the memory of `samples`, which the image takes over.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_reusing(
        &mut self,
        bytes: &[u8],
        request: &Request,
        samples: Vec<u16>,
    ) -> Result<Image, Error> {
        Ok(self.decode_keeping(bytes, request, samples, false)?.0)
    }

    /// The same, and also returns the state with which a later decoding with fewer levels left out
    /// can continue. There is no state if no levels are left out, for a region, for several tiles
    /// or components, or if planes are left out.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_and_keep(
        &mut self,
        bytes: &[u8],
        request: &Request,
    ) -> Result<(Image, Option<LowBand>), Error> {
        self.decode_keeping(bytes, request, Vec::new(), true)
    }

    fn decode_keeping(
        &mut self,
        bytes: &[u8],
        request: &Request,
        samples: Vec<u16>,
        keep: bool,
    ) -> Result<(Image, Option<LowBand>), Error> {
        let length = request.prefix_of.unwrap_or(bytes.len()).max(bytes.len());
        let contents = boxes::beginning(bytes, length)?;
        let mut memory = Memory::new(request.max_memory)?;
        let stream = codestream::read(contents, &mut memory)?;
        request.check(&stream)?;
        let size = &stream.size;
        let region = request.part_of(&size.image);
        let wanted = region.reduced(request.reduce);
        if region.is_empty() || wanted.is_empty() {
            return Err(Error::EmptyRegion);
        }
        let whole = size.image.reduced(request.reduce);
        let Component { precision, signed } = size.components[0];
        let keep = keep
            && request.reduce > 0
            && wanted == whole
            && request.planes == BitPlanes::Exact
            && (size.tiles(), size.components.len()) == (1, 1);
        let pixels = wanted.width() as u64 * wanted.height() as u64;
        memory.take(pixels * (2 * size.components.len() as u64 + if keep { 4 } else { 0 }))?;
        let canvas = Canvas::new(wanted, &size.components, request.range, samples);
        let low = keep.then(|| LowBand::new(request.reduce, wanted));
        let mut target = Target { canvas, low, is_whole: true };
        for index in 0..size.tiles() {
            let area = size.tile(index);
            let part = area.reduced(request.reduce).intersect(&wanted);
            if part.is_empty() {
                continue;
            }
            let tile =
                stream.tiles.get(&index).ok_or(Error::Truncated("a tile without a tile-part"))?;
            let tile = WantedTile { contents, stream: &stream, tile, area, part };
            self.tile(&tile, request, &mut memory, &mut target)?;
            memory.end_tile();
        }
        let Target { canvas, low, is_whole } = target;
        let image = Image {
            width: wanted.width() as u32,
            height: wanted.height() as u32,
            origin: (wanted.x0 - whole.x0, wanted.y0 - whole.y0),
            components: size.components.len() as u8,
            precision,
            signed,
            is_within: is_whole && !canvas.has_clamped(),
            samples: canvas.samples,
        };
        Ok((image, low))
    }

    /// Decodes the wanted part of a tile.
    fn tile(
        &mut self,
        wanted: &WantedTile,
        request: &Request,
        memory: &mut Memory,
        target: &mut Target,
    ) -> Result<(), Error> {
        let &WantedTile { contents, stream, tile, area, part } = wanted;
        memory.take_for_tile(tile.copied_bytes(contents))?;
        let body = tile.body(contents, &mut self.joined);
        let mut components = stream.lay_out(tile, area, &body, memory)?;
        self.packets.read(body, &tile.coding, &area, request.reduce, &mut components, memory)?;
        let threads = if self.parallel { threads() } else { 1 };
        let at_work = 2 * threads * CODED_BYTE * self.packets.longest(&components);
        memory.take_for_tile(at_work + (threads - 1) * FIXED)?;
        // The planes of a region of interest are others than those that a plan counts.
        let has_region = tile.coding.components.iter().any(|c| c.region_shift > 0);
        let planes = match &request.planes {
            _ if has_region => &BitPlanes::Exact,
            BitPlanes::Local(_) if contents.is_cut() => &BitPlanes::Exact,
            planes => planes,
        };
        let transform = tile.coding.colour_transform && components.len() >= 3;
        let samples = part.width() * part.height();
        if transform {
            memory.take_for_tile(3 * 4 * samples as u64)?;
        }
        let mut integers: Vec<Vec<i32>> = Vec::new();
        let mut floats: Vec<Vec<f32>> = Vec::new();
        let Target { canvas, low, is_whole } = target;
        for (index, (component, parameters)) in
            components.iter().zip(&tile.coding.components).enumerate()
        {
            let style = parameters.decomposition.style;
            let segments = Segments { bytes: body.bytes, pieces: &self.packets.pieces };
            let source = Source {
                component,
                blocks: Blocks {
                    all: &component.blocks,
                    segments,
                    style,
                    region_shift: parameters.region_shift,
                },
                planes,
                low: request.low.as_deref(),
                parallel: self.parallel,
                threads,
            };
            let keep = transform && index < 3;
            let room = if keep { samples } else { 0 };
            let work =
                tile::Work { reduce: request.reduce, wanted: &part, decoder: &mut self.blocks };
            if parameters.decomposition.reversible {
                let mut plane = Vec::with_capacity(room);
                tile::decode(&source, work, &mut self.reversible, memory, |y, row| {
                    if keep {
                        plane.extend_from_slice(row);
                    } else {
                        canvas.put(index, part.x0, y, row.iter().copied());
                    }
                    if let Some(low) = low {
                        low.integers.extend_from_slice(row);
                    }
                })?;
                integers.push(plane);
            } else {
                let mut plane = Vec::with_capacity(room);
                tile::decode(&source, work, &mut self.irreversible, memory, |y, row| {
                    if keep {
                        plane.extend_from_slice(row);
                    } else {
                        canvas.put(index, part.x0, y, row.iter().map(|&v| round(v)));
                    }
                    if let Some(low) = low {
                        low.floats.extend_from_slice(row);
                    }
                })?;
                floats.push(plane);
            }
        }
        match (integers.as_slice(), floats.as_slice()) {
            ([y, cb, cr, ..], _) if transform => canvas.put_integers([y, cb, cr], &part),
            (_, [y, cb, cr, ..]) if transform => canvas.put_floats([y, cb, cr], &part),
            _ => {}
        }
        *is_whole &= components.iter().all(|component| component.is_whole(request.reduce));
        Ok(())
    }
}

/// Threads that a parallel decoder uses.
fn threads() -> u64 {
    #[cfg(feature = "parallel")]
    return super::parallel::threads();
    #[cfg(not(feature = "parallel"))]
    1
}

/// A tile, and the wanted part of it.
struct WantedTile<'a> {
    contents: Contents<'a>,
    stream: &'a Codestream,
    tile: &'a Tile,
    /// All of it, at full size.
    area: Area,
    /// In the coordinates of the reduced image.
    part: Area,
}

/// The output of all tiles.
struct Target {
    canvas: Canvas,
    /// The state that is kept of the image.
    low: Option<LowBand>,
    /// Whether all code-blocks so far have all their passes.
    is_whole: bool,
}
