//! Reads a DICOM file: the header's attributes and the position of the pixels.
//!
//! In: a [`Job`]. Out: a [`RawFrame`]. Its pixels are still compressed and lie in the one buffer
//! that the file was read into. That buffer holds the whole file, or only its beginning if
//! `decode.read: prefix` allows it and a reduced image needs no more.
//!
//! The parser is our own for three reasons: every file of RSNA's dataset lacks File Meta
//! Information Group Length (0002,0000), which other readers require (Enet4/dicom-rs#189); we need
//! pixels as slices, not as copies; and any length in a file may be wrong. One frame of grey pixels
//! is assumed; other files are rejected with a reason.
//!
//! What decides the pixels is read right or the file is rejected. What only describes the image
//! never costs it: it becomes null, and [`Header::notes`] says so.

mod attributes;
mod display;
mod elements;
mod file_kind;
mod grey;
mod head;
mod header;
mod held;
mod identity;
mod meta;
mod origin;
mod picture;
mod pixel_data;
mod prefix;
pub mod retry;
mod syntax;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::config::{DecodeConfig, Reading, SpacingConfig};
use crate::dataset::Job;
use crate::flow::Budget;
use crate::units::PixelSpacing;

use attributes::Attributes;
use elements::{Elements, Tag, name};
use meta::Meta;

pub use display::{
    Display, LookupTable, Modality, Padding, PresentationShape, VoiFunction, VoiWindow,
};
pub use header::{Header, Photometric, PixelLayout};
pub use identity::facts;
pub use origin::{COPIED, Origin};
pub use pixel_data::{ByteOrder, PixelData, bytes_of};
pub use syntax::TransferSyntax;

/// Why this stage rejects a file.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system could not read it.
    #[error("the file cannot be read")]
    Io(#[from] std::io::Error),
    /// It is not the file that was listed, or it was cut off while it was read.
    #[error("the file cannot be read: it has {found} bytes, {listed} when it was listed")]
    OtherSize {
        /// Its bytes now.
        found: u64,
        /// Its bytes when the folder was listed.
        listed: u64,
    },
    /// It has no bytes.
    #[error("the file is empty")]
    Empty,
    /// It is not a DICOM file.
    #[error("the file is {found}, needs a DICOM file: DICM after 128 bytes, or group 0002")]
    NotDicom {
        /// The kind of file, never its content.
        found: &'static str,
    },
    /// It ends too early.
    #[error("the file ends inside {attribute}: needs {need} bytes, {have} are left")]
    Truncated {
        /// The attribute that is incomplete.
        attribute: String,
        /// The bytes that it needs from its position on.
        need: u64,
        /// Bytes that are left.
        have: u64,
    },
    /// The structure of the elements is invalid.
    #[error("{attribute} has {found} at byte {at}, needs {needed}")]
    Structure {
        /// The attribute.
        attribute: String,
        /// The offset in the bytes of the data set.
        at: usize,
        /// What was found.
        found: String,
        /// What is needed.
        needed: &'static str,
    },
    /// A required attribute is absent.
    #[error("{attribute} is missing")]
    Missing {
        /// Its name.
        attribute: String,
    },
    /// The value of an attribute is invalid.
    #[error("{attribute} is {found}, needs {needed}")]
    Value {
        /// The attribute.
        attribute: String,
        /// Its value.
        found: String,
        /// The allowed values.
        needed: &'static str,
    },
    /// The value of an attribute is valid, but not supported here.
    #[error("{attribute} is {found}, supported is {needed}")]
    Unsupported {
        /// The attribute.
        attribute: &'static str,
        /// Its value.
        found: String,
        /// What is supported.
        needed: &'static str,
    },
    /// The file has several frames.
    #[error(
        "NumberOfFrames is {frames}: this is no single image but a stack, such as a tomosynthesis; \
         needs 1 frame, for example the 2D image that was made with it"
    )]
    Frames {
        /// Their number.
        frames: u32,
    },
    /// The image is larger than allowed.
    #[error("{rows} x {columns} pixels, decode.max_pixels is {max_pixels}")]
    TooManyPixels {
        /// Rows.
        rows: u16,
        /// Columns.
        columns: u16,
        /// The limit.
        max_pixels: usize,
    },
    /// A file or an inflated data set is larger than any allowed image needs.
    #[error("{found}; decode.max_pixels allows at most {max} bytes")]
    TooManyBytes {
        /// What was found.
        found: String,
        /// The limit.
        max: u64,
    },
    /// What it holds inflated is more than is ever free for it.
    #[error("inflated, it takes {need} bytes, limits.memory_mb leaves {have} for that; raise it")]
    Memory {
        /// Bytes that it takes.
        need: usize,
        /// Bytes that there are.
        have: usize,
    },
    /// Pixel data and header disagree.
    #[error("PixelData holds {have} bytes, {rows} x {columns} needs {need}")]
    PixelDataLength {
        /// Bytes there.
        have: usize,
        /// Bytes that the header needs.
        need: usize,
        /// Rows.
        rows: u16,
        /// Columns.
        columns: u16,
    },
    /// A deflated data set cannot be inflated.
    #[error("the deflated data set is damaged")]
    Deflate(#[source] std::io::Error),
}

impl ReadError {
    /// Whether the machine is at fault, a disk, a server or a limit of the system, so that the same
    /// file may be read another time.
    pub fn is_of_the_machine(&self) -> bool {
        matches!(self, Self::Io(_) | Self::OtherSize { .. })
    }
}

/// One file that was read.
#[derive(Debug, Clone)]
pub struct RawFrame {
    /// The job that it belongs to.
    pub job: Job,
    /// Size and hash of the file.
    pub source: SourceFacts,
    /// The facts of its header.
    pub header: Header,
    /// Pixel spacing at the breast in mm: from the file, or else configured for its machine.
    pub spacing: Option<PixelSpacing>,
    /// Its pixels, as they are written.
    pub pixel_data: PixelData,
}

/// What identifies a source file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceFacts {
    /// The size of the file in bytes.
    pub bytes: u64,
    /// The number of bytes that were read.
    pub read: u64,
    /// SHA-256 of the whole file; `None` if not all of it was read.
    pub sha256: Option<[u8; 32]>,
}

/// Reads the file of `job`. What it holds inflated counts in `memory`.
///
/// # Errors
/// Every reason why it is not one frame of grey pixels of at most `decode.max_pixels`.
pub fn read(
    job: Job,
    decode: &DecodeConfig,
    spacing: &SpacingConfig,
    memory: &Budget,
) -> Result<RawFrame, ReadError> {
    let mut file = File::open(&job.path)?;
    let bytes = file.metadata()?.len();
    if bytes != job.bytes {
        return Err(ReadError::OtherSize { found: bytes, listed: job.bytes });
    }
    let max = max_bytes(decode.max_pixels);
    if bytes > max {
        return Err(ReadError::TooManyBytes { found: format!("a file of {bytes} bytes"), max });
    }
    let mut buffer = Vec::new();
    let prefix = match decode.read {
        Reading::Prefix if decode.reduce > 0 => {
            prefix::read(&mut file, bytes, &mut buffer, decode)?
        }
        _ => None,
    };
    let (source, (header, pixel_data)) = match prefix {
        Some(prefix) => {
            let read = prefix.read;
            (SourceFacts { bytes, read, sha256: None }, prefix.take(buffer.into()))
        }
        None => {
            let more = bytes as usize - buffer.len().min(bytes as usize);
            let full = |_| std::io::Error::from(std::io::ErrorKind::OutOfMemory);
            buffer.try_reserve_exact(more).map_err(full)?;
            file.read_to_end(&mut buffer)?;
            let found = buffer.len() as u64;
            if found != bytes {
                return Err(ReadError::OtherSize { found, listed: bytes });
            }
            let sha256 = Some(Sha256::digest(&buffer).into());
            let opened = open_within(buffer.into(), decode.max_pixels, memory)?;
            (SourceFacts { bytes, read: bytes, sha256 }, opened)
        }
    };
    let machine = job.record.machine_id.map(|id| id.to_string());
    let configured = machine.and_then(|id| spacing.by_machine.get(&id).copied());
    let spacing = header.spacing.or(configured);
    Ok(RawFrame { job, source, header, spacing, pixel_data })
}

/// Header and pixels of a file in memory. Allocates at most a small multiple of `bytes`; for a
/// deflated data set, as much as `max_pixels` may need.
///
/// # Errors
/// As [`read`].
pub fn open(bytes: Bytes, max_pixels: usize) -> Result<(Header, PixelData), ReadError> {
    open_within(bytes, max_pixels, &Budget::unlimited())
}

/// The same; what the file holds inflated counts in `memory`.
fn open_within(
    bytes: Bytes,
    max_pixels: usize,
    memory: &Budget,
) -> Result<(Header, PixelData), ReadError> {
    if picture::is_picture(&bytes) {
        return picture::open(&bytes, max_pixels, memory);
    }
    let meta = meta::read(&bytes)?;
    let (bytes, start) = match meta.syntax {
        TransferSyntax::DeflatedExplicitLittleEndian => {
            (meta::inflate(&bytes[meta.end..], max_bytes(max_pixels), memory)?, 0)
        }
        _ => (bytes, meta.end),
    };
    let mut elements = Elements::of_data_set(&bytes, start, meta.syntax.encoding());
    let (attributes, element) = Attributes::collect(&mut elements)?;
    let mut header = Header::new(&meta, &attributes)?;
    header.layout.check(max_pixels)?;
    let pixel_data = PixelData::take(&bytes, elements, &element, &mut header)?;
    Ok((header, pixel_data))
}

/// Only the header, from as much of the file as it needs. Does not check the pixels, and also
/// returns headers of files that [`read`] rejects, such as colour images.
///
/// # Errors
/// Every reason why the header cannot be read.
pub fn header(path: &Path) -> Result<Header, ReadError> {
    let mut file = File::open(path)?;
    let mut buffer = Vec::new();
    let mut goal = 16 << 10;
    let begin = file.by_ref().take(132).read_to_end(&mut buffer)?;
    if picture::is_picture(&buffer[..begin]) {
        file.by_ref().take(max_bytes(MAX_PICTURE)).read_to_end(&mut buffer)?;
        let opened = picture::open(&buffer, MAX_PICTURE, &Budget::unlimited());
        return opened.map(|(header, _)| header);
    }
    let mut alone = None;
    loop {
        let more = goal - buffer.len() as u64;
        let is_whole = (file.by_ref().take(more).read_to_end(&mut buffer)? as u64) < more;
        match header_of(&buffer) {
            // Whether a head is one may show further on only.
            Err(
                ReadError::Truncated { .. } | ReadError::Deflate(_) | ReadError::Structure { .. },
            ) if !is_whole => goal *= 4,
            result => return result,
        }
        let max = max_bytes(MAX_PICTURE);
        if goal > max {
            return Err(ReadError::TooManyBytes { found: "a header of more".into(), max });
        }
        if goal > LARGE_HEADER && alone.is_none() {
            alone = Some(ONE_LARGE_HEADER.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

fn header_of(bytes: &[u8]) -> Result<Header, ReadError> {
    let mut inflated = Vec::new();
    let (meta, mut elements) = beginning(bytes, &mut inflated)?;
    let (attributes, _) = Attributes::collect(&mut elements)?;
    Header::new(&meta, &attributes)
}

/// The elements of the data set that `bytes`, the beginning of a file, hold. `inflated` keeps those of
/// a deflated one.
fn beginning<'a>(
    bytes: &'a [u8],
    inflated: &'a mut Vec<u8>,
) -> Result<(Meta, Elements<'a>), ReadError> {
    let meta = meta::read(bytes)?;
    let (bytes, start) = match meta.syntax {
        TransferSyntax::DeflatedExplicitLittleEndian => {
            *inflated = meta::inflate_beginning(&bytes[meta.end..])?;
            (inflated.as_slice(), 0)
        }
        _ => (bytes, meta.end),
    };
    let elements = Elements::of_data_set(bytes, start, meta.syntax.encoding());
    Ok((meta, elements))
}

/// Hardly a header has more bytes before the pixels. Of larger ones one is read at a time.
const LARGE_HEADER: u64 = 4 << 20;
static ONE_LARGE_HEADER: Mutex<()> = Mutex::new(());

/// Pixels of the largest image without a DICOM header whose header is read, which takes all of it.
const MAX_PICTURE: usize = 100_000_000;

/// The size of the largest file with `max_pixels`: 16 bits per pixel, and room for a header with
/// large private elements.
fn max_bytes(max_pixels: usize) -> u64 {
    (max_pixels as u64).saturating_mul(2).saturating_add(64 << 20)
}

/// The error for the value of an attribute.
fn value(tag: Tag, found: impl ToString, needed: &'static str) -> ReadError {
    ReadError::Value { attribute: name(tag), found: found.to_string(), needed }
}
