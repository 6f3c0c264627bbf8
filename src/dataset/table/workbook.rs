//! Reads the first sheet of an XLSX workbook: a zip archive of XML files (ECMA-376, part 1).
//!
//! Only what a table needs is read: shared and inline texts, and numbers as they are stored. A date
//! is therefore the number of a day. `calamine` reads more, but it changes the program's deflate.

use std::io::Read;

use csv::ByteRecord;
use flate2::read::DeflateDecoder;

use super::Problem;
use super::sheet::Sheet;

/// The largest part of a workbook, inflated.
const MAX_BYTES: u64 = 512 << 20;

/// Whether a file begins like a workbook, as no text does.
pub fn is_workbook(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

/// The first sheet. Blank rows are left out.
///
/// # Errors
/// What is wrong with the workbook.
pub fn read(bytes: &[u8]) -> Result<Sheet, Problem> {
    let book = text(bytes, "xl/workbook.xml")?;
    let first = tags(&book).find(|tag| tag.name == "sheet").and_then(|tag| tag.attribute("r:id"));
    let first = first.ok_or_else(|| bad("it has no sheet"))?;
    let relations = text(bytes, "xl/_rels/workbook.xml.rels")?;
    let target = tags(&relations)
        .filter(|tag| tag.name == "Relationship")
        .find(|tag| tag.attribute("Id").as_ref() == Some(&first))
        .and_then(|tag| tag.attribute("Target"))
        .ok_or_else(|| bad("its first sheet is nowhere"))?;
    let path = match target.strip_prefix('/') {
        Some(path) => path.to_owned(),
        None => format!("xl/{target}"),
    };
    let shared = match text(bytes, "xl/sharedStrings.xml") {
        Ok(xml) => shared_texts(&xml),
        Err(_) => Vec::new(),
    };
    let mut rows = rows(&text(bytes, &path)?, &shared);
    rows.retain(|(_, cells)| cells.iter().any(|cell| !cell.is_empty()));
    let width = rows.first().map_or(0, |(_, cells)| cells.len());
    let record = |(line, mut cells): (u64, Vec<String>)| {
        // A row ends at its last cell that is not empty.
        if cells.len() < width {
            cells.resize(width, String::new());
        }
        (line, ByteRecord::from(cells))
    };
    let mut rows = rows.into_iter().map(record);
    let header = rows.next().ok_or(Problem::Empty)?;
    Ok(Sheet { header, rows: rows.collect() })
}

fn bad(reason: &str) -> Problem {
    Problem::Workbook(reason.to_owned())
}

/// A file of the archive (PKWARE's APPNOTE 4.3), as text.
fn text(zip: &[u8], name: &str) -> Result<String, Problem> {
    let cut = || bad("the archive ends too early");
    let short = |at: usize| Some(u16::from_le_bytes(zip.get(at..at + 2)?.try_into().ok()?).into());
    let long = |at: usize| -> Option<usize> {
        u32::from_le_bytes(zip.get(at..at + 4)?.try_into().ok()?).try_into().ok()
    };
    let end = zip.windows(4).rposition(|four| four == b"PK\x05\x06").ok_or_else(cut)?;
    let count: usize = short(end + 10).ok_or_else(cut)?;
    let mut at = long(end + 16).ok_or_else(cut)?;
    for _ in 0..count {
        let [name_length, extra, comment]: [usize; 3] = [
            short(at + 28).ok_or_else(cut)?,
            short(at + 30).ok_or_else(cut)?,
            short(at + 32).ok_or_else(cut)?,
        ];
        if zip.get(at + 46..at + 46 + name_length) != Some(name.as_bytes()) {
            at += 46 + name_length + extra + comment;
            continue;
        }
        let method: usize = short(at + 10).ok_or_else(cut)?;
        let length = long(at + 20).ok_or_else(cut)?;
        let local = long(at + 42).ok_or_else(cut)?;
        let before: [usize; 2] =
            [short(local + 26).ok_or_else(cut)?, short(local + 28).ok_or_else(cut)?];
        let start = local + 30 + before[0] + before[1];
        let bytes = zip.get(start..start.saturating_add(length)).ok_or_else(cut)?;
        let mut out = Vec::new();
        let read = match method {
            0 => bytes.take(MAX_BYTES).read_to_end(&mut out),
            8 => DeflateDecoder::new(bytes).take(MAX_BYTES).read_to_end(&mut out),
            other => return Err(Problem::Workbook(format!("{name} has compression {other}"))),
        };
        read.map_err(|error| Problem::Workbook(format!("{name}: {error}")))?;
        return String::from_utf8(out).map_err(|_| Problem::Workbook(format!("{name}: no UTF-8")));
    }
    Err(Problem::Workbook(format!("it has no {name}")))
}

/// A tag, with the text up to the next one.
struct Tag<'a> {
    name: &'a str,
    attributes: &'a str,
    /// Whether it is `</name>`.
    closes: bool,
    /// Whether it is `<name/>`.
    is_empty: bool,
    after: &'a str,
}

impl Tag<'_> {
    fn attribute(&self, name: &str) -> Option<String> {
        let mut rest = self.attributes;
        while let Some((before, after)) = rest.split_once('=') {
            let after = after.trim_start();
            let quote = after.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            let (value, next) = after[1..].split_once(quote)?;
            if before.trim() == name {
                return Some(unescaped(value));
            }
            rest = next;
        }
        None
    }
}

/// The tags of an XML text, one after the other. Comments and declarations have no name.
fn tags(xml: &str) -> impl Iterator<Item = Tag<'_>> {
    xml.split('<').skip(1).filter_map(|part| {
        let (tag, after) = part.split_once('>')?;
        let (tag, closes) = tag.strip_prefix('/').map_or((tag, false), |tag| (tag, true));
        let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
        // Some writers give every name a prefix, such as x:row.
        let name = name.rsplit(':').next().unwrap_or(name);
        Some(Tag { name, attributes, closes, is_empty, after })
    })
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let Some((name, after)) = after.split_once(';') else {
            out.push('&');
            rest = after;
            continue;
        };
        let number = name.strip_prefix('#').and_then(|number| match number.strip_prefix('x') {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => number.parse().ok(),
        });
        match (name, number.and_then(char::from_u32)) {
            ("lt", _) => out.push('<'),
            ("gt", _) => out.push('>'),
            ("quot", _) => out.push('"'),
            ("apos", _) => out.push('\''),
            (_, Some(c)) => out.push(c),
            _ => out.push('&'),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The texts that cells refer to by their number. A text may stand in several runs; how it is
/// pronounced (`rPh`) is no part of it.
fn shared_texts(xml: &str) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    let mut is_phonetic = false;
    for tag in tags(xml) {
        match tag.name {
            "si" if !tag.closes => texts.push(String::new()),
            "rPh" => is_phonetic = !tag.closes && !tag.is_empty,
            "t" if !tag.closes && !is_phonetic => {
                if let Some(text) = texts.last_mut() {
                    text.push_str(&unescaped(tag.after));
                }
            }
            _ => {}
        }
    }
    texts
}

/// The rows with their numbers, each as long as its last cell needs.
fn rows(xml: &str, shared: &[String]) -> Vec<(u64, Vec<String>)> {
    let mut rows: Vec<(u64, Vec<String>)> = Vec::new();
    let mut kind = String::new();
    let mut column = 0;
    for tag in tags(xml).filter(|tag| !tag.closes) {
        match tag.name {
            "row" => {
                let next = rows.last().map_or(1, |(line, _)| line + 1);
                let line = tag.attribute("r").and_then(|line| line.parse().ok()).unwrap_or(next);
                rows.push((line, Vec::new()));
            }
            "c" => {
                let next = rows.last().map_or(0, |(_, cells)| cells.len());
                column = tag.attribute("r").and_then(|place| column_of(&place)).unwrap_or(next);
                kind = tag.attribute("t").unwrap_or_default();
            }
            "v" | "t" => {
                let Some((_, cells)) = rows.last_mut() else { continue };
                if cells.len() <= column {
                    cells.resize(column + 1, String::new());
                }
                let text = unescaped(tag.after);
                let text = match kind.as_str() {
                    "s" => text.trim().parse().ok().and_then(|i: usize| shared.get(i)).cloned(),
                    "e" => None,
                    "inlineStr" | "str" => Some(text),
                    _ => Some(number(&text)),
                };
                cells[column].push_str(text.unwrap_or_default().trim());
            }
            _ => {}
        }
    }
    rows
}

/// The column of a place such as `AB12`, counted from 0. A sheet has at most 16,384 columns.
fn column_of(place: &str) -> Option<usize> {
    let letters = place.bytes().take_while(u8::is_ascii_uppercase);
    let number = letters.take(4).fold(0, |n, letter| 26 * n + usize::from(letter - b'A' + 1));
    (1..=16_384).contains(&number).then(|| number - 1)
}

/// A number without the digits that its floating-point form adds.
fn number(text: &str) -> String {
    text.trim().parse::<f64>().map_or_else(|_| text.to_owned(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_in_their_columns_whatever_is_left_out() {
        let shared = shared_texts(
            "<sst><si><t>ID1</t></si><si><r><t>Left</t></r><r><t xml:space=\"preserve\">Right</t>\
             </r><rPh sb=\"0\"><t>x</t></rPh></si><si><t>A &amp; B</t></si></sst>",
        );
        assert_eq!(shared, ["ID1", "LeftRight", "A & B"]);
        let xml = "<sheetData><row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" t=\"s\">\
                   <v>1</v></c></row><row r=\"3\"><c r=\"B3\" t=\"s\"><v>2</v></c><c r=\"D3\">\
                   <v>50.0</v></c><c r=\"E3\"/><c t=\"inlineStr\"><is><t>&#65;</t></is></c></row>";
        let found = rows(xml, &shared);
        assert_eq!(found[0], (1, vec!["ID1".to_owned(), "LeftRight".to_owned()]));
        assert_eq!(found[1].0, 3);
        assert_eq!(found[1].1, ["", "A & B", "", "50", "A"]);
        assert_eq!(column_of("AB12"), Some(27));
    }

    #[test]
    fn what_is_no_workbook_is_refused_with_a_reason() {
        let told = read(b"PK\x03\x04").unwrap_err().to_string();
        assert!(told.ends_with("the archive ends too early"), "{told}");
    }
}
