//! The one entry for all codings: what it tells, what it cuts out, what it refuses.

use mammo_codecs::encode::{self, Frame};
use mammo_codecs::{Codec, DecodedBy, Decoder, Error, Image, Prefix, Rect, Request, info, prefix};

use crate::trial::lopsided;

const WIDTH: u16 = 61;
const HEIGHT: u16 = 37;

/// A stream in each coding that an encoder of ours writes, and how it is asked for.
fn streams(samples: &[u16], bits: u8) -> Vec<(Vec<u8>, Request)> {
    let frame = Frame::new(WIDTH, HEIGHT, bits, samples).unwrap();
    let rle = Codec::Rle {
        width: WIDTH.into(),
        height: HEIGHT.into(),
        bits: if bits > 8 { 16 } else { 8 },
    };
    vec![
        (encode::jpeg_lossless::encode(&frame, Default::default()), Request::default()),
        (encode::jpeg_ls::encode(&frame, Default::default()), Request::default()),
        (encode::rle::encode(&frame), Request { codec: Some(rle), ..Request::default() }),
        #[cfg(feature = "openjpeg")]
        (jpeg_2000(samples, bits, 0), Request::default()),
    ]
}

#[cfg(feature = "openjpeg")]
fn jpeg_2000(samples: &[u16], precision: u8, region_shift: u8) -> Vec<u8> {
    let options = encode::jpeg2000::Options {
        precision,
        levels: 3,
        region_shift,
        ..encode::jpeg2000::Options::default()
    };
    encode::jpeg2000::encode(samples, WIDTH.into(), HEIGHT.into(), &options).unwrap()
}

#[test]
fn every_coding_comes_back_whole_in_every_type_that_holds_it() {
    let mut decoder = Decoder::new();
    let samples = lopsided(WIDTH.into(), HEIGHT.into(), 8, 3);
    for (stream, request) in streams(&samples, 8) {
        let mut wide: Vec<i32> = vec![7];
        let image = decoder.decode_into(&stream, &request, &mut wide).unwrap();
        let Image { width, height, origin, components, signed, surplus_bytes, .. } = image;
        assert_eq!((width, height, origin), (WIDTH.into(), HEIGHT.into(), (0, 0)));
        assert_eq!((components, signed, surplus_bytes), (1, false, 0));
        assert_eq!((image.precision, image.decoded_by), (8, DecodedBy::Own));
        assert!(wide.iter().zip(&samples).all(|(&a, &b)| a == i32::from(b)));
        let (mut bytes, mut words, mut short) = (vec![1_u8], vec![2_u16], vec![3_i16]);
        decoder.decode_into(&stream, &request, &mut bytes).unwrap();
        decoder.decode_into(&stream, &request, &mut words).unwrap();
        decoder.decode_into(&stream, &request, &mut short).unwrap();
        assert_eq!(words, samples);
        assert!(bytes.iter().zip(&samples).all(|(&a, &b)| u16::from(a) == b));
        assert!(short.iter().zip(&samples).all(|(&a, &b)| a as u16 == b));
    }
}

#[test]
fn a_type_that_cannot_hold_the_samples_is_refused() {
    let mut decoder = Decoder::new();
    let samples = lopsided(WIDTH.into(), HEIGHT.into(), 16, 3);
    for (stream, request) in streams(&samples, 16) {
        let refusal = |output| Error::SampleType { precision: 16, signed: false, output };
        let narrow = decoder.decode_into(&stream, &request, &mut Vec::<u8>::new());
        assert_eq!(narrow, Err(refusal("u8")));
        let signed = decoder.decode_into(&stream, &request, &mut Vec::<i16>::new());
        assert_eq!(signed, Err(refusal("i16")));
        let mut words = Vec::<u16>::new();
        decoder.decode_into(&stream, &request, &mut words).unwrap();
        assert_eq!(words, samples);
    }
}

#[test]
fn the_headers_tell_the_coding_and_the_size() {
    let samples = lopsided(WIDTH.into(), HEIGHT.into(), 12, 3);
    for (stream, request) in streams(&samples, 12) {
        if request.codec.is_some() {
            assert_eq!(Codec::detect(&stream), None, "nothing marks RLE");
            assert!(matches!(info(&stream), Err(Error::Unknown { .. })));
            continue;
        }
        let told = info(&stream).unwrap();
        assert_eq!(Some(told.codec), Codec::detect(&stream));
        assert_eq!((told.width, told.height), (WIDTH.into(), HEIGHT.into()));
        assert_eq!((told.components, told.precision, told.signed), (1, 12, false));
        assert_eq!(told.levels, if told.codec == Codec::Jpeg2000 { 3 } else { 0 });
    }
    let unknown = Error::Unknown { found: b"GIF8".to_vec() };
    assert_eq!(info(b"GIF89a"), Err(unknown.clone()));
    assert_eq!(
        unknown.to_string(),
        "the stream begins with [47, 49, 46, 38], as none of the codings does"
    );
}

#[test]
fn a_region_is_what_the_whole_has_there() {
    let mut decoder = Decoder::new();
    let samples = lopsided(WIDTH.into(), HEIGHT.into(), 12, 9);
    let region = Rect { left: 13, top: 5, width: 20, height: 31 };
    let beyond = Rect { left: 50, top: 30, width: 100, height: u32::MAX };
    for (stream, request) in streams(&samples, 12) {
        for (rect, size) in [(region, (20, 31)), (beyond, (11, 7))] {
            let mut part: Vec<u16> = Vec::new();
            let wanted = Request { region: Some(rect), ..request.clone() };
            let image = decoder.decode_into(&stream, &wanted, &mut part).unwrap();
            assert_eq!((image.width, image.height), size);
            assert_eq!(image.origin, (rect.left, rect.top));
            let rows = samples.chunks(WIDTH.into()).skip(rect.top as usize).take(size.1 as usize);
            let rows = rows.flat_map(|row| &row[rect.left as usize..][..size.0 as usize]);
            assert!(part.iter().eq(rows), "{request:?} {rect:?}");
        }
        let outside = Rect { left: 61, top: 0, width: 1, height: 1 };
        let wanted = Request { region: Some(outside), ..request };
        let refused = decoder.decode_into(&stream, &wanted, &mut Vec::<u16>::new());
        assert!(
            matches!(
                refused,
                Err(Error::EmptyRegion { .. }
                    | Error::Jpeg2000(mammo_codecs::jpeg2000::Error::EmptyRegion))
            ),
            "{refused:?}"
        );
    }
}

#[test]
fn levels_and_prefixes_are_for_the_wavelet_alone() {
    let mut decoder = Decoder::new();
    let samples = lopsided(WIDTH.into(), HEIGHT.into(), 12, 9);
    for (stream, request) in streams(&samples, 12) {
        let half = Request { reduce: 1, ..request.clone() };
        let cut = Request { prefix_of: Some(stream.len() + 9), ..request.clone() };
        let mut out: Vec<u16> = Vec::new();
        if Codec::detect(&stream) == Some(Codec::Jpeg2000) {
            let image = decoder.decode_into(&stream, &half, &mut out).unwrap();
            assert_eq!((image.width, image.height, out.len()), (31, 19, 31 * 19));
            let Prefix::Needs(needs) = prefix(&stream, stream.len(), &half).unwrap() else {
                panic!("all of it is there");
            };
            assert!(needs < stream.len() / 2, "{needs} of {}", stream.len());
            let whole = out.clone();
            let request = Request { prefix_of: Some(stream.len()), ..half };
            decoder.decode_into(&stream[..needs], &request, &mut out).unwrap();
            assert_eq!(out, whole);
            continue;
        }
        let refused = decoder.decode_into(&stream, &half, &mut out);
        assert!(matches!(refused, Err(Error::Reduction { asked: 1, .. })), "{refused:?}");
        let refused = decoder.decode_into(&stream, &cut, &mut out);
        assert!(matches!(refused, Err(Error::Prefix { .. })), "{refused:?}");
        let needs = prefix(&stream, stream.len(), &request);
        assert_eq!(needs, Ok(Prefix::Needs(stream.len())));
    }
}

#[test]
fn more_samples_or_memory_than_allowed_are_refused() {
    let mut decoder = Decoder::new();
    let samples = lopsided(WIDTH.into(), HEIGHT.into(), 12, 9);
    let count = u64::from(WIDTH) * u64::from(HEIGHT);
    for (stream, request) in streams(&samples, 12) {
        let mut out: Vec<u16> = Vec::new();
        let few = Request { max_samples: count - 1, ..request.clone() };
        assert!(decoder.decode_into(&stream, &few, &mut out).is_err());
        let small = Request { max_memory: (1 << 20) + 2 * count - 2, ..request.clone() };
        assert!(decoder.decode_into(&stream, &small, &mut out).is_err());
        let enough = Request { max_samples: count, max_memory: 2 << 20, ..request };
        assert!(decoder.decode_into(&stream, &enough, &mut out).is_ok());
    }
}

/// The codestream without its boxes, whose lengths would change, and with a marker that says that
/// parts of the standard beyond the first are needed.
#[cfg(feature = "openjpeg")]
fn beyond_part_1(mut stream: Vec<u8>) -> Vec<u8> {
    let begin = stream.windows(2).position(|pair| pair == [0xFF, 0x4F]).unwrap();
    stream.drain(..begin);
    let at = stream.windows(2).position(|pair| pair == [0xFF, 0x5C]).unwrap();
    stream.splice(at..at, [0xFF, 0x50, 0, 8, 0, 0, 0, 1, 0, 0]);
    stream
}

#[cfg(feature = "openjpeg")]
#[test]
fn a_region_of_interest_is_decoded() {
    for (bits, shift) in [(8, 1), (12, 4), (12, 12)] {
        let samples = lopsided(WIDTH.into(), HEIGHT.into(), bits, 9);
        let stream = jpeg_2000(&samples, bits, shift);
        let mut out: Vec<u16> = Vec::new();
        let image = Decoder::new().decode_into(&stream, &Request::default(), &mut out).unwrap();
        assert_eq!((image.decoded_by, image.precision), (DecodedBy::Own, bits));
        assert_eq!(out, samples, "{bits} bits, shifted by {shift}");
    }
}

#[cfg(feature = "openjpeg")]
#[test]
fn what_is_left_to_openjpeg_comes_from_it() {
    let samples = lopsided(WIDTH.into(), HEIGHT.into(), 12, 9);
    let stream = beyond_part_1(jpeg_2000(&samples, 12, 0));
    let mut out: Vec<u16> = Vec::new();
    let image = Decoder::new().decode_into(&stream, &Request::default(), &mut out).unwrap();
    assert_eq!((image.decoded_by, image.precision), (DecodedBy::OpenJpeg, 12));
    assert_eq!(out, samples);
    let region = Some(Rect { left: 3, top: 4, width: 2, height: 1 });
    let request = Request { region, ..Request::default() };
    let image = Decoder::new().decode_into(&stream, &request, &mut out).unwrap();
    assert_eq!((image.width, image.height, image.origin), (2, 1, (3, 4)));
    assert_eq!(out, samples[4 * 61 + 3..][..2]);
}
