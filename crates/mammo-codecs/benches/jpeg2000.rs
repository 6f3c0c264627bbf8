//! JPEG 2000: our decoder and OpenJPEG on generated images of full size and, if `../shared` lies
//! beside the checkout, on real files. Prints a table with one line per image.
//!
//! One thread each; CPU time instead of wall time, so that other processes disturb less; the best
//! of three runs. `display` and `fast` decode for an output of 1024 or 2048 rows with a linear
//! window over all values: as a straight line if possible, else over 12 bits and clipped. Errors
//! are those of the output's 8-bit pixels.
//!
//! `cargo bench -p mammo-codecs --features openjpeg --bench jpeg2000 -- NAME` runs only the images
//! whose names contain NAME.

mod made;

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use made::{Detector, LARGE, MIDDLE};
use mammo_codecs::encode::jpeg2000::{Options, encode};
use mammo_codecs::jpeg2000::display::{Assurance, Output, Slopes, plan};
use mammo_codecs::jpeg2000::{Decoder, Image, Request, header};

const RUNS: usize = 3;
const SLOPE: f64 = 255.0 / 4095.0;
const FAST: Assurance = Assurance::Expected { deviations: 2.0 };

fn main() {
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    println!(
        "| image | OpenJPEG ms | exact | display, 1024 | display, 2048 | fast, 1024 | fast, 2048 | off by, 1024 |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut streams = Vec::new();
    find(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), &mut streams);
    for (name, bytes) in streams.iter().filter(|(name, _)| name.contains(&wanted)) {
        row(name, bytes);
    }
    for detector in [MIDDLE, LARGE] {
        if format!("made {}", detector.height).contains(&wanted) {
            let (name, bytes) = made(detector);
            row(&name, &bytes);
        }
    }
}

/// One line of the table: times, how many times OpenJPEG's speed, and errors.
fn row(name: &str, bytes: &[u8]) {
    let mut decoder = Decoder::new();
    let (peer, _) = best(|| jpeg2k::Image::from_bytes(bytes).expect("OpenJPEG reads it"));
    let mut ours = |request: &Request| best(|| decoder.decode(bytes, request).expect("it decodes"));
    let (time, exact) = ours(&Request::default());
    let (height, width) = (exact.height, exact.width);
    print!("| {name}, {height}x{width} | {peer:.0} | {time:.0} ({:.2}) |", peer / time);
    // As Bits Stored says it of a file; codestreams declare 16.
    let most = exact.samples.iter().copied().max().unwrap_or(0);
    let bits = (16 - most.leading_zeros() as u8).max(8).next_multiple_of(2);
    let mut errors = Vec::new();
    for (assurance, rows) in
        [(Assurance::Proven, 1024.0), (Assurance::Proven, 2048.0), (FAST, 1024.0), (FAST, 2048.0)]
    {
        let scale = (f64::from(height) / rows).max(1.0);
        let (time, image) = ours(&request(bytes, bits, scale, assurance));
        print!(" {time:.0} ({:.2}) |", peer / time);
        if rows == 1024.0 {
            errors.push(error(&exact, &image, bits, scale));
        }
    }
    let errors: Vec<_> =
        errors.iter().map(|(worst, psnr)| format!("{worst} ({psnr:.1} dB)")).collect();
    println!(" {} |", errors.join(", "));
    let _ = std::io::stdout().flush();
}

/// The precision that suffices for 8-bit pixels with a window over all values of `bits`.
fn request(bytes: &[u8], bits: u8, scale: f64, assurance: Assurance) -> Request {
    let main = header(bytes).expect("it decodes");
    let is_straight = main.reversible && !main.signed && bits <= 14;
    let slopes = if is_straight {
        let slope = 255.0 / f64::from((1 << bits) - 1);
        Slopes::anywhere(slope..=slope)
    } else {
        Slopes::new(0, &[SLOPE as f32; 4095])
    };
    let output = Output { scale_x: scale, scale_y: scale, slopes, slack: 0.01 };
    let plan = plan(bytes, &output, 1.0, assurance, None).expect("it decodes");
    let reach = plan.reach.min(8000.0).ceil() as i16;
    let range = is_straight.then_some((-reach, ((1 << bits) - 1) + reach));
    Request { planes: plan.planes, range, ..Request::default() }
}

/// The best time of several runs, in CPU milliseconds if the system reports them.
fn best<T>(mut run: impl FnMut() -> T) -> (f64, T) {
    let start = Instant::now();
    let now = || match std::fs::read_to_string("/proc/thread-self/schedstat") {
        Ok(text) => text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0.0) / 1e6,
        Err(_) => start.elapsed().as_secs_f64() * 1e3,
    };
    let mut timed = || {
        let before = now();
        let result = run();
        (now() - before, result)
    };
    let mut best = timed();
    for _ in 1..RUNS {
        let next = timed();
        if next.0 < best.0 {
            best = next;
        }
    }
    best
}

/// The worst difference of 8-bit pixels, and their peak signal-to-noise ratio.
fn error(a: &Image, b: &Image, bits: u8, scale: f64) -> (u8, f64) {
    let most = if bits <= 14 { f64::from((1_u32 << bits) - 1) } else { 4095.0 };
    let (a, b) = (pixels(a, scale, 255.0 / most), pixels(b, scale, 255.0 / most));
    let worst = a.iter().zip(&b).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
    let squares: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    (worst, 10.0 * (255.0_f64.powi(2) / (squares / a.len() as f64)).log10())
}

/// Area means on the window's scale.
fn pixels(image: &Image, scale: f64, slope: f64) -> Vec<u8> {
    let (width, height) = (image.width as usize, image.height as usize);
    let across = (width as f64 / scale) as usize;
    let share = |i: usize, start: f64| {
        ((start + scale).min(i as f64 + 1.0) - start.max(i as f64)).max(0.0) / scale
    };
    let span = |start: f64, size: usize| start as usize..size.min((start + scale).ceil() as usize);
    // Two's complement, unless the samples use all of 16 bits.
    let is_low = |v: u16| image.signed || slope > SLOPE / 5.0 && v >= 0xE000;
    let value = |v: u16| if is_low(v) { f64::from(v as i16) } else { f64::from(v) };
    let mut out = Vec::new();
    for row in 0..(height as f64 / scale) as usize {
        let top = row as f64 * scale;
        let mut line = vec![0.0; width];
        for y in span(top, height) {
            let weight = share(y, top) * slope;
            for (sum, &v) in line.iter_mut().zip(&image.samples[y * width..][..width]) {
                *sum += value(v) * weight;
            }
        }
        out.extend((0..across).map(|column| {
            let left = column as f64 * scale;
            let mean: f64 = span(left, width).map(|x| line[x] * share(x, left)).sum();
            mean.clamp(0.0, 255.0).round() as u8
        }));
    }
    out
}

/// An image of a detector's size, coded as DICOM files mostly are.
fn made(detector: Detector) -> (String, Vec<u8>) {
    let Detector { width, height, .. } = detector;
    let bytes = encode(&detector.image(), width, height, &Options::default())
        .expect("default options are sound");
    (format!("made {height}"), bytes)
}

/// Adds the streams of the DICOM files under `folder`.
fn find(folder: &Path, streams: &mut Vec<(String, Vec<u8>)>) {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            find(&path, streams);
        } else if path.extension().is_some_and(|e| e == "dcm") {
            let stream = fragment(&std::fs::read(&path).unwrap_or_default());
            if let Some(bytes) = stream.filter(|bytes| header(bytes).is_ok()) {
                streams.push((
                    path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
                    bytes,
                ));
            }
        }
    }
}

/// The contents of the fragments of encapsulated Pixel Data, without the offset table.
fn fragment(bytes: &[u8]) -> Option<Vec<u8>> {
    let tag = [0xE0, 0x7F, 0x10, 0x00];
    let start =
        bytes.windows(12).position(|w| w.starts_with(&tag) && w.ends_with(&[0xFF; 4]))? + 12;
    let (mut rest, mut stream, mut table) = (&bytes[start..], Vec::new(), true);
    while let [0xFE, 0xFF, 0x00, 0xE0, a, b, c, d, tail @ ..] = rest {
        let item = tail.get(..u32::from_le_bytes([*a, *b, *c, *d]) as usize)?;
        if !std::mem::replace(&mut table, false) {
            stream.extend_from_slice(item);
        }
        rest = &tail[item.len()..];
    }
    Some(stream)
}
