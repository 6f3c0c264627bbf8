//! HTJ2K: streams of OpenJPH's encoder, as OpenJPEG decodes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mammo_codecs::jpeg2000::{Decoder, Request, header};

use super::streams::{Random, openjpeg, values};

/// What `tests/interop/htj2k_streams.py` has written: the last 40 with refinement passes.
fn streams() -> Vec<Vec<u8>> {
    let coded: Vec<String> = serde_json::from_str(include_str!("htj2k.json")).expect("a list");
    coded.iter().map(|stream| STANDARD.decode(stream).expect("base64")).collect()
}

#[test]
fn high_throughput_streams_decode_as_openjpeg_decodes_them() {
    let mut decoder = Decoder::new();
    let (mut compared, mut refined) = (0, 0);
    let streams = streams();
    let with_passes = streams.len() - 40;
    for (number, bytes) in streams.iter().enumerate() {
        let levels = header(bytes).unwrap_or_else(|e| panic!("stream {number}: {e}")).levels;
        for reduce in 0..=levels.min(2) {
            let peer = openjpeg(bytes, jpeg2k::DecodeParameters::new().reduce(reduce.into()));
            let ours = decoder.decode(bytes, &Request { reduce, ..Request::default() });
            match peer {
                Some(want) => {
                    let ours = ours.unwrap_or_else(|e| panic!("stream {number}: {e}"));
                    assert_eq!(values(&ours), want, "stream {number} reduce {reduce}");
                    compared += 1;
                    refined += usize::from(number >= with_passes);
                }
                None => assert!(ours.is_err(), "stream {number}: OpenJPEG refuses it"),
            }
        }
    }
    assert!(compared > 60 && refined > 30, "{compared} compared, {refined} with refinements");
}

#[test]
fn damaged_high_throughput_streams_are_refused_or_decode_to_what_the_header_says() {
    let mut decoder = Decoder::new();
    let (mut decoded, mut refused) = (0, 0);
    let mut r = Random(1);
    for bytes in streams() {
        for _ in 0..200 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + r.below(4) {
                let at = r.below(damaged.len() as u32) as usize;
                damaged[at] = if r.one_in(2) { r.below(256) as u8 } else { damaged[at] ^ 1 };
            }
            let request = Request { max_samples: 1 << 16, ..Request::default() };
            match decoder.decode(&damaged, &request) {
                Ok(image) => {
                    let samples = image.width * image.height * u32::from(image.components);
                    assert_eq!(image.samples.len(), samples as usize);
                    decoded += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(decoded > 500 && refused > 500, "{decoded} decoded, {refused} refused");
}
