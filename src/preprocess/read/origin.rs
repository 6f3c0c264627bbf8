//! Reads what a derived image has to repeat of its source: the instance that it was made from, and
//! the attributes that file it into the same study.
//!
//! In: a file. Out: [`Origin`], whose attributes are copied byte for byte into another DICOM file
//! and nowhere else. This is the only place where attributes are read that identify a patient, and
//! therefore an `Origin` cannot be printed.

use bytes::Bytes;
use dicom_dictionary_std::tags;

use super::elements::{Elements, name};
use super::{ReadError, TransferSyntax, meta};
use crate::dicom::{DataSet, Tag, Value};

/// The attributes that are copied if the source has them, with their value representation. All are
/// text, so the source's byte order does not matter. The first is their character set.
pub const COPIED: [(Tag, &[u8; 2]); 24] = [
    (tags::SPECIFIC_CHARACTER_SET, b"CS"),
    (tags::STUDY_DATE, b"DA"),
    (tags::STUDY_TIME, b"TM"),
    (tags::ACCESSION_NUMBER, b"SH"),
    (tags::REFERRING_PHYSICIAN_NAME, b"PN"),
    (tags::STUDY_DESCRIPTION, b"LO"),
    (tags::PATIENT_NAME, b"PN"),
    (tags::PATIENT_ID, b"LO"),
    (tags::ISSUER_OF_PATIENT_ID, b"LO"),
    (tags::PATIENT_BIRTH_DATE, b"DA"),
    (tags::PATIENT_SEX, b"CS"),
    (tags::PATIENT_AGE, b"AS"),
    (tags::PATIENT_IDENTITY_REMOVED, b"CS"),
    (tags::DEIDENTIFICATION_METHOD, b"LO"),
    (tags::BODY_PART_EXAMINED, b"CS"),
    (tags::STUDY_INSTANCE_UID, b"UI"),
    (tags::STUDY_ID, b"SH"),
    (tags::INSTANCE_NUMBER, b"IS"),
    (tags::PATIENT_ORIENTATION, b"CS"),
    (tags::IMAGE_LATERALITY, b"CS"),
    (tags::BURNED_IN_ANNOTATION, b"CS"),
    (tags::LOSSY_IMAGE_COMPRESSION, b"CS"),
    (tags::LOSSY_IMAGE_COMPRESSION_RATIO, b"DS"),
    (tags::LOSSY_IMAGE_COMPRESSION_METHOD, b"CS"),
];

/// The source of a derived image.
#[derive(Clone, PartialEq)]
pub struct Origin {
    /// SOP Class UID.
    pub class: String,
    /// SOP Instance UID.
    pub instance: String,
    /// Study Instance UID.
    pub study: String,
    /// The attributes of [`COPIED`] that the file has.
    pub copied: DataSet,
}

impl Origin {
    /// Reads the origin from a whole file, or from a part that contains the header.
    ///
    /// # Errors
    /// [`ReadError::Missing`] without SOP Class, SOP Instance or Study Instance UID, because then
    /// nothing can refer to the source; and all errors of reading the header.
    pub fn read(bytes: &Bytes) -> Result<Self, ReadError> {
        let (syntax, start) = meta::read(bytes)?;
        let (bytes_of_set, start) = match syntax {
            TransferSyntax::DeflatedExplicitLittleEndian => {
                (meta::inflate_beginning(&bytes[start..])?.into(), 0)
            }
            _ => (bytes.clone(), start),
        };
        let mut elements = Elements::new(&bytes_of_set, start, syntax.encoding());
        let (mut class, mut instance, mut study) = (None, None, None);
        let mut copied = DataSet::default();
        while let Some(element) = elements.next()? {
            if element.tag >= tags::PIXEL_DATA {
                break;
            }
            let value = elements.value(&element)?;
            match element.tag {
                tags::SOP_CLASS_UID => class = uid(value),
                tags::SOP_INSTANCE_UID => instance = uid(value),
                tags::STUDY_INSTANCE_UID => study = uid(value),
                _ => {}
            }
            if let Some((tag, vr)) = COPIED.iter().find(|(tag, _)| *tag == element.tag) {
                copied.set(*tag, vr, Value::Bytes(value.to_vec()));
            }
        }
        // Some files have SOP Class and Instance UID only in the File Meta Information.
        let class = class.or_else(|| uid(meta::value(bytes, tags::MEDIA_STORAGE_SOP_CLASS_UID)?));
        let instance =
            instance.or_else(|| uid(meta::value(bytes, tags::MEDIA_STORAGE_SOP_INSTANCE_UID)?));
        let missing = |tag| ReadError::Missing { attribute: name(tag) };
        Ok(Self {
            class: class.ok_or_else(|| missing(tags::SOP_CLASS_UID))?,
            instance: instance.ok_or_else(|| missing(tags::SOP_INSTANCE_UID))?,
            study: study.ok_or_else(|| missing(tags::STUDY_INSTANCE_UID))?,
            copied,
        })
    }
}

/// A UID of the characters that PS3.5 9.1 allows, without its padding.
fn uid(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?.trim_matches([' ', '\0']);
    let allowed = |c: char| c.is_ascii_digit() || c == '.';
    ((1..=64).contains(&text.len()) && text.chars().all(allowed)).then(|| text.to_owned())
}
