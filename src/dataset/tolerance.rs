//! Compares ids and paths up to the differences of `dataset.tolerate`.

use std::borrow::Cow;
use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

use crate::config::Tolerance;
use crate::record::{Id, ImageRecord};

/// The record with its ids written as they were before a spreadsheet changed them; `None` if that
/// changes nothing.
pub fn repaired(record: &ImageRecord, tolerances: &[Tolerance]) -> Option<ImageRecord> {
    let patient_id = repair(&record.patient_id, tolerances);
    let image_id = repair(&record.image_id, tolerances);
    if patient_id.is_none() && image_id.is_none() {
        return None;
    }
    let mut record = record.clone();
    record.patient_id = patient_id.unwrap_or(record.patient_id);
    record.image_id = image_id.unwrap_or(record.image_id);
    Some(record)
}

/// Writes each patient's id in one way in all records: the way of the first record, as it was before
/// a spreadsheet changed it. Ids that differ in nothing but `tolerances` are one patient's.
pub fn unite_patients<'a>(
    records: impl Iterator<Item = &'a mut ImageRecord>,
    tolerances: &[Tolerance],
) {
    if tolerances.is_empty() {
        return;
    }
    let mut spellings: HashMap<String, Id> = HashMap::new();
    for record in records {
        let id = repair(&record.patient_id, tolerances);
        let id = id.unwrap_or_else(|| record.patient_id.clone());
        let same = key(id.as_str(), tolerances).into_owned();
        record.patient_id = spellings.entry(same).or_insert(id).clone();
    }
}

fn repair(id: &Id, tolerances: &[Tolerance]) -> Option<Id> {
    let mut text = Cow::Borrowed(id.as_str());
    for tolerance in tolerances {
        let changed = match tolerance {
            Tolerance::Decimals => without_decimals(&text).map(str::to_owned),
            Tolerance::Exponents => without_exponent(&text),
            _ => None,
        };
        text = changed.map_or(text, Cow::Owned);
    }
    (text != id.as_str()).then(|| Id::new(&text).ok()).flatten()
}

/// The digits of `10000.0`.
fn without_decimals(id: &str) -> Option<&str> {
    let digits = id.strip_suffix(".0")?;
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
}

/// `9000` for `9.0E+03`; `None` for anything but a whole number in scientific notation.
fn without_exponent(id: &str) -> Option<String> {
    let (number, exponent) = id.split_once(['e', 'E'])?;
    let exponent: usize = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let are_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let fraction = fraction.trim_end_matches('0');
    if whole.is_empty() || !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    if exponent > 30 || fraction.len() > exponent {
        return None;
    }
    Some(format!("{whole}{fraction}{}", "0".repeat(exponent - fraction.len())))
}

/// A path in the form in which two that differ in nothing but `tolerances` are equal.
pub fn key<'a>(path: &'a str, tolerances: &[Tolerance]) -> Cow<'a, str> {
    let mut key = Cow::Borrowed(path);
    for tolerance in tolerances {
        match tolerance {
            Tolerance::Zeros => key = Cow::Owned(without_zeros(&key)),
            Tolerance::Unicode if !key.is_ascii() => key = Cow::Owned(key.nfc().collect()),
            Tolerance::Case => key = Cow::Owned(key.to_lowercase()),
            _ => {}
        }
    }
    key
}

/// Leaves out the zeros at the beginning of every number.
fn without_zeros(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut in_number = false;
    let mut characters = path.chars().peekable();
    while let Some(c) = characters.next() {
        let more = characters.peek().is_some_and(char::is_ascii_digit);
        if c != '0' || in_number || !more {
            out.push(c);
            in_number = c.is_ascii_digit();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_a_spreadsheet_changed_are_told_from_others() {
        assert_eq!(without_decimals("10000.0"), Some("10000"));
        assert_eq!(without_decimals("1.2.840.0"), None, "a UID is no number");
        assert_eq!(without_exponent("9.0E+03").as_deref(), Some("9000"));
        assert_eq!(without_exponent("1.2345e+3"), None, "digits are lost");
        assert_eq!(without_exponent("1.23E+05").as_deref(), Some("123000"));
        assert_eq!(without_exponent("p1e2"), None);
    }

    #[test]
    fn a_patient_in_several_spellings_is_one_patient() {
        let united = |ids: &[&str], tolerances: &[Tolerance]| -> Vec<String> {
            let id = |text: &str| Id::new(text).unwrap();
            let record = |text: &&str| ImageRecord::unlabelled(id(text), id("1"));
            let mut records: Vec<ImageRecord> = ids.iter().map(record).collect();
            unite_patients(records.iter_mut(), tolerances);
            records.iter().map(|record| record.patient_id.to_string()).collect()
        };
        assert_eq!(
            united(&["07", "7", "70", "007"], &[Tolerance::Zeros]),
            ["07", "07", "70", "07"]
        );
        assert_eq!(united(&["p1", "P1"], &[Tolerance::Case]), ["p1", "p1"]);
        assert_eq!(united(&["A\u{308}", "\u{c4}"], &[Tolerance::Unicode]), ["A\u{308}"; 2]);
        let both = [Tolerance::Zeros, Tolerance::Decimals];
        assert_eq!(united(&["07.0", "7", "7.0"], &both), ["07"; 3]);
        assert_eq!(united(&["07", "7"], &[]), ["07", "7"]);
    }

    #[test]
    fn paths_are_equal_up_to_what_is_tolerated() {
        let equal = |a, b, t| key(a, &[t]) == key(b, &[t]);
        assert!(equal("p/007/0.dcm", "p/7/0.dcm", Tolerance::Zeros));
        assert!(!equal("p/100/1.dcm", "p/1/1.dcm", Tolerance::Zeros));
        assert!(equal("Ä/1.dcm", "A\u{308}/1.dcm", Tolerance::Unicode));
        assert!(equal("Train/1.DCM", "train/1.dcm", Tolerance::Case));
        assert!(!equal("Train/1.dcm", "train/1.dcm", Tolerance::Zeros));
    }
}
