//! Writes DICOM: data elements (PS3.5 chapter 7) and the file format (PS3.10).
//!
//! In: attributes. Out: bytes. [`preprocess::read`](crate::preprocess::read) reads DICOM and uses
//! the byte orders and the element heads that are defined here. The phantom generator writes
//! through this module.
//!
//! The caller is responsible for the attributes: none is added or checked here. That is why
//! dicom-rs is not used, which writes valid files (and the secondary captures of
//! [`explain`](crate::explain)): phantoms are unusual on purpose, like the machines' files, or
//! damaged in ways that no other writer offers.

pub use dicom_core::Tag;

/// The encoding of elements: byte order, and whether the value representation is explicit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Encoding {
    ImplicitLittle,
    ExplicitLittle,
    ExplicitBig,
}

impl Encoding {
    /// The 16-bit word in the first two bytes.
    pub fn u16(self, bytes: &[u8]) -> u16 {
        let word = [bytes[0], bytes[1]];
        match self {
            Self::ExplicitBig => u16::from_be_bytes(word),
            _ => u16::from_le_bytes(word),
        }
    }

    /// The 32-bit word in the first four bytes.
    pub fn u32(self, bytes: &[u8]) -> u32 {
        let word = [bytes[0], bytes[1], bytes[2], bytes[3]];
        match self {
            Self::ExplicitBig => u32::from_be_bytes(word),
            _ => u32::from_le_bytes(word),
        }
    }

    fn word(self, number: u16) -> [u8; 2] {
        if self == Self::ExplicitBig { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    fn long(self, number: u32) -> [u8; 4] {
        if self == Self::ExplicitBig { number.to_be_bytes() } else { number.to_le_bytes() }
    }
}

/// Whether the length field of this value representation has 16 bits, by PS3.5 table 7.1-2; all
/// others have 32.
pub fn has_short_length(vr: [u8; 2]) -> bool {
    matches!(
        &vr,
        b"AE"
            | b"AS"
            | b"AT"
            | b"CS"
            | b"DA"
            | b"DS"
            | b"DT"
            | b"FL"
            | b"FD"
            | b"IS"
            | b"LO"
            | b"LT"
            | b"PN"
            | b"SH"
            | b"SL"
            | b"SS"
            | b"ST"
            | b"TM"
            | b"UI"
            | b"UL"
            | b"US"
    )
}

/// A set of attributes in ascending order of tags. Each tag occurs once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DataSet {
    elements: Vec<Element>,
}

#[derive(Debug, Clone, PartialEq)]
struct Element {
    tag: Tag,
    vr: [u8; 2],
    value: Value,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Bytes as they stand in the file; padded to an even length when written.
    Bytes(Vec<u8>),
    /// 16-bit numbers; signed ones as two's complement.
    Words(Vec<u16>),
    /// The fragments of encapsulated pixel data, after an offset table with one frame.
    Fragments(Vec<Vec<u8>>),
}

impl DataSet {
    /// Sets an attribute to a text.
    pub fn text(&mut self, tag: impl Into<Tag>, vr: &[u8; 2], text: impl Into<String>) {
        self.set(tag, vr, Value::Bytes(text.into().into_bytes()));
    }

    /// Sets an attribute of VR US.
    pub fn number(&mut self, tag: impl Into<Tag>, number: u16) {
        self.set(tag, b"US", Value::Words(vec![number]));
    }

    /// Sets an attribute, and replaces the value that it has.
    pub fn set(&mut self, tag: impl Into<Tag>, vr: &[u8; 2], value: Value) {
        let element = Element { tag: tag.into(), vr: *vr, value };
        match self.elements.binary_search_by_key(&element.tag, |element| element.tag) {
            Ok(at) => self.elements[at] = element,
            Err(at) => self.elements.insert(at, element),
        }
    }

    /// The value of an attribute, if it is there.
    pub fn get(&self, tag: Tag) -> Option<&Value> {
        self.elements.iter().find(|element| element.tag == tag).map(|element| &element.value)
    }

    /// The same for changing it.
    pub fn get_mut(&mut self, tag: Tag) -> Option<&mut Value> {
        let mut elements = self.elements.iter_mut();
        elements.find(|element| element.tag == tag).map(|element| &mut element.value)
    }

    /// Removes an attribute.
    pub fn remove(&mut self, tag: Tag) {
        self.elements.retain(|element| element.tag != tag);
    }

    /// Appends all elements to `out`.
    pub fn write(&self, encoding: Encoding, out: &mut Vec<u8>) {
        self.elements.iter().for_each(|element| element.write(encoding, out));
    }
}

const ITEM: Tag = Tag(0xFFFE, 0xE000);
const SEQUENCE_DELIMITER: Tag = Tag(0xFFFE, 0xE0DD);
const UNDEFINED: u32 = u32::MAX;

impl Element {
    fn write(&self, encoding: Encoding, out: &mut Vec<u8>) {
        match &self.value {
            Value::Bytes(bytes) => {
                self.head(bytes.len().next_multiple_of(2) as u32, encoding, out);
                out.extend(bytes);
                if bytes.len() % 2 == 1 {
                    // PS3.5 6.2: UI and bytes are padded with a null, text with a space.
                    out.push(if matches!(&self.vr, b"UI" | b"OB" | b"UN") { 0 } else { b' ' });
                }
            }
            Value::Words(words) => {
                self.head(2 * words.len() as u32, encoding, out);
                words.iter().for_each(|&word| out.extend(encoding.word(word)));
            }
            Value::Fragments(fragments) => {
                self.head(UNDEFINED, encoding, out);
                // Encapsulated data are always little endian. The offset table has one frame, at 0.
                let little = Encoding::ExplicitLittle;
                delimiter(ITEM, 4, little, out);
                out.extend([0; 4]);
                for fragment in fragments {
                    delimiter(ITEM, fragment.len().next_multiple_of(2) as u32, little, out);
                    out.extend(fragment);
                    if fragment.len() % 2 == 1 {
                        out.push(0);
                    }
                }
                delimiter(SEQUENCE_DELIMITER, 0, little, out);
            }
        }
    }

    fn head(&self, length: u32, encoding: Encoding, out: &mut Vec<u8>) {
        out.extend(encoding.word(self.tag.0));
        out.extend(encoding.word(self.tag.1));
        if encoding == Encoding::ImplicitLittle {
            out.extend(encoding.long(length));
        } else if has_short_length(self.vr) {
            out.extend(self.vr);
            out.extend(encoding.word(length as u16));
        } else {
            out.extend(self.vr);
            out.extend([0, 0]);
            out.extend(encoding.long(length));
        }
    }
}

/// The head of an item or delimiter, which has no value representation in any encoding.
fn delimiter(tag: Tag, length: u32, encoding: Encoding, out: &mut Vec<u8>) {
    out.extend(encoding.word(tag.0));
    out.extend(encoding.word(tag.1));
    out.extend(encoding.long(length));
}

/// Implementation Class UID: the program that wrote the file.
pub const IMPLEMENTATION: &str = "2.25.80302813137786398554742050926734630921";

/// Implementation Version Name, by which [`Target`](crate::store::Target) recognises our files.
pub const IMPLEMENTATION_NAME: &str = "MAMMO-PIPE";

/// The beginning of a file: preamble, `DICM`, and File Meta Information (PS3.10 7.1) without its
/// group length (0002,0000), as all files of the RSNA set are.
pub fn file_meta(class: &str, instance: &str, syntax: &str) -> Vec<u8> {
    let mut meta = DataSet::default();
    meta.set((0x0002, 0x0001), b"OB", Value::Bytes(vec![0, 1]));
    meta.text((0x0002, 0x0002), b"UI", class);
    meta.text((0x0002, 0x0003), b"UI", instance);
    meta.text((0x0002, 0x0010), b"UI", syntax);
    meta.text((0x0002, 0x0012), b"UI", IMPLEMENTATION);
    meta.text((0x0002, 0x0013), b"SH", IMPLEMENTATION_NAME);
    let mut file = vec![0; 128];
    file.extend(b"DICM");
    meta.write(Encoding::ExplicitLittle, &mut file);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(data: &DataSet, encoding: Encoding) -> Vec<u8> {
        let mut out = Vec::new();
        data.write(encoding, &mut out);
        out
    }

    #[test]
    fn elements_stand_in_the_order_of_their_tags_whatever_order_they_came_in() {
        let mut data = DataSet::default();
        data.text((0x0010, 0x0020), b"LO", "abc");
        data.number((0x0008, 0x0001), 0x0102);
        data.number((0x0008, 0x0001), 0x0304);
        let expected = b"\x08\x00\x01\x00US\x02\x00\x04\x03\x10\x00\x20\x00LO\x04\x00abc ";
        assert_eq!(written(&data, Encoding::ExplicitLittle), expected);
        let big = b"\x00\x08\x00\x01US\x00\x02\x03\x04\x00\x10\x00\x20LO\x00\x04abc ";
        assert_eq!(written(&data, Encoding::ExplicitBig), big);
        let implicit =
            b"\x08\x00\x01\x00\x02\x00\x00\x00\x04\x03\x10\x00\x20\x00\x04\x00\x00\x00abc ";
        assert_eq!(written(&data, Encoding::ImplicitLittle), implicit);
    }
}
