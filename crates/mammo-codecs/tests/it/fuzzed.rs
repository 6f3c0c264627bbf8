//! What fuzzing has found stays harmless: every stream of `fuzz/corpus.tar.gz`.

use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;
use mammo_codecs::jpeg2000::{Decoder, Request};

/// The files of a tar archive (POSIX.1-1988, ustar): name and contents.
fn files(tar: &[u8]) -> Vec<(String, &[u8])> {
    let mut found = Vec::new();
    let mut rest = tar;
    while let Some((head, body)) = rest.split_at_checked(512).filter(|(head, _)| head[0] != 0) {
        let text =
            |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches(['\0', ' ']).to_owned();
        let size = usize::from_str_radix(&text(&head[124..136]), 8).expect("an octal size");
        if head[156] == b'0' {
            found.push((text(&head[..100]), &body[..size]));
        }
        rest = &body[size.next_multiple_of(512)..];
    }
    found
}

#[test]
fn what_fuzzing_has_found_stays_harmless() {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus.tar.gz");
    let archive = std::fs::File::open(archive).expect("the corpus is part of the repository");
    let mut tar = Vec::new();
    GzDecoder::new(archive).read_to_end(&mut tar).expect("it is whole");
    let mut decoder = Decoder::new();
    let (mut tried, mut decoded) = (0, 0);
    for (name, data) in files(&tar) {
        let Some((&[how, _], stream)) = data.split_first_chunk::<2>() else { continue };
        let request = Request {
            reduce: how & 3,
            max_samples: 1 << 16,
            max_memory: 1 << 26,
            ..Request::default()
        };
        if let Ok(image) = decoder.decode(stream, &request) {
            assert!(image.samples.len() <= 1 << 16, "{name}");
            decoded += 1;
        }
        tried += 1;
    }
    assert!(tried > 1000 && decoded > 100, "{tried} tried, {decoded} decoded");
}
