//! Files that notice when they were changed: the checksum of their content stands in them.
//!
//! A flipped bit in a setting would otherwise go on with other numbers.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Fault, faults};

/// The key of the checksum, which is the last one of the file.
const KEY: &str = "checksum";

/// A file is not as this program wrote it.
#[derive(Debug, thiserror::Error)]
#[error(
    "{path} is damaged or was changed by hand: it is not as mammo-pipe wrote it (its checksum is \
     {found}, the content's is {expected}); take it from a backup"
)]
pub struct Damaged {
    /// The file.
    pub path: PathBuf,
    /// The checksum in the file.
    pub found: String,
    /// The checksum of its content.
    pub expected: String,
}
faults!(Damaged);

/// `value` as indented JSON with its checksum.
///
/// # Panics
/// If `value` is not plain data with names, which is a bug.
pub fn sealed_json<T: Serialize>(value: &T) -> Vec<u8> {
    let text = serde_json::to_string_pretty(value).expect("plain data becomes JSON");
    let read = serde_json::from_str(&text).expect("it was just written");
    let open = text.strip_suffix("\n}").expect("an object with content");
    format!("{open},\n  \"{KEY}\": \"{}\"\n}}\n", checksum(&read)).into_bytes()
}

/// Reads what [`sealed_json`] wrote. A file without a checksum, of an earlier version, is taken as
/// it is.
///
/// # Errors
/// [`Damaged`], [`Fault::Io`], [`Fault::Json`].
pub fn read_sealed<T: DeserializeOwned>(path: &Path) -> Result<T, Fault> {
    let mut value: Value = super::read_json(path)?;
    let seal = value.as_object_mut().and_then(|object| object.remove(KEY));
    if let Some(Value::String(found)) = seal {
        let expected = checksum(&value);
        if found != expected {
            return Err(Damaged { path: path.into(), found, expected }.into());
        }
    }
    super::read_json(path)
}

/// A page with a last line that tells whether the others are as they were written.
pub fn sealed_page(html: &str) -> String {
    format!("{html}{}", page_seal(html.as_bytes()))
}

/// Whether a page is as [`sealed_page`] wrote it.
pub fn is_sealed_page(page: &[u8]) -> bool {
    let content = page.len().checked_sub(page_seal(&[]).len());
    content.is_some_and(|end| page[end..] == *page_seal(&page[..end]).as_bytes())
}

fn page_seal(html: &[u8]) -> String {
    format!("<!-- {KEY} {:016x} -->\n", xxh3_64(html))
}

/// XXH3 of the content without its layout, in hexadecimal.
fn checksum(value: &Value) -> String {
    format!("{:016x}", xxh3_64(value.to_string().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    struct Settings {
        rate: f32,
        seed: u64,
        name: String,
    }

    #[test]
    fn no_flipped_bit_gives_another_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        let settings = Settings { rate: 0.1, seed: u64::MAX, name: "b4 ü".into() };
        let bytes = sealed_json(&settings);
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, flipped).unwrap();
            // A flip in the key of the checksum changes nothing of the settings.
            if let Ok(read) = read_sealed::<Settings>(&path) {
                assert_eq!(read, settings, "bit {bit}");
            }
        }
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(read_sealed::<Settings>(&path).unwrap(), settings);
        let text = String::from_utf8(bytes).unwrap().replace("\"seed\": 1", "\"seed\": 2");
        std::fs::write(&path, text).unwrap();
        let fault = read_sealed::<Settings>(&path).unwrap_err();
        assert!(fault.cause::<Damaged>().is_some(), "{fault}");
    }
}
