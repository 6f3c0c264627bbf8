//! Every file of a public corpus is exact, or refused by name; none makes a panic. JPEG and JPEG-LS
//! files without a DICOM header are decoded too; for JPEG 2000 the codecs' own tests do that.
//!
//! The corpus is the folder in MAMMO_PIPE_CORPUS, or else pydicom's own test files. See
//! docs/reading.md for others.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::common;

use common::needs::python;
use mammo_codecs::Codec;
use mammo_pipe::error::chain;
use mammo_pipe::preprocess::decode::{Decoder, Want};
use mammo_pipe::preprocess::read::open;

/// All regular files below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

/// The samples of a JPEG or JPEG-LS file without a DICOM header.
fn decoded_stream(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let (mut samples, request) = (Vec::<u16>::new(), mammo_codecs::Request::default());
    let image = mammo_codecs::Decoder::new().decode_into(bytes, &request, &mut samples);
    image.map_err(|error| chain(&error))?;
    Ok(samples.iter().flat_map(|value| value.to_le_bytes()).collect())
}

/// The stored values as little-endian words, or the reason of the refusal.
fn decoded(decoder: &mut Decoder, path: &Path) -> Result<Vec<u8>, String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    if matches!(Codec::detect(&bytes), Some(Codec::Jpeg | Codec::JpegLs)) {
        return decoded_stream(&bytes);
    }
    let (header, data) = open(bytes.into(), 100_000_000).map_err(|error| chain(&error))?;
    let stored = decoder.decode(&header, &data, &Want::default()).map_err(|error| chain(&error))?;
    Ok(stored.pixels.pixels().iter().flat_map(|value| value.to_le_bytes()).collect())
}

#[test]
#[ignore = "needs MAMMO_PIPE_PYTHON; takes the folder MAMMO_PIPE_CORPUS, if it is set"]
fn every_file_of_a_public_corpus_is_exact_or_refused_by_name() {
    let corpus = match std::env::var("MAMMO_PIPE_CORPUS") {
        Ok(folder) => folder,
        Err(_) => python("corpus.py", &["--folder"]).trim().to_owned(),
    };
    let mut paths = Vec::new();
    files(Path::new(&corpus), &mut paths);
    assert!(!paths.is_empty(), "no file in {corpus}");
    let folder = tempfile::tempdir().unwrap();
    let (mut outcomes, mut decoder) = (String::new(), Decoder::default());
    let mut panics = Vec::new();
    for (number, path) in paths.iter().enumerate() {
        let outcome = match catch_unwind(AssertUnwindSafe(|| decoded(&mut decoder, path))) {
            Ok(Ok(raw)) => {
                fs::write(folder.path().join(format!("{number}.raw")), raw).unwrap();
                "decoded".to_owned()
            }
            Ok(Err(reason)) => reason.replace(['\t', '\n'], " "),
            Err(_) => {
                panics.push(path.clone());
                decoder = Decoder::default();
                "panic".to_owned()
            }
        };
        outcomes += &format!("{number}\t{}\t{outcome}\n", path.display());
    }
    fs::write(folder.path().join("outcomes.tsv"), outcomes).unwrap();
    println!("{}", python("corpus.py", &[folder.path().to_str().unwrap()]));
    assert_eq!(panics, [""; 0].map(PathBuf::from));
}
