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

use super::{ReadError, beginning, header, picture};
use crate::dataset::FileFacts;
use crate::record::View;
use crate::store;

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
        let hashed = || key.map(|key| store::keyed_hash(key, text));
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
