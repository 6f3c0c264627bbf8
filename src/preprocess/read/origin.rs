//! Reads what a derived image has to repeat of its source: the instance that it was made from, and
//! the attributes that file it into the same study.
//!
//! In: a file. Out: [`Origin`], whose attributes are copied byte for byte into another DICOM file
//! and nowhere else. This is the only place where attributes are read that identify a patient, and
//! therefore an `Origin` cannot be printed.

use bytes::Bytes;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

use super::elements::{Elements, Tag, name};
use super::meta::{self, Meta};
use super::{ReadError, TransferSyntax};

/// The attributes that are copied if the source has them, with their value representation. All are
/// text, so the source's byte order does not matter. The first is their character set.
pub const COPIED: [(Tag, VR); 24] = [
    (tags::SPECIFIC_CHARACTER_SET, VR::CS),
    (tags::STUDY_DATE, VR::DA),
    (tags::STUDY_TIME, VR::TM),
    (tags::ACCESSION_NUMBER, VR::SH),
    (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
    (tags::STUDY_DESCRIPTION, VR::LO),
    (tags::PATIENT_NAME, VR::PN),
    (tags::PATIENT_ID, VR::LO),
    (tags::ISSUER_OF_PATIENT_ID, VR::LO),
    (tags::PATIENT_BIRTH_DATE, VR::DA),
    (tags::PATIENT_SEX, VR::CS),
    (tags::PATIENT_AGE, VR::AS),
    (tags::PATIENT_IDENTITY_REMOVED, VR::CS),
    (tags::DEIDENTIFICATION_METHOD, VR::LO),
    (tags::BODY_PART_EXAMINED, VR::CS),
    (tags::STUDY_INSTANCE_UID, VR::UI),
    (tags::STUDY_ID, VR::SH),
    (tags::INSTANCE_NUMBER, VR::IS),
    (tags::PATIENT_ORIENTATION, VR::CS),
    (tags::IMAGE_LATERALITY, VR::CS),
    (tags::BURNED_IN_ANNOTATION, VR::CS),
    (tags::LOSSY_IMAGE_COMPRESSION, VR::CS),
    (tags::LOSSY_IMAGE_COMPRESSION_RATIO, VR::DS),
    (tags::LOSSY_IMAGE_COMPRESSION_METHOD, VR::CS),
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
    pub copied: InMemDicomObject,
}

impl Origin {
    /// Reads the origin from a whole file, or from a part that contains the header.
    ///
    /// # Errors
    /// [`ReadError::Missing`] without SOP Class, SOP Instance or Study Instance UID, because then
    /// nothing can refer to the source; and all errors of reading the header.
    pub fn read(bytes: &Bytes) -> Result<Self, ReadError> {
        let Meta { syntax, end, .. } = meta::read(bytes)?;
        let (bytes_of_set, start) = match syntax {
            TransferSyntax::DeflatedExplicitLittleEndian => {
                (meta::inflate_beginning(&bytes[end..])?.into(), 0)
            }
            _ => (bytes.clone(), end),
        };
        let mut elements = Elements::of_data_set(&bytes_of_set, start, syntax.encoding());
        let (mut class, mut instance, mut study) = (None, None, None);
        let mut copied = InMemDicomObject::new_empty();
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
            // What a delimiter ends is no text.
            if element.length.is_some()
                && let Some(&(tag, vr)) = COPIED.iter().find(|(tag, _)| *tag == element.tag)
                && let Some(value) = as_it_stands(vr, value)
            {
                copied.put(DataElement::new(tag, vr, value));
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

/// A value that is written again byte for byte, whatever its character set; padded if the source
/// forgot to. `None` for a number in characters that no number has.
fn as_it_stands(vr: VR, value: &[u8]) -> Option<PrimitiveValue> {
    if let VR::DS | VR::IS = vr {
        // dicom-object would take bytes for the numbers themselves.
        return value.is_ascii().then(|| String::from_utf8_lossy(value).into_owned().into());
    }
    let mut bytes = value.to_vec();
    if bytes.len() % 2 == 1 {
        bytes.push(if vr == VR::UI { 0 } else { b' ' });
    }
    Some(PrimitiveValue::U8(bytes.into()))
}

/// A UID of the characters that PS3.5 9.1 allows, without its padding.
fn uid(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?.trim_matches([' ', '\0']);
    let allowed = |c: char| c.is_ascii_digit() || c == '.';
    ((1..=64).contains(&text.len()) && text.chars().all(allowed)).then(|| text.to_owned())
}
