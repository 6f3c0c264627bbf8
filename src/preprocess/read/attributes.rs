//! Typed values of the few attributes that the pipeline uses.
//!
//! Attributes outside [`WANTED`] are skipped and never interpreted, so no name or birth date of a
//! patient can reach a message or a shard. (The attributes that a derived image copies from its
//! source are read separately, in `origin`, whose result cannot be printed.)

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::ReadError;
use super::elements::{Element, Elements, Encoding, name};

/// Attributes at the top level of the data set whose values are kept.
const WANTED: [Tag; 26] = [
    tags::MANUFACTURER,
    tags::MANUFACTURER_MODEL_NAME,
    tags::ESTIMATED_RADIOGRAPHIC_MAGNIFICATION_FACTOR,
    tags::IMAGER_PIXEL_SPACING,
    tags::LATERALITY,
    tags::IMAGE_LATERALITY,
    tags::SAMPLES_PER_PIXEL,
    tags::PHOTOMETRIC_INTERPRETATION,
    tags::NUMBER_OF_FRAMES,
    tags::ROWS,
    tags::COLUMNS,
    tags::PIXEL_SPACING,
    tags::BITS_ALLOCATED,
    tags::BITS_STORED,
    tags::HIGH_BIT,
    tags::PIXEL_REPRESENTATION,
    tags::PIXEL_PADDING_VALUE,
    tags::PIXEL_PADDING_RANGE_LIMIT,
    tags::WINDOW_CENTER,
    tags::WINDOW_WIDTH,
    tags::RESCALE_INTERCEPT,
    tags::RESCALE_SLOPE,
    tags::VOILUT_FUNCTION,
    tags::PRESENTATION_LUT_SHAPE,
    tags::VIEW_POSITION,
    tags::PRESENTATION_INTENT_TYPE,
];

/// A value as it lies in the file.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'a> {
    /// The value representation, if the file states it.
    pub vr: Option<[u8; 2]>,
    /// The value's bytes.
    pub bytes: &'a [u8],
}

/// A table of the Modality or VOI LUT Sequence, as it lies in the file.
#[derive(Debug, Clone, Copy, Default)]
pub struct RawTable<'a> {
    /// LUT Descriptor.
    pub descriptor: Option<Raw<'a>>,
    /// LUT Data.
    pub data: Option<Raw<'a>>,
}

/// The wanted attributes of one data set.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    encoding: Encoding,
    values: Vec<(Tag, Raw<'a>)>,
    /// Items of the Modality LUT Sequence.
    pub modality_tables: Vec<RawTable<'a>>,
    /// Items of the VOI LUT Sequence.
    pub voi_tables: Vec<RawTable<'a>>,
}

impl<'a> Attributes<'a> {
    /// Reads up to the pixel data. Also returns the element of Pixel Data; `elements` is then at
    /// the element's value.
    ///
    /// # Errors
    /// Those of the parser, and [`ReadError::Missing`] without Pixel Data.
    pub fn collect(elements: &mut Elements<'a>) -> Result<(Self, Element), ReadError> {
        let mut found = Self {
            encoding: elements.encoding(),
            values: Vec::with_capacity(WANTED.len()),
            modality_tables: Vec::new(),
            voi_tables: Vec::new(),
        };
        while let Some(element) = elements.next()? {
            match element.tag {
                tags::PIXEL_DATA => return Ok((found, element)),
                tags::FLOAT_PIXEL_DATA | tags::DOUBLE_FLOAT_PIXEL_DATA => {
                    return Err(ReadError::Unsupported {
                        attribute: "PixelData",
                        found: name(element.tag),
                        needed: "integers",
                    });
                }
                tags::MODALITY_LUT_SEQUENCE => {
                    collect_tables(elements, &element, &mut found.modality_tables)?;
                }
                tags::VOILUT_SEQUENCE => {
                    collect_tables(elements, &element, &mut found.voi_tables)?;
                }
                tag => {
                    let bytes = elements.value(&element)?;
                    if WANTED.contains(&tag) {
                        found.values.push((tag, Raw { vr: element.vr, bytes }));
                    }
                }
            }
        }
        Err(ReadError::Missing { attribute: "PixelData".into() })
    }

    /// The bytes of a value that is present and not empty.
    pub fn raw(&self, tag: Tag) -> Option<Raw<'a>> {
        debug_assert!(WANTED.contains(&tag));
        let (_, raw) = self.values.iter().find(|(known, _)| *known == tag)?;
        (!raw.bytes.is_empty()).then_some(*raw)
    }

    /// A text without surrounding spaces, with `?` for every character that is not printable ASCII;
    /// `None` if absent or empty.
    pub fn text(&self, tag: Tag) -> Option<String> {
        let clean = |&byte: &u8| match byte {
            0 => ' ',
            b' '..=b'~' => char::from(byte),
            _ => '?',
        };
        let text: String = self.raw(tag)?.bytes.iter().take(64).map(clean).collect();
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// An unsigned 16-bit number (US); the first one if there are several.
    ///
    /// # Errors
    /// [`ReadError::Value`] if it is shorter.
    pub fn number(&self, tag: Tag) -> Result<Option<u16>, ReadError> {
        let Some(raw) = self.raw(tag) else { return Ok(None) };
        self.words(tag, raw)?.next().map(Some).ok_or_else(|| wrong_length(tag, raw))
    }

    /// Like [`Attributes::number`], for a required attribute.
    ///
    /// # Errors
    /// [`ReadError::Missing`] if it is absent.
    pub fn required(&self, tag: Tag) -> Result<u16, ReadError> {
        self.number(tag)?.ok_or_else(|| ReadError::Missing { attribute: name(tag) })
    }

    /// Decimal or integer strings (DS, IS), separated by backslashes; none if absent or empty.
    ///
    /// # Errors
    /// [`ReadError::Value`] for a text that is not a finite number.
    pub fn decimals(&self, tag: Tag) -> Result<Vec<f64>, ReadError> {
        let Some(raw) = self.raw(tag) else { return Ok(Vec::new()) };
        let text = String::from_utf8_lossy(raw.bytes);
        let text = text.trim_matches([' ', '\0']);
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let number =
            |part: &str| part.trim().parse().ok().filter(|number: &f64| number.is_finite());
        text.split('\\').map(number).collect::<Option<_>>().ok_or_else(|| {
            let found = text.chars().take(40).collect::<String>().escape_debug().to_string();
            ReadError::Value { attribute: name(tag), found, needed: "decimal numbers" }
        })
    }

    /// The 16-bit words of a value.
    ///
    /// # Errors
    /// [`ReadError::Value`] for an odd number of bytes.
    pub fn words(
        &self,
        tag: Tag,
        raw: Raw<'a>,
    ) -> Result<impl ExactSizeIterator<Item = u16> + use<'a>, ReadError> {
        let encoding = self.encoding;
        if raw.bytes.len() % 2 == 1 {
            return Err(wrong_length(tag, raw));
        }
        Ok(raw.bytes.chunks_exact(2).map(move |word| encoding.u16(word)))
    }
}

fn wrong_length(tag: Tag, raw: Raw) -> ReadError {
    ReadError::Value {
        attribute: name(tag),
        found: format!("{} bytes", raw.bytes.len()),
        needed: "16-bit words",
    }
}

fn collect_tables<'a>(
    elements: &mut Elements<'a>,
    sequence: &Element,
    tables: &mut Vec<RawTable<'a>>,
) -> Result<(), ReadError> {
    elements.items(sequence, |index, element, bytes| {
        if index >= tables.len() {
            tables.resize(index + 1, RawTable::default());
        }
        let raw = Raw { vr: element.vr, bytes };
        match element.tag {
            tags::LUT_DESCRIPTOR => tables[index].descriptor = Some(raw),
            tags::LUT_DATA => tables[index].data = Some(raw),
            _ => {}
        }
    })
}
