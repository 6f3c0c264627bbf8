//! Reads how stored values become grey levels: modality, VOI, padding and polarity.
//!
//! In: the attributes and the pixels' layout. Out: [`Display`]. A window or table that cannot be
//! used is left out with a note, so that the next source of grey levels takes its place: another
//! window, then the full range of stored values. `window` computes with what is left.

use dicom_dictionary_std::tags;

use super::attributes::{Attributes, Raw, RawTable, words};
use super::display::{
    Display, LookupTable, Modality, Padding, PresentationShape, VoiFunction, VoiWindow,
};
use super::elements::name;
use super::header::PixelLayout;
use super::{ReadError, value};
use crate::shard::notes::{Note, Notes};

/// The attributes of a header that define the grey levels.
///
/// # Errors
/// [`ReadError`] for a Modality LUT whose content contradicts itself: without it, stored values
/// have no meaning.
pub fn display(
    attributes: &Attributes,
    layout: &PixelLayout,
    notes: &mut Notes,
) -> Result<Display, ReadError> {
    let (modality, is_known) = modality(attributes, layout, notes)?;
    let mut display = Display {
        modality,
        padding: padding(attributes, layout.signed, notes),
        shape: match attributes.code(tags::PRESENTATION_LUT_SHAPE).as_deref() {
            Some("INVERSE") => PresentationShape::Inverse,
            _ => PresentationShape::Identity,
        },
        ..Display::default()
    };
    // Windows and tables are given in values of the modality transformation.
    if is_known {
        display.tables = tables(attributes, output_range(&display.modality, layout), notes);
        display.windows = windows(attributes, notes);
    }
    Ok(display)
}

/// Rescale and window numbers above this are no grey levels: values of 16 bits with any slope that a
/// machine writes stay far below.
const LARGEST: f64 = 1e9;

/// The modality transformation, and whether it is known.
fn modality(
    attributes: &Attributes,
    layout: &PixelLayout,
    notes: &mut Notes,
) -> Result<(Modality, bool), ReadError> {
    if let Some(raw) = attributes.modality_tables.first() {
        let has = |raw: Option<Raw>| raw.is_some_and(|raw| !raw.bytes.is_empty());
        match (has(raw.descriptor), has(raw.data)) {
            (true, true) => {
                let (low, high) = layout.range();
                let table = lookup_table(raw, (low.into(), high.into()), layout.signed, notes)?;
                return Ok((Modality::Table(table), true));
            }
            // An item without content says nothing; half of a table contradicts itself.
            (false, false) => notes.add(Note::ModalityLutUnusable),
            (true, false) => return Err(ReadError::Missing { attribute: name(tags::LUT_DATA) }),
            (false, true) => {
                return Err(ReadError::Missing { attribute: name(tags::LUT_DESCRIPTOR) });
            }
        }
    }
    // Absent and empty mean the same.
    let first = |tag| attributes.decimals(tag).first().copied();
    let (slope, intercept) = (first(tags::RESCALE_SLOPE), first(tags::RESCALE_INTERCEPT));
    let (Some(slope), Some(intercept)) =
        (slope.unwrap_or(Some(1.0)), intercept.unwrap_or(Some(0.0)))
    else {
        notes.add(Note::RescaleUnusable);
        return Ok((Modality::default(), false));
    };
    if slope.abs().max(intercept.abs()) > LARGEST {
        notes.add(Note::RescaleUnusable);
        return Ok((Modality::default(), false));
    }
    if slope == 0.0 {
        // Programs write 0 for "not set": no image has one value alone.
        notes.add(Note::RescaleUnusable);
        // With an intercept beside it, the unit of windows is not known.
        return Ok((Modality::default(), intercept == 0.0));
    }
    Ok((Modality::Rescale { slope, intercept }, true))
}

/// The smallest and the largest output of the modality transformation.
fn output_range(modality: &Modality, layout: &PixelLayout) -> (f64, f64) {
    match modality {
        Modality::Rescale { slope, intercept } => {
            let (low, high) = layout.range();
            let [a, b] = [low, high].map(|stored| slope * f64::from(stored) + intercept);
            (a.min(b), a.max(b))
        }
        Modality::Table(table) => (0.0, table.max().into()),
    }
}

fn tables(
    attributes: &Attributes,
    inputs: (f64, f64),
    notes: &mut Notes,
) -> Vec<(usize, LookupTable)> {
    let mut usable = Vec::new();
    for (index, raw) in attributes.voi_tables.iter().enumerate() {
        // PS3.3 C.11.2.1.1: the first input has the sign of the inputs.
        match lookup_table(raw, inputs, inputs.0 < 0.0, notes) {
            // One output for all inputs shows nothing.
            Ok(table) if table.entries.iter().any(|entry| *entry != table.entries[0]) => {
                usable.push((index, table));
            }
            _ => notes.add(Note::VoiLutUnusable),
        }
    }
    usable
}

fn windows(attributes: &Attributes, notes: &mut Notes) -> Vec<VoiWindow> {
    let [centers, widths] =
        [tags::WINDOW_CENTER, tags::WINDOW_WIDTH].map(|tag| attributes.decimals(tag));
    let functions = attributes.codes(tags::VOILUT_FUNCTION);
    // A backslash behind the last value is no further value.
    let count =
        |values: &[Option<f64>]| values.iter().rposition(Option::is_some).map_or(0, |i| i + 1);
    if count(&centers) != count(&widths) && count(&centers).min(count(&widths)) > 0 {
        notes.add(Note::WindowCountsDiffer);
    }
    let all = centers.len().max(widths.len());
    let mut usable = Vec::new();
    for index in 0..all {
        let number = |values: &[Option<f64>]| values.get(index).copied().flatten();
        let function = function(&functions, index);
        match (number(&centers), number(&widths), function) {
            (Some(center), Some(width), Some(function))
                if width > 0.0 && center.abs().max(width) <= LARGEST =>
            {
                let mut window = VoiWindow { center, width, function, index };
                if function == VoiFunction::Linear && width < 1.0 {
                    // PS3.3 has no LINEAR below 1. Such windows are written over small slopes,
                    // where half a unit, by which the two differ, is most of the range.
                    window.function = VoiFunction::LinearExact;
                    notes.add(Note::WindowBelowOne);
                }
                usable.push(window);
            }
            // Behind the last pair there is none to miss.
            _ if index >= count(&centers).min(count(&widths)).max(1) => {}
            _ => notes.add(Note::WindowUnusable),
        }
    }
    usable
}

/// The VOI LUT Function of window `index`: some files have one for each. `None` for a term that is
/// not defined.
fn function(terms: &[String], index: usize) -> Option<VoiFunction> {
    // An empty VOI LUT Function occurs in real files (Enet4/dicom-rs#724).
    let Some(term) = terms.get(index).or(terms.last()) else { return Some(VoiFunction::Linear) };
    match term.replace([' ', '-'], "_").as_str() {
        "" | "LINEAR" => Some(VoiFunction::Linear),
        "LINEAR_EXACT" => Some(VoiFunction::LinearExact),
        "SIGMOID" => Some(VoiFunction::Sigmoid),
        _ => None,
    }
}

/// Padding is a stored value, so it has the sign of stored values, whether the file says US or SS.
fn padding(attributes: &Attributes, signed: bool, notes: &mut Notes) -> Option<Padding> {
    let stored = |word: u16| if signed { i32::from(word as i16) } else { i32::from(word) };
    let mut number = |tag| {
        attributes.number(tag).unwrap_or_else(|_| {
            notes.add(Note::PaddingUnusable);
            None
        })
    };
    let value = number(tags::PIXEL_PADDING_VALUE)?;
    let limit = number(tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(value);
    let (value, limit) = (stored(value), stored(limit));
    Some(Padding { low: value.min(limit), high: value.max(limit) })
}

/// A table for inputs of the range `inputs`. `signed` says whether the first input is two's
/// complement where its value representation does not say it.
fn lookup_table(
    raw: &RawTable,
    inputs: (f64, f64),
    signed: bool,
    notes: &mut Notes,
) -> Result<LookupTable, ReadError> {
    let missing = |tag| ReadError::Missing { attribute: name(tag) };
    let descriptor = raw.descriptor.ok_or_else(|| missing(tags::LUT_DESCRIPTOR))?;
    let data = raw.data.ok_or_else(|| missing(tags::LUT_DATA))?;
    let numbers: Vec<u16> = words(descriptor).take(4).collect();
    let &[count, first, bits] = numbers.as_slice() else {
        let found = format!("{} numbers", numbers.len());
        return Err(value(tags::LUT_DESCRIPTOR, found, "3 numbers"));
    };
    // PS3.3 C.11.1.1.1: 0 means 65536 entries, which 16 bits cannot hold.
    let count = if count == 0 { 1 << 16 } else { usize::from(count) };
    let entries = entries(data, count, bits <= 8)?;
    // The descriptor of some files (Agfa, GE) says 16 bits and the entries reach 12 or 14, or the
    // entries exceed what it says: then what they reach is white. A table of fewer than 16 bits need
    // not use its highest entry.
    let highest = entries.iter().copied().max().unwrap_or(0);
    let reached = (16 - highest.leading_zeros()).max(8) as u16;
    let is_sound = reached == bits || (8..16).contains(&bits) && reached < bits;
    let white = if is_sound { bits } else { reached };
    if white != bits {
        notes.add(Note::LutBits);
    }
    let first = first_input(first, descriptor.vr, inputs, signed);
    Ok(LookupTable { first, bits: white as u8, entries })
}

/// The input of a table's first entry, of which `word` is the value.
fn first_input(word: u16, vr: Option<[u8; 2]>, (low, high): (f64, f64), signed: bool) -> i32 {
    let (positive, negative) = (i32::from(word), i32::from(word as i16));
    let is_signed = match vr.as_ref().map(|vr| vr.as_slice()) {
        Some(b"SS") => true,
        // A US where SS is due: no input is as large as the number would be.
        Some(b"US") => low < 0.0 && f64::from(positive) > high,
        _ => signed,
    };
    if is_signed { negative } else { positive }
}

/// Entries of 8 bits are stored one per word, or two packed into one word (PS3.3 C.11.1.1.1).
fn entries(data: Raw, count: usize, may_be_packed: bool) -> Result<Vec<u16>, ReadError> {
    let have = data.bytes.len();
    if have >= 2 * count {
        return Ok(words(data).take(count).collect());
    }
    if may_be_packed && have >= count {
        return Ok(data.bytes[..count].iter().copied().map(u16::from).collect());
    }
    let needed = "as many entries as LUTDescriptor says";
    Err(value(tags::LUT_DATA, format!("{have} bytes"), needed))
}
