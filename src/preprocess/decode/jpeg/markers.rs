//! Reads what stands before the coded data: marker segments, the frame's and the scan's headers,
//! the tables (T.81 Annex B).

use super::JpegError;
use super::huffman::HuffmanCode;

/// The second bytes of the markers that matter here.
pub(super) mod marker {
    pub const SOF0: u8 = 0xC0;
    pub const SOF1: u8 = 0xC1;
    pub const SOF3: u8 = 0xC3;
    pub const DHT: u8 = 0xC4;
    pub const RST0: u8 = 0xD0;
    pub const SOI: u8 = 0xD8;
    pub const EOI: u8 = 0xD9;
    pub const SOS: u8 = 0xDA;
    pub const DRI: u8 = 0xDD;
}

/// Walks a stream from marker to marker.
pub(super) struct Markers<'a> {
    bytes: &'a [u8],
    position: usize,
}

/// A marker and what its length field covers, that field left out.
pub(super) struct Segment<'a> {
    pub marker: u8,
    pub body: &'a [u8],
}

impl Segment<'_> {
    /// The first `N` bytes of what is left of the body, from `at` on.
    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], JpegError> {
        self.body.get(at..).and_then(<[u8]>::first_chunk).copied().ok_or(JpegError::ShortSegment {
            marker: self.marker,
            have: self.body.len(),
            need: at + N,
        })
    }
}

impl<'a> Markers<'a> {
    /// Starts behind SOI, which has to be there.
    pub fn new(bytes: &'a [u8]) -> Result<Self, JpegError> {
        if !bytes.starts_with(&[0xFF, marker::SOI]) {
            return Err(JpegError::NoStart { found: bytes[..bytes.len().min(2)].to_vec() });
        }
        Ok(Self { bytes, position: 2 })
    }

    /// The next segment; its body is empty for a marker that has none.
    pub fn next_segment(&mut self) -> Result<Segment<'a>, JpegError> {
        let at = self.position;
        let found = self.byte()?;
        if found != 0xFF {
            return Err(JpegError::NoMarker { at, found });
        }
        let mut marker = self.byte()?;
        while marker == 0xFF {
            marker = self.byte()?;
        }
        // TEM, RSTn, SOI and EOI stand alone.
        if matches!(marker, 0x01 | marker::RST0..=marker::EOI) {
            return Ok(Segment { marker, body: &[] });
        }
        let length = usize::from(u16::from_be_bytes([self.byte()?, self.byte()?]));
        let Some(body_length) = length.checked_sub(2) else {
            return Err(JpegError::ShortSegment { marker, have: length, need: 2 });
        };
        let body = self.rest().get(..body_length);
        let body = body.ok_or(JpegError::HeaderTruncated { at: self.bytes.len() })?;
        self.position += body_length;
        Ok(Segment { marker, body })
    }

    /// Everything behind the last segment.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.position..]
    }

    fn byte(&mut self) -> Result<u8, JpegError> {
        let byte = self.bytes.get(self.position).copied();
        self.position += 1;
        byte.ok_or(JpegError::HeaderTruncated { at: self.bytes.len() })
    }
}

/// How the samples became bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Process {
    Lossless,
}

/// The frame header (SOFn): one component, its size within the caller's bound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub process: Process,
    pub width: usize,
    pub height: usize,
    pub precision: u8,
}

impl Frame {
    pub fn read(segment: &Segment, max_samples: usize) -> Result<Self, JpegError> {
        let marker = segment.marker;
        let [precision, h1, h0, w1, w0, components] = segment.array(0)?;
        if components != 1 {
            return Err(JpegError::Components { found: components });
        }
        let (process, allowed, fits) =
            (Process::Lossless, "2 to 16", (2..=16).contains(&precision));
        if !fits {
            return Err(JpegError::Precision { found: precision, marker, allowed });
        }
        let height = usize::from(u16::from_be_bytes([h1, h0]));
        let width = usize::from(u16::from_be_bytes([w1, w0]));
        if width == 0 || height == 0 {
            return Err(JpegError::Empty { width, height });
        }
        if width * height > max_samples {
            return Err(JpegError::TooLarge { width, height, max_samples });
        }
        Ok(Self { process, width, height, precision })
    }
}

/// The scan header (SOS) of one component.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan {
    /// Td: the table of differences, of DC coefficients in a sequential scan.
    pub dc_table: u8,
    /// Ss: the predictor of a lossless scan.
    pub predictor: u8,
    /// Al: the point transform of a lossless scan, in bits.
    pub point_transform: u8,
}

impl Scan {
    pub fn read(segment: &Segment) -> Result<Self, JpegError> {
        let [components, _, tables, predictor, _, approximation] = segment.array(0)?;
        if components != 1 {
            return Err(JpegError::Components { found: components });
        }
        Ok(Self { dc_table: tables >> 4, predictor, point_transform: approximation & 15 })
    }
}

/// The tables in force when a scan begins.
#[derive(Default)]
pub(super) struct Tables {
    /// By class (0: DC and lossless, 1: AC) and number.
    huffman: [[Option<HuffmanCode>; 4]; 2],
    /// Samples (lossless) or blocks between restart markers; 0: none.
    pub restart_interval: usize,
}

impl Tables {
    pub fn define_huffman(&mut self, segment: &Segment) -> Result<(), JpegError> {
        let mut at = 0;
        while at < segment.body.len() {
            let [class_and_number] = segment.array(at)?;
            let counts: [u8; 16] = segment.array(at + 1)?;
            at += 17;
            let total: usize = counts.iter().map(|&count| usize::from(count)).sum();
            let symbols = segment.body.get(at..at + total);
            let symbols = symbols.ok_or(JpegError::HuffmanSymbols {
                codes: total,
                symbols: segment.body.len() - at,
            })?;
            at += total;
            let (class, number) = (class_and_number >> 4, class_and_number & 15);
            let slot = self.huffman.get_mut(usize::from(class));
            let slot = slot.and_then(|tables| tables.get_mut(usize::from(number)));
            let slot = slot.ok_or(JpegError::TableNumber { found: class_and_number })?;
            *slot = Some(HuffmanCode::new(&counts, symbols)?);
        }
        Ok(())
    }

    pub fn define_restart_interval(&mut self, segment: &Segment) -> Result<(), JpegError> {
        self.restart_interval = usize::from(u16::from_be_bytes(segment.array(0)?));
        Ok(())
    }

    /// The table of differences or DC coefficients with this number.
    pub fn dc(&self, number: u8) -> Result<&HuffmanCode, JpegError> {
        let table = self.huffman[0].get(usize::from(number)).and_then(Option::as_ref);
        table.ok_or(JpegError::NoHuffmanTable { table: number })
    }
}
