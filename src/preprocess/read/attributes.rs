//! Typed values of the few attributes that the pipeline uses.
//!
//! Attributes outside [`WANTED`] are skipped and never interpreted, so no name or birth date of a
//! patient can reach a message or a shard. (The attributes that a derived image copies from its
//! source are read separately, in `origin`, whose result cannot be printed.)

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::ReadError;
use super::elements::{Element, Elements, Encoding, Found, name};
use crate::shard::notes::{Note, Notes};

/// Attributes at the top level of the data set whose values are kept.
const WANTED: [Tag; 30] = [
    tags::SOP_CLASS_UID,
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
    tags::BURNED_IN_ANNOTATION,
    tags::WINDOW_CENTER,
    tags::WINDOW_WIDTH,
    tags::RESCALE_INTERCEPT,
    tags::RESCALE_SLOPE,
    tags::VOILUT_FUNCTION,
    tags::PRESENTATION_LUT_SHAPE,
    tags::VIEW_POSITION,
    tags::PRESENTATION_INTENT_TYPE,
    tags::FRAME_LATERALITY,
    tags::PATIENT_ORIENTATION,
];

/// Sequences of the functional groups (PS3.3 C.7.6.16.2) that hold wanted attributes.
const MACROS: [Tag; 5] = [
    tags::FRAME_ANATOMY_SEQUENCE,
    tags::PIXEL_MEASURES_SEQUENCE,
    tags::FRAME_VOILUT_SEQUENCE,
    tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
    tags::FRAME_PIXEL_DATA_PROPERTIES_SEQUENCE,
];

/// A value as it lies in the file.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'a> {
    /// The value representation, if the file states one that exists.
    pub vr: Option<[u8; 2]>,
    /// The value's bytes.
    pub bytes: &'a [u8],
    /// How its numbers are encoded.
    pub encoding: Encoding,
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
#[derive(Debug, Clone, Default)]
pub struct Attributes<'a> {
    values: Vec<(Tag, Raw<'a>)>,
    /// Those of the functional groups of the first frame, which apply if the top level has none; the
    /// frame's own before the shared ones.
    in_groups: Vec<(Tag, Raw<'a>)>,
    /// Items of the Modality LUT Sequence.
    pub modality_tables: Vec<RawTable<'a>>,
    /// Items of the VOI LUT Sequence.
    pub voi_tables: Vec<RawTable<'a>>,
    /// The bits that overlays occupy in the pixels (PS3.3 C.9.2, retired).
    pub overlay_bits: u16,
    /// The code of the first item of View Code Sequence.
    pub view_code: Option<Raw<'a>>,
    /// What was unusual so far.
    pub notes: Notes,
}

impl<'a> Attributes<'a> {
    /// Reads up to the pixel data. Also returns the element of Pixel Data; `elements` is then at
    /// the element's value.
    ///
    /// # Errors
    /// Those of the parser, and [`ReadError::Missing`] without Pixel Data.
    pub fn collect(elements: &mut Elements<'a>) -> Result<(Self, Element), ReadError> {
        let mut found = Self { values: Vec::with_capacity(WANTED.len()), ..Self::default() };
        while let Some(element) = elements.next()? {
            match element.tag {
                tags::PIXEL_DATA => {
                    found.notes = found.notes.and(elements.notes);
                    return Ok((found, element));
                }
                tags::FLOAT_PIXEL_DATA | tags::DOUBLE_FLOAT_PIXEL_DATA => {
                    return Err(ReadError::Unsupported {
                        attribute: "PixelData",
                        found: name(element.tag),
                        needed: "integers",
                    });
                }
                _ => {
                    let encoding = elements.encoding();
                    let bytes = elements.value(&element)?;
                    found.take(Found { element, bytes, encoding })?;
                }
            }
        }
        Err(ReadError::Missing { attribute: "PixelData".into() })
    }

    /// Takes what is wanted of an element at the top level.
    fn take(&mut self, found: Found<'a>) -> Result<(), ReadError> {
        match found.element.tag {
            tags::MODALITY_LUT_SEQUENCE => collect_tables(found, &mut self.modality_tables)?,
            tags::VOILUT_SEQUENCE => self.take_voi_tables(found),
            tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE
            | tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE => {
                let before = std::mem::take(&mut self.in_groups);
                if self.take_groups(found).is_err() {
                    self.notes.add(Note::GroupsUnusable);
                }
                self.in_groups.extend(before);
            }
            tags::VIEW_CODE_SEQUENCE => {
                // What cannot be read tells no view.
                let _ = found.items(|index, inner| {
                    if index == 0 && inner.element.tag == tags::CODE_VALUE {
                        self.view_code = Some(raw(inner));
                    }
                });
            }
            // Overlay Bit Position: an overlay in the bits above the pixels' values.
            Tag(group, 0x0102) if group & 0xFF01 == 0x6000 => {
                let bit = words(raw(found)).next().filter(|bit| (1..16).contains(bit));
                self.overlay_bits |= bit.map_or(0, |bit| 1 << bit);
            }
            tag if WANTED.contains(&tag) && found.element.length.is_some() => {
                self.take_value(tag, raw(found));
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes the value of an attribute; of several, the first one counts.
    fn take_value(&mut self, tag: Tag, raw: Raw<'a>) {
        if self.values.iter().all(|(known, _)| *known != tag) {
            self.values.push((tag, raw));
        }
    }

    /// A sequence that cannot be read is one table that cannot be used.
    fn take_voi_tables(&mut self, found: Found<'a>) {
        if collect_tables(found, &mut self.voi_tables).is_err() {
            self.voi_tables.push(RawTable::default());
        }
    }

    /// Takes what is wanted of the first frame's functional groups.
    fn take_groups(&mut self, groups: Found<'a>) -> Result<(), ReadError> {
        /// More than any object has, of both.
        const MOST: usize = 256;
        let mut macros = Vec::new();
        groups.items(|index, found| {
            if index == 0 && macros.len() < MOST && MACROS.contains(&found.element.tag) {
                macros.push(found);
            }
        })?;
        for sequence in macros {
            let mut tables = None;
            sequence.items(|index, found| {
                let tag = found.element.tag;
                if index == 0 && tag == tags::VOILUT_SEQUENCE {
                    tables = Some(found);
                } else if index == 0
                    && self.in_groups.len() < MOST
                    && WANTED.contains(&tag)
                    && found.element.length.is_some()
                {
                    self.in_groups.push((tag, raw(found)));
                }
            })?;
            if let Some(tables) = tables
                && self.voi_tables.is_empty()
            {
                self.take_voi_tables(tables);
            }
        }
        Ok(())
    }

    /// The bytes of a value that is present and not empty.
    pub fn raw(&self, tag: Tag) -> Option<Raw<'a>> {
        debug_assert!(WANTED.contains(&tag));
        let of = |values: &[(Tag, Raw<'a>)]| {
            let (_, raw) = values.iter().find(|(known, _)| *known == tag)?;
            (!raw.bytes.is_empty()).then_some(*raw)
        };
        of(&self.values).or_else(|| of(&self.in_groups))
    }

    /// A text without surrounding spaces, with `?` for every character that is not printable ASCII;
    /// `None` if absent or empty.
    pub fn text(&self, tag: Tag) -> Option<String> {
        text(self.raw(tag)?)
    }

    /// The code of a text (VR CS) in capitals: the first one if there are several.
    pub fn code(&self, tag: Tag) -> Option<String> {
        self.codes(tag).into_iter().find(|code| !code.is_empty())
    }

    /// The codes of a text (VR CS) in capitals; none if absent or empty. One of several may be empty.
    pub fn codes(&self, tag: Tag) -> Vec<String> {
        let text = self.text(tag).unwrap_or_default().to_ascii_uppercase();
        let codes: Vec<String> = text.split('\\').map(|code| code.trim().to_owned()).collect();
        if codes.iter().all(String::is_empty) { Vec::new() } else { codes }
    }

    /// An unsigned 16-bit number (US); the first one if there are several. A negative one (SS) is
    /// given as two's complement.
    ///
    /// # Errors
    /// [`ReadError::Value`] if it is none.
    pub fn number(&self, tag: Tag) -> Result<Option<u16>, ReadError> {
        let Some(raw) = self.raw(tag) else { return Ok(None) };
        let first = match raw.vr.as_ref().map(|vr| vr.as_slice()) {
            Some(b"UL" | b"SL" | b"FL" | b"FD" | b"IS" | b"DS") => numbers(raw)
                .first()
                .copied()
                .flatten()
                .filter(|n| n.fract() == 0.0 && (-32768.0..=65535.0).contains(n))
                .map(|n| n as i32 as u16),
            _ if raw.bytes.len() % 2 == 0 => words(raw).next(),
            _ => None,
        };
        first.map(Some).ok_or_else(|| wrong_length(tag, raw))
    }

    /// Like [`Attributes::number`], for a required attribute.
    ///
    /// # Errors
    /// [`ReadError::Missing`] if it is absent.
    pub fn required(&self, tag: Tag) -> Result<u16, ReadError> {
        self.number(tag)?.ok_or_else(|| ReadError::Missing { attribute: name(tag) })
    }

    /// Numbers, most often as decimal or integer strings (DS, IS) with backslashes between; none if
    /// absent or empty. One that cannot be used is `None`.
    pub fn decimals(&self, tag: Tag) -> Vec<Option<f64>> {
        self.raw(tag).map(numbers).unwrap_or_default()
    }
}

fn raw(found: Found) -> Raw {
    Raw { vr: found.element.vr, bytes: found.bytes, encoding: found.encoding }
}

/// The text of a value, as [`Attributes::text`] describes it.
pub fn text(raw: Raw) -> Option<String> {
    let clean = |&byte: &u8| match byte {
        0 => ' ',
        b' '..=b'~' => char::from(byte),
        _ => '?',
    };
    let text: String = raw.bytes.iter().take(64).map(clean).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The numbers of a value, by its own value representation. `None` for one that is not finite.
fn numbers(raw: Raw) -> Vec<Option<f64>> {
    /// More values than any attribute has that is read here.
    const MOST: usize = 64;
    /// Bytes in which so many decimal strings lie.
    const LONGEST: usize = 1 << 14;
    let encoding = raw.encoding;
    let chunks = |size| raw.bytes.chunks_exact(size).take(MOST);
    let finite = |number: f64| number.is_finite().then_some(number);
    let long = |bytes: &[u8]| encoding.u32(bytes);
    match raw.vr.as_ref().map(|vr| vr.as_slice()) {
        Some(b"FD") => chunks(8)
            .map(|bytes| {
                let (first, second) = (u64::from(long(bytes)), u64::from(long(&bytes[4..])));
                finite(f64::from_bits(match encoding {
                    Encoding::ExplicitBig => first << 32 | second,
                    _ => second << 32 | first,
                }))
            })
            .collect(),
        Some(b"FL") => chunks(4).map(|bytes| finite(f32::from_bits(long(bytes)).into())).collect(),
        Some(b"US") => chunks(2).map(|bytes| Some(encoding.u16(bytes).into())).collect(),
        Some(b"SS") => chunks(2).map(|bytes| Some((encoding.u16(bytes) as i16).into())).collect(),
        Some(b"UL") => chunks(4).map(|bytes| Some(long(bytes).into())).collect(),
        Some(b"SL") => chunks(4).map(|bytes| Some((long(bytes) as i32).into())).collect(),
        _ => {
            let text = String::from_utf8_lossy(&raw.bytes[..raw.bytes.len().min(LONGEST)]);
            let text = text.trim_matches([' ', '\0']);
            if text.is_empty() {
                return Vec::new();
            }
            let parts = text.split('\\').take(MOST);
            parts.map(|part| part.trim_matches([' ', '\0']).parse().ok().and_then(finite)).collect()
        }
    }
}

/// The 16-bit words of a value; an odd last byte is left out.
pub fn words<'a>(raw: Raw<'a>) -> impl ExactSizeIterator<Item = u16> + use<'a> {
    let encoding = raw.encoding;
    raw.bytes.chunks_exact(2).map(move |word| encoding.u16(word))
}

fn wrong_length(tag: Tag, raw: Raw) -> ReadError {
    ReadError::Value {
        attribute: name(tag),
        found: format!("{} bytes", raw.bytes.len()),
        needed: "a number of 16 bits",
    }
}

fn collect_tables<'a>(
    sequence: Found<'a>,
    tables: &mut Vec<RawTable<'a>>,
) -> Result<(), ReadError> {
    /// More tables than anybody chooses among; further ones are left out.
    const MOST: usize = 256;
    sequence.items(|index, found| {
        if index >= MOST {
            return;
        }
        if index >= tables.len() {
            tables.resize(index + 1, RawTable::default());
        }
        match found.element.tag {
            tags::LUT_DESCRIPTOR => tables[index].descriptor = Some(raw(found)),
            tags::LUT_DATA => tables[index].data = Some(raw(found)),
            _ => {}
        }
    })
}
