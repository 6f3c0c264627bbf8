//! Decodes the frames of an encapsulated pixel data element.

use std::borrow::Cow;

use dicom_encoding::adapters::{DecodeError, DecodeResult, PixelDataObject, PixelDataReader};

use super::syntax::Syntax;
use crate::{Codec, Decoder, Error, Request};

/// Decodes pixel data of one transfer syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PixelDecoder(pub Syntax);

/// The attributes of a DICOM object that its frames are decoded with.
struct Layout {
    rows: u16,
    columns: u16,
    samples: u16,
    bits_allocated: u16,
}

impl Layout {
    fn of(object: &dyn PixelDataObject) -> DecodeResult<Self> {
        let attribute =
            |value: Option<u16>, name| value.ok_or(DecodeError::MissingAttribute { name });
        let layout = Self {
            rows: attribute(object.rows(), "Rows")?,
            columns: attribute(object.cols(), "Columns")?,
            samples: attribute(object.samples_per_pixel(), "SamplesPerPixel")?,
            bits_allocated: attribute(object.bits_allocated(), "BitsAllocated")?,
        };
        match layout.bits_allocated {
            8 | 16 => Ok(layout),
            other => Err(custom(format!("BitsAllocated is {other}, 8 or 16 can be decoded"))),
        }
    }
}

impl PixelDataReader for PixelDecoder {
    fn decode(&self, object: &dyn PixelDataObject, out: &mut Vec<u8>) -> DecodeResult<()> {
        let mut frames = Frames::new(self.0, object)?;
        (0..frames.count).try_for_each(|frame| frames.decode(frame, out))
    }

    fn decode_frame(
        &self,
        object: &dyn PixelDataObject,
        frame: u32,
        out: &mut Vec<u8>,
    ) -> DecodeResult<()> {
        Frames::new(self.0, object)?.decode(frame, out)
    }
}

/// The frames of an object, and the decoder for them.
struct Frames<'a> {
    syntax: Syntax,
    object: &'a dyn PixelDataObject,
    layout: Layout,
    count: u32,
    decoder: Decoder,
    samples: Vec<i32>,
}

impl<'a> Frames<'a> {
    fn new(syntax: Syntax, object: &'a dyn PixelDataObject) -> DecodeResult<Self> {
        let layout = Layout::of(object)?;
        let count = object.number_of_frames().unwrap_or(1);
        Ok(Self { syntax, object, layout, count, decoder: Decoder::new(), samples: Vec::new() })
    }

    /// Appends a frame's samples in little endian, each in Bits Allocated.
    fn decode(&mut self, frame: u32, out: &mut Vec<u8>) -> DecodeResult<()> {
        let stream = self.stream(frame)?;
        let &Layout { rows, columns, samples, bits_allocated } = &self.layout;
        let codec = match self.syntax {
            Syntax::RleLossless => Codec::Rle {
                width: columns.into(),
                height: rows.into(),
                bits: bits_allocated as u8,
            },
            Syntax::JpegLsLossless | Syntax::JpegLsNearLossless => Codec::JpegLs,
            Syntax::JpegBaseline
            | Syntax::JpegExtended
            | Syntax::JpegLossless
            | Syntax::JpegLosslessSv1 => Codec::Jpeg,
            _ => Codec::Jpeg2000,
        };
        let max_samples = u64::from(rows) * u64::from(columns) * u64::from(samples);
        let request = Request { codec: Some(codec), max_samples, ..Request::default() };
        let decoded = self.decoder.decode_into(&stream, &request, &mut self.samples);
        let image = decoded.map_err(|error| caused(format!("frame {frame}"), error))?;
        let found = (image.width, image.height, u16::from(image.components));
        if found != (columns.into(), rows.into(), samples) {
            let (width, height, components) = found;
            return Err(custom(format!(
                "frame {frame} holds {width} x {height} pixels of {components} samples, the header says {columns} x {rows} of {samples}"
            )));
        }
        if u16::from(image.precision) > bits_allocated {
            let precision = image.precision;
            return Err(custom(format!(
                "frame {frame} has {precision} bits per sample, BitsAllocated is {bits_allocated}"
            )));
        }
        if samples > 1 && !self.is_rgb() {
            return Err(custom("colours other than RGB in JPEG 2000 are not converted".into()));
        }
        let pixels = usize::from(rows) * usize::from(columns);
        let count = pixels * usize::from(samples);
        out.reserve(count * usize::from(bits_allocated / 8));
        let planes = usize::from(samples);
        // The output is pixel by pixel; the decoder returns plane after plane.
        let ordered = (0..count).map(|i| self.samples[i % planes * pixels + i / planes]);
        match (planes, bits_allocated) {
            (1, 8) => out.extend(self.samples.iter().map(|&sample| sample as u8)),
            (1, _) => out.extend(self.samples.iter().flat_map(|&s| (s as u16).to_le_bytes())),
            (_, 8) => out.extend(ordered.map(|sample| sample as u8)),
            (_, _) => out.extend(ordered.flat_map(|sample| (sample as u16).to_le_bytes())),
        }
        Ok(())
    }

    /// Whether samples of three components are red, green and blue after the codestream's own
    /// colour transform is undone (PS3.5 8.2.4).
    fn is_rgb(&self) -> bool {
        let photometric = self.object.photometric_interpretation();
        matches!(photometric, Some("RGB" | "YBR_RCT" | "YBR_ICT"))
    }

    /// The frame's stream; for a single frame all fragments, whatever the offset table says.
    fn stream(&self, frame: u32) -> DecodeResult<Cow<'a, [u8]>> {
        let object = self.object;
        let fragments = object.number_of_fragments().ok_or(DecodeError::NotEncapsulated)?;
        if frame >= self.count {
            return Err(DecodeError::FrameRangeOutOfBounds);
        }
        let stream = match (self.count, fragments) {
            (1, 2..) => {
                let parts: Option<Vec<_>> =
                    (0..fragments as usize).map(|i| object.fragment(i)).collect();
                parts.map(|parts| Cow::Owned(parts.concat()))
            }
            _ => object.frame_pixel_data(frame),
        };
        stream.ok_or(DecodeError::FrameRangeOutOfBounds)
    }
}

fn custom(message: String) -> DecodeError {
    DecodeError::Custom { message, source: None }
}

fn caused(message: String, error: Error) -> DecodeError {
    DecodeError::Custom { message, source: Some(Box::new(error)) }
}
