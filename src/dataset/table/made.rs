//! Columns that are made of others: `dataset.columns` may give a text with columns in braces.
//!
//! `{name}` is a cell; `{name|first}` the first folder of a path; `{name|folder}` the folder that it
//! ends in; `{name|stem}` its last name without the extension.

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
    Folder,
    Stem,
}

impl Take {
    /// Its name after the bar.
    fn named(name: &str) -> Option<Self> {
        match name {
            "first" => Some(Self::First),
            "folder" => Some(Self::Folder),
            "stem" => Some(Self::Stem),
            _ => None,
        }
    }
}

impl Made {
    /// Whether a text has columns in braces.
    pub fn is_made(text: &str) -> bool {
        text.contains('{')
    }

    /// Whether a placeholder means a part of its cell, as `path|first` does.
    pub fn takes_part(placeholder: &str) -> bool {
        placeholder.rsplit_once('|').is_some_and(|(_, name)| Take::named(name).is_some())
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
            let part = inner.rsplit_once('|');
            let (name, take) = part
                .and_then(|(name, part)| Some((name, Take::named(part)?)))
                .unwrap_or((inner, Take::Whole));
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
                    let mut folders = cell.trim_matches('/').split('/');
                    let taken = match take {
                        Take::Whole => cell,
                        Take::First => folders.next().unwrap_or(""),
                        Take::Folder => folders.nth_back(1).unwrap_or(""),
                        Take::Stem => {
                            let name = folders.next_back().unwrap_or("");
                            name.rsplit_once('.').map_or(name, |(stem, _)| stem)
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
        assert_eq!(of("{path|folder}"), Ok(b"1.2.3".to_vec()));
        assert_eq!(of("{patient|folder}"), Ok(Vec::new()), "a name alone is in no folder");
        assert_eq!(of("{side}"), Err("side".to_owned()));
    }
}
