//! Generated DICOM files through dicom-rs: who decodes them, and to what.
//!
//! dicom-rs is built with its own decoders of JPEG and RLE here (see the dev-dependencies), so that
//! ours have something to replace.

use dicom_core::value::PixelFragmentSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_encoding::TransferSyntaxIndex as _;
use dicom_encoding::adapters::EncodeOptions;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject, from_reader};
use dicom_pixeldata::{PixelDecoder as _, Transcode as _};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use mammo_codecs::dicom::{Syntax, runs};
use mammo_codecs::encode::{self, Frame};

use crate::trial::lopsided;

type Object = dicom_object::FileDicomObject<InMemDicomObject>;

const COLUMNS: u16 = 61;
const ROWS: u16 = 37;

const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);

/// What a file says of its pixels.
#[derive(Clone, Copy)]
struct Layout {
    columns: u16,
    rows: u16,
    frames: u16,
    samples: u16,
    allocated: u16,
    stored: u16,
}

const GREY: Layout =
    Layout { columns: COLUMNS, rows: ROWS, frames: 1, samples: 1, allocated: 16, stored: 12 };

/// A file, written and read again.
fn file(uid: &str, layout: Layout, pixel_data: DataElement<InMemDicomObject>) -> Object {
    let us = |element, value: u16| {
        DataElement::new(Tag(0x0028, element), VR::US, PrimitiveValue::from(value))
    };
    let text = |tag, vr, value: &str| DataElement::new(tag, vr, PrimitiveValue::from(value));
    let photometric = if layout.samples == 3 { "RGB" } else { "MONOCHROME2" };
    let elements = [
        us(0x0002, layout.samples),
        text(Tag(0x0028, 0x0004), VR::CS, photometric),
        text(Tag(0x0028, 0x0008), VR::IS, &layout.frames.to_string()),
        us(0x0010, layout.rows),
        us(0x0011, layout.columns),
        us(0x0100, layout.allocated),
        us(0x0101, layout.stored),
        us(0x0102, layout.stored - 1),
        us(0x0103, 0),
        pixel_data,
    ];
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(uid)
        .media_storage_sop_class_uid("1.2.840.10008.5.1.4.1.1.7")
        .media_storage_sop_instance_uid("2.25.1");
    let object = InMemDicomObject::from_element_iter(elements).with_meta(meta);
    let mut bytes = Vec::new();
    object.expect("the meta group is whole").write_all(&mut bytes).expect("memory takes it");
    from_reader(&bytes[..]).expect("it is read as it was written")
}

fn encapsulated(uid: &str, layout: Layout, fragments: Vec<Vec<u8>>) -> Object {
    let even = fragments.into_iter().map(|mut fragment| {
        fragment.resize(fragment.len().next_multiple_of(2), 0);
        fragment
    });
    let fragments = PixelFragmentSequence::new_fragments(even.collect::<Vec<_>>());
    file(uid, layout, DataElement::new(PIXEL_DATA, VR::OB, fragments))
}

fn native(layout: Layout, samples: &[u16]) -> Object {
    let value = PrimitiveValue::U16(samples.iter().copied().collect());
    file("1.2.840.10008.1.2.1", layout, DataElement::new(PIXEL_DATA, VR::OW, value))
}

fn words(object: &Object) -> Result<Vec<u16>, String> {
    let decoded = object.decode_pixel_data().map_err(|error| {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    })?;
    Ok(decoded.data().as_chunks().0.iter().map(|&word| u16::from_le_bytes(word)).collect())
}

#[test]
fn ours_runs_wherever_the_registry_lets_it() {
    for syntax in Syntax::ALL {
        // dicom-rs has an encoder of its own for this one, so nobody can do more.
        assert_eq!(runs(syntax), syntax != Syntax::JpegBaseline, "{syntax:?}");
        assert_eq!(Syntax::of(syntax.uid()), Some(syntax));
        let entry = TransferSyntaxRegistry.get(syntax.uid()).expect("it is in the registry");
        assert!(entry.can_decode_all(), "{}", entry.name());
    }
    assert_eq!(Syntax::of("1.2.840.10008.1.2.5\0"), Some(Syntax::RleLossless));
    assert_eq!(Syntax::of("1.2.840.10008.1.2.1"), None);
}

/// What `jpeg-decoder`, which dicom-rs's own adapter calls, gets wrong.
#[test]
fn restart_markers_in_jpeg_lossless_come_out_right_which_they_do_not_without_us() {
    let samples = lopsided(COLUMNS.into(), ROWS.into(), 12, 5);
    let frame = Frame::new(COLUMNS, ROWS, 12, &samples).unwrap();
    let options = encode::jpeg_lossless::Options { restart_lines: 5, ..Default::default() };
    let stream = encode::jpeg_lossless::encode(&frame, options);
    let theirs = jpeg_decoder::Decoder::new(&stream[..]).decode();
    let theirs = theirs.map(|bytes| {
        let words = bytes.as_chunks().0.iter().map(|&word| u16::from_le_bytes(word));
        words.collect::<Vec<_>>()
    });
    assert_ne!(theirs.ok(), Some(samples.clone()), "the peer has learnt it: test something else");
    for uid in ["1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"] {
        let object = encapsulated(uid, GREY, vec![stream.clone()]);
        assert_eq!(words(&object).unwrap(), samples, "{uid}");
    }
}

#[test]
fn every_generated_file_decodes_to_what_was_encoded() {
    let samples = lopsided(COLUMNS.into(), ROWS.into(), 12, 5);
    let frame = Frame::new(COLUMNS, ROWS, 12, &samples).unwrap();
    let near = encode::jpeg_ls::Options { near: 2, ..Default::default() };
    let lossless = encode::jpeg_lossless::encode(&frame, Default::default());
    let extended = encode::jpeg_sequential::Options { quality: 100, ..Default::default() };
    let extended = encode::jpeg_sequential::encode(&frame, extended).unwrap();
    let cases = [
        (Syntax::JpegExtended, extended, 2),
        (Syntax::JpegLossless, lossless.clone(), 0),
        (Syntax::JpegLosslessSv1, lossless, 0),
        (Syntax::JpegLsLossless, encode::jpeg_ls::encode(&frame, Default::default()), 0),
        (Syntax::JpegLsNearLossless, encode::jpeg_ls::encode(&frame, near), 2),
        (Syntax::RleLossless, encode::rle::encode(&frame), 0),
        #[cfg(feature = "openjpeg")]
        (Syntax::Jpeg2000Lossless, jpeg_2000(&samples, 1), 0),
        #[cfg(feature = "openjpeg")]
        (Syntax::Jpeg2000, jpeg_2000(&samples, 1), 0),
    ];
    for (syntax, stream, off) in cases {
        let object = encapsulated(syntax.uid(), GREY, vec![stream]);
        let decoded = words(&object).unwrap_or_else(|error| panic!("{syntax:?}: {error}"));
        let worst = decoded.iter().zip(&samples).map(|(a, b)| a.abs_diff(*b)).max();
        assert_eq!(decoded.len(), samples.len(), "{syntax:?}");
        assert!(worst <= Some(off), "{syntax:?}: {worst:?} off");
    }
}

#[cfg(feature = "openjpeg")]
fn jpeg_2000(samples: &[u16], components: u8) -> Vec<u8> {
    use encode::jpeg2000::{Options, encode};
    let colour_transform = components == 3;
    let options =
        Options { precision: 12, components, colour_transform, levels: 3, ..Options::default() };
    encode(samples, COLUMNS.into(), ROWS.into(), &options).unwrap()
}

#[test]
fn high_throughput_jpeg_2000_decodes() {
    // imagecodecs 2026.3.6 (OpenJPH 0.26.3): htj2k_encode(samples, reversible=True,
    // resolutions=2), samples[i] = (i * i * 19 + 3) % 4096 in 9 rows of 13.
    const STREAM: &str = "ff4fff51002940000000000d0000000900000000000000000000000d00000009000000000000\
        000000010f0101ff50000800020000000aff52000c00020001000204044001ff5c000a2088909090888888ff640017\
        00014f70656e4a50482056657220302e32362e332eff90000a00000000010e0001ff93c0002de02df3b6f86cfbde77\
        1fbeb95d5d6ea5b7db87bdbbeec5f13f73420031b700c00016a40001684000168057641ebb99f05c13ae67ad630405\
        b86400ff3800e637bb13fbe94ec6b18abd108026b5007ee1e73c96b77c82a7fc00a50179b600c0002ede000176b000\
        0ba8d8c76e09b15302ec62af4425841d25803d25829d4a04bb4a0c3b4ab4444ab044b10f7b4a08fb4aa804b0578205\
        ace1959ce30840239b00e85e5115874ee844073ad15911bae854846e451541173a2b5e31e85871e8848ee858111587\
        ee8afc149ff92b43180bf44281b33d00fef7bfff7b7fff737ffeff7ffdefff7fff7ffccfff7dff7ffb3fff777ffe00\
        31b460cca40169ba00ffd9";
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let stream: Vec<u8> = STREAM.as_bytes().chunks(2).map(byte).collect();
    let expected: Vec<u16> = (0..9 * 13).map(|i| ((i * i * 19 + 3) % 4096) as u16).collect();
    let layout = Layout { columns: 13, rows: 9, stored: 16, ..GREY };
    for syntax in [Syntax::HtJpeg2000Lossless, Syntax::HtJpeg2000LosslessRpcl, Syntax::HtJpeg2000] {
        let object = encapsulated(syntax.uid(), layout, vec![stream.clone()]);
        assert_eq!(words(&object).unwrap(), expected, "{syntax:?}");
    }
}

#[test]
fn frames_come_one_after_the_other_and_a_single_one_from_all_its_fragments() {
    let pictures: Vec<Vec<u16>> =
        (1..4).map(|seed| lopsided(COLUMNS.into(), ROWS.into(), 12, seed)).collect();
    let streams: Vec<Vec<u8>> = pictures
        .iter()
        .map(|samples| Frame::new(COLUMNS, ROWS, 12, samples).unwrap())
        .map(|frame| encode::jpeg_ls::encode(&frame, Default::default()))
        .collect();
    let layout = Layout { frames: 3, ..GREY };
    let uid = Syntax::JpegLsLossless.uid();
    let object = encapsulated(uid, layout, streams.clone());
    assert_eq!(words(&object).unwrap(), pictures.concat());
    let second = object.decode_pixel_data_frame(1).unwrap();
    let bytes: Vec<u8> = pictures[1].iter().flat_map(|sample| sample.to_le_bytes()).collect();
    assert_eq!(second.data(), bytes);

    let cut = streams[0].len() / 6 * 2;
    let parts = vec![streams[0][..cut].to_vec(), streams[0][cut..].to_vec()];
    assert_eq!(words(&encapsulated(uid, GREY, parts)).unwrap(), pictures[0]);
}

#[test]
fn eight_bits_come_out_as_bytes() {
    let samples = lopsided(COLUMNS.into(), ROWS.into(), 8, 5);
    let frame = Frame::new(COLUMNS, ROWS, 8, &samples).unwrap();
    let layout = Layout { allocated: 8, stored: 8, ..GREY };
    let bytes: Vec<u8> = samples.iter().map(|&sample| sample as u8).collect();
    for (syntax, stream) in [
        (Syntax::JpegLsLossless, encode::jpeg_ls::encode(&frame, Default::default())),
        (Syntax::RleLossless, encode::rle::encode(&frame)),
    ] {
        let object = encapsulated(syntax.uid(), layout, vec![stream]);
        assert_eq!(object.decode_pixel_data().unwrap().data(), bytes, "{syntax:?}");
    }
}

#[cfg(feature = "openjpeg")]
#[test]
fn colours_in_jpeg_2000_come_out_pixel_by_pixel() {
    let planes: Vec<Vec<u16>> =
        (1..4).map(|seed| lopsided(COLUMNS.into(), ROWS.into(), 12, seed)).collect();
    let stream = jpeg_2000(&planes.concat(), 3);
    let object = encapsulated(Syntax::Jpeg2000.uid(), Layout { samples: 3, ..GREY }, vec![stream]);
    let expected: Vec<u16> =
        (0..planes[0].len()).flat_map(|i| [0, 1, 2].map(|plane| planes[plane][i])).collect();
    assert_eq!(words(&object).unwrap(), expected);
}

#[test]
fn a_stream_that_is_not_what_the_header_says_is_an_error() {
    let samples = lopsided(COLUMNS.into(), ROWS.into(), 12, 5);
    let frame = Frame::new(COLUMNS, ROWS, 12, &samples).unwrap();
    let stream = encode::jpeg_lossless::encode(&frame, Default::default());
    let uid = Syntax::JpegLosslessSv1.uid();
    let refusal = |layout, stream: &[u8]| words(&encapsulated(uid, layout, vec![stream.to_vec()]));
    let error = refusal(Layout { rows: ROWS + 1, ..GREY }, &stream).unwrap_err();
    assert!(error.contains("holds 61 x 37 pixels of 1 samples"), "{error}");
    let error = refusal(Layout { rows: ROWS - 1, ..GREY }, &stream).unwrap_err();
    assert!(error.contains("at most 2196 are expected"), "{error}");
    let error = refusal(Layout { allocated: 8, stored: 8, ..GREY }, &stream).unwrap_err();
    assert!(error.contains("has 12 bits per sample, BitsAllocated is 8"), "{error}");
    let error = refusal(GREY, &stream[..stream.len() / 2]).unwrap_err();
    assert!(error.contains("the coded data end in line"), "{error}");
}

#[test]
fn what_is_transcoded_comes_back() {
    let samples = lopsided(COLUMNS.into(), ROWS.into(), 12, 5);
    let mut wild = samples.clone();
    // A value with bits above those stored, as a sign or an overlay has them.
    wild[100] = 0xF123;
    let lossless = [
        Syntax::JpegLossless,
        Syntax::JpegLosslessSv1,
        Syntax::JpegLsLossless,
        Syntax::RleLossless,
        #[cfg(feature = "openjpeg")]
        Syntax::Jpeg2000Lossless,
        #[cfg(feature = "openjpeg")]
        Syntax::Jpeg2000,
    ];
    for syntax in lossless {
        let entry = TransferSyntaxRegistry.get(syntax.uid()).unwrap();
        for samples in [&samples, &wild] {
            let mut object = native(GREY, samples);
            object.transcode(entry).unwrap_or_else(|error| panic!("{syntax:?}: {error}"));
            assert_eq!(object.meta().transfer_syntax(), syntax.uid());
            assert_eq!(&words(&object).unwrap(), samples, "{syntax:?}");
        }
    }
}

#[test]
fn a_lossy_coding_says_so_in_the_object() {
    let samples = lopsided(COLUMNS.into(), ROWS.into(), 12, 5);
    let mut object = native(GREY, &samples);
    let entry = TransferSyntaxRegistry.get(Syntax::JpegExtended.uid()).unwrap();
    let mut options = EncodeOptions::new();
    options.quality = Some(100);
    object.transcode_with_options(entry, options).unwrap();
    let text = |element| object.element(Tag(0x0028, element)).unwrap().to_str().unwrap();
    assert_eq!((&*text(0x2110), &*text(0x2114)), ("01", "ISO_10918_1"));
    let decoded = words(&object).unwrap();
    assert!(decoded.iter().zip(&samples).all(|(a, b)| a.abs_diff(*b) <= 2));
}
