//! The parts of a header that the pipeline needs, each with its own type.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::attributes::{Attributes, Raw, RawTable};
use super::display::{
    Display, LookupTable, Modality, Padding, PresentationShape, VoiFunction, VoiWindow,
};
use super::elements::name;
use super::{ReadError, TransferSyntax};
use crate::record::{Laterality, View};
use crate::units::{Millimetres, PixelSpacing};

/// The facts of a file that are kept. None of them identifies a patient.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// How elements and pixels are written.
    pub syntax: TransferSyntax,
    /// Shape and type of the pixels.
    pub layout: PixelLayout,
    /// How stored values become grey levels.
    pub display: Display,
    /// The distance between pixels at the breast, if the file gives it.
    pub spacing: Option<PixelSpacing>,
    /// Image Laterality, or Laterality.
    pub laterality: Option<Laterality>,
    /// View Position.
    pub view: Option<View>,
    /// Manufacturer.
    pub manufacturer: Option<String>,
    /// Manufacturer's Model Name.
    pub model: Option<String>,
    /// Presentation Intent Type: `FOR PRESENTATION` or `FOR PROCESSING`.
    pub intent: Option<String>,
}

/// Shape and type of the pixels, PS3.3 C.7.6.3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PixelLayout {
    /// Height.
    pub rows: u16,
    /// Width.
    pub columns: u16,
    /// Bits Allocated: the bits that a pixel takes in the file.
    pub bits_allocated: u16,
    /// Bits Stored: the bits that hold its value.
    pub bits_stored: u16,
    /// High Bit: the highest bit of the value, counted from 0.
    pub high_bit: u16,
    /// Whether values are two's complement (Pixel Representation 1).
    pub signed: bool,
    /// Samples per Pixel: 1 for grey, 3 for colour.
    pub samples_per_pixel: u16,
    /// Photometric Interpretation: the meaning of a value.
    pub photometric: Photometric,
    /// The number of frames.
    pub frames: u32,
}

impl PixelLayout {
    /// The number of pixels of one frame.
    pub fn pixels(&self) -> usize {
        usize::from(self.rows) * usize::from(self.columns)
    }

    /// Columns and rows.
    pub fn size(&self) -> (usize, usize) {
        (self.columns.into(), self.rows.into())
    }

    /// The smallest and the largest stored value that the bits can hold.
    pub fn range(&self) -> (i32, i32) {
        let values = 1 << self.bits_stored;
        if self.signed { (-(values / 2), values / 2 - 1) } else { (0, values - 1) }
    }

    /// Checks that the pipeline can work with this image.
    ///
    /// # Errors
    /// The first attribute that is not supported, or more pixels than `max_pixels`.
    pub fn check(&self, max_pixels: usize) -> Result<(), ReadError> {
        let unsupported = |attribute, found: &dyn ToString, needed| {
            Err(ReadError::Unsupported { attribute, found: found.to_string(), needed })
        };
        if self.samples_per_pixel != 1 {
            return unsupported("SamplesPerPixel", &self.samples_per_pixel, "1 (grey)");
        }
        if let Photometric::Other(found) = &self.photometric {
            let needed = "MONOCHROME1 or MONOCHROME2";
            return unsupported("PhotometricInterpretation", found, needed);
        }
        if self.frames != 1 {
            return unsupported("NumberOfFrames", &self.frames, "1");
        }
        if !matches!(self.bits_allocated, 8 | 16) {
            return unsupported("BitsAllocated", &self.bits_allocated, "8 or 16");
        }
        if !(1..=self.bits_allocated).contains(&self.bits_stored) {
            return unsupported("BitsStored", &self.bits_stored, "1 to BitsAllocated");
        }
        if !(self.bits_stored - 1..self.bits_allocated).contains(&self.high_bit) {
            return unsupported("HighBit", &self.high_bit, "BitsStored - 1 to BitsAllocated - 1");
        }
        if self.rows == 0 || self.columns == 0 {
            let attribute = if self.rows == 0 { "Rows" } else { "Columns" };
            return unsupported(attribute, &0, "1 or more");
        }
        if self.pixels() > max_pixels {
            let (rows, columns) = (self.rows, self.columns);
            return Err(ReadError::TooManyPixels { rows, columns, max_pixels });
        }
        Ok(())
    }
}

/// Photometric Interpretation, PS3.3 C.7.6.3.1.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Photometric {
    /// Small values are bright.
    Monochrome1,
    /// Large values are bright.
    Monochrome2,
    /// Colour, or another term.
    Other(String),
}

impl Photometric {
    /// The defined term.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Monochrome1 => "MONOCHROME1",
            Self::Monochrome2 => "MONOCHROME2",
            Self::Other(term) => term,
        }
    }
}

impl Header {
    /// Converts the collected attributes.
    ///
    /// # Errors
    /// [`ReadError::Missing`] or [`ReadError::Value`] for the first attribute that cannot be
    /// converted.
    pub fn new(syntax: TransferSyntax, attributes: &Attributes) -> Result<Self, ReadError> {
        let layout = layout(attributes)?;
        Ok(Self {
            syntax,
            display: display(attributes, &layout)?,
            layout,
            spacing: spacing(attributes)?,
            laterality: laterality(attributes),
            view: attributes.text(tags::VIEW_POSITION).map(|code| View::parse(&code)),
            manufacturer: attributes.text(tags::MANUFACTURER),
            model: attributes.text(tags::MANUFACTURER_MODEL_NAME),
            intent: attributes.text(tags::PRESENTATION_INTENT_TYPE),
        })
    }
}

fn layout(attributes: &Attributes) -> Result<PixelLayout, ReadError> {
    let photometric = match attributes.text(tags::PHOTOMETRIC_INTERPRETATION).as_deref() {
        Some("MONOCHROME1") => Photometric::Monochrome1,
        Some("MONOCHROME2") => Photometric::Monochrome2,
        Some(other) => Photometric::Other(other.to_owned()),
        None => return Err(ReadError::Missing { attribute: "PhotometricInterpretation".into() }),
    };
    let frames = match attributes.decimals(tags::NUMBER_OF_FRAMES)?.first() {
        Some(&count) => count as u32,
        None => 1,
    };
    Ok(PixelLayout {
        rows: attributes.required(tags::ROWS)?,
        columns: attributes.required(tags::COLUMNS)?,
        bits_allocated: attributes.required(tags::BITS_ALLOCATED)?,
        bits_stored: attributes.required(tags::BITS_STORED)?,
        high_bit: attributes.required(tags::HIGH_BIT)?,
        signed: match attributes.required(tags::PIXEL_REPRESENTATION)? {
            0 => false,
            1 => true,
            found => return Err(value(tags::PIXEL_REPRESENTATION, found, "0 or 1")),
        },
        samples_per_pixel: attributes.required(tags::SAMPLES_PER_PIXEL)?,
        photometric,
        frames,
    })
}

fn display(attributes: &Attributes, layout: &PixelLayout) -> Result<Display, ReadError> {
    let table = |raw: &RawTable| lookup_table(attributes, raw, layout.signed);
    let modality = match attributes.modality_tables.first() {
        Some(raw) => Modality::Table(table(raw)?),
        None => {
            let first = |tag| Ok::<_, ReadError>(attributes.decimals(tag)?.first().copied());
            let slope = first(tags::RESCALE_SLOPE)?.unwrap_or(1.0);
            if slope == 0.0 {
                return Err(value(tags::RESCALE_SLOPE, slope, "a number other than 0"));
            }
            Modality::Rescale { slope, intercept: first(tags::RESCALE_INTERCEPT)?.unwrap_or(0.0) }
        }
    };
    let centers = attributes.decimals(tags::WINDOW_CENTER)?;
    let widths = attributes.decimals(tags::WINDOW_WIDTH)?;
    if centers.len() != widths.len() {
        let found = format!("{} values", widths.len());
        return Err(value(tags::WINDOW_WIDTH, found, "as many as WindowCenter"));
    }
    let pair = |(center, width)| VoiWindow { center, width };
    Ok(Display {
        modality,
        tables: attributes.voi_tables.iter().map(table).collect::<Result<_, _>>()?,
        windows: centers.into_iter().zip(widths).map(pair).collect(),
        // An empty VOI LUT Function occurs in real files (Enet4/dicom-rs#724).
        function: match attributes.text(tags::VOILUT_FUNCTION).as_deref() {
            None | Some("LINEAR") => VoiFunction::Linear,
            Some("LINEAR_EXACT") => VoiFunction::LinearExact,
            Some("SIGMOID") => VoiFunction::Sigmoid,
            Some(found) => {
                let needed = "LINEAR, LINEAR_EXACT or SIGMOID";
                return Err(value(tags::VOILUT_FUNCTION, found, needed));
            }
        },
        padding: padding(attributes, layout.signed)?,
        shape: match attributes.text(tags::PRESENTATION_LUT_SHAPE).as_deref() {
            Some("INVERSE") => PresentationShape::Inverse,
            _ => PresentationShape::Identity,
        },
    })
}

/// Padding is a stored value, so it has the sign of stored values, whether the file says US or SS.
fn padding(attributes: &Attributes, signed: bool) -> Result<Option<Padding>, ReadError> {
    let stored = |word: u16| if signed { i32::from(word as i16) } else { i32::from(word) };
    let Some(value) = attributes.number(tags::PIXEL_PADDING_VALUE)? else { return Ok(None) };
    let limit = attributes.number(tags::PIXEL_PADDING_RANGE_LIMIT)?.unwrap_or(value);
    let (value, limit) = (stored(value), stored(limit));
    Ok(Some(Padding { low: value.min(limit), high: value.max(limit) }))
}

fn lookup_table(
    attributes: &Attributes,
    raw: &RawTable,
    signed_pixels: bool,
) -> Result<LookupTable, ReadError> {
    let missing = |tag| ReadError::Missing { attribute: name(tag) };
    let descriptor = raw.descriptor.ok_or_else(|| missing(tags::LUT_DESCRIPTOR))?;
    let data = raw.data.ok_or_else(|| missing(tags::LUT_DATA))?;
    let numbers: Vec<u16> = attributes.words(tags::LUT_DESCRIPTOR, descriptor)?.collect();
    let &[count, first, bits] = numbers.as_slice() else {
        let found = format!("{} numbers", numbers.len());
        return Err(value(tags::LUT_DESCRIPTOR, found, "3 numbers"));
    };
    if !(8..=16).contains(&bits) {
        return Err(value(tags::LUT_DESCRIPTOR, format!("{bits} bits an entry"), "8 to 16"));
    }
    // PS3.3 C.11.1.1.1: 0 means 65536 entries, which 16 bits cannot hold.
    let count = if count == 0 { 1 << 16 } else { usize::from(count) };
    let signed = descriptor.vr.map_or(signed_pixels, |vr| vr == *b"SS");
    let entries = entries(attributes, data, count, bits == 8)?;
    let first = if signed { i32::from(first as i16) } else { i32::from(first) };
    Ok(LookupTable { first, bits: bits as u8, entries })
}

/// Entries of 8 bits are stored one per word, or two packed into one word (PS3.3 C.11.1.1.1).
fn entries(
    attributes: &Attributes,
    data: Raw,
    count: usize,
    may_be_packed: bool,
) -> Result<Vec<u16>, ReadError> {
    let have = data.bytes.len();
    if have >= 2 * count {
        let words =
            attributes.words(tags::LUT_DATA, Raw { bytes: &data.bytes[..2 * count], ..data });
        return Ok(words?.collect());
    }
    if may_be_packed && have >= count {
        return Ok(data.bytes[..count].iter().copied().map(u16::from).collect());
    }
    Err(value(tags::LUT_DATA, format!("{have} bytes"), "as many entries as LUTDescriptor says"))
}

/// The distance between pixels at the breast, PS3.3 10.7.1.3.
///
/// If Pixel Spacing differs from Imager Pixel Spacing, it is calibrated to the patient. Otherwise
/// the spacing is measured at the detector, and only the magnification factor gives the spacing at
/// the breast.
fn spacing(attributes: &Attributes) -> Result<Option<PixelSpacing>, ReadError> {
    let pair = |tag: Tag| match attributes.decimals(tag)?.as_slice() {
        [] => Ok(None),
        &[row, column] if row > 0.0 && column > 0.0 => Ok(Some((row, column))),
        other => Err(value(tag, format!("{other:?}"), "two numbers above 0")),
    };
    let at_detector = pair(tags::IMAGER_PIXEL_SPACING)?;
    let at_patient = pair(tags::PIXEL_SPACING)?;
    let in_mm = |row, column| PixelSpacing { row: Millimetres(row), column: Millimetres(column) };
    match (at_patient, at_detector) {
        (Some((row, column)), detector) if detector != Some((row, column)) => {
            Ok(Some(in_mm(row, column)))
        }
        (_, Some((row, column))) => {
            let tag = tags::ESTIMATED_RADIOGRAPHIC_MAGNIFICATION_FACTOR;
            match attributes.decimals(tag)?.first() {
                // Imager Pixel Spacing is measured at the detector. A magnification view shows the
                // breast larger than it is, so divide by the factor.
                Some(&factor) if factor > 0.0 => Ok(Some(in_mm(row / factor, column / factor))),
                Some(factor) => Err(value(tag, factor, "a number above 0")),
                None => Ok(None),
            }
        }
        _ => Ok(None),
    }
}

fn laterality(attributes: &Attributes) -> Option<Laterality> {
    let text =
        attributes.text(tags::IMAGE_LATERALITY).or_else(|| attributes.text(tags::LATERALITY));
    match text.as_deref() {
        Some("L") => Some(Laterality::Left),
        Some("R") => Some(Laterality::Right),
        _ => None,
    }
}

fn value(tag: Tag, found: impl ToString, needed: &'static str) -> ReadError {
    ReadError::Value { attribute: name(tag), found: found.to_string(), needed }
}
