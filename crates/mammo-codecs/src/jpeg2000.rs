//! JPEG 2000 and HTJ2K (ISO/IEC 15444-1 and 15444-15; DICOM's 1.2.840.10008.1.2.4.90, .91, .201,
//! .202 and .203), in safe Rust.
//!
//! In: a JP2 file or a bare codestream. Out: [`Image`], samples of 1 to 16 bits, the whole or
//! a [`Request`]ed region of it, at full size or with wavelet levels discarded.
//!
//! [`BitPlanes::Exact`] gives what OpenJPEG gives, bit for bit, on both wavelets. With
//! [`BitPlanes::Skip`] and [`BitPlanes::Local`] low bit-planes of the finer levels are left
//! undecoded; [`display::plan`] finds those that an image on a screen can spare, with a bound on
//! what that changes.
//!
//! Nothing panics on any input. What this decoder leaves to others is [`Error::Unsupported`]:
//! Part 2, subsampled components, palettes, regions of interest, more than four components or 16
//! bits.
//!
//! # Memory
//! What a stream declares is counted before it is allocated, and refused with
//! [`Error::TooMuchMemory`] beyond [`Request::max_memory`]. Take an image of `n` samples per component
//! (of the region, at its reduced size) and `c` components, whose largest tile has `t` samples per
//! component under the region, `w` columns of it. Decoding takes at most, in bytes:
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
//! For a mammogram in one tile of 64x64 code-blocks that is less than 4 bytes per sample. The stream is
//! not in it. A [`Decoder`] keeps its buffers: of several images, the largest so far counts.

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
pub use header::{Header, header};
pub use low::LowBand;
pub use prefix::{Prefix, prefix};
pub use request::{Rect, Request};
