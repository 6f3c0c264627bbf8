//! Reads one file of a table: text with any delimiter and encoding, to rows of cells.
//!
//! The delimiter is the one among comma, semicolon, tab and bar that the header is divided by. The
//! encoding is `dataset.encoding`, or UTF-16 if the file begins with its byte order mark. A byte
//! order mark, CRLF, quoted fields with line breaks, and blank lines are accepted.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder, Trim};
use encoding_rs::Encoding;

use super::{Problem, workbook};
use crate::config::ConfigError;

/// A header and the rows below it, each with its line number.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sheet {
    /// The line and the fields of the header.
    pub header: (u64, ByteRecord),
    /// The rows. A row may have more or fewer fields than the header.
    pub rows: Vec<(u64, ByteRecord)>,
}

/// Checks `dataset.encoding`.
///
/// # Errors
/// [`ConfigError::Value`] for an encoding that the WHATWG's standard does not name.
pub fn encoding(label: &str) -> Result<&'static Encoding, ConfigError> {
    Encoding::for_label(label.as_bytes()).ok_or_else(|| ConfigError::Value {
        key: "dataset.encoding",
        found: label.to_owned(),
        needed: "the name of an encoding, such as utf-8, windows-1252 or gb18030",
    })
}

/// The longest line. The longest of known tables have some kilobytes.
const MOST_IN_LINE: usize = 1 << 20;

/// The largest file. The largest of known tables have some hundred megabytes.
const MOST_BYTES: u64 = 4 << 30;

/// Reads the bytes of a table. Stops at what no table has, before it fills the memory: then gives the
/// line and the problem.
///
/// # Errors
/// If the file cannot be read.
pub fn load(path: &Path) -> io::Result<Result<Vec<u8>, (u64, Problem)>> {
    let mut file = File::open(path)?;
    let found = file.metadata()?.len();
    if found > MOST_BYTES {
        return Ok(Err((1, Problem::LargeFile { found, most: MOST_BYTES })));
    }
    let mut text = Vec::new();
    let (mut line, mut begin, mut seen) = (1, 0, 0);
    loop {
        let count = file.by_ref().take(MOST_IN_LINE as u64).read_to_end(&mut text)?;
        if count == 0 {
            return Ok(Ok(text));
        }
        for (at, byte) in text.iter().enumerate().skip(seen) {
            line += u64::from(*byte == b'\n');
            if matches!(byte, b'\n' | b'\r') {
                begin = at + 1;
            }
        }
        seen = text.len();
        // An inflated part of a workbook has its own limit.
        if seen - begin > MOST_IN_LINE && !workbook::is_workbook(&text) {
            return Ok(Err((line, Problem::LongLine { most: MOST_IN_LINE })));
        }
    }
}

/// Reads a table: an XLSX workbook, of which the first sheet is taken, or text.
///
/// # Errors
/// The line and the problem of a file that has no header.
pub fn read(text: &[u8], encoding: &'static Encoding) -> Result<Sheet, (u64, Problem)> {
    if workbook::is_workbook(text) {
        return workbook::read(text).map_err(|problem| (1, problem));
    }
    // `decode` recognises the byte order marks of UTF-8 and UTF-16, which have precedence.
    let decoded;
    let is_utf8 = encoding == encoding_rs::UTF_8 && Encoding::for_bom(text).is_none();
    let text = if is_utf8 {
        text
    } else {
        decoded = encoding.decode(text).0;
        decoded.as_bytes()
    };
    let delimiter = delimiter(text);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .delimiter(delimiter)
        .from_reader(text);
    let mut lines = Lines { text, offset: 0, line: 1 };
    let mut fields = ByteRecord::new();
    let mut sheet = Sheet::default();
    let mut has_header = false;
    while reader
        .read_byte_record(&mut fields)
        .expect("bytes in memory can be read, and rows may differ in length")
    {
        let line = lines.at(fields.position().map_or(0, |p| p.byte() as usize));
        if has_header {
            sheet.rows.push((line, fields.clone()));
        } else {
            sheet.header = (line, fields.clone());
            has_header = true;
        }
    }
    if has_header { Ok(sheet) } else { Err((1, Problem::Empty)) }
}

/// The delimiter of the first line that is not blank, outside quotes; a comma if there is none.
fn delimiter(text: &[u8]) -> u8 {
    const CHOICES: [u8; 4] = [b',', b';', b'\t', b'|'];
    let mut counts = [0; CHOICES.len()];
    let mut is_quoted = false;
    let mut has_text = false;
    for &byte in text {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' | b'\r' if has_text && !is_quoted => break,
            _ if is_quoted => {}
            _ => {
                if let Some(at) = CHOICES.iter().position(|choice| *choice == byte) {
                    counts[at] += 1;
                }
            }
        }
        has_text |= !byte.is_ascii_whitespace();
    }
    // The last of equals is the first choice.
    let most = (0..CHOICES.len()).rev().max_by_key(|&at| counts[at]);
    CHOICES[most.unwrap_or(0)]
}

/// Line numbers for ascending offsets. The CSV reader's own count cannot be used: with a blank line
/// before a record it gives that line's number.
struct Lines<'a> {
    text: &'a [u8],
    offset: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the first field at or after `offset`.
    fn at(&mut self, offset: usize) -> u64 {
        while let Some(&byte) = self.text.get(self.offset) {
            let ends_line = match byte {
                b'\n' => true,
                b'\r' => self.text.get(self.offset + 1) != Some(&b'\n'),
                _ if self.offset >= offset => break,
                _ => false,
            };
            self.line += u64::from(ends_line);
            self.offset += 1;
        }
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &[u8], label: &str) -> Vec<String> {
        let sheet = read(text, encoding(label).unwrap()).unwrap();
        let text = |row: &ByteRecord| {
            row.iter()
                .map(|f| String::from_utf8_lossy(f).into_owned())
                .collect::<Vec<_>>()
                .join("|")
        };
        std::iter::once(text(&sheet.header.1))
            .chain(sheet.rows.iter().map(|r| text(&r.1)))
            .collect()
    }

    #[test]
    fn the_delimiter_is_the_header_s() {
        assert_eq!(cells(b"a;b\n1;2,5\n", "utf-8"), ["a|b", "1|2,5"]);
        assert_eq!(cells(b"a\tb\n1\t2\n", "utf-8"), ["a|b", "1|2"]);
        assert_eq!(cells(b"\"a;x\",b\n1,2\n", "utf-8"), ["a;x|b", "1|2"]);
        assert_eq!(cells(b"only\n1\n", "utf-8"), ["only", "1"]);
    }

    #[test]
    fn other_encodings_are_read_by_their_name_and_utf_16_by_its_mark() {
        assert_eq!(cells(b"a,b\n1,Caf\xe9\n", "windows-1252"), ["a|b", "1|Caf\u{e9}"]);
        let utf16: Vec<u8> =
            "\u{feff}a;b\n1;2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(cells(&utf16, "utf-8"), ["a|b", "1|2"]);
        assert!(encoding("latin-one").is_err());
    }
}
