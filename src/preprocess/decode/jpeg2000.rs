//! A JPEG 2000 decoder (ISO/IEC 15444-1) for mammograms, in safe Rust.
//!
//! In: a JP2 file or a bare codestream. Out: [`Image`], samples of 1 to 16 bits, the whole or
//! a [`Request`]ed region of it, at full size or with wavelet levels discarded.
//!
//! [`BitPlanes::Exact`] gives what OpenJPEG gives, bit for bit, on the
//! reversible wavelet. With [`BitPlanes::Skip`] and [`BitPlanes::Local`] low
//! bit-planes of the finer levels are left undecoded.
//!
//! What a stream declares is bounded by the request and by the bytes there are before it is
//! allocated: memory is at most about 14 bytes a sample of the largest tile, plus the image, plus
//! four bytes a sample of what is kept of it ([`LowBand`]).
//! Nothing panics on any input. What this decoder leaves to others is [`Error::Unsupported`]:
//! Part 2, subsampled components, palettes, regions of interest.

mod boxes;
mod canvas;
mod chunk;
mod cleanup;
mod codestream;
mod coding;
mod context;
pub mod display;
mod error;
mod geometry;
mod ht;
mod low;
mod mq;
mod packet;
mod parallel;
mod passes;
mod prefix;
mod reader;
mod refine;
mod significance;
mod tag_tree;
mod tier1;
mod tile;
mod wavelet;

use std::sync::Arc;

use boxes::Contents;
use canvas::{Canvas, round};
use codestream::{Area, Codestream, Component, Size, Tile};
use packet::Packets;
use tile::{BlockDecoder, Buffers, Source};
use wavelet::{Irreversible, Reversible};

pub use error::Error;
pub use low::LowBand;
pub use prefix::{Prefix, prefix};

/// What the main header declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Planes of samples, 1 to 4.
    pub components: u8,
    /// Bits that SIZ declares for a sample, 1 to 16; the samples may use fewer.
    pub precision: u8,
    /// Whether samples are two's complement.
    pub signed: bool,
    /// Wavelet levels of the first component; a tile may have fewer.
    pub levels: u8,
    /// Whether the wavelet is the reversible one (5/3).
    pub reversible: bool,
    /// Tiles.
    pub tiles: u32,
    /// Quality layers.
    pub layers: u16,
}

/// Reads the main header. Allocates nothing that grows with what it declares.
///
/// # Errors
/// [`Error::Unsupported`] for what this decoder leaves to others, and whatever is wrong with
/// the boxes or the main header.
pub fn header(bytes: &[u8]) -> Result<Header, Error> {
    let (size, coding) = codestream::read_main(boxes::codestream(bytes)?.bytes)?;
    let (component, first) = (size.components[0], &coding.components[0].decomposition);
    Ok(Header {
        width: size.image.width() as u32,
        height: size.image.height() as u32,
        components: size.components.len() as u8,
        precision: component.precision,
        signed: component.signed,
        levels: first.levels,
        reversible: first.reversible,
        tiles: size.tiles(),
        layers: coding.layers,
    })
}

/// A rectangle of full-size pixels, from the image's upper left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// How many bit-planes to decode.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum BitPlanes {
    /// All that the stream has.
    #[default]
    Exact,
    /// All but so many low ones of each wavelet level, finest level first, in the bands HL, LH
    /// and HH (high-pass along x, along y, along both); levels behind the end of the list are
    /// decoded whole. What is left out is set to the middle of what it can be.
    Skip(Vec<[u8; 3]>),
    /// All but those that each code-block can spare, by the values around it.
    Local(Box<display::Local>),
}

/// What to decode.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Wavelet levels to discard: each halves the image.
    pub reduce: u8,
    /// The part to decode, in full-size pixels; `None` for all.
    pub region: Option<Rect>,
    /// How precisely. A prefix is decoded exactly instead of as [`BitPlanes::Local`] says: the
    /// code-blocks behind it are part of what that looks at.
    pub planes: BitPlanes,
    /// The range that samples are clamped to, two's complement of 16 bits whatever
    /// [`Image::signed`] says; that of their precision if `None`. What is left out may take
    /// samples beyond the range that exact ones have.
    pub range: Option<(i16, i16)>,
    /// Samples that the header may declare, over all components.
    pub max_samples: u64,
    /// Bytes of the whole stream, where only its [`prefix`] is given.
    pub prefix_of: Option<usize>,
    /// What an earlier decoding of the same stream kept, to go on from. Another stream's that
    /// happens to have the same size would give a wrong image.
    pub low: Option<Arc<LowBand>>,
}

impl Request {
    /// Refuses it where a stream is larger, or has fewer levels, than it says.
    fn check(&self, stream: &Codestream) -> Result<(), Error> {
        let Size { image, components, .. } = &stream.size;
        let samples = image.width() as u64 * image.height() as u64 * components.len() as u64;
        if samples > self.max_samples {
            return Err(Error::TooLarge { samples, limit: self.max_samples });
        }
        let (asked, levels) = (self.reduce, stream.fewest_levels());
        if asked > levels {
            return Err(Error::Reduce { asked, levels });
        }
        Ok(())
    }
}

impl Default for Request {
    fn default() -> Self {
        Self {
            reduce: 0,
            region: None,
            planes: BitPlanes::Exact,
            range: None,
            max_samples: 1 << 28,
            prefix_of: None,
            low: None,
        }
    }
}

/// Decoded samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Column and row of the first sample in the whole image at this size.
    pub origin: (u32, u32),
    /// Planes of samples.
    pub components: u8,
    /// Bits of a sample.
    pub precision: u8,
    /// Whether samples are two's complement, extended to 16 bits.
    pub signed: bool,
    /// `[component, row, column]`.
    pub samples: Vec<u16>,
    /// Whether no sample had to be clamped, and no code-block lacks coding passes: so it is in
    /// every stream that was coded without loss, if [`Request::range`] has room for what planes
    /// left out can move a sample by.
    pub is_within: bool,
}

/// Decodes images one after the other, keeping its buffers.
#[derive(Default)]
pub struct Decoder {
    blocks: BlockDecoder,
    packets: Packets,
    joined: Vec<u8>,
    reversible: Buffers<Reversible>,
    irreversible: Buffers<Irreversible>,
    parallel: bool,
}

impl Decoder {
    /// A decoder with empty buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// A decoder that spreads an image's code-blocks over all cores: for those who have one
    /// image to decode. Takes up to four bytes a sample more.
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
    /// [`Error`]: whoever falls back to another decoder does so on [`Error::Unsupported`] only.
    pub fn decode(&mut self, bytes: &[u8], request: &Request) -> Result<Image, Error> {
        Ok(self.decode_keeping(bytes, request, false)?.0)
    }

    /// The same, and keeps what a later decoding with fewer levels discarded can go on from:
    /// nothing if none are, nor of a region, of several tiles or components, or where planes are
    /// left out.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_and_keep(
        &mut self,
        bytes: &[u8],
        request: &Request,
    ) -> Result<(Image, Option<LowBand>), Error> {
        self.decode_keeping(bytes, request, true)
    }

    fn decode_keeping(
        &mut self,
        bytes: &[u8],
        request: &Request,
        keep: bool,
    ) -> Result<(Image, Option<LowBand>), Error> {
        let length = request.prefix_of.unwrap_or(bytes.len()).max(bytes.len());
        let contents = boxes::beginning(bytes, length)?;
        let stream = codestream::read(contents)?;
        request.check(&stream)?;
        let size = &stream.size;
        let region = match request.region {
            None => size.image,
            Some(rect) => {
                let at = |origin: u32, offset: u32| origin.saturating_add(offset);
                let (x0, y0) = (at(size.image.x0, rect.left), at(size.image.y0, rect.top));
                Area { x0, y0, x1: at(x0, rect.width), y1: at(y0, rect.height) }
                    .intersect(&size.image)
            }
        };
        let wanted = region.reduced(request.reduce);
        if region.is_empty() || wanted.is_empty() {
            return Err(Error::EmptyRegion);
        }
        let whole = size.image.reduced(request.reduce);
        let component = size.components[0];
        let Component { precision, signed } = component;
        let mut canvas =
            Canvas::new(wanted, precision, signed, size.components.len(), request.range);
        let keep = keep
            && request.reduce > 0
            && wanted == whole
            && request.planes == BitPlanes::Exact
            && (size.tiles(), size.components.len()) == (1, 1);
        let mut is_whole = true;
        let mut low = None;
        for index in 0..size.tiles() {
            let area = size.tile(index);
            let target = area.reduced(request.reduce).intersect(&wanted);
            if target.is_empty() {
                continue;
            }
            let tile =
                stream.tiles.get(&index).ok_or(Error::Truncated("a tile without a tile-part"))?;
            let kept = keep.then(|| low.insert(LowBand::new(request.reduce, target)));
            is_whole &=
                self.tile(contents, &stream, tile, &area, &target, request, kept, &mut canvas)?;
        }
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

    /// Decodes a tile, keeps its samples in `low`, and says whether all of its code-blocks have
    /// all their passes.
    #[allow(clippy::too_many_arguments)]
    fn tile(
        &mut self,
        contents: Contents,
        stream: &Codestream,
        tile: &Tile,
        area: &Area,
        target: &Area,
        request: &Request,
        mut low: Option<&mut LowBand>,
        canvas: &mut Canvas,
    ) -> Result<bool, Error> {
        let body = tile.body(contents, &mut self.joined);
        let mut components = stream.lay_out(tile, *area, &body)?;
        self.packets.read(body, &tile.coding, area, request.reduce, &mut components)?;
        let planes = match &request.planes {
            BitPlanes::Local(_) if contents.is_cut() => &BitPlanes::Exact,
            planes => planes,
        };
        let transform = tile.coding.colour_transform && components.len() >= 3;
        let mut integers: Vec<Vec<i32>> = Vec::new();
        let mut floats: Vec<Vec<f32>> = Vec::new();
        for (index, (component, parameters)) in
            components.iter().zip(&tile.coding.components).enumerate()
        {
            let source = Source {
                bytes: body.bytes,
                pieces: &self.packets.pieces,
                style: parameters.decomposition.style,
                planes,
                low: request.low.as_deref(),
                parallel: self.parallel,
            };
            let keep = transform && index < 3;
            let blocks = &mut self.blocks;
            if parameters.decomposition.reversible {
                let mut plane = Vec::new();
                tile::decode(
                    component,
                    &source,
                    request.reduce,
                    target,
                    blocks,
                    &mut self.reversible,
                    |y, row| {
                        if keep {
                            plane.extend_from_slice(row);
                        } else {
                            canvas.put(index, target.x0, y, row.iter().copied());
                        }
                        if let Some(low) = &mut low {
                            low.integers.extend_from_slice(row);
                        }
                    },
                )?;
                integers.push(plane);
            } else {
                let mut plane = Vec::new();
                tile::decode(
                    component,
                    &source,
                    request.reduce,
                    target,
                    blocks,
                    &mut self.irreversible,
                    |y, row| {
                        if keep {
                            plane.extend_from_slice(row);
                        } else {
                            canvas.put(index, target.x0, y, row.iter().map(|&v| round(v)));
                        }
                        if let Some(low) = &mut low {
                            low.floats.extend_from_slice(row);
                        }
                    },
                )?;
                floats.push(plane);
            }
        }
        match (integers.as_slice(), floats.as_slice()) {
            ([y, cb, cr, ..], _) if transform => canvas.put_integers([y, cb, cr], target),
            (_, [y, cb, cr, ..]) if transform => canvas.put_floats([y, cb, cr], target),
            _ => {}
        }
        Ok(components.iter().all(|component| component.is_whole(request.reduce)))
    }
}
