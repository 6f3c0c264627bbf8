//! Every pixel as OpenJPEG decodes it.

use mammo_codecs::encode::jpeg2000::{EncodeError, encode};
use mammo_codecs::jpeg2000::{Decoder, Error, Request, header};

use super::streams::{Case, case, openjpeg, values};
use crate::trial::{shared, try_fragments};

#[test]
fn generated_streams_decode_as_openjpeg_decodes_them() {
    let mut decoder = Decoder::new();
    let (mut compared, mut refused, mut reduced) = (0, 0, 0);
    for seed in 0..3000 {
        let Case { width, height, samples, options } = case(seed);
        let bytes = match encode(&samples, width, height, &options) {
            Ok(bytes) => bytes,
            Err(EncodeError::Encoder(_) | EncodeError::Option(_)) => {
                refused += 1;
                continue;
            }
            Err(other) => panic!("seed {seed}: {other} {options:?}"),
        };
        // With an origin, OpenJPEG sizes a reduced image by its extent, not by its corners.
        let deepest = if options.image_origin == (0, 0) { options.levels.min(2) } else { 0 };
        for reduce in 0..=deepest {
            let Some(want) =
                openjpeg(&bytes, jpeg2k::DecodeParameters::new().reduce(reduce.into()))
            else {
                continue;
            };
            if reduce == 0 {
                let told = header(&bytes).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
                assert_eq!(
                    (told.width, told.height, told.precision),
                    (width, height, options.precision),
                    "seed {seed}"
                );
            }
            let request = Request { reduce, ..Request::default() };
            let image = match decoder.decode(&bytes, &request) {
                Err(Error::EmptyRegion) => continue,
                other => {
                    other.unwrap_or_else(|e| panic!("seed {seed} reduce {reduce}: {e} {options:?}"))
                }
            };
            let got = values(&image);
            assert_eq!(got.len(), want.len(), "seed {seed} reduce {reduce} {options:?}");
            let off = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).max();
            let allowed = 0;
            assert!(
                off <= Some(allowed),
                "seed {seed} reduce {reduce}: {off:?} off, {width}x{height} {options:?}"
            );
            if reduce == 0 { compared += 1 } else { reduced += 1 }
        }
    }
    eprintln!(
        "{compared} streams and {reduced} reductions compared, {refused} refused by the encoder"
    );
    assert!(compared >= 2000);
}

/// The JPEG 2000 streams of the real files beside the checkout.
fn real_files() -> Vec<(String, Vec<u8>)> {
    let mut folders = vec![shared().join("rsna"), shared().join("conformance")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).expect("real files lie in ../shared");
        for path in entries.map(|entry| entry.expect("the folder can be listed").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "dcm") {
                let bytes = std::fs::read(&path).expect("a listed file can be read");
                let stream = try_fragments(&bytes).map(|fragments| fragments.concat());
                if let Some(stream) = stream.filter(|stream| header(stream).is_ok()) {
                    found.push((path.display().to_string(), stream));
                }
            }
        }
    }
    found.sort();
    found
}

#[test]
#[ignore = "needs the real files in ../shared"]
fn real_files_decode_as_openjpeg_decodes_them() {
    let files = real_files();
    assert!(files.len() >= 10, "{} files", files.len());
    let mut decoder = Decoder::new();
    for (name, stream) in files {
        for reduce in [0, 1, 3] {
            let want = openjpeg(&stream, jpeg2k::DecodeParameters::new().reduce(reduce.into()))
                .expect("OpenJPEG reads it");
            let image = decoder.decode(&stream, &Request { reduce, ..Request::default() });
            let image = image.unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(values(&image) == want, "{name} differs at reduce {reduce}");
        }
        eprintln!("{name}: as OpenJPEG");
    }
}
