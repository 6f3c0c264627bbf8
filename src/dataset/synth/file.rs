//! Writes a phantom as the machines' DICOM files are: what they hold, and what they lack.
//!
//! No File Meta Information Group Length, no Modality, no View Position, no spacing; nothing
//! about a patient but the id of the table.

use super::coding::{Coding, PixelData};
use super::machines::Grey;
use super::phantom::{Phantom, PhantomSpec};

/// A DICOM file before it becomes bytes, so that it can be damaged on purpose.
#[derive(Debug, Clone, PartialEq)]
pub struct DicomFile {
    /// How the dataset is coded.
    pub coding: Coding,
    /// What Transfer Syntax UID says.
    pub syntax: String,
    sop_instance: String,
    /// In ascending order of tags.
    elements: Vec<Element>,
}

/// One attribute.
#[derive(Debug, Clone, PartialEq)]
struct Element {
    tag: Tag,
    vr: [u8; 2],
    value: Value,
}

/// Group and element number.
pub(super) type Tag = (u16, u16);

pub(super) const SAMPLES_PER_PIXEL: Tag = (0x0028, 0x0002);
pub(super) const PHOTOMETRIC_INTERPRETATION: Tag = (0x0028, 0x0004);
pub(super) const NUMBER_OF_FRAMES: Tag = (0x0028, 0x0008);
pub(super) const ROWS: Tag = (0x0028, 0x0010);
pub(super) const COLUMNS: Tag = (0x0028, 0x0011);
pub(super) const PIXEL_DATA: Tag = (0x7FE0, 0x0010);

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Text, padded to an even length when written.
    Text(String),
    /// An unsigned or signed number of 16 bits.
    Number(u16),
    /// Pixel Data.
    Pixels(PixelData),
}

/// Of DICOM PS3.4: Digital X-Ray Image Storage - For Presentation, which is what the real
/// files say they are.
const SOP_CLASS: &str = "1.2.840.10008.5.1.4.1.1.1.1";

impl DicomFile {
    /// The file of an image.
    pub fn new(
        spec: &PhantomSpec,
        phantom: &Phantom,
        coding: Coding,
        patient: u64,
        image: u64,
    ) -> Self {
        let tone = &phantom.tone;
        let (bits, shift) = coding.depth(spec.machine.bits);
        let scale = 1.0 / (1_u32 << shift) as f32;
        let presses = matches!(spec.machine.grey, Grey::Sigmoid { .. });
        let sop_instance = format!("2.25.{patient}{image:010}");
        let mut file = Self {
            coding,
            syntax: coding.uid().to_owned(),
            sop_instance: sop_instance.clone(),
            elements: Vec::new(),
        };
        let second = image % 86_400;
        let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
        file.text((0x0008, 0x0018), b"UI", sop_instance);
        file.text((0x0008, 0x0023), b"DA", "20200101");
        file.text((0x0008, 0x0033), b"TM", format!("{hours:02}{minutes:02}{seconds:02}"));
        file.text((0x0010, 0x0020), b"LO", patient.to_string());
        if presses {
            file.text((0x0018, 0x11A0), b"DS", (30 + image % 50).to_string());
            file.text((0x0018, 0x11A2), b"DS", (40 + image % 9 * 10).to_string());
            file.text((0x0018, 0x7060), b"CS", "AUTOMATIC");
        }
        file.text((0x0020, 0x000D), b"UI", format!("2.25.{patient}"));
        file.text((0x0020, 0x000E), b"UI", format!("2.25.{patient}.1"));
        file.text((0x0020, 0x0013), b"IS", image.to_string());
        file.text((0x0020, 0x0062), b"CS", spec.laterality.as_str());
        file.number(SAMPLES_PER_PIXEL, 1);
        let photometric = if tone.inverted { "MONOCHROME1" } else { "MONOCHROME2" };
        file.text(PHOTOMETRIC_INTERPRETATION, b"CS", photometric);
        file.number(ROWS, phantom.pixels.height() as u16);
        file.number(COLUMNS, phantom.pixels.width() as u16);
        file.number((0x0028, 0x0100), if bits > 8 { 16 } else { 8 });
        file.number((0x0028, 0x0101), bits as u16);
        file.number((0x0028, 0x0102), bits as u16 - 1);
        file.number((0x0028, 0x0103), 0);
        if let Some(padding) = tone.padding {
            file.number((0x0028, 0x0120), padding >> shift);
        }
        file.text((0x0028, 0x1040), b"CS", "LOG");
        let sign = if presses { -1_i16 } else { 1 };
        file.set((0x0028, 0x1041), b"SS", Value::Number(sign as u16));
        let decimals = |of: fn(&(f32, f32)) -> f32| {
            let text = |window| {
                let value = scale * of(window);
                if tone.inverted { format!("{value:.6}") } else { value.to_string() }
            };
            tone.windows.iter().map(text).collect::<Vec<_>>().join("\\")
        };
        file.text((0x0028, 0x1050), b"DS", decimals(|window| window.0));
        file.text((0x0028, 0x1051), b"DS", decimals(|window| window.1));
        file.text((0x0028, 0x1052), b"DS", "0");
        file.text((0x0028, 0x1053), b"DS", "1");
        file.text((0x0028, 0x1054), b"LO", "US");
        if tone.sigmoid {
            file.text((0x0028, 0x1056), b"CS", "SIGMOID");
        }
        if !presses {
            file.text((0x0028, 0x1350), b"CS", "NO");
        }
        file.text((0x0028, 0x2110), b"CS", if coding.lossless() { "00" } else { "01" });
        let pixels = match shift {
            0 => coding.encode(&phantom.pixels, bits),
            _ => coding.encode(&phantom.pixels.map(|value| value >> shift), bits),
        };
        // PS3.5 asks for OB around a codestream; the real JPEG 2000 files have OW.
        let fragments = matches!(pixels, PixelData::Fragments(_));
        let vr = if fragments && coding != Coding::Jpeg2000 { b"OB" } else { b"OW" };
        file.set(PIXEL_DATA, vr, Value::Pixels(pixels));
        file
    }

    /// Sets an attribute to a text.
    pub(super) fn text(&mut self, tag: Tag, vr: &[u8; 2], text: impl Into<String>) {
        self.set(tag, vr, Value::Text(text.into()));
    }

    /// Sets an attribute of VR US.
    pub(super) fn number(&mut self, tag: Tag, number: u16) {
        self.set(tag, b"US", Value::Number(number));
    }

    fn set(&mut self, tag: Tag, vr: &[u8; 2], value: Value) {
        let element = Element { tag, vr: *vr, value };
        match self.elements.binary_search_by_key(&tag, |element| element.tag) {
            Ok(at) => self.elements[at] = element,
            Err(at) => self.elements.insert(at, element),
        }
    }

    /// An attribute's number, if it has one.
    pub(super) fn get(&self, tag: Tag) -> Option<u16> {
        self.elements.iter().find(|element| element.tag == tag).and_then(|element| {
            if let Value::Number(number) = element.value { Some(number) } else { None }
        })
    }

    /// Leaves an attribute out.
    pub(super) fn remove(&mut self, tag: Tag) {
        self.elements.retain(|element| element.tag != tag);
    }

    /// The pixel data, to be changed.
    pub(super) fn pixels_mut(&mut self) -> Option<&mut PixelData> {
        self.elements.iter_mut().find_map(|element| match &mut element.value {
            Value::Pixels(pixels) => Some(pixels),
            _ => None,
        })
    }

    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut file = vec![0; 128];
        file.extend(b"DICM");
        // Without (0002,0000), as the real ones.
        file.extend([0x02, 0, 0x01, 0, b'O', b'B', 0, 0, 2, 0, 0, 0, 0, 1]);
        let meta = [
            (0x0002_u16, b"UI", SOP_CLASS),
            (0x0003, b"UI", &self.sop_instance),
            (0x0010, b"UI", &self.syntax),
            (0x0012, b"UI", "2.25.80302813137786398554742050926734630921"),
            (0x0013, b"SH", "MAMMO-PIPE"),
        ];
        for (element, vr, text) in meta {
            let value = Value::Text(text.to_owned());
            let element = Element { tag: (0x0002, element), vr: *vr, value };
            element.write(Coding::ExplicitLittle, &mut file);
        }
        let mut dataset = Vec::new();
        self.elements.iter().for_each(|element| element.write(self.coding, &mut dataset));
        file.extend(self.coding.wrap(dataset));
        file
    }
}

impl Element {
    /// Appends the element (PS3.5 7.1).
    fn write(&self, coding: Coding, out: &mut Vec<u8>) {
        let short = |number: u16| {
            if coding.little_endian() { number.to_le_bytes() } else { number.to_be_bytes() }
        };
        let long = |number: u32| {
            if coding.little_endian() { number.to_le_bytes() } else { number.to_be_bytes() }
        };
        out.extend(short(self.tag.0));
        out.extend(short(self.tag.1));
        let head = |length: u32, out: &mut Vec<u8>| {
            if !coding.explicit() {
                out.extend(long(length));
            } else if matches!(&self.vr, b"OB" | b"OW") {
                out.extend(self.vr);
                out.extend([0, 0]);
                out.extend(long(length));
            } else {
                out.extend(self.vr);
                out.extend(short(length as u16));
            }
        };
        match &self.value {
            Value::Text(text) => {
                head(text.len().next_multiple_of(2) as u32, out);
                out.extend(text.as_bytes());
                if text.len() % 2 == 1 {
                    out.push(if &self.vr == b"UI" { 0 } else { b' ' });
                }
            }
            Value::Number(number) => {
                head(2, out);
                out.extend(short(*number));
            }
            Value::Pixels(PixelData::Native(samples)) => {
                head(2 * samples.len() as u32, out);
                samples.iter().for_each(|&sample| out.extend(short(sample)));
            }
            Value::Pixels(PixelData::Fragments(fragments)) => {
                const UNDEFINED: u32 = 0xFFFF_FFFF;
                head(UNDEFINED, out);
                // The offset table: one frame, at 0.
                item(0xE000, 4, out);
                out.extend([0; 4]);
                for fragment in fragments {
                    item(0xE000, fragment.len().next_multiple_of(2) as u32, out);
                    out.extend(fragment);
                    if fragment.len() % 2 == 1 {
                        out.push(0);
                    }
                }
                item(0xE0DD, 0, out);
            }
        }
    }
}

/// The head of an item or delimiter; encapsulated data are always little endian.
fn item(element: u16, length: u32, out: &mut Vec<u8>) {
    out.extend(0xFFFE_u16.to_le_bytes());
    out.extend(element.to_le_bytes());
    out.extend(length.to_le_bytes());
}
