//! Reads the parts that JPEG and JPEG-LS streams have in common: marker segments and the frame
//! header (T.81 Annex B, T.87 Annex C).

/// Errors in the headers of a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The first two bytes are not SOI.
    #[error("the stream starts with {found:02x?}, an image starts with ff d8")]
    NoStart {
        /// Up to two bytes.
        found: Vec<u8>,
    },
    /// A marker is missing.
    #[error("byte {at} is {found:#04x} where a marker begins with 0xff")]
    NoMarker {
        /// Offset in the stream.
        at: usize,
        /// The byte there.
        found: u8,
    },
    /// The stream ends before its scan.
    #[error("the stream ends at byte {at}, within its headers")]
    Truncated {
        /// Length of the stream.
        at: usize,
    },
    /// A marker segment is too short for its content.
    #[error("segment {marker:#04x} holds {have} bytes and needs {need}")]
    ShortSegment {
        /// Second byte of the marker.
        marker: u8,
        /// Bytes after the length field.
        have: usize,
        /// The bytes that its content needs.
        need: usize,
    },
    /// More than one component in the frame or the scan.
    #[error("{found} components, a mammogram has 1")]
    Components {
        /// The count declared.
        found: u8,
    },
    /// A width or height of zero (also a height that a later marker would give).
    #[error("the frame is {width} x {height} samples")]
    Empty {
        /// Samples in a line.
        width: usize,
        /// Lines.
        height: usize,
    },
    /// More samples than the caller allows.
    #[error("the frame is {width} x {height} samples, at most {max_samples} are expected")]
    TooLarge {
        /// Samples in a line.
        width: usize,
        /// Lines.
        height: usize,
        /// The caller's bound.
        max_samples: usize,
    },
    /// A scan header before any frame header.
    #[error("a scan begins before the frame header")]
    ScanBeforeFrame,
    /// The end of the image before any scan.
    #[error("the image ends before its scan")]
    NoScan,
}

/// The second bytes of the markers that both formats have.
pub(crate) mod marker {
    pub const RST0: u8 = 0xD0;
    pub const SOI: u8 = 0xD8;
    pub const EOI: u8 = 0xD9;
    pub const SOS: u8 = 0xDA;
    pub const DRI: u8 = 0xDD;
    pub const SOF55: u8 = 0xF7;
}

/// Reads a stream from marker to marker.
pub(crate) struct Markers<'a> {
    bytes: &'a [u8],
    position: usize,
}

/// A marker and the content of its segment, without the length field.
pub(crate) struct Segment<'a> {
    pub marker: u8,
    pub body: &'a [u8],
}

impl Segment<'_> {
    /// The `N` bytes of the body at `at`.
    pub fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], HeaderError> {
        let array = self.body.get(at..).and_then(<[u8]>::first_chunk).copied();
        array.ok_or(HeaderError::ShortSegment {
            marker: self.marker,
            have: self.body.len(),
            need: at + N,
        })
    }
}

impl<'a> Markers<'a> {
    /// A position after SOI, which is required.
    pub fn new(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        if !bytes.starts_with(&[0xFF, marker::SOI]) {
            return Err(HeaderError::NoStart { found: bytes[..bytes.len().min(2)].to_vec() });
        }
        Ok(Self { bytes, position: 2 })
    }

    /// The next segment; its body is empty for a marker that has none.
    pub fn next_segment(&mut self) -> Result<Segment<'a>, HeaderError> {
        let at = self.position;
        let found = self.byte()?;
        if found != 0xFF {
            return Err(HeaderError::NoMarker { at, found });
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
            return Err(HeaderError::ShortSegment { marker, have: length, need: 2 });
        };
        let body = self.rest().get(..body_length);
        let body = body.ok_or(HeaderError::Truncated { at: self.bytes.len() })?;
        self.position += body_length;
        Ok(Segment { marker, body })
    }

    /// Everything after the last segment.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.position..]
    }

    fn byte(&mut self) -> Result<u8, HeaderError> {
        let byte = self.bytes.get(self.position).copied();
        let byte = byte.ok_or(HeaderError::Truncated { at: self.bytes.len() })?;
        self.position += 1;
        Ok(byte)
    }
}

/// Reads from marker to marker up to the first frame header of any process (T.81 table B.1, T.87
/// C.2.2).
pub(crate) fn first_frame<'a>(bytes: &'a [u8]) -> Result<Segment<'a>, HeaderError> {
    let mut markers = Markers::new(bytes)?;
    loop {
        let segment = markers.next_segment()?;
        match segment.marker {
            // 0xC4, 0xC8 and 0xCC are not frame headers.
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF | marker::SOF55 => {
                return Ok(segment);
            }
            marker::SOS => return Err(HeaderError::ScanBeforeFrame),
            marker::EOI => return Err(HeaderError::NoScan),
            _ => {}
        }
    }
}

/// The frame header (SOFn) of an image of one component, if its size is within the caller's bound.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub width: usize,
    pub height: usize,
    pub precision: u8,
    /// Tq: the quantisation table of a sequential frame.
    pub quantisation_table: u8,
}

impl Frame {
    pub fn read(segment: &Segment, max_samples: usize) -> Result<Self, HeaderError> {
        let [precision, h1, h0, w1, w0, found] = segment.array(0)?;
        if found != 1 {
            return Err(HeaderError::Components { found });
        }
        let [_, _, quantisation_table] = segment.array(6)?;
        let height = usize::from(u16::from_be_bytes([h1, h0]));
        let width = usize::from(u16::from_be_bytes([w1, w0]));
        if width == 0 || height == 0 {
            return Err(HeaderError::Empty { width, height });
        }
        if width * height > max_samples {
            return Err(HeaderError::TooLarge { width, height, max_samples });
        }
        Ok(Self { width, height, precision, quantisation_table })
    }
}

/// The scan header (SOS) of one component. JPEG and JPEG-LS use its last three bytes differently.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scan {
    /// Td and Ta (JPEG), Tm (JPEG-LS).
    pub tables: u8,
    /// Ss: the first coefficient, the predictor of a lossless scan; NEAR (JPEG-LS).
    pub first: u8,
    /// Ah and Al: the point transform in the low half.
    pub approximation: u8,
}

impl Scan {
    pub fn read(segment: &Segment) -> Result<Self, HeaderError> {
        let [found] = segment.array(0)?;
        if found != 1 {
            return Err(HeaderError::Components { found });
        }
        // The third is Se, the last coefficient, which no process here needs; ILV (JPEG-LS) is for
        // several components.
        let [_, tables, first, _, approximation] = segment.array(1)?;
        Ok(Self { tables, first, approximation })
    }
}
