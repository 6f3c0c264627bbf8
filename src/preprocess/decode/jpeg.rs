//! Decodes JPEG (T.81): the processes that DICOM's 1.2.840.10008.1.2.4.50, .51, .57 and .70 name.
//!
//! In: one frame's codestream, its fragments joined. Out: its samples, row by row, and the
//! [`Coded`] size. Huffman coding, one component: baseline and extended sequential DCT of 8 and
//! 12 bits, lossless of 2 to 16 bits with every predictor, point transform and restart interval.
//!
//! Assumes nothing of the input. Any sequence of bytes yields samples of the declared size or a
//! [`JpegError`]; a stream that ends early is an error, never a grey rest.

mod bits;
mod error;
mod huffman;
mod lossless;
mod markers;
#[cfg(test)]
mod tests;

pub use error::JpegError;

use super::coded::Coded;
use markers::{Frame, Markers, Process, Scan, Tables, marker};

/// Decodes one image into `out`, which is cleared and then holds `width * height` samples.
///
/// `max_samples` bounds what is allocated: an image that declares more is refused unread. After
/// an error `out` holds no promise.
pub fn decode(bytes: &[u8], max_samples: usize, out: &mut Vec<u16>) -> Result<Coded, JpegError> {
    out.clear();
    let mut markers = Markers::new(bytes)?;
    let mut tables = Tables::default();
    let mut frame = None;
    loop {
        let segment = markers.next_segment()?;
        match segment.marker {
            marker::DHT => tables.define_huffman(&segment)?,
            marker::DRI => tables.define_restart_interval(&segment)?,
            marker::SOF0 | marker::SOF1 | marker::SOF3 => {
                frame = Some(Frame::read(&segment, max_samples)?);
            }
            // The other frame headers, 0xC4, 0xC8 and 0xCC being none, name other processes.
            unsupported @ 0xC2..=0xCF => return Err(JpegError::Process { marker: unsupported }),
            marker::SOS => {
                let frame: Frame = frame.ok_or(JpegError::ScanBeforeFrame)?;
                let scan = Scan::read(&segment)?;
                let surplus_bytes = match frame.process {
                    Process::Lossless => {
                        lossless::decode(&frame, &scan, &tables, markers.rest(), out)?
                    }
                };
                let Frame { width, height, precision, .. } = frame;
                return Ok(Coded { width, height, precision, surplus_bytes });
            }
            marker::EOI => return Err(JpegError::NoScan),
            _ => {}
        }
    }
}
