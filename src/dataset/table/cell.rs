//! Parses one cell into a value. An error says what the cell should contain.

use crate::record::{Density, Id, Laterality, View};

/// Parses a cell that is not missing; the error says what it should contain.
pub type Parse<T> = fn(&str) -> Result<T, &'static str>;

/// Whether a cell means "missing": it is empty, or written as pandas and R write missing values.
pub fn is_missing(cell: &[u8]) -> bool {
    let words: [&[u8]; 4] = [b"na", b"nan", b"null", b"none"];
    cell.is_empty() || words.iter().any(|word| cell.eq_ignore_ascii_case(word))
}

/// A quote is refused too: it stays in a cell only if a blank stands before it.
pub fn id(cell: &str) -> Result<Id, &'static str> {
    let id = Id::new(cell).ok().filter(|_| !cell.contains('"'));
    id.ok_or("the name of one file or folder, without / \\ : \" or ..")
}

pub fn text(cell: &str) -> Result<String, &'static str> {
    Ok(cell.to_owned())
}

/// pandas stores a column with missing values as floats, and then writes 2 as 2.0.
pub fn integer(cell: &str) -> Result<i64, &'static str> {
    cell.strip_suffix(".0").unwrap_or(cell).parse().map_err(|_| "a whole number")
}

pub fn boolean(cell: &str) -> Result<bool, &'static str> {
    match cell {
        "0" | "0.0" => Ok(false),
        "1" | "1.0" => Ok(true),
        _ if cell.eq_ignore_ascii_case("false") => Ok(false),
        _ if cell.eq_ignore_ascii_case("true") => Ok(true),
        _ => Err("0, 1, True or False"),
    }
}

pub fn age(cell: &str) -> Result<f32, &'static str> {
    let years = cell.parse().ok().filter(|years| (0.0..=130.0).contains(years));
    years.ok_or("years from 0 to 130")
}

pub fn birads(cell: &str) -> Result<i64, &'static str> {
    integer(cell).ok().filter(|b| (0..=6).contains(b)).ok_or("a category from 0 to 6")
}

pub fn laterality(cell: &str) -> Result<Laterality, &'static str> {
    match cell.to_ascii_uppercase().as_str() {
        "L" | "LEFT" => Ok(Laterality::Left),
        "R" | "RIGHT" => Ok(Laterality::Right),
        _ => Err("L or R"),
    }
}

/// Any code that a DICOM CS can hold, because the list of views is long and still growing.
pub fn view(cell: &str) -> Result<View, &'static str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '-');
    if cell.len() > 16 || !cell.chars().all(fits) {
        return Err("a code of at most 16 letters, digits, spaces, _ or -");
    }
    Ok(View::parse(cell))
}

pub fn density(cell: &str) -> Result<Density, &'static str> {
    match cell {
        "A" | "a" => Ok(Density::A),
        "B" | "b" => Ok(Density::B),
        "C" | "c" => Ok(Density::C),
        "D" | "d" => Ok(Density::D),
        _ => Err("A, B, C or D"),
    }
}
