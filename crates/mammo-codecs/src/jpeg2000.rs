//! JPEG 2000 and HTJ2K (ISO/IEC 15444-1 and 15444-15; DICOM's 1.2.840.10008.1.2.4.90, .91, .201,
//! .202 and .203), in safe Rust.
//!
//! In: a JP2 file or a bare codestream. Out: [`Image`], samples of 1 to 16 bits: the whole image or
//! a [`Request`]ed region of it, at full size or with wavelet levels left out.
//!
//! With [`BitPlanes::Exact`] the samples equal OpenJPEG's, bit for bit, for both wavelets. With
//! [`BitPlanes::Skip`] and [`BitPlanes::Local`] low bit-planes of the finer levels are not decoded.
//! [`display::plan`] computes which ones can be left out for an image on a screen, with a bound on
//! the resulting error.
//!
//! No input makes it panic. A stream that it does not support gives [`Error::Unsupported`]: Part 2,
//! subsampled components, palettes, channels in another order than the components, more than four
//! components, or more than 16 bits.
//!
//! # Memory
//! The memory that a stream needs is counted before it is allocated. More than
//! [`Request::max_memory`] is refused with [`Error::TooMuchMemory`]. Take an image with `c`
//! components of `n` samples each (in the region, at its reduced size). Its largest tile has `t`
//! samples per component under the region, in `w` columns. Decoding then needs at most, in bytes:
//!
//! | for | bytes |
//! |---|---|
//! | the image | 2 n c |
//! | what is kept of it ([`LowBand`]), if anything is | 4 n |
//! | the low bands of two levels | 1.3 t; 4 t if no level is put together |
//! | three rows of code-blocks of `h` samples, one in each band | 6 w h; on all cores 3 t and a row for each thread besides |
//! | rows at work in the wavelet | 32 w |
//! | planes whose colour transform is undone, if any are | 12 t |
//! | code-blocks, precincts, and contributions of packets to code-blocks | 40, 1024 and 64 each |
//! | the longest code-block's bytes | 20 each |
//! | tiles | 4096 each |
//! | packets in several tile-parts, or packet headers apart from packets | up to 4 for each of their bytes |
//! | tables | 1 MiB, on all cores for each thread |
//!
//! For a mammogram in one tile with 64x64 code-blocks that is less than 4 bytes per sample. The
//! stream itself is not included. A [`Decoder`] keeps its buffers, so for several images the
//! largest one so far counts.

mod block;
mod boxes;
mod canvas;
mod chunk;
mod cleanup;
mod codestream;
mod coding;
mod context;
mod decoder;
mod defaults;
pub mod display;
mod error;
mod geometry;
pub mod guard;
mod header;
mod hole;
mod ht;
mod lifting;
mod low;
mod memory;
mod mq;
mod packet;
#[cfg(feature = "parallel")]
mod parallel;
mod passes;
mod prefix;
mod progression;
mod reader;
mod refine;
mod request;
mod significance;
mod size;
mod strip;
mod tag_tree;
mod tier1;
mod tile;
mod wavelet;

pub use decoder::{Decoder, Image};
pub use display::BitPlanes;
pub use error::Error;
pub use header::{Header, fewest_levels, header};
pub use hole::longest_hole;
pub use low::LowBand;
pub use prefix::{Prefix, prefix};
pub use request::{Rect, Request};
