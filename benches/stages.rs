//! Every stage that an image passes, alone and on one thread: `cargo bench --bench stages`.
//!
//! Phantoms of full size, one for each of two machines: 49 writes JPEG lossless (4096 x 3328), 21
//! writes JPEG 2000 (2776 x 2082); for `roi` a film as well. A stage gets what the stage before it made. Bytes are those of
//! the file for `read`, and raw pixels (two bytes each) for all others; an item is an image.
//!
//! Peers in the same run: dicom-rs (`dicom-object`) for `read`, OpenJPEG with as many wavelet levels
//! left out for `look`. `resize` has its own bench beside `fast_image_resize`. The peers of the rest
//! are Python's: `stages.py` runs them and this program on the same files.

use std::io::Cursor;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use dicom_object::OpenFileOptions;
use dicom_object::file::ReadPreamble;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use mammo_pipe::config::{Config, Precision};
use mammo_pipe::dataset::{Job, Role};
use mammo_pipe::flow::Stage;
use mammo_pipe::preprocess::memory::Memory;
use mammo_pipe::preprocess::read::{self, PixelData, RawFrame};
use mammo_pipe::preprocess::stages::{Decode, FindRoi, Judge, Look, Read, Resize, Window};
use mammo_pipe::record::{Density, Id, ImageRecord, Laterality, View};
use mammo_pipe::synth::machines::Machine;
use mammo_pipe::synth::{DicomFile, Layout, PhantomSpec, phantom};

fn main() {
    divan::main();
}

/// A machine, whose files the bench is about.
#[derive(Debug, Clone, Copy)]
enum Case {
    /// 4096 x 3328, JPEG lossless.
    Machine49,
    /// 2776 x 2082, JPEG 2000.
    Machine21,
    /// A scanned film of 1024 x 832, JPEG lossless: the region finder sees all its pixels.
    Film,
}

const CASES: [Case; 2] = [Case::Machine49, Case::Machine21];

/// One image, drawn once: its file on disk and in memory, and its job.
struct Image {
    bytes: Bytes,
    job: Job,
    pixels: usize,
}

struct Images {
    machine_49: Image,
    machine_21: Image,
    film: Image,
    _folder: tempfile::TempDir,
}

static IMAGES: LazyLock<Images> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let draw = |id: i64, divisor: usize, layouts: Vec<Layout>| {
        let machine = Machine::of(id).expect("both are on the list");
        let spec = PhantomSpec {
            patient: 1,
            breast: 2,
            image: 3,
            machine,
            divisor,
            laterality: Laterality::Left,
            view: View::Mlo,
            density: Density::B,
            age: 60,
            findings: vec![],
            layouts,
        };
        let drawn = phantom(&spec);
        let bytes = DicomFile::new(&spec, &drawn, machine.coding, 1, id as u64).to_bytes();
        let relative = format!("{id}-{divisor}.dcm");
        let path = folder.path().join(&relative);
        std::fs::write(&path, &bytes).expect("the folder can be written to");
        let name = |text: &str| Id::new(text).expect("digits are a name");
        let record = ImageRecord {
            machine_id: Some(id),
            ..ImageRecord::unlabelled(name("1"), name(&id.to_string()))
        };
        let name = relative.clone();
        let job =
            Job { record, role: Role::Fold(0), relative, name, path, bytes: bytes.len() as u64 };
        Image { bytes: bytes.into(), job, pixels: drawn.pixels.pixels().len() }
    };
    let (machine_49, machine_21) = (draw(49, 1, vec![]), draw(21, 1, vec![]));
    let film = draw(49, 4, vec![Layout::Film]);
    Images { machine_49, machine_21, film, _folder: folder }
});

impl Case {
    fn image(self) -> &'static Image {
        match self {
            Self::Machine49 => &IMAGES.machine_49,
            Self::Machine21 => &IMAGES.machine_21,
            Self::Film => &IMAGES.film,
        }
    }

    fn frame(self) -> RawFrame {
        let image = self.image();
        reader().apply(image.job.clone()).expect("it can be read")
    }
}

fn memory(config: &Config) -> Memory {
    Memory::divide(config, 1, 1).expect("the default memory is enough for one")
}

fn reader() -> Read {
    let config = config(Precision::Exact);
    Read::new(&config, &memory(&config))
}

fn config(precision: Precision) -> Arc<Config> {
    let mut config = Config { output: PathBuf::new(), ..Config::default() };
    config.decode.precision = precision;
    Arc::new(config)
}

/// The stages of one worker, each made ready as often as it is called.
struct Stages {
    look: Look,
    find_roi: FindRoi,
    judge: Judge,
    decode: Decode,
    window: Window,
    resize: Resize,
}

impl Stages {
    fn new(precision: Precision) -> Self {
        let config = config(precision);
        let memory = memory(&config);
        Self {
            look: Look::new(&config, &memory),
            find_roi: FindRoi::new(&config),
            judge: Judge::new(&config),
            decode: Decode::new(&config),
            window: Window,
            resize: Resize::new(&config),
        }
    }
}

/// Measures what `last` does with what `before` makes of a file that is read.
///
/// An image holds memory of the workers' budget until it is through, so a sample is one image: a
/// second one might wait for the first for ever.
macro_rules! stage {
    ($bencher:expr, $case:expr, $precision:expr, [$($before:ident),*], $last:ident) => {{
        let (case, frame) = ($case, $case.frame());
        let (mut before, mut measured) = (Stages::new($precision), Stages::new($precision));
        let _ = &mut before;
        $bencher
            .counter(BytesCount::new(2 * case.image().pixels))
            .counter(ItemsCount::new(1_usize))
            .with_inputs(move || {
                let item = frame.clone();
                $(let item = before.$before.apply(item).expect("the image is sound");)*
                item
            })
            .bench_local_values(|item| measured.$last.apply(item).expect("the image is sound"))
    }};
}

/// The file from the system's cache: its bytes, their SHA-256, header, and where the pixels lie.
#[divan::bench(args = CASES)]
fn read(bencher: Bencher, case: Case) {
    let image = case.image();
    let mut stage = reader();
    bencher
        .counter(BytesCount::new(image.bytes.len()))
        .counter(ItemsCount::new(1_usize))
        .with_inputs(|| image.job.clone())
        .bench_local_values(|job| stage.apply(job).expect("it can be read"));
}

/// Header, and where the pixels lie, of a file in memory.
#[divan::bench(args = CASES)]
fn read_in_memory(bencher: Bencher, case: Case) {
    let image = case.image();
    bencher
        .counter(BytesCount::new(image.bytes.len()))
        .counter(ItemsCount::new(1_usize))
        .bench_local(|| read::open(image.bytes.clone(), usize::MAX >> 8).expect("it can be read"));
}

/// The peer of `read_in_memory`. It refuses files without a group length, so it is given one.
#[divan::bench(args = CASES)]
fn read_in_memory_by_dicom_object(bencher: Bencher, case: Case) {
    let bytes = with_group_length(&case.image().bytes);
    bencher.counter(BytesCount::new(bytes.len())).counter(ItemsCount::new(1_usize)).bench_local(
        || {
            OpenFileOptions::new()
                .read_preamble(ReadPreamble::Always)
                .from_reader(Cursor::new(bytes.as_slice()))
                .expect("dicom-rs reads it")
        },
    );
}

/// The reduced image that breast, grey range and quality are found on.
#[divan::bench(args = CASES, sample_size = 1)]
fn look(bencher: Bencher, case: Case) {
    stage!(bencher, case, Precision::Exact, [], look);
}

/// The peer of `look` for JPEG 2000: a 694 x 521 image, two levels left out.
#[divan::bench]
fn look_by_openjpeg(bencher: Bencher) {
    let PixelData::Fragments(fragments) = Case::Machine21.frame().pixel_data else {
        panic!("machine 21 writes JPEG 2000");
    };
    let stream = fragments.concat();
    bencher
        .counter(BytesCount::new(2 * Case::Machine21.image().pixels))
        .counter(ItemsCount::new(1_usize))
        .bench_local(|| {
            let parameters = jpeg2k::DecodeParameters::new().reduce(2);
            jpeg2k::Image::from_bytes_with(&stream, parameters).expect("OpenJPEG reads it")
        });
}

/// The breast's box and the crop.
#[divan::bench(args = [Case::Machine49, Case::Machine21, Case::Film], sample_size = 1)]
fn roi(bencher: Bencher, case: Case) {
    stage!(bencher, case, Precision::Exact, [look], find_roi);
}

/// The grey scale as a table of all stored values, and the quality flags.
#[divan::bench(args = CASES, sample_size = 1)]
fn judge(bencher: Bencher, case: Case) {
    stage!(bencher, case, Precision::Exact, [look, find_roi], judge);
}

/// Stored values of what the output needs; nothing is left to do where the look took them all.
#[divan::bench(args = CASES, sample_size = 1)]
fn decode_exact(bencher: Bencher, case: Case) {
    stage!(bencher, case, Precision::Exact, [look, find_roi, judge], decode);
}

/// The same, within one grey level of 256.
#[divan::bench(args = CASES, sample_size = 1)]
fn decode_display(bencher: Bencher, case: Case) {
    stage!(bencher, case, Precision::Display, [look, find_roi, judge], decode);
}

/// Stored values to grey levels, in the crop.
#[divan::bench(args = CASES, sample_size = 1)]
fn window(bencher: Bencher, case: Case) {
    stage!(bencher, case, Precision::Exact, [look, find_roi, judge, decode], window);
}

/// The crop to 1024 x 512.
#[divan::bench(args = CASES, sample_size = 1)]
fn resize(bencher: Bencher, case: Case) {
    stage!(bencher, case, Precision::Exact, [look, find_roi, judge, decode, window], resize);
}

/// All of it, from the file in the system's cache to the row's pixels.
#[divan::bench(args = CASES, sample_size = 1)]
fn all(bencher: Bencher, case: Case) {
    let image = case.image();
    let (mut read, mut stages) = (reader(), Stages::new(Precision::Exact));
    bencher
        .counter(BytesCount::new(2 * image.pixels))
        .counter(ItemsCount::new(1_usize))
        .with_inputs(|| image.job.clone())
        .bench_local_values(|job| {
            let sound = "the image is sound";
            let item = read.apply(job).expect(sound);
            let item = stages.look.apply(item).expect(sound);
            let item = stages.find_roi.apply(item).expect(sound);
            let item = stages.judge.apply(item).expect(sound);
            let item = stages.decode.apply(item).expect(sound);
            let item = stages.window.apply(item).expect(sound);
            stages.resize.apply(item).expect(sound)
        });
}

/// The file with (0002,0000), which the machines' files and ours lack.
fn with_group_length(bytes: &[u8]) -> Vec<u8> {
    const START: usize = 128 + 4;
    let mut end = START;
    // Explicit little endian, with 16 bits of length but for OB.
    while bytes[end..end + 2] == [2, 0] {
        end += match &bytes[end + 4..end + 6] {
            b"OB" => {
                let length = bytes[end + 8..end + 12].try_into().expect("four bytes");
                12 + u32::from_le_bytes(length) as usize
            }
            _ => 8 + usize::from(u16::from_le_bytes([bytes[end + 6], bytes[end + 7]])),
        };
    }
    let length = ((end - START) as u32).to_le_bytes();
    let element = [&[2, 0, 0, 0], b"UL".as_slice(), &[4, 0], &length].concat();
    [&bytes[..START], &element, &bytes[START..]].concat()
}
