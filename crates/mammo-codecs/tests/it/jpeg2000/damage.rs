//! Damaged and hostile streams: refused, or decoded to what the header says.

use mammo_codecs::encode::jpeg2000::{Container, Options, TileParts, encode};
use mammo_codecs::jpeg2000::{Decoder, Error, Request};

use super::streams::{Case, Random, case, texture};

#[test]
fn damaged_streams_are_refused_or_decode_to_what_the_header_says() {
    let mut decoder = Decoder::new();
    let (mut decoded, mut refused) = (0, 0);
    for seed in 20_000..20_150 {
        let Case { width, height, samples, options } = case(seed);
        let Ok(bytes) = encode(&samples, width, height, &options) else { continue };
        let mut r = Random(seed);
        for _ in 0..60 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + r.below(4) {
                let at = r.below(damaged.len() as u32) as usize;
                match r.below(5) {
                    0 => damaged.truncate(at.max(1)),
                    1 => damaged[at] = 0xFF,
                    2 => damaged[at] ^= 1 << r.below(8),
                    3 => damaged.insert(at, r.below(256) as u8),
                    _ => damaged[at] = r.below(256) as u8,
                }
            }
            let request =
                Request { max_samples: 1 << 18, reduce: r.below(3) as u8, ..Request::default() };
            match decoder.decode(&damaged, &request) {
                Ok(image) => {
                    let samples = u64::from(image.width)
                        * u64::from(image.height)
                        * u64::from(image.components);
                    assert_eq!(image.samples.len() as u64, samples);
                    decoded += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(decoded > 500 && refused > 500, "{decoded} decoded, {refused} refused");
}

#[test]
fn a_shortened_stream_is_told_from_a_whole_one() {
    let options = Options { precision: 12, ..Options::default() };
    let mut r = Random(3);
    let samples = texture(&mut r, 200, 150, &options);
    let bytes = encode(&samples, 200, 150, &options).expect("a plain stream");
    let mut decoder = Decoder::new();
    for length in (0..bytes.len() - 2).step_by(97) {
        let refused = decoder.decode(&bytes[..length], &Request::default());
        assert!(
            matches!(refused, Err(Error::Truncated(_) | Error::Malformed(_))),
            "{length}: {refused:?}"
        );
    }
}

#[test]
fn a_missing_tile_part_is_told_by_the_numbers_of_the_others() {
    let (container, tile_parts) = (Container::Codestream, TileParts::ByResolution);
    let options = Options { container, tile_parts, levels: 3, ..Options::default() };
    let samples = texture(&mut Random(4), 90, 70, &options);
    let bytes = encode(&samples, 90, 70, &options).expect("a plain stream");
    let mut decoder = Decoder::new();
    assert!(decoder.decode(&bytes, &Request::default()).is_ok());
    // SOT and its length of ten.
    let sot = |(at, _): &(usize, &[u8])| bytes[*at..].starts_with(&[0xFF, 0x90, 0, 10]);
    let starts: Vec<usize> = bytes.windows(4).enumerate().filter(sot).map(|(at, _)| at).collect();
    assert_eq!(starts.len(), 4, "a tile-part a resolution");
    let cut = [&bytes[..starts[1]], &bytes[starts[2]..]].concat();
    let twice = [&bytes[..starts[2]], &bytes[starts[1]..]].concat();
    for damaged in [cut, twice] {
        let refused = decoder.decode(&damaged, &Request::default());
        assert_eq!(refused, Err(Error::Malformed("a tile-part out of order")));
    }
}

#[test]
fn a_declared_size_is_bounded_before_it_is_allocated() {
    let options = Options { container: Container::Codestream, ..Options::default() };
    let samples = vec![0; 64 * 64];
    let mut bytes = encode(&samples, 64, 64, &options).expect("a plain stream");
    bytes[8..16].copy_from_slice(&[0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF]);
    bytes[24..32].copy_from_slice(&[0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF]);
    let refused = Decoder::new().decode(&bytes, &Request::default());
    assert!(
        matches!(refused, Err(Error::TooLarge { samples: 0x3FFF_FFFF_0000_0001, .. })),
        "{refused:?}"
    );
}
