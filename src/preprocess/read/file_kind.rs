//! Tells what a file is that is not DICOM, by its first bytes.
//!
//! In: the bytes of a file. Out: its kind in words, for a message. The bytes themselves are never
//! repeated: a text may name a patient.

/// Number of bytes that decide whether a file is text.
const BEGINNING: usize = 512;

/// The first bytes of kinds of files that lie among images.
const KINDS: [(&[u8], &str); 13] = [
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image without a DICOM header"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image without a DICOM header"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image without a DICOM header"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"SQLite format 3", "a database"),
];

/// What the file is, such as `a PNG image` or `a text file`.
pub fn of(bytes: &[u8]) -> &'static str {
    let beginning = &bytes[..bytes.len().min(BEGINNING)];
    if let Some((_, kind)) = KINDS.iter().find(|(magic, _)| beginning.starts_with(magic)) {
        return kind;
    }
    if beginning.iter().all(|byte| *byte == 0) {
        return "filled with zeros";
    }
    // A character at the end may be cut.
    let is_text = match std::str::from_utf8(beginning) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && error.valid_up_to() > 0,
    } && !beginning.iter().any(|byte| matches!(byte, 0..=8 | 14..=31));
    if !is_text {
        return "of no kind that is known";
    }
    let text = String::from_utf8_lossy(beginning).trim_start().to_ascii_lowercase();
    match text {
        text if text.starts_with("<!doctype html") || text.starts_with("<html") => "a web page",
        text if text.starts_with("<?xml") => "an XML file",
        _ => "a text file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_its_kind_and_never_quoted() {
        for (bytes, expected) in [
            (&b"\x89PNG\r\n\x1a\n\0\0"[..], "a PNG image"),
            (b" <!DOCTYPE HTML><p>404", "a web page"),
            (b"Doe, Jane; 1950", "a text file"),
            ("Müller".as_bytes(), "a text file"),
            (b"PK\x03\x04\x14", "a ZIP archive"),
            (&[0; 900], "filled with zeros"),
            (&[7, 200, 0, 1], "of no kind that is known"),
        ] {
            assert_eq!(of(bytes), expected);
        }
    }
}
