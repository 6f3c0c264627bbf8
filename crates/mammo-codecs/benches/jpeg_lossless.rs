//! JPEG lossless: our decoder and the crate `jpeg-decoder` on generated images of full size.
//!
//! Throughput counts the decoded bytes, two per pixel, whatever the stream's size.

mod made;

use divan::Bencher;
use divan::counter::BytesCount;
use made::{Detector, LARGE, SMALL};
use mammo_codecs::encode::Frame;
use mammo_codecs::encode::jpeg_lossless::{Options, Predictor, encode};
use mammo_codecs::jpeg;

fn main() {
    divan::main();
}

/// A machine and how its image is coded.
#[derive(Debug, Clone, Copy)]
enum Case {
    /// 2294 x 1914, noise in the air.
    Small,
    /// 4096 x 3328, air of zeros.
    Large,
    /// The same with a restart marker every line.
    LargeRestart,
    /// The same with predictor 4.
    LargePlane,
    /// The same with predictor 6, which no two samples of a line are free of.
    LargeHalf,
}

const CASES: [Case; 5] =
    [Case::Small, Case::Large, Case::LargeRestart, Case::LargePlane, Case::LargeHalf];

impl Case {
    fn detector(self) -> Detector {
        if matches!(self, Self::Small) { SMALL } else { LARGE }
    }

    fn options(self) -> Options {
        let (predictor, restart_lines) = match self {
            Self::Small | Self::Large => (Predictor::Left, 0),
            Self::LargeRestart => (Predictor::Left, 1),
            Self::LargePlane => (Predictor::Plane, 0),
            Self::LargeHalf => (Predictor::AboveAndHalf, 0),
        };
        Options { predictor, restart_lines, ..Options::default() }
    }

    fn frame(self, image: &[u16]) -> Frame<'_> {
        let Detector { width, height, bits, .. } = self.detector();
        Frame::new(width as u16, height as u16, bits, image).expect("samples fit their bits")
    }

    fn stream(self) -> (Vec<u8>, usize) {
        let image = self.detector().image();
        (encode(&self.frame(&image), self.options()), image.len())
    }
}

#[divan::bench(args = CASES)]
fn decode(bencher: Bencher, case: Case) {
    let (stream, pixels) = case.stream();
    let mut samples = Vec::new();
    bencher.counter(BytesCount::new(2 * pixels)).bench_local(|| {
        jpeg::decode(&stream, pixels, &mut samples).expect("the stream is sound");
        samples.last().copied()
    });
}

#[divan::bench(args = CASES)]
fn decode_by_jpeg_decoder(bencher: Bencher, case: Case) {
    let (stream, pixels) = case.stream();
    bencher.counter(BytesCount::new(2 * pixels)).bench_local(|| {
        jpeg_decoder::Decoder::new(stream.as_slice()).decode().map(|samples| samples.len()).ok()
    });
}

#[divan::bench(args = CASES)]
fn encode_it(bencher: Bencher, case: Case) {
    let image = case.detector().image();
    let frame = case.frame(&image);
    let pixels = image.len();
    bencher
        .counter(BytesCount::new(2 * pixels))
        .bench_local(|| encode(&frame, case.options()).len());
}
