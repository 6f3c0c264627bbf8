//! JPEG lossless: our decoder beside the crate `jpeg-decoder`, on phantoms of full size.
//!
//! Raw bytes count, two a pixel: what the pipeline gets out, whatever the file's size.

use divan::Bencher;
use divan::counter::BytesCount;
use mammo_pipe::image::Plane;
use mammo_pipe::preprocess::decode::jpeg;
use mammo_pipe::record::{Density, Laterality, View};
use mammo_pipe::synth::encode::Frame;
use mammo_pipe::synth::encode::jpeg_lossless::{Options, Predictor, encode};
use mammo_pipe::synth::machines::Machine;
use mammo_pipe::synth::{PhantomSpec, phantom};

fn main() {
    divan::main();
}

/// A machine and how its image is coded.
#[derive(Debug, Clone, Copy)]
enum Case {
    /// 2294 x 1914, noise in the air.
    Machine216,
    /// 4096 x 3328, air of zeros.
    Machine49,
    /// The same with a restart marker every line.
    Machine49Restart,
    /// The same with predictor 4.
    Machine49Plane,
    /// The same with predictor 6, which no two samples of a line are free of.
    Machine49Half,
}

const CASES: [Case; 5] = [
    Case::Machine216,
    Case::Machine49,
    Case::Machine49Restart,
    Case::Machine49Plane,
    Case::Machine49Half,
];

impl Case {
    fn image(self) -> Plane<u16> {
        let id = if matches!(self, Self::Machine216) { 216 } else { 49 };
        let spec = PhantomSpec {
            patient: 1,
            breast: 2,
            image: 3,
            machine: Machine::of(id).expect("both are on the list"),
            divisor: 1,
            laterality: Laterality::Left,
            view: View::Mlo,
            density: Density::B,
            age: 60,
            findings: vec![],
            layouts: vec![],
        };
        phantom(&spec).pixels
    }

    fn options(self) -> Options {
        let (predictor, restart_lines) = match self {
            Self::Machine216 | Self::Machine49 => (Predictor::Left, 0),
            Self::Machine49Restart => (Predictor::Left, 1),
            Self::Machine49Plane => (Predictor::Plane, 0),
            Self::Machine49Half => (Predictor::AboveAndHalf, 0),
        };
        Options { predictor, restart_lines, ..Options::default() }
    }

    fn frame(self, image: &Plane<u16>) -> Frame<'_> {
        let (width, height) = (image.width() as u16, image.height() as u16);
        Frame::new(width, height, 12, image.pixels()).expect("both machines store 12 bits")
    }

    fn stream(self) -> (Vec<u8>, usize) {
        let image = self.image();
        (encode(&self.frame(&image), self.options()), image.pixels().len())
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
    let image = case.image();
    let frame = case.frame(&image);
    let pixels = image.pixels().len();
    bencher
        .counter(BytesCount::new(2 * pixels))
        .bench_local(|| encode(&frame, case.options()).len());
}
