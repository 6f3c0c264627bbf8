//! Writes DICOM files element by element, right or wrong in any way a test asks for.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

pub const IMPLICIT: &str = "1.2.840.10008.1.2";
pub const EXPLICIT: &str = "1.2.840.10008.1.2.1";
pub const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
pub const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
pub const RLE: &str = "1.2.840.10008.1.2.5";
pub const JPEG_LOSSLESS: &str = "1.2.840.10008.1.2.4.70";
pub const JPEG_2000_LOSSLESS: &str = "1.2.840.10008.1.2.4.90";
pub const JPEG_2000: &str = "1.2.840.10008.1.2.4.91";

pub const PIXEL_DATA: u32 = 0x7FE0_0010;

/// A value to write.
#[derive(Debug, Clone)]
pub enum Value {
    Text(String),
    Words(Vec<u16>),
    Bytes(Vec<u8>),
    /// A sequence's items, of known length or between delimiters.
    Items(Vec<Vec<Element>>, Lengths),
    /// An empty offset table and fragments.
    Fragments(Vec<Vec<u8>>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Lengths {
    Known,
    Undefined,
}

#[derive(Debug, Clone)]
pub struct Element {
    pub tag: u32,
    pub vr: &'static str,
    pub value: Value,
}

/// A file to be.
#[derive(Debug, Clone)]
pub struct DicomFile {
    pub syntax: String,
    pub preamble: bool,
    /// (0002,0000), which every RSNA file lacks.
    pub group_length: bool,
    pub elements: Vec<Element>,
}

impl DicomFile {
    /// A grey image of 16-bit words, each holding 12 bits, without compression.
    pub fn grey(rows: u16, columns: u16, pixels: &[u16]) -> Self {
        let mut file = Self {
            syntax: EXPLICIT.into(),
            preamble: true,
            group_length: false,
            elements: Vec::new(),
        };
        file.set(0x0010_0010, "PN", Value::Text("SECRET^NAME".into()));
        for (tag, number) in [
            (0x0028_0002, 1),
            (0x0028_0010, rows),
            (0x0028_0011, columns),
            (0x0028_0100, 16),
            (0x0028_0101, 12),
            (0x0028_0102, 11),
            (0x0028_0103, 0),
        ] {
            file.set(tag, "US", Value::Words(vec![number]));
        }
        file.set(0x0028_0004, "CS", Value::Text("MONOCHROME2".into()));
        file.set(PIXEL_DATA, "OW", Value::Words(pixels.to_vec()));
        file
    }

    /// The same with a compressed stream in `fragments`.
    pub fn compressed(rows: u16, columns: u16, syntax: &str, fragments: Vec<Vec<u8>>) -> Self {
        let mut file = Self::grey(rows, columns, &[]);
        file.syntax = syntax.into();
        file.set(PIXEL_DATA, "OB", Value::Fragments(fragments));
        file
    }

    /// Puts an element where its tag belongs, in place of one with the same tag.
    pub fn set(&mut self, tag: u32, vr: &'static str, value: Value) -> &mut Self {
        self.remove(tag);
        let at = self.elements.partition_point(|element| element.tag < tag);
        self.elements.insert(at, Element { tag, vr, value });
        self
    }

    pub fn text(&mut self, tag: u32, vr: &'static str, text: &str) -> &mut Self {
        self.set(tag, vr, Value::Text(text.into()))
    }

    pub fn number(&mut self, tag: u32, number: u16) -> &mut Self {
        self.set(tag, "US", Value::Words(vec![number]))
    }

    pub fn remove(&mut self, tag: u32) -> &mut Self {
        self.elements.retain(|element| element.tag != tag);
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let uid = Element { tag: 0x0002_0010, vr: "UI", value: Value::Text(self.syntax.clone()) };
        let mut meta = Vec::new();
        write(&uid, EXPLICIT, &mut meta);
        let mut out = Vec::new();
        if self.preamble {
            out.extend([0; 128]);
            out.extend(b"DICM");
        }
        if self.group_length {
            out.extend([2, 0, 0, 0, b'U', b'L', 4, 0]);
            out.extend((meta.len() as u32).to_le_bytes());
        }
        out.extend(meta);
        let mut data_set = Vec::new();
        self.elements.iter().for_each(|element| write(element, &self.syntax, &mut data_set));
        if self.syntax == DEFLATED {
            let mut encoder = DeflateEncoder::new(out, Compression::fast());
            encoder.write_all(&data_set).unwrap();
            return encoder.finish().unwrap();
        }
        out.extend(data_set);
        out
    }
}

fn write(element: &Element, syntax: &str, out: &mut Vec<u8>) {
    let is_big = syntax == BIG_ENDIAN;
    let u16_bytes = |word: u16| if is_big { word.to_be_bytes() } else { word.to_le_bytes() };
    let u32_bytes = |word: u32| if is_big { word.to_be_bytes() } else { word.to_le_bytes() };
    let head = |tag: u32, length: usize, out: &mut Vec<u8>| {
        out.extend(u16_bytes((tag >> 16) as u16));
        out.extend(u16_bytes(tag as u16));
        out.extend(u32_bytes(length as u32));
    };
    let mut value = Vec::new();
    let mut length = None;
    match &element.value {
        Value::Text(text) => value.extend(text.bytes()),
        Value::Words(words) => value.extend(words.iter().flat_map(|&word| u16_bytes(word))),
        Value::Bytes(bytes) => value.extend(bytes),
        Value::Items(items, lengths) => {
            for item in items {
                let mut content = Vec::new();
                item.iter().for_each(|element| write(element, syntax, &mut content));
                let is_known = *lengths == Lengths::Known;
                let length = if is_known { content.len() } else { u32::MAX as usize };
                head(0xFFFE_E000, length, &mut value);
                value.extend(content);
                if !is_known {
                    head(0xFFFE_E00D, 0, &mut value);
                }
            }
            if *lengths == Lengths::Undefined {
                head(0xFFFE_E0DD, 0, &mut value);
                length = Some(u32::MAX);
            }
        }
        Value::Fragments(fragments) => {
            head(0xFFFE_E000, 0, &mut value);
            for fragment in fragments {
                head(0xFFFE_E000, fragment.len(), &mut value);
                value.extend(fragment);
            }
            head(0xFFFE_E0DD, 0, &mut value);
            length = Some(u32::MAX);
        }
    }
    if length.is_none() && value.len() % 2 == 1 {
        value.push(if element.vr == "UI" || element.vr == "OB" { 0 } else { b' ' });
    }
    let length = length.unwrap_or(value.len() as u32);
    out.extend(u16_bytes((element.tag >> 16) as u16));
    out.extend(u16_bytes(element.tag as u16));
    if syntax == IMPLICIT {
        out.extend(u32_bytes(length));
    } else {
        out.extend(element.vr.bytes());
        if matches!(element.vr, "OB" | "OW" | "SQ" | "UC" | "UN" | "UR" | "UT") {
            out.extend([0, 0]);
            out.extend(u32_bytes(length));
        } else {
            out.extend(u16_bytes(length as u16));
        }
    }
    out.extend(value);
}
