//! Decodes JPEG-LS (T.87): DICOM's 1.2.840.10008.1.2.4.80 and .81, lossless and near-lossless.
//!
//! In: one frame's codestream, with its fragments joined. Out: its samples, row by row, and the
//! [`Coded`] size. Supported are one component of 2 to 16 bits, any NEAR, preset parameters (LSE)
//! and restart intervals.
//!
//! Assumes nothing about the input. Any sequence of bytes gives samples of the declared size or a
//! [`JpegLsError`]. A stream that ends early is an error, never an image with a grey rest.

mod error;
pub(crate) mod model;
mod presets;
mod scan;

pub use error::JpegLsError;

use crate::coded::Coded;
use crate::headers::{Frame, HeaderError, Markers, Scan, Segment, marker};
use model::Parameters;
use presets::Presets;

const LSE: u8 = 0xF8;

/// Decodes one image into `out`, which is cleared and then holds `width * height` samples.
///
/// `max_samples` bounds the allocation: an image that declares more is refused. After an error the
/// content of `out` is unspecified.
pub fn decode(bytes: &[u8], max_samples: usize, out: &mut Vec<u16>) -> Result<Coded, JpegLsError> {
    out.clear();
    let mut markers = Markers::new(bytes)?;
    let mut presets = Presets::default();
    let mut restart_lines = 0;
    let mut frame = None;
    loop {
        let segment = markers.next_segment()?;
        match segment.marker {
            marker::SOF55 => {
                let read = Frame::read(&segment, max_samples)?;
                if !(2..=16).contains(&read.precision) {
                    return Err(JpegLsError::Precision { found: read.precision });
                }
                frame = Some(read);
            }
            LSE => presets.define(&segment)?,
            marker::DRI => restart_lines = restart_interval(&segment)?,
            marker::SOS => {
                let frame = frame.ok_or(HeaderError::ScanBeforeFrame)?;
                let parameters = parameters(&frame, &Scan::read(&segment)?, &presets)?;
                let surplus_bytes =
                    scan::decode(&frame, &parameters, restart_lines, markers.rest(), out)?;
                let Frame { width, height, precision, .. } = frame;
                return Ok(Coded { width, height, precision, surplus_bytes, wrapped_lines: 0 });
            }
            marker::EOI => return Err(HeaderError::NoScan.into()),
            // Except for 0xC4, 0xC8 and 0xCC, these are the frame headers of JPEG.
            other @ (0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF) => {
                return Err(JpegLsError::NotJpegLs { marker: other });
            }
            _ => {}
        }
    }
}

/// The parameters that the scan header leaves open.
fn parameters(frame: &Frame, scan: &Scan, presets: &Presets) -> Result<Parameters, JpegLsError> {
    if scan.tables != 0 {
        return Err(JpegLsError::MappingTable { found: scan.tables });
    }
    if scan.approximation != 0 {
        return Err(JpegLsError::PointTransform { found: scan.approximation });
    }
    presets.parameters(frame.precision, scan.first)
}

/// The lines between restart markers; T.87 C.2.5 lets DRI have two, three or four bytes.
fn restart_interval(segment: &Segment) -> Result<usize, HeaderError> {
    match segment.body.len() {
        3 | 4 => Ok(segment.body.iter().fold(0, |value, &byte| value << 8 | usize::from(byte))),
        _ => Ok(usize::from(u16::from_be_bytes(segment.array(0)?))),
    }
}
