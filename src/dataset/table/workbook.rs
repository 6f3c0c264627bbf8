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

/// The largest number of cells, empty ones included. A single text in the last of 16,384 columns
/// makes a row of that many cells.
const MAX_CELLS: usize = 16_000_000;

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
    // A workbook without texts has no such part; one that is damaged is an error.
    let shared = part(bytes, "xl/sharedStrings.xml")?;
    let shared = shared.map_or_else(Vec::new, |xml| shared_texts(&xml));
    sheet_of(&text(bytes, &path)?, &shared)
}

/// The rows of a sheet, each at least as long as the header.
fn sheet_of(xml: &str, shared: &[String]) -> Result<Sheet, Problem> {
    let mut rows = rows(xml, shared)?;
    rows.retain(|(_, cells)| !cells.is_empty());
    let width = rows.first().map_or(0, |(_, cells)| cells.len());
    if rows.len().saturating_mul(width) > MAX_CELLS {
        return Err(too_large());
    }
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

fn too_large() -> Problem {
    Problem::Workbook(format!("its first sheet has more than {MAX_CELLS} cells"))
}

/// A file that the archive has to have, as text.
fn text(zip: &[u8], name: &str) -> Result<String, Problem> {
    part(zip, name)?.ok_or_else(|| Problem::Workbook(format!("it has no {name}")))
}

/// A file of the archive (PKWARE's APPNOTE 4.3), as text, if it is there.
fn part(zip: &[u8], name: &str) -> Result<Option<String>, Problem> {
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
            0 => bytes.take(MAX_BYTES + 1).read_to_end(&mut out),
            8 => DeflateDecoder::new(bytes).take(MAX_BYTES + 1).read_to_end(&mut out),
            other => return Err(Problem::Workbook(format!("{name} has compression {other}"))),
        };
        read.map_err(|error| Problem::Workbook(format!("{name}: {error}")))?;
        if out.len() as u64 > MAX_BYTES {
            return Err(Problem::Workbook(format!(
                "{name} is larger than {} MiB",
                MAX_BYTES >> 20
            )));
        }
        let text = String::from_utf8(out);
        return text.map(Some).map_err(|_| Problem::Workbook(format!("{name}: no UTF-8")));
    }
    Ok(None)
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

/// The rows with their numbers, each up to its last cell that is not empty.
///
/// # Errors
/// More than [`MAX_CELLS`] cells, or as many bytes of text as no part may have; a cell that refers to
/// a shared text that is not there.
fn rows(xml: &str, shared: &[String]) -> Result<Vec<(u64, Vec<String>)>, Problem> {
    let mut rows: Vec<(u64, Vec<String>)> = Vec::new();
    let mut kind = String::new();
    let (mut column, mut next) = (0, 0);
    let (mut total_cells, mut total_bytes) = (0, 0);
    for tag in tags(xml).filter(|tag| !tag.closes) {
        match tag.name {
            "row" => {
                let line = rows.last().map_or(1, |(line, _)| line + 1);
                let line = tag.attribute("r").and_then(|line| line.parse().ok()).unwrap_or(line);
                rows.push((line, Vec::new()));
                next = 0;
                total_cells += 1;
            }
            "c" => {
                column = tag.attribute("r").and_then(|place| column_of(&place)).unwrap_or(next);
                next = column + 1;
                kind = tag.attribute("t").unwrap_or_default();
            }
            "v" | "t" => {
                let Some((line, cells)) = rows.last_mut() else { continue };
                let text = unescaped(tag.after);
                let text = match kind.as_str() {
                    "s" => shared_text(&text, shared).ok_or_else(|| {
                        Problem::Workbook(format!(
                            "row {line} refers to the shared text {:?}, which is not there",
                            text.chars().take(20).collect::<String>()
                        ))
                    })?,
                    "e" => "",
                    "inlineStr" | "str" => &text,
                    _ => &number(&text),
                };
                let text = text.trim();
                if text.is_empty() {
                    continue;
                }
                total_bytes += text.len() as u64;
                if cells.len() <= column {
                    total_cells += column + 1 - cells.len();
                    if total_cells <= MAX_CELLS {
                        cells.resize(column + 1, String::new());
                    }
                }
                if total_cells > MAX_CELLS || total_bytes > MAX_BYTES {
                    return Err(too_large());
                }
                cells[column].push_str(text);
            }
            _ => {}
        }
    }
    Ok(rows)
}

/// The shared text with the number in a cell. A cell without a number is empty.
fn shared_text<'a>(number: &str, shared: &'a [String]) -> Option<&'a str> {
    match number.trim() {
        "" => Some(""),
        number => shared.get(number.parse::<usize>().ok()?).map(String::as_str),
    }
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
        let found = rows(xml, &shared).unwrap();
        assert_eq!(found[0], (1, vec!["ID1".to_owned(), "LeftRight".to_owned()]));
        assert_eq!(found[1].0, 3);
        assert_eq!(found[1].1, ["", "A & B", "", "50", "", "A"]);
        assert_eq!(column_of("AB12"), Some(27));
    }

    #[test]
    fn a_row_ends_at_its_last_cell_that_is_not_empty() {
        let shared = vec![" ".to_owned()];
        let xml = "<row><c><v>1</v></c><c t=\"s\"><v>0</v></c><c t=\"e\"><v>#N/A</v></c></row>\
                   <row><c r=\"XFD2\" t=\"inlineStr\"><is><t></t></is></c></row>";
        assert_eq!(rows(xml, &shared), Ok(vec![(1, vec!["1".to_owned()]), (2, Vec::new())]));
    }

    #[test]
    fn a_few_cells_far_to_the_right_do_not_fill_the_memory() {
        let row = "<row><c r=\"XFD1\"><v>1</v></c></row>";
        let told = rows(&row.repeat(5000), &[]).unwrap_err().to_string();
        assert!(told.ends_with("its first sheet has more than 16000000 cells"), "{told}");
        assert_eq!(rows(&row.repeat(3), &[]).unwrap()[2].1.len(), 16_384);
    }

    #[test]
    fn a_wide_header_above_many_short_rows_is_refused_before_they_are_padded() {
        let row = "<row><c><v>1</v></c></row>".repeat(1000);
        let sheet = format!("<row><c r=\"XFD1\"><v>1</v></c></row>{row}");
        let told = sheet_of(&sheet, &[]).unwrap_err().to_string();
        assert!(told.ends_with("its first sheet has more than 16000000 cells"), "{told}");
        let sheet = sheet_of("<row><c r=\"C1\"><v>1</v></c></row><row><c><v>2</v></c></row>", &[]);
        assert_eq!(sheet.unwrap().rows, [(2, ByteRecord::from(vec!["2", "", ""]))]);
    }

    #[test]
    fn a_shared_text_that_is_not_there_is_an_error_and_no_empty_cell() {
        let xml = |at: &str| format!("<row r=\"7\"><c t=\"s\"><v>{at}</v></c></row>");
        let shared = vec!["a".to_owned()];
        assert_eq!(rows(&xml("0"), &shared), Ok(vec![(7, shared.clone())]));
        for at in ["1", "-1", "x"] {
            let told = rows(&xml(at), &shared).unwrap_err().to_string();
            let end = format!("row 7 refers to the shared text {at:?}, which is not there");
            assert!(told.ends_with(&end), "{told}");
        }
    }

    #[test]
    fn what_is_no_workbook_is_refused_with_a_reason() {
        let told = read(b"PK\x03\x04").unwrap_err().to_string();
        assert!(told.ends_with("the archive ends too early"), "{told}");
    }
}
