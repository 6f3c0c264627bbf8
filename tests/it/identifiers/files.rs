//! Files with planted texts: sound, damaged, and of other kinds.

use mammo_codecs::encode::{Frame, jpeg_lossless};

use super::planted::{plant, profile, word};
use crate::common::dicom_file::*;

const ROWS: u16 = 200;
const COLUMNS: u16 = 120;

/// Random numbers by splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// A breast in the shape of a triangle, of a mammography machine.
fn pixels() -> Vec<u16> {
    let place = |i: i32| (i / i32::from(COLUMNS), i % i32::from(COLUMNS));
    let value = |(y, x): (i32, i32)| {
        if x < 90 - (y - 100).abs() { 1500 + (x * 7 + y * 3) as u16 % 500 } else { 20 }
    };
    (0..i32::from(ROWS) * i32::from(COLUMNS)).map(|i| value(place(i))).collect()
}

fn sound() -> DicomFile {
    let mut file = DicomFile::grey(ROWS, COLUMNS, &pixels());
    file.text(0x0008_0016, "UI", "1.2.840.10008.5.1.4.1.1.1.2")
        .text(0x0008_0070, "LO", "Maker")
        .text(0x0018_1164, "DS", "0.07\\0.07")
        .text(0x0028_1050, "DS", "1200")
        .text(0x0028_1051, "DS", "2000");
    plant(&mut file, None, |planted| planted.value.clone());
    file
}

/// A sound file of this patient and instance.
pub fn of_patient(patient: usize, instance: usize) -> Vec<u8> {
    let mut file = sound();
    file.text(0x0010_0020, "LO", &format!("{patient}"));
    file.text(0x0008_0018, "UI", &format!("1.2.3.{patient}.{instance}"));
    file.bytes()
}

/// The file with a word in every attribute, whatever its value representation allows.
fn with_words(vr: Option<&'static str>) -> DicomFile {
    let mut file = sound();
    plant(&mut file, vr, |planted| planted.word.clone());
    file
}

/// Attributes that the pipeline reads, with a word where it looks for a number or a code.
pub const READ: [(u32, &str); 33] = [
    (0x0002_0010, "UI"),
    (0x0008_0016, "UI"),
    (0x0008_0068, "CS"),
    (0x0018_1114, "DS"),
    (0x0018_1164, "DS"),
    (0x0018_5101, "CS"),
    (0x0020_0020, "CS"),
    (0x0020_0060, "CS"),
    (0x0020_0062, "CS"),
    (0x0020_9072, "CS"),
    (0x0028_0002, "US"),
    (0x0028_0004, "CS"),
    (0x0028_0008, "IS"),
    (0x0028_0010, "US"),
    (0x0028_0011, "US"),
    (0x0028_0030, "DS"),
    (0x0028_0100, "US"),
    (0x0028_0101, "US"),
    (0x0028_0102, "US"),
    (0x0028_0103, "US"),
    (0x0028_0120, "US"),
    (0x0028_0121, "US"),
    (0x0028_0301, "CS"),
    (0x0028_1050, "DS"),
    (0x0028_1051, "DS"),
    (0x0028_1052, "DS"),
    (0x0028_1053, "DS"),
    (0x0028_1056, "CS"),
    (0x0028_3000, "SQ"),
    (0x0028_3010, "SQ"),
    (0x0054_0220, "SQ"),
    (0x2050_0020, "CS"),
    (0x5200_9229, "SQ"),
];

/// A file of each kind, with a word for it.
pub fn files() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for syntax in [EXPLICIT, IMPLICIT, DEFLATED, BIG_ENDIAN] {
        files.push((
            format!("sound {syntax}"),
            DicomFile { syntax: syntax.into(), ..sound() }.bytes(),
        ));
        let words = DicomFile { syntax: syntax.into(), ..with_words(None) };
        files.push((format!("words {syntax}"), words.bytes()));
    }
    for vr in ["US", "SQ", "UN", "OB", "FD", "UI", "AT", "DS", "??", "ZZ", "\0\0"] {
        files.push((format!("as {vr:?}"), with_words(Some(vr)).bytes()));
    }
    for (tag, vr) in READ {
        for vr in [vr, "LO", "UT"] {
            let mut file = sound();
            let planted = profile()[0].clone();
            let element = super::planted::Planted { tag, ..planted }.element(vr, &word(tag));
            file.set(tag, vr, element.value);
            if tag == 0x0002_0010 {
                file.remove(tag);
                file.syntax = word(tag);
            }
            files.push((format!("{tag:08X} {vr}"), file.bytes()));
        }
    }
    let bytes = sound().bytes();
    let header = bytes.len() - pixels().len() * 2;
    for i in 0..40 {
        files.push((format!("cut {i}"), bytes[..header * (i + 1) / 40].to_vec()));
    }
    for seed in 0..40 {
        let mut random = Random(seed);
        let mut damaged = bytes.clone();
        for _ in 0..=seed {
            let at = random.next() as usize % header;
            damaged[at] ^= 1 << (random.next() % 8);
        }
        files.push((format!("flipped {seed}"), damaged));
        // The order of bytes changes from one place on.
        let from = random.next() as usize % header;
        let mut shifted = bytes.clone();
        shifted.insert(from, b'Z');
        files.push((format!("shifted {seed}"), shifted));
    }
    files.extend(streams());
    files.extend(others());
    files
}

/// Compressed pixels with a comment, sound and damaged, and texts in their place.
fn streams() -> Vec<(String, Vec<u8>)> {
    let text = format!("{} of Jane", word(0x0010_0010));
    let pixels = pixels();
    let frame = Frame::new(COLUMNS, ROWS, 12, &pixels).unwrap();
    let plain = jpeg_lossless::encode(&frame, Default::default());
    let length = (text.len() as u16 + 2).to_be_bytes();
    let comment = [&[0xFF, 0xFE][..], &length, text.as_bytes()].concat();
    let jpeg = [&plain[..2], &comment, &plain[2..]].concat();
    let cut = jpeg[..jpeg.len() / 2].to_vec();
    let mut files = Vec::new();
    for (name, syntax, stream) in [
        ("jpeg", JPEG_LOSSLESS, jpeg.clone()),
        ("cut jpeg", JPEG_LOSSLESS, cut),
        ("comments", JPEG_LOSSLESS, [&plain[..2], &comment.repeat(3)].concat()),
        ("text as jpeg", JPEG_LOSSLESS, text.repeat(9).into_bytes()),
        ("text as jpeg 2000", JPEG_2000, text.repeat(9).into_bytes()),
        ("text as rle", RLE, text.repeat(9).into_bytes()),
        ("jpeg as jpeg 2000", JPEG_2000_LOSSLESS, jpeg.clone()),
    ] {
        let mut file = DicomFile::compressed(ROWS, COLUMNS, syntax, vec![stream]);
        plant(&mut file, None, |planted| planted.value.clone());
        files.push((name.to_owned(), file.bytes()));
    }
    files.push(("jpeg alone".into(), jpeg));
    files
}

/// What is no DICOM file.
fn others() -> Vec<(String, Vec<u8>)> {
    let name = word(0x0010_0010);
    let report = format!("{name} {}\nMAMMOGRAPHY REPORT of {name}\n", word(0x0010_0030));
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, COLUMNS.into(), ROWS.into());
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Sixteen);
    encoder.add_text_chunk("Author".into(), report.clone()).unwrap();
    encoder.add_ztxt_chunk("Title".into(), report.clone()).unwrap();
    let bytes: Vec<u8> = pixels().iter().flat_map(|value| value.to_be_bytes()).collect();
    encoder.write_header().unwrap().write_image_data(&bytes).unwrap();
    let mut damaged_png = png.clone();
    damaged_png[60] ^= 0x20;
    let cut_png = png[..png.len() * 2 / 3].to_vec();
    let mut preamble = sound().bytes();
    preamble[..word(1).len()].copy_from_slice(name.as_bytes());
    let texts = [
        ("report", report.clone()),
        ("web page", format!("<!doctype html><title>{report}</title>")),
        ("xml", format!("<?xml version=\"1.0\"?><name>{report}</name>")),
        ("json", format!("{{\"name\": \"{name}\"}}")),
        ("table", format!("patient_id,name\n1,{report}")),
        ("pdf", format!("%PDF-1.4 {report}")),
        ("pgm of text", format!("P5 {report} 3 255 abc")),
        ("pgm of a comment", format!("P5\n# {report}120 200 255\n{}", "x".repeat(24_000))),
        ("short pgm", format!("P5\n# {report}120 200 255\n{name}")),
        ("group 2 of text", format!("\u{2}\0{report}")),
        ("group 8 of text", format!("\u{8}\0{report}")),
        ("dicm and text", format!("{}DICM{report}", "\0".repeat(128))),
        (
            "meta group of text",
            format!("{}DICM\u{2}\0\u{10}\0UI\u{40}\0{report}{report}", "\0".repeat(128)),
        ),
    ];
    let texts = texts.map(|(kind, text)| (kind.to_owned(), text.into_bytes()));
    let binary =
        [("png", png), ("damaged png", damaged_png), ("cut png", cut_png), ("preamble", preamble)];
    let tiffs = tiffs(&report).into_iter();
    texts
        .into_iter()
        .chain(binary.map(|(kind, bytes)| (kind.to_owned(), bytes)))
        .chain(tiffs)
        .collect()
}

/// TIFF images with a description, where a text is and where numbers are due.
fn tiffs(report: &str) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for wrong in [0_u16, 256, 257, 258, 259, 262, 273, 277, 279, 339] {
        let (rows, columns) = (40_u32, 24_u32);
        let tags: [(u16, u32); 9] = [
            (256, columns),
            (257, rows),
            (258, 8),
            (259, 1),
            (262, 1),
            (270, 0),
            (273, 300),
            (278, rows),
            (279, rows * columns),
        ];
        let mut all: Vec<(u16, u32)> = tags.to_vec();
        if !all.iter().any(|(tag, _)| *tag == wrong) && wrong != 0 {
            all.push((wrong, 1));
        }
        let mut file = b"II*\0\x08\0\0\0".to_vec();
        file.extend((all.len() as u16).to_le_bytes());
        for (tag, value) in all {
            let is_text = tag == 270 || tag == wrong;
            let (kind, count, value) =
                if is_text { (2_u16, report.len() as u32, 1300) } else { (4, 1, value) };
            file.extend(tag.to_le_bytes());
            file.extend(kind.to_le_bytes());
            file.extend(count.to_le_bytes());
            file.extend(value.to_le_bytes());
        }
        file.resize(300 + 960, 90);
        file.resize(1300, 0);
        file.extend(report.as_bytes());
        files.push((format!("tiff {wrong}"), file));
    }
    files
}
