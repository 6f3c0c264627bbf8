//! What a header tells of a file's place in a dataset: its side, its projection, its series and its
//! UIDs.
//!
//! In: a file. Out: [`FileFacts`], or the reason why it cannot be read as DICOM, for which the
//! pipeline then rejects it. What identifies a patient leaves this module only as a hash
//! under a key that the user keeps: a bare hash of a short number can be guessed.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use dicom_dictionary_std::tags;
use sha2::{Digest, Sha256};

use super::{ReadError, beginning, header, picture};
use crate::dataset::FileFacts;
use crate::record::View;
use crate::store::hex;

/// Bytes of a file within which the series is described.
const BEGINNING: u64 = 64 << 10;

/// The facts of a file. Patient and instance are hashed under `key`; without one they are not read.
///
/// # Errors
/// As [`header`].
pub fn facts(path: &Path, key: Option<&[u8]>) -> Result<FileFacts, ReadError> {
    let mut bytes = Vec::new();
    File::open(path)?.take(BEGINNING).read_to_end(&mut bytes)?;
    if picture::is_picture(&bytes) {
        return Ok(FileFacts::default());
    }
    let header = header(path)?;
    // A code of the standard, never the text, which may name the patient.
    let view = header.view_code().map(View::parse);
    let mut facts = FileFacts { laterality: header.laterality, view, ..FileFacts::default() };
    // A damaged or a very long header: what was found before its end holds.
    let _ = series(&bytes, key, &mut facts);
    Ok(facts)
}

/// Series Description, the UIDs of the instance and of its series, and Patient ID.
fn series(bytes: &[u8], key: Option<&[u8]>, facts: &mut FileFacts) -> Result<(), ReadError> {
    let mut inflated = Vec::new();
    let (_, mut elements) = beginning(bytes, &mut inflated)?;
    while let Some(element) = elements.next()? {
        if element.tag > tags::SERIES_INSTANCE_UID {
            break;
        }
        let value = elements.value(&element)?;
        let text = String::from_utf8_lossy(value);
        let text = text.trim_matches([' ', '\0']);
        if text.is_empty() {
            continue;
        }
        let hashed = || key.map(|key| hex(&hmac(key, text.as_bytes())[..16]));
        match element.tag {
            tags::SERIES_DESCRIPTION => facts.series_description = Some(text.to_owned()),
            tags::SOP_INSTANCE_UID => {
                facts.instance = hashed();
                facts.uids.push(text.to_owned());
            }
            tags::SERIES_INSTANCE_UID => facts.uids.push(text.to_owned()),
            tags::PATIENT_ID => facts.patient = hashed(),
            _ => {}
        }
    }
    Ok(())
}

/// HMAC-SHA256 (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    match key.len() {
        0..=64 => block[..key.len()].copy_from_slice(key),
        _ => block[..32].copy_from_slice(&Sha256::digest(key)),
    }
    let inner = Sha256::new().chain_update(block.map(|b| b ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(block.map(|b| b ^ 0x5C)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test cases 2 and 6.
    #[test]
    fn the_keyed_hash_is_hmac_sha256() {
        let told = |key: &[u8], text: &[u8]| hex(&hmac(key, text));
        assert_eq!(
            told(b"Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            told(&[0xAA; 131], b"Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
