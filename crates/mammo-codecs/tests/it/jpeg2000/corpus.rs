//! Every JPEG 2000 file of a public corpus as OpenJPEG decodes it, or refused for a reason.
//!
//! The corpus is the folder in MAMMO_PIPE_CORPUS, or else the real files beside the checkout.

use std::collections::BTreeMap;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use mammo_codecs::Codec;
use mammo_codecs::jpeg2000::{Decoder, Error, Request};

use super::streams::values;
use crate::trial::{shared, try_fragments};

/// Samples by which two decoders of a lossy stream may differ.
const ROUNDING: i32 = 1;

/// The JPEG 2000 streams below a folder, with their files: bare ones, JP2 files, and those in DICOM
/// files.
fn streams(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            streams(&path, found);
        } else if path.is_file() {
            let file = fs::read(&path).unwrap();
            let fragments = || try_fragments(&file).map(|fragments| fragments.concat());
            let is_dicom = file.get(128..132) == Some(b"DICM");
            let stream = if is_dicom { fragments() } else { Some(file) };
            let stream = stream.filter(|s| Codec::detect(s) == Some(Codec::Jpeg2000));
            found.extend(stream.map(|stream| (path, stream)));
        }
    }
}

/// Planes of samples, with their width and height.
type Planes = Vec<(u32, u32, Vec<i32>)>;

/// What OpenJPEG makes of a stream; of one that is cut off, nothing.
fn theirs(stream: &[u8]) -> Result<Planes, String> {
    let parameters = jpeg2k::DecodeParameters::new().strict(true);
    let image = jpeg2k::Image::from_bytes_with(stream, parameters).map_err(|e| e.to_string())?;
    let plane = |c: &jpeg2k::ImageComponent| (c.width(), c.height(), c.data().to_vec());
    Ok(image.components().iter().map(plane).collect())
}

/// What our decoder makes of it.
fn ours(stream: &[u8]) -> Result<Planes, Error> {
    let image = Decoder::new().decode(stream, &Request::default())?;
    let (width, height) = (image.width, image.height);
    let values = values(&image);
    let planes = values.chunks((width * height) as usize);
    Ok(planes.map(|plane| (width, height, plane.to_vec())).collect())
}

/// The largest difference; `None` if the planes are of other sizes.
fn difference(ours: &Planes, theirs: &Planes) -> Option<i32> {
    let size = |planes: &Planes| planes.iter().map(|p| (p.0, p.1)).collect::<Vec<_>>();
    let pairs = ours.iter().zip(theirs).flat_map(|(a, b)| a.2.iter().zip(&b.2));
    (size(ours) == size(theirs)).then(|| pairs.map(|(a, b)| (a - b).abs()).max().unwrap_or(0))
}

#[test]
#[ignore = "needs real files beside the checkout, or the folder MAMMO_PIPE_CORPUS"]
fn every_stream_of_a_public_corpus_is_as_openjpeg_decodes_it_or_refused_for_a_reason() {
    let corpus = std::env::var("MAMMO_PIPE_CORPUS").map_or_else(|_| shared(), PathBuf::from);
    let mut found = Vec::new();
    streams(&corpus, &mut found);
    assert!(!found.is_empty(), "no JPEG 2000 file in {}", corpus.display());
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (path, stream) in found {
        let mut named = |outcome: String| {
            eprintln!("{outcome}: {}", path.display());
            *counts.entry(outcome).or_default() += 1;
        };
        let Ok(ours) = catch_unwind(|| ours(&stream)) else {
            wrong.push(path);
            continue;
        };
        match (ours, theirs(&stream)) {
            (Ok(ours), Ok(theirs)) => match difference(&ours, &theirs) {
                Some(0) => named("exact".into()),
                Some(1..=ROUNDING) => named("within rounding".into()),
                off => {
                    eprintln!("wrong by {off:?}: {}", path.display());
                    wrong.push(path);
                }
            },
            (Ok(_), Err(_)) => named("decoded by us alone".into()),
            (Err(_), Err(_)) => named("refused by both".into()),
            (Err(why), Ok(_)) => named(format!("refused by us alone: {why}")),
        }
    }
    counts.iter().for_each(|(outcome, count)| eprintln!("{count:6} {outcome}"));
    assert!(wrong.is_empty(), "{wrong:?}");
}
