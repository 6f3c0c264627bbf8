//! Columns that are made of others: `dataset.columns` may give a text with columns in braces.
//!
//! `{name}` is a cell; `{name|first}` the first folder of a path; `{name|stem}` its last name
//! without the extension.

use std::borrow::Cow;

use csv::ByteRecord;

/// A text with columns in braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The text itself.
    pub text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Cell(usize, Take),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Take {
    Whole,
    First,
    Stem,
}

impl Made {
    /// Whether a text has columns in braces.
    pub fn is_made(text: &str) -> bool {
        text.contains('{')
    }

    /// Looks the columns up by `place`.
    ///
    /// # Errors
    /// The name of the column that the header lacks, or the text itself if its braces do not match.
    pub fn new(text: &str, place: impl Fn(&str) -> Option<usize>) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (inner, after) = after.split_once('}').ok_or_else(|| text.to_owned())?;
            let (name, take) = match inner.rsplit_once('|') {
                Some((name, "first")) => (name, Take::First),
                Some((name, "stem")) => (name, Take::Stem),
                _ => (inner, Take::Whole),
            };
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Cell(place(name).ok_or_else(|| name.to_owned())?, take));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// The text of a row. It is empty if one of its cells is, unless it is nothing but cells side by
    /// side, of which some may be empty.
    pub fn of(&self, row: &ByteRecord) -> Vec<u8> {
        let mut out = Vec::new();
        let may_be_empty = !self.parts.iter().any(|part| matches!(part, Part::Text(_)));
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Cell(at, take) => {
                    let cell = String::from_utf8_lossy(&row[*at]).replace('\\', "/");
                    let cell = cell.trim();
                    let folders = cell.trim_matches('/').split('/');
                    let taken = match take {
                        Take::Whole => Cow::Borrowed(cell),
                        Take::First => folders.into_iter().next().unwrap_or("").into(),
                        Take::Stem => {
                            let name = folders.into_iter().next_back().unwrap_or("");
                            name.rsplit_once('.').map_or(name, |(stem, _)| stem).into()
                        }
                    };
                    if taken.is_empty() && !may_be_empty {
                        return Vec::new();
                    }
                    out.extend_from_slice(taken.as_bytes());
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_can_be_made_of_parts_of_others() {
        let header = ["patient", "path"];
        let place = |name: &str| header.iter().position(|column| *column == name);
        let row = ByteRecord::from(vec!["7", "P_7_LEFT_CC/1.2.3/000000.dcm\n"]);
        let of = |text| Made::new(text, place).map(|made| made.of(&row));
        assert_eq!(of("{path|first}"), Ok(b"P_7_LEFT_CC".to_vec()));
        assert_eq!(of("{patient}_{path|stem}"), Ok(b"7_000000".to_vec()));
        assert_eq!(of("{side}"), Err("side".to_owned()));
    }
}
