//! Reads a DICOM file: what its header says, and where its pixels lie.
//!
//! In: a [`Job`]. Out: a [`RawFrame`], whose pixels are still compressed and lie in the one
//! buffer that the file was read into: all of it, or where `decode.read: prefix` allows and a
//! reduced image needs no more, its beginning.
//!
//! The walk over the elements is our own, because every file of the RSNA set lacks
//! File Meta Information Group Length (0002,0000), which other readers insist on
//! (Enet4/dicom-rs#189), because pixels are wanted as slices and not as copies, and because
//! a file may lie about every length in it. One frame of grey pixels is assumed; other files
//! are rejected by name.

mod attributes;
mod display;
mod elements;
mod header;
mod meta;
mod origin;
mod pixel_data;
mod prefix;
mod syntax;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::config::{DecodeConfig, Reading, SpacingConfig};
use crate::dataset::Job;
use crate::units::PixelSpacing;

use attributes::Attributes;
use elements::Elements;

pub use display::{
    Display, LookupTable, Modality, Padding, PresentationShape, VoiFunction, VoiWindow,
};
pub use header::{Header, Photometric, PixelLayout};
pub use origin::{COPIED, Origin};
pub use pixel_data::{ByteOrder, PixelData};
pub use syntax::TransferSyntax;

/// Why this stage rejects a file.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refused to read it.
    #[error("the file cannot be read")]
    Io(#[from] std::io::Error),
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// Not this format.
    #[error("the file begins with {found}, needs DICM behind 128 bytes, or group 0002")]
    NotDicom {
        /// The first bytes.
        found: String,
    },
    /// It ends too early.
    #[error("the file ends inside {attribute}: needs {need} bytes, {have} are left")]
    Truncated {
        /// The attribute that is cut.
        attribute: String,
        /// Bytes it needs from there on.
        need: u64,
        /// Bytes that are left.
        have: u64,
    },
    /// Elements do not fit together.
    #[error("{attribute} has {found} at byte {at}, needs {needed}")]
    Structure {
        /// The attribute.
        attribute: String,
        /// Offset in the data set's bytes.
        at: usize,
        /// What is there.
        found: String,
        /// What should be.
        needed: &'static str,
    },
    /// An attribute that nothing works without.
    #[error("{attribute} is missing")]
    Missing {
        /// Its name.
        attribute: String,
    },
    /// A value that cannot be.
    #[error("{attribute} is {found}, needs {needed}")]
    Value {
        /// The attribute.
        attribute: String,
        /// Its value.
        found: String,
        /// What it may be.
        needed: &'static str,
    },
    /// A value that can be, but not here.
    #[error("{attribute} is {found}, supported is {needed}")]
    Unsupported {
        /// The attribute.
        attribute: &'static str,
        /// Its value.
        found: String,
        /// What is supported.
        needed: &'static str,
    },
    /// Larger than was allowed.
    #[error("{rows} x {columns} pixels, decode.max_pixels is {max_pixels}")]
    TooManyPixels {
        /// Rows.
        rows: u16,
        /// Columns.
        columns: u16,
        /// The limit.
        max_pixels: usize,
    },
    /// A file or an inflated data set larger than any image allowed can need.
    #[error("{found}, at most {max} bytes fit decode.max_pixels")]
    TooManyBytes {
        /// What was found.
        found: String,
        /// The limit.
        max: u64,
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
    /// A deflated data set that does not inflate.
    #[error("the deflated data set is damaged")]
    Deflate(#[source] std::io::Error),
}

/// One file, read.
#[derive(Debug, Clone)]
pub struct RawFrame {
    /// What it is read for.
    pub job: Job,
    /// The file itself.
    pub source: SourceFacts,
    /// What its header says.
    pub header: Header,
    /// Millimetres at the breast: the file's, else the configured ones of its machine.
    pub spacing: Option<PixelSpacing>,
    /// Its pixels, as they are written.
    pub pixel_data: PixelData,
}

/// What pins a source file down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceFacts {
    /// Size of the file.
    pub bytes: u64,
    /// Bytes of it that were read.
    pub read: u64,
    /// SHA-256 of all of it, if all of it was read.
    pub sha256: Option<[u8; 32]>,
}

/// Reads the file of `job`.
///
/// # Errors
/// Whatever keeps it from being one frame of grey pixels of at most `decode.max_pixels`.
pub fn read(
    job: Job,
    decode: &DecodeConfig,
    spacing: &SpacingConfig,
) -> Result<RawFrame, ReadError> {
    let mut file = File::open(&job.path)?;
    let bytes = file.metadata()?.len();
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
            buffer.reserve_exact(bytes as usize - buffer.len().min(bytes as usize));
            file.read_to_end(&mut buffer)?;
            let bytes = buffer.len() as u64;
            let sha256 = Some(Sha256::digest(&buffer).into());
            (SourceFacts { bytes, read: bytes, sha256 }, open(buffer.into(), decode.max_pixels)?)
        }
    };
    let machine = job.record.machine_id.map(|id| id.to_string());
    let configured = machine.and_then(|id| spacing.by_machine.get(&id).copied());
    let spacing = header.spacing.or(configured);
    Ok(RawFrame { job, source, header, spacing, pixel_data })
}

/// Header and pixels of a file in memory. Allocates no more than a small multiple of `bytes`;
/// a deflated data set as much as `max_pixels` may need.
///
/// # Errors
/// As [`read`].
pub fn open(bytes: Bytes, max_pixels: usize) -> Result<(Header, PixelData), ReadError> {
    let (syntax, start) = meta::read(&bytes)?;
    let (bytes, start) = match syntax {
        TransferSyntax::DeflatedExplicitLittleEndian => {
            (meta::inflate(&bytes[start..], max_bytes(max_pixels))?.into(), 0)
        }
        _ => (bytes, start),
    };
    let mut elements = Elements::new(&bytes, start, syntax.encoding());
    let (attributes, element) = Attributes::collect(&mut elements)?;
    let header = Header::new(syntax, &attributes)?;
    header.layout.check(max_pixels)?;
    let pixel_data = PixelData::take(&bytes, elements, &element, &header)?;
    Ok((header, pixel_data))
}

/// The header alone, from as much of the file as it takes. Says nothing about the pixels, and
/// also gives headers of files that [`read`] rejects, such as colour ones.
///
/// # Errors
/// Whatever keeps the header from being read.
pub fn header(path: &Path) -> Result<Header, ReadError> {
    let mut file = File::open(path)?;
    let mut buffer = Vec::new();
    let mut goal = 16 << 10;
    loop {
        let more = goal - buffer.len() as u64;
        let is_whole = (file.by_ref().take(more).read_to_end(&mut buffer)? as u64) < more;
        match header_of(&buffer) {
            Err(ReadError::Truncated { .. } | ReadError::Deflate(_)) if !is_whole => goal *= 4,
            result => return result,
        }
    }
}

fn header_of(bytes: &[u8]) -> Result<Header, ReadError> {
    let (syntax, start) = meta::read(bytes)?;
    let inflated;
    let (bytes, start) = match syntax {
        TransferSyntax::DeflatedExplicitLittleEndian => {
            inflated = meta::inflate_beginning(&bytes[start..])?;
            (inflated.as_slice(), 0)
        }
        _ => (bytes, start),
    };
    let mut elements = Elements::new(bytes, start, syntax.encoding());
    let (attributes, _) = Attributes::collect(&mut elements)?;
    Header::new(syntax, &attributes)
}

/// Bytes of the largest file that can hold `max_pixels`: 16 bits each and room for a header
/// with everything a vendor may put into it.
fn max_bytes(max_pixels: usize) -> u64 {
    (max_pixels as u64).saturating_mul(2).saturating_add(64 << 20)
}
