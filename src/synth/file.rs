//! Writes a phantom as a DICOM file, with the attributes that the machines' real files have and
//! without those that they lack.
//!
//! There is no File Meta Information Group Length, no Modality, no View Position and no spacing,
//! and nothing about the patient but the id of the table.

use super::coding::Coding;
use super::machines::Grey;
use super::phantom::Phantom;
use super::spec::PhantomSpec;
use crate::dicom::{DataSet, Tag, Value, file_meta};

/// A DICOM file before it is encoded, so that it can be damaged on purpose.
#[derive(Debug, Clone, PartialEq)]
pub struct DicomFile {
    /// The coding of the pixel data.
    pub coding: Coding,
    /// The value of Transfer Syntax UID.
    pub syntax: String,
    sop_instance: String,
    attributes: DataSet,
}

pub(super) const SAMPLES_PER_PIXEL: Tag = Tag(0x0028, 0x0002);
pub(super) const PHOTOMETRIC_INTERPRETATION: Tag = Tag(0x0028, 0x0004);
pub(super) const NUMBER_OF_FRAMES: Tag = Tag(0x0028, 0x0008);
pub(super) const ROWS: Tag = Tag(0x0028, 0x0010);
pub(super) const COLUMNS: Tag = Tag(0x0028, 0x0011);
pub(super) const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);

/// A SOP class of DICOM PS3.4: Digital X-Ray Image Storage - For Presentation, as in the real
/// files.
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
            attributes: DataSet::default(),
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
        file.attributes.set((0x0028, 0x1041), b"SS", Value::Words(vec![sign as u16]));
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
        // PS3.5 demands OB for a codestream; the real JPEG 2000 files have OW.
        let fragments = matches!(pixels, Value::Fragments(_));
        let vr = if fragments && coding != Coding::Jpeg2000 { b"OB" } else { b"OW" };
        file.attributes.set(PIXEL_DATA, vr, pixels);
        file
    }

    /// Sets an attribute to a text.
    pub(super) fn text(&mut self, tag: impl Into<Tag>, vr: &[u8; 2], text: impl Into<String>) {
        self.attributes.text(tag, vr, text);
    }

    /// Sets an attribute of VR US.
    pub(super) fn number(&mut self, tag: impl Into<Tag>, number: u16) {
        self.attributes.number(tag, number);
    }

    /// An attribute's number, if it has one.
    pub(super) fn get(&self, tag: Tag) -> Option<u16> {
        match self.attributes.get(tag)? {
            Value::Words(words) => words.first().copied(),
            _ => None,
        }
    }

    /// Removes an attribute.
    pub(super) fn remove(&mut self, tag: Tag) {
        self.attributes.remove(tag);
    }

    /// The pixel data, for changing them.
    pub(super) fn pixels_mut(&mut self) -> Option<&mut Value> {
        self.attributes.get_mut(PIXEL_DATA)
    }

    /// Encodes the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut file = file_meta(SOP_CLASS, &self.sop_instance, &self.syntax);
        let mut dataset = Vec::new();
        self.attributes.write(self.coding.encoding(), &mut dataset);
        file.extend(self.coding.wrap(dataset));
        file
    }
}
