//! Writes a map as a DICOM Secondary Capture Image (PS3.3 A.8) that belongs to the source's study.
//!
//! In: the source's [`Origin`] and a colour image. Out: the bytes of a file: RGB, 8 bits, native,
//! Explicit VR Little Endian.
//!
//! Attributes of patient and study are copied from the source, as listed in
//! [`COPIED`](crate::preprocess::read::COPIED), and no others. Attributes that the standard
//! requires to be present (type 2) are empty if the source has none. The file does not depend on
//! the time: series and instance UIDs are derived from the source and the network alone, so that
//! the same map made twice is the same instance.

use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use sha2::{Digest, Sha256};

use super::gradcam::Method;
use crate::dicom::{IMPLEMENTATION, IMPLEMENTATION_NAME, Tag};
use crate::image::Plane;
use crate::image::picture::Rgb;
use crate::preprocess::read::Origin;
use crate::store::MAKER;

/// Attributes of type 2 in the modules of a secondary capture: present even if the source lacks
/// them.
const MAY_BE_EMPTY: [(Tag, VR); 11] = [
    (tags::STUDY_DATE, VR::DA),
    (tags::STUDY_TIME, VR::TM),
    (tags::ACCESSION_NUMBER, VR::SH),
    (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
    (tags::PATIENT_NAME, VR::PN),
    (tags::PATIENT_ID, VR::LO),
    (tags::PATIENT_BIRTH_DATE, VR::DA),
    (tags::PATIENT_SEX, VR::CS),
    (tags::STUDY_ID, VR::SH),
    (tags::INSTANCE_NUMBER, VR::IS),
    (tags::PATIENT_ORIENTATION, VR::CS),
];

/// How the map was made: determines the UIDs, and is written to Derivation Description.
#[derive(Debug, Clone, Copy)]
pub struct Derivation<'a> {
    /// Hash of the network's weights, which identifies the run.
    pub run: &'a str,
    /// The fold of the network.
    pub fold: u16,
    /// The block whose activation is shown.
    pub layer: &'a str,
    /// The method of the map.
    pub method: Method,
}

/// The DICOM file of a map drawn over the whole source, not mirrored.
///
/// # Panics
/// If the image has more than 65,535 rows or columns, which no source has.
pub fn file(origin: &Origin, image: &Plane<Rgb>, derivation: &Derivation) -> Vec<u8> {
    let size = |n: usize| u16::try_from(n).expect("the source's rows and columns have 16 bits");
    let Derivation { run, fold, layer, method } = derivation;
    let made_by = format!("{run} {fold} {layer} {} {}", method.as_str(), env!("CARGO_PKG_VERSION"));
    let instance = uid(&["instance", &origin.instance, &made_by]);

    let description = format!(
        "{} of {layer}, network of fold {fold} of run {run}, over the windowed source. \
         For research; shows what moved a network's score, not a finding.",
        method.as_str()
    );

    let mut data = origin.copied.clone();
    for (tag, vr) in MAY_BE_EMPTY {
        if data.get(tag).is_none() {
            data.put(DataElement::empty(tag, vr));
        }
    }
    let mut text = |tag, vr, text: &str| data.put(DataElement::new(tag, vr, text));
    text(tags::STUDY_INSTANCE_UID, VR::UI, &origin.study);
    text(tags::SERIES_INSTANCE_UID, VR::UI, &uid(&["series", &origin.study, &made_by]));
    text(tags::SOP_CLASS_UID, VR::UI, uids::SECONDARY_CAPTURE_IMAGE_STORAGE);
    text(tags::SOP_INSTANCE_UID, VR::UI, &instance);
    text(tags::MODALITY, VR::CS, "OT");
    text(tags::CONVERSION_TYPE, VR::CS, "WSD");
    text(tags::MANUFACTURER, VR::LO, MAKER);
    text(tags::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION"));
    // Higher than the series numbers of machines and of most other software.
    text(tags::SERIES_NUMBER, VR::IS, "9001");
    text(tags::SERIES_DESCRIPTION, VR::LO, "Class activation maps (research)");
    text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\SECONDARY");
    text(tags::DERIVATION_DESCRIPTION, VR::ST, &description);
    text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB");
    data.put(sequence(tags::SOURCE_IMAGE_SEQUENCE, reference(origin)));

    let mut number = |tag, number: u16| {
        data.put(DataElement::new(tag, VR::US, PrimitiveValue::from(number)));
    };
    number(tags::SAMPLES_PER_PIXEL, 3);
    number(tags::PLANAR_CONFIGURATION, 0);
    number(tags::ROWS, size(image.height()));
    number(tags::COLUMNS, size(image.width()));
    number(tags::BITS_ALLOCATED, 8);
    number(tags::BITS_STORED, 8);
    number(tags::HIGH_BIT, 7);
    number(tags::PIXEL_REPRESENTATION, 0);
    let samples = image.pixels().as_flattened().to_vec();
    data.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(samples.into())));

    // SOP Class and SOP Instance UID are copied from the data set.
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
        .implementation_class_uid(IMPLEMENTATION)
        .implementation_version_name(IMPLEMENTATION_NAME);
    let file = data.with_meta(meta).expect("SOP Class, Instance and Transfer Syntax are there");
    let mut out = Vec::new();
    file.write_all(&mut out).expect("memory takes bytes, and all text of ours is ASCII");
    out
}

/// An item of Source Image Sequence (PS3.3 C.7.6.1.1.4).
fn reference(origin: &Origin) -> InMemDicomObject {
    let text = |tag, vr, text: &str| DataElement::new(tag, vr, text);
    // PS3.16 CID 7202.
    let purpose = InMemDicomObject::from_element_iter([
        text(tags::CODE_VALUE, VR::SH, "121322"),
        text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, "DCM"),
        text(tags::CODE_MEANING, VR::LO, "Source image for image processing operation"),
    ]);
    InMemDicomObject::from_element_iter([
        text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, &origin.class),
        text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, &origin.instance),
        text(tags::SPATIAL_LOCATIONS_PRESERVED, VR::CS, "YES"),
        sequence(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, purpose),
    ])
}

/// A sequence of one item.
fn sequence(tag: Tag, item: InMemDicomObject) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, VR::SQ, DataSetSequence::from(vec![item]))
}

/// A UID derived from `parts`: 128 bits of their SHA-256 as a UUID of version 8 (RFC 9562) under
/// 2.25 (PS3.5 B.2).
fn uid(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    bytes[6] = bytes[6] & 0x0F | 0x80;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    format!("2.25.{}", u128::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::{DataSet, Encoding, Value, file_meta};
    use crate::preprocess::read::COPIED;
    use crate::store::Target;
    use dicom_core::header::HasLength as _;

    const DERIVATION: Derivation =
        Derivation { run: "5f2a", fold: 2, layer: "blocks.5.7", method: Method::GradCam };

    /// A source with everything that is copied, each value its own.
    fn full() -> DataSet {
        let mut source = DataSet::default();
        for (i, (tag, vr)) in COPIED.into_iter().enumerate() {
            source.text(tag, &vr.to_bytes(), format!("1.2.{i}"));
        }
        source.text(tags::SOP_CLASS_UID, b"UI", "1.2.840.10008.5.1.4.1.1.1.2");
        source.text(tags::SOP_INSTANCE_UID, b"UI", "1.2.99");
        // Not for others: nothing derived needs the telephone.
        source.text(tags::PATIENT_TELEPHONE_NUMBERS, b"SH", "0123");
        source
    }

    fn source_file(data: &DataSet, encoding: Encoding) -> Vec<u8> {
        let syntax = match encoding {
            Encoding::ImplicitLittle => "1.2.840.10008.1.2",
            Encoding::ExplicitLittle => uids::EXPLICIT_VR_LITTLE_ENDIAN,
            Encoding::ExplicitBig => "1.2.840.10008.1.2.2",
        };
        let mut out = file_meta("1.2.3", "1.2.4", syntax);
        data.write(encoding, &mut out);
        out
    }

    fn origin(data: &DataSet) -> Origin {
        let origin = Origin::read(&source_file(data, Encoding::ExplicitLittle).into());
        origin.unwrap_or_else(|error| panic!("{error}"))
    }

    fn image() -> Plane<Rgb> {
        Plane::new(2, 3, (0..6).map(|i| [i, 10 + i, 20 + i]).collect())
    }

    #[test]
    fn it_is_filed_where_its_source_is_and_names_it() {
        let origin = origin(&full());
        let made = Origin::read(&file(&origin, &image(), &DERIVATION).into());
        let made = made.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            (made.class.as_str(), made.study.as_str()),
            (uids::SECONDARY_CAPTURE_IMAGE_STORAGE, &*origin.study)
        );
        assert!(made.instance.starts_with("2.25.") && made.instance != origin.instance);
        assert!(made.copied == origin.copied, "patient and study are the source's");
        let bytes = file(&origin, &image(), &DERIVATION);
        let holds = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
        assert!(holds("1.2.99") && holds("1.2.840.10008.5.1.4.1.1.1.2") && !holds("0123"));
        assert!(bytes.ends_with(&[4, 14, 24, 5, 15, 25]), "pixels row by row, colours interleaved");
    }

    #[test]
    fn it_is_known_as_ours_and_may_be_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.dcm");
        std::fs::write(&path, source_file(&full(), Encoding::ExplicitLittle)).unwrap();
        assert!(Target::new(&path, false).is_err(), "a source is nobody's to replace");
        std::fs::write(&path, file(&origin(&full()), &image(), &DERIVATION)).unwrap();
        assert!(Target::new(&path, false).is_ok());
    }

    #[test]
    fn a_name_in_any_character_set_is_copied_byte_for_byte_and_padded_if_it_was_not() {
        let mut source = full();
        // Shift JIS, an odd number of bytes, behind a character set that dicom-rs lacks.
        let name = b"\x83\x84\x83\x7d\x5c";
        source.set(tags::PATIENT_NAME, b"PN", Value::Bytes(name.to_vec()));
        source.text(tags::SPECIFIC_CHARACTER_SET, b"CS", "ISO_IR 13");
        let bytes = file(&origin(&source), &image(), &DERIVATION);
        let element = b"\x10\x00\x10\x00PN\x06\x00\x83\x84\x83\x7d\x5c ";
        assert!(bytes.windows(element.len()).any(|window| window == element));
        // A number whose characters are none is left out.
        source.set(tags::INSTANCE_NUMBER, b"IS", Value::Bytes(vec![0xFF, 0xFE]));
        let bytes = file(&origin(&source), &image(), &DERIVATION);
        let empty = b"\x20\x00\x13\x00IS\x00\x00";
        assert!(bytes.windows(empty.len()).any(|window| window == empty));
    }

    #[test]
    fn it_has_no_identifier_that_its_source_lacks() {
        let mut bare = DataSet::default();
        bare.text(tags::STUDY_INSTANCE_UID, b"UI", "1.2.7");
        let made = Origin::read(&file(&origin(&bare), &image(), &DERIVATION).into());
        let made = made.unwrap_or_else(|error| panic!("{error}"));
        for (tag, _) in COPIED {
            let empty = made.copied.get(tag).is_none_or(|element| element.is_empty());
            assert!(empty || tag == tags::STUDY_INSTANCE_UID, "{tag}");
        }
    }

    #[test]
    fn what_the_data_set_does_not_say_of_itself_is_taken_from_the_file_s_head() {
        let mut bare = DataSet::default();
        bare.text(tags::STUDY_INSTANCE_UID, b"UI", "1.2.7");
        let origin = origin(&bare);
        assert_eq!((origin.class.as_str(), origin.instance.as_str()), ("1.2.3", "1.2.4"));
    }

    #[test]
    fn the_source_s_encoding_makes_no_difference() {
        let read = |encoding| Origin::read(&source_file(&full(), encoding).into()).ok();
        let explicit = read(Encoding::ExplicitLittle);
        assert!(explicit.is_some());
        assert!(explicit == read(Encoding::ImplicitLittle));
        assert!(explicit == read(Encoding::ExplicitBig));
    }

    #[test]
    fn a_source_without_a_study_is_refused() {
        let mut bare = full();
        bare.remove(tags::STUDY_INSTANCE_UID);
        let refused = Origin::read(&source_file(&bare, Encoding::ExplicitLittle).into());
        let error = refused.err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("StudyInstanceUID is missing"));
    }

    #[test]
    fn the_same_map_is_the_same_instance_and_another_network_s_is_another() {
        let origin = origin(&full());
        let of = |derivation: &Derivation| file(&origin, &image(), derivation);
        assert_eq!(of(&DERIVATION), of(&DERIVATION));
        let instance = |derivation: &Derivation| {
            Origin::read(&of(derivation).into()).map(|made| made.instance).unwrap_or_default()
        };
        let first = instance(&DERIVATION);
        for other in [
            Derivation { run: "5f2b", ..DERIVATION },
            Derivation { fold: 3, ..DERIVATION },
            Derivation { layer: "conv_head", ..DERIVATION },
            Derivation { method: Method::GradCamPlusPlus, ..DERIVATION },
        ] {
            assert_ne!(instance(&other), first, "{other:?}");
        }
    }

    #[test]
    fn a_uid_is_a_uuid_of_version_8() {
        let number: u128 = uid(&["a", "b"])[5..].parse().unwrap();
        assert_eq!((number >> 76 & 0xF, number >> 62 & 0b11), (8, 0b10));
        assert_ne!(uid(&["a", "b"]), uid(&["ab", ""]));
    }
}
