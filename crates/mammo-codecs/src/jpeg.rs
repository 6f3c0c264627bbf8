//! Decodes JPEG (T.81): the processes of DICOM's 1.2.840.10008.1.2.4.50, .51, .57 and .70.
//!
//! In: one frame's codestream, with its fragments joined. Out: its samples, row by row, and the
//! [`Coded`] size. Supported are Huffman coding with one component: baseline and extended
//! sequential DCT with 8 and 12 bits, and lossless with 2 to 16 bits, every predictor, point
//! transform and restart interval.
//!
//! Assumes nothing about the input. Any sequence of bytes gives samples of the declared size or a
//! [`JpegError`]. A stream that ends early is an error, never an image with a grey rest.

mod error;
mod huffman;
mod idct;
mod lossless;
mod remarks;
mod restart;
mod sequential;
mod tables;

pub use error::JpegError;

use crate::coded::Coded;
use crate::headers::{Frame, HeaderError, Markers, Scan, marker};
use remarks::Remarks;
use tables::Tables;

const SOF0_BASELINE: u8 = 0xC0;
const SOF1_EXTENDED: u8 = 0xC1;
const SOF3_LOSSLESS: u8 = 0xC3;
const DHT: u8 = 0xC4;
const DQT: u8 = 0xDB;

/// Decodes one image into `out`, which is cleared and then holds `width * height` samples.
///
/// `max_samples` bounds the allocation: an image that declares more is refused. After an error the
/// content of `out` is unspecified.
pub fn decode(bytes: &[u8], max_samples: usize, out: &mut Vec<u16>) -> Result<Coded, JpegError> {
    out.clear();
    let mut markers = Markers::new(bytes)?;
    let mut tables = Tables::default();
    let mut frame = None;
    loop {
        let segment = markers.next_segment()?;
        match segment.marker {
            DHT => tables.define_huffman(&segment)?,
            DQT => tables.define_quantisation(&segment)?,
            marker::DRI => tables.define_restart_interval(&segment)?,
            process @ (SOF0_BASELINE | SOF1_EXTENDED | SOF3_LOSSLESS) => {
                let read = Frame::read(&segment, max_samples)?;
                check_precision(process, read.precision)?;
                frame = Some((process, read));
            }
            // The other frame headers (0xC4, 0xC8 and 0xCC are not frame headers) belong to other
            // processes.
            unsupported @ 0xC2..=0xCF => return Err(JpegError::Process { marker: unsupported }),
            marker::SOS => {
                let (process, frame) = frame.ok_or(HeaderError::ScanBeforeFrame)?;
                let scan = Scan::read(&segment)?;
                let decode =
                    if process == SOF3_LOSSLESS { lossless::decode } else { sequential::decode };
                let remarks = decode(&frame, &scan, &tables, markers.rest(), out)?;
                let Remarks { surplus_bytes, wrapped_lines } = remarks;
                let Frame { width, height, precision, .. } = frame;
                return Ok(Coded { width, height, precision, surplus_bytes, wrapped_lines });
            }
            marker::EOI => return Err(HeaderError::NoScan.into()),
            _ => {}
        }
    }
}

/// T.81 table B.2: the sample sizes that a process allows.
fn check_precision(process: u8, found: u8) -> Result<(), JpegError> {
    let (allowed, fits) = match process {
        SOF0_BASELINE => ("8", found == 8),
        SOF1_EXTENDED => ("8 or 12", found == 8 || found == 12),
        _ => ("2 to 16", (2..=16).contains(&found)),
    };
    if fits { Ok(()) } else { Err(JpegError::Precision { found, marker: process, allowed }) }
}
