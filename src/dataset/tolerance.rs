//! Compares ids and paths up to the differences of `dataset.tolerate`.

use std::borrow::Cow;

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
    fn paths_are_equal_up_to_what_is_tolerated() {
        let equal = |a, b, t| key(a, &[t]) == key(b, &[t]);
        assert!(equal("p/007/0.dcm", "p/7/0.dcm", Tolerance::Zeros));
        assert!(!equal("p/100/1.dcm", "p/1/1.dcm", Tolerance::Zeros));
        assert!(equal("Ä/1.dcm", "A\u{308}/1.dcm", Tolerance::Unicode));
        assert!(equal("Train/1.DCM", "train/1.dcm", Tolerance::Case));
        assert!(!equal("Train/1.dcm", "train/1.dcm", Tolerance::Zeros));
    }
}
