//! JPEG-LS, RLE and sequential JPEG: our decoders and other Rust crates on generated images of full
//! size. Throughput counts the decoded bytes, two per pixel (one for baseline JPEG).

mod made;

use std::borrow::Cow;

use dicom_encoding::Codec;
use dicom_encoding::adapters::{PixelDataObject, PixelDataReader, RawPixelData};
use dicom_transfer_syntax_registry::entries::RLE_LOSSLESS;
use divan::Bencher;
use divan::counter::BytesCount;
use made::{Detector, LARGE};
use mammo_codecs::encode::{self, Frame};
use mammo_codecs::{jpeg, jpeg_ls, rle};

fn main() {
    divan::main();
}

/// A large image cut to the highest 8 bits of it where `bits` says so, and its size.
fn image(bits: u8) -> (Vec<u16>, u16, u16) {
    let Detector { width, height, .. } = LARGE;
    let samples = LARGE.image().iter().map(|&sample| sample >> (LARGE.bits - bits)).collect();
    (samples, width as u16, height as u16)
}

fn coded(bits: u8, encode: impl Fn(&Frame) -> Vec<u8>) -> (Vec<u8>, usize) {
    let (samples, width, height) = image(bits);
    let frame = Frame::new(width, height, bits, &samples).expect("samples fit their bits");
    (encode(&frame), samples.len())
}

#[divan::bench(args = [0, 3])]
fn jpeg_ls_decode(bencher: Bencher, near: u8) {
    let options = encode::jpeg_ls::Options { near, ..Default::default() };
    let (stream, pixels) = coded(12, |frame| encode::jpeg_ls::encode(frame, options));
    let mut samples = Vec::new();
    bencher.counter(BytesCount::new(2 * pixels)).bench_local(|| {
        jpeg_ls::decode(&stream, pixels, &mut samples).expect("the stream is sound");
        samples.last().copied()
    });
}

#[divan::bench]
fn rle_decode(bencher: Bencher) {
    let (stream, pixels) = coded(12, encode::rle::encode);
    let mut samples = Vec::new();
    bencher.counter(BytesCount::new(2 * pixels)).bench_local(|| {
        rle::decode(&stream, pixels, 16, &mut samples).expect("the stream is sound");
        samples.last().copied()
    });
}

#[divan::bench]
fn rle_decode_by_dicom_rs(bencher: Bencher) {
    let (stream, pixels) = coded(12, encode::rle::encode);
    let object = Object(stream);
    let Codec::EncapsulatedPixelData(Some(peer), _) = RLE_LOSSLESS.codec() else {
        panic!("the registry is built with its feature `rle`");
    };
    bencher.counter(BytesCount::new(2 * pixels)).bench_local(|| {
        let mut bytes = Vec::new();
        peer.decode(&object, &mut bytes).expect("the stream is sound");
        bytes.len()
    });
}

fn sequential(frame: &Frame) -> Vec<u8> {
    encode::jpeg_sequential::encode(frame, Default::default()).expect("12 bits or fewer")
}

#[divan::bench(args = [8, 12])]
fn sequential_decode(bencher: Bencher, bits: u8) {
    let (stream, pixels) = coded(bits, sequential);
    let mut samples = Vec::new();
    let bytes = pixels * if bits > 8 { 2 } else { 1 };
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        jpeg::decode(&stream, pixels, &mut samples).expect("the stream is sound");
        samples.last().copied()
    });
}

/// Of 8 bits alone: `jpeg-decoder` has no 12-bit sequential JPEG.
#[divan::bench]
fn sequential_decode_by_jpeg_decoder(bencher: Bencher) {
    let (stream, pixels) = coded(8, sequential);
    bencher.counter(BytesCount::new(pixels)).bench_local(|| {
        let samples = jpeg_decoder::Decoder::new(stream.as_slice()).decode();
        samples.expect("the stream is sound").len()
    });
}

/// One frame of RLE, as dicom-rs wants to see it.
struct Object(Vec<u8>);

impl PixelDataObject for Object {
    fn transfer_syntax_uid(&self) -> &str {
        "1.2.840.10008.1.2.5"
    }

    fn rows(&self) -> Option<u16> {
        Some(LARGE.height as u16)
    }

    fn cols(&self) -> Option<u16> {
        Some(LARGE.width as u16)
    }

    fn samples_per_pixel(&self) -> Option<u16> {
        Some(1)
    }

    fn bits_allocated(&self) -> Option<u16> {
        Some(16)
    }

    fn bits_stored(&self) -> Option<u16> {
        Some(12)
    }

    fn photometric_interpretation(&self) -> Option<&str> {
        Some("MONOCHROME2")
    }

    fn number_of_frames(&self) -> Option<u32> {
        Some(1)
    }

    fn number_of_fragments(&self) -> Option<u32> {
        Some(1)
    }

    fn fragment(&self, fragment: usize) -> Option<Cow<'_, [u8]>> {
        (fragment == 0).then_some(Cow::Borrowed(&self.0))
    }

    fn offset_table(&self) -> Option<Cow<'_, [u32]>> {
        None
    }

    fn raw_pixel_data(&self) -> Option<RawPixelData> {
        None
    }
}
