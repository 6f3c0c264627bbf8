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

/// A path below the input folder, without `prefix`; empty for an empty cell. Backslashes are
/// separators too, and spaces and line breaks around the path are left out.
pub fn path(cell: &str, prefix: &str) -> Result<String, &'static str> {
    let path = cell.trim().replace('\\', "/");
    let path = path.strip_prefix(prefix).unwrap_or(&path).trim_start_matches('/');
    let path = path.strip_prefix("./").unwrap_or(path);
    let leaves = |part: &str| part.is_empty() || part == "." || part == "..";
    if path.contains(':')
        || path.chars().any(char::is_control)
        || !path.is_empty() && path.split('/').any(leaves)
    {
        return Err(
            "a path below dataset.input without .. (dataset.strip_prefix takes its beginning off)",
        );
    }
    Ok(path.to_owned())
}

/// The number of a day, for differences of dates: `2019-03-31`, `20190331`, with or without a time.
pub fn day(cell: &str) -> Option<i64> {
    let date = cell.trim().split([' ', 'T']).next()?;
    let digits: String = date.chars().filter(|c| *c != '-').collect();
    if digits.len() != 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| digits[from..to].parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years from March, so that the leap day is a year's last; Howard Hinnant's days_from_civil.
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(365 * year + year / 4 - year / 100 + year / 400 + of_year)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_over_months_and_leap_years() {
        let between = |a, b| day(b).unwrap() - day(a).unwrap();
        assert_eq!(between("2019-12-31", "2020-01-01"), 1);
        assert_eq!(between("20200228", "2020-03-01 00:00:00"), 2);
        assert_eq!(between("2019-03-01", "2020-03-01"), 366);
        assert_eq!(day("31.12.2019"), None);
    }

    #[test]
    fn a_path_in_a_cell_stays_below_the_input_folder() {
        assert_eq!(path("/mnt/a/x.dcm\n", "/mnt").as_deref(), Ok("a/x.dcm"));
        assert_eq!(path(".\\a\\x.dcm", "").as_deref(), Ok("a/x.dcm"));
        assert!(path("../x.dcm", "").is_err() && path("c:/x.dcm", "").is_err());
    }
}
