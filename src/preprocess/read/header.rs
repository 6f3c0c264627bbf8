//! The parts of a header that the pipeline needs, each with its own type.

use std::ops::RangeInclusive;

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::attributes::{self, Attributes};
use super::display::Display;
use super::meta::Meta;
use super::{ReadError, TransferSyntax, grey, value};
use crate::image::Side;
use crate::record::{Laterality, View};
use crate::shard::notes::{Note, Notes};
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
    /// Image Laterality, Frame Laterality or Laterality.
    pub laterality: Option<Laterality>,
    /// The edge on which the chest wall is, as Patient Orientation says.
    pub chest_wall: Option<Side>,
    /// View Position, or the view of View Code Sequence; `another text` for what is no code.
    pub view: Option<View>,
    /// Manufacturer.
    pub manufacturer: Option<String>,
    /// Manufacturer's Model Name.
    pub model: Option<String>,
    /// Presentation Intent Type, or that of the SOP class: `FOR PRESENTATION` or `FOR PROCESSING`.
    pub intent: Option<String>,
    /// Whether Burned In Annotation says that text in the pixels may identify the patient.
    pub burned_in: bool,
    /// The bits of a pixel that overlays occupy, above the bits of its value.
    pub overlay_bits: u16,
    /// What was unusual about the file.
    pub notes: Notes,
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
        // More than 16 bits are refused by `check`, which may come later.
        let values = 1 << self.bits_stored.min(30);
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
            return Err(ReadError::Frames { frames: self.frames });
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

/// Stands for a text of the header that is no term of the standard: such a text may be anything, a
/// name of a patient as well, and is not kept.
const ANOTHER_TEXT: &str = "another text";

/// Terms of PS3.3 C.7.6.3.1.2 for pixels that are not grey.
const DEFINED: [&str; 9] = [
    "PALETTE COLOR",
    "RGB",
    "YBR_FULL",
    "YBR_FULL_422",
    "YBR_PARTIAL_420",
    "YBR_ICT",
    "YBR_RCT",
    "XYB",
    "HSV",
];

/// Photometric Interpretation, PS3.3 C.7.6.3.1.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Photometric {
    /// Small values are bright.
    Monochrome1,
    /// Large values are bright.
    Monochrome2,
    /// Colour, or `another text`.
    Other(&'static str),
}

impl Photometric {
    /// The defined term.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Monochrome1 => "MONOCHROME1",
            Self::Monochrome2 => "MONOCHROME2",
            Self::Other(term) => term,
        }
    }
}

impl Header {
    /// Converts the collected attributes of a file that begins with `meta`.
    ///
    /// # Errors
    /// [`ReadError::Missing`] or [`ReadError::Value`] for the first attribute that decides pixels
    /// and cannot be converted.
    pub fn new(meta: &Meta, attributes: &Attributes) -> Result<Self, ReadError> {
        let mut notes = meta.notes.and(attributes.notes);
        let class = attributes.text(tags::SOP_CLASS_UID).or_else(|| meta.class.clone());
        let layout = layout(attributes, class.as_deref(), &mut notes)?;
        let display = grey::display(attributes, &layout, &mut notes)?;
        let spacing = spacing(attributes, &mut notes);
        // Of these bits, only those above the value are not the value's.
        let overlay_bits = attributes.overlay_bits & !value_bits(&layout);
        Ok(Self {
            syntax: meta.syntax,
            display,
            layout,
            spacing,
            laterality: laterality(attributes),
            chest_wall: chest_wall(attributes),
            view: view(attributes),
            manufacturer: attributes.text(tags::MANUFACTURER),
            model: attributes.text(tags::MANUFACTURER_MODEL_NAME),
            intent: intent(attributes, class.as_deref()).map(str::to_owned),
            burned_in: attributes.code(tags::BURNED_IN_ANNOTATION).as_deref() == Some("YES"),
            overlay_bits,
            notes,
        })
    }

    /// The code of the view, if it is one.
    pub fn view_code(&self) -> Option<&str> {
        self.view.as_ref().map(View::as_str).filter(|code| *code != ANOTHER_TEXT)
    }
}

/// Codes of views: those of the standard (PS3.3 C.8.11.4), and common ones.
const VIEWS: [&str; 16] = [
    "CC", "MLO", "ML", "LM", "LMO", "AT", "FB", "SIO", "ISO", "XCCL", "XCCM", "XCC", "CV", "RL",
    "RM", "TAN",
];

/// The bits of a stored value in its 16-bit word.
fn value_bits(layout: &PixelLayout) -> u16 {
    let (stored, high) = (u32::from(layout.bits_stored), u32::from(layout.high_bit));
    let ones = (1_u32 << stored.min(16)) - 1;
    (ones << (high + 1).saturating_sub(stored).min(16)) as u16
}

/// SOP classes of mammography and of digital X-ray, for presentation and for processing. PS3.3
/// C.8.11 allows them unsigned grey pixels alone.
const X_RAY: [(&str, &str); 6] = [
    ("1.2.840.10008.5.1.4.1.1.1.2", PRESENTATION),
    ("1.2.840.10008.5.1.4.1.1.1.2.1", PROCESSING),
    ("1.2.840.10008.5.1.4.1.1.1.1", PRESENTATION),
    ("1.2.840.10008.5.1.4.1.1.1.1.1", PROCESSING),
    ("1.2.840.10008.5.1.4.1.1.13.1.4", PRESENTATION),
    ("1.2.840.10008.5.1.4.1.1.13.1.5", PROCESSING),
];
const PRESENTATION: &str = "FOR PRESENTATION";
const PROCESSING: &str = "FOR PROCESSING";

fn layout(
    attributes: &Attributes,
    class: Option<&str>,
    notes: &mut Notes,
) -> Result<PixelLayout, ReadError> {
    let missing = |attribute: &str| ReadError::Missing { attribute: attribute.into() };
    let photometric = match attributes.code(tags::PHOTOMETRIC_INTERPRETATION).as_deref() {
        Some("MONOCHROME1") => Photometric::Monochrome1,
        Some("MONOCHROME2") => Photometric::Monochrome2,
        Some(other) => {
            let term = DEFINED.into_iter().find(|term| *term == other);
            Photometric::Other(term.unwrap_or(ANOTHER_TEXT))
        }
        // PS3.3 C.8.11.1: IDENTITY goes with MONOCHROME2, INVERSE with MONOCHROME1.
        None => {
            let shape = attributes.code(tags::PRESENTATION_LUT_SHAPE);
            notes.add(Note::PhotometricAssumed);
            match shape.as_deref() {
                Some("IDENTITY") => Photometric::Monochrome2,
                Some("INVERSE") => Photometric::Monochrome1,
                _ => return Err(missing("PhotometricInterpretation")),
            }
        }
    };
    let samples_per_pixel = match (attributes.number(tags::SAMPLES_PER_PIXEL)?, &photometric) {
        (Some(found), _) => found,
        (None, Photometric::Other(_)) => return Err(missing("SamplesPerPixel")),
        (None, _) => {
            notes.add(Note::SamplesAssumed);
            1
        }
    };
    // PS3.3 C.7.6.3.1.1 allows Bits Stored - 1 alone for High Bit, so that each tells the other.
    let high_bit = attributes.number(tags::HIGH_BIT)?;
    let bits_stored = match (attributes.number(tags::BITS_STORED)?, high_bit) {
        (Some(found), _) => found,
        (None, Some(high_bit @ 0..16)) => {
            notes.add(Note::BitsStoredAssumed);
            high_bit + 1
        }
        (None, _) => return Err(missing("BitsStored")),
    };
    let bits_allocated = match attributes.number(tags::BITS_ALLOCATED)? {
        Some(found) => found,
        // Grey pixels are supported in 8 and 16 bits, and these do not fit in 8.
        None if (9..=16).contains(&bits_stored) => {
            notes.add(Note::BitsAllocatedAssumed);
            16
        }
        None => return Err(missing("BitsAllocated")),
    };
    let high_bit = high_bit.unwrap_or_else(|| {
        notes.add(Note::HighBitAssumed);
        bits_stored.saturating_sub(1)
    });
    let is_x_ray = class.is_some_and(|class| X_RAY.iter().any(|(uid, _)| *uid == class));
    let signed = match attributes.number(tags::PIXEL_REPRESENTATION)? {
        Some(0) => false,
        Some(1) => true,
        Some(found) => return Err(value(tags::PIXEL_REPRESENTATION, found, "0 or 1")),
        None if is_x_ray => {
            notes.add(Note::SignAssumed);
            false
        }
        None => return Err(missing("PixelRepresentation")),
    };
    Ok(PixelLayout {
        rows: attributes.required(tags::ROWS)?,
        columns: attributes.required(tags::COLUMNS)?,
        bits_allocated,
        bits_stored,
        high_bit,
        signed,
        samples_per_pixel,
        photometric,
        frames: frames(attributes, notes)?,
    })
}

fn frames(attributes: &Attributes, notes: &mut Notes) -> Result<u32, ReadError> {
    match attributes.decimals(tags::NUMBER_OF_FRAMES).first() {
        None => Ok(1),
        // An image has a frame at least; pydicom takes 0 for 1 as well.
        Some(Some(0.0)) => {
            notes.add(Note::FramesAssumed);
            Ok(1)
        }
        Some(Some(count)) if count.fract() == 0.0 && *count > 0.0 => Ok(*count as u32),
        // What stands there is not repeated: it may be a text of the header.
        _ => Err(value(tags::NUMBER_OF_FRAMES, "no whole number", "1")),
    }
}

/// Magnification factors of a mammogram: 1 in contact, up to about 2 on a stand.
const MAGNIFICATION: RangeInclusive<f64> = 0.5..=10.0;

/// The distance between pixels at the breast, PS3.3 10.7.1.3. A value that cannot be used, or that no
/// mammogram has, is as good as absent.
///
/// If Pixel Spacing differs from Imager Pixel Spacing, it is calibrated to the patient. Otherwise
/// the spacing is measured at the detector, and only the magnification factor gives the spacing at
/// the breast.
fn spacing(attributes: &Attributes, notes: &mut Notes) -> Option<PixelSpacing> {
    let in_mm = |row, column| PixelSpacing { row: Millimetres(row), column: Millimetres(column) };
    let mut pair = |tag: Tag| match attributes.decimals(tag).as_slice() {
        [] => None,
        &[Some(row), Some(column)] if in_mm(row, column).is_plausible() => Some((row, column)),
        _ => {
            notes.add(Note::SpacingUnusable);
            None
        }
    };
    let at_detector = pair(tags::IMAGER_PIXEL_SPACING);
    let at_patient = pair(tags::PIXEL_SPACING);
    match (at_patient, at_detector) {
        (Some((row, column)), detector) if detector != Some((row, column)) => {
            Some(in_mm(row, column))
        }
        (_, Some((row, column))) => {
            let tag = tags::ESTIMATED_RADIOGRAPHIC_MAGNIFICATION_FACTOR;
            match attributes.decimals(tag).first() {
                // Imager Pixel Spacing is measured at the detector. A magnification view shows the
                // breast larger than it is, so divide by the factor.
                Some(&Some(factor)) if MAGNIFICATION.contains(&factor) => {
                    Some(in_mm(row / factor, column / factor))
                }
                Some(_) => {
                    notes.add(Note::SpacingUnusable);
                    None
                }
                None => None,
            }
        }
        _ => None,
    }
}

fn laterality(attributes: &Attributes) -> Option<Laterality> {
    let tags = [tags::IMAGE_LATERALITY, tags::FRAME_LATERALITY, tags::LATERALITY];
    match tags.into_iter().find_map(|tag| attributes.code(tag)).as_deref() {
        Some("L") => Some(Laterality::Left),
        Some("R") => Some(Laterality::Right),
        _ => None,
    }
}

/// Rows that go to the front of the patient (A) begin at the chest wall, and those that go to the
/// back (P) end at it (PS3.3 C.7.6.1.1.1).
fn chest_wall(attributes: &Attributes) -> Option<Side> {
    match attributes.codes(tags::PATIENT_ORIENTATION).first()?.chars().next()? {
        'A' => Some(Side::Left),
        'P' => Some(Side::Right),
        _ => None,
    }
}

/// PS3.16 CID 4014, with the codes of SNOMED CT and those that came before them.
const VIEW_CODES: [(&str, &str, View); 5] = [
    ("399162004", "R-10242", View::Cc),
    ("399368009", "R-10226", View::Mlo),
    ("399260004", "R-10224", View::Ml),
    ("399352003", "R-10228", View::Lm),
    ("399099002", "R-10230", View::Lmo),
];

fn view(attributes: &Attributes) -> Option<View> {
    if let Some(code) = attributes.text(tags::VIEW_POSITION) {
        let view = View::parse(&code);
        let is_code = VIEWS.contains(&view.as_str());
        return Some(if is_code { view } else { View::Other(ANOTHER_TEXT.into()) });
    }
    let code = attributes::text(attributes.view_code?)?;
    VIEW_CODES.into_iter().find(|(new, old, _)| [*new, *old].contains(&code.as_str())).map(|v| v.2)
}

fn intent(attributes: &Attributes, class: Option<&str>) -> Option<&'static str> {
    match attributes.code(tags::PRESENTATION_INTENT_TYPE).as_deref() {
        Some(PRESENTATION) => Some(PRESENTATION),
        Some(PROCESSING) => Some(PROCESSING),
        _ => X_RAY.iter().find(|(uid, _)| Some(*uid) == class).map(|(_, intent)| *intent),
    }
}
