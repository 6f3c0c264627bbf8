//! A decoding that goes on from what an earlier one kept gives what it gives without.

use std::sync::Arc;

use mammo_codecs::encode::jpeg2000::{Options, encode};
use mammo_codecs::jpeg2000::{Decoder, Rect, Request};

use super::streams::{Case, Random, case, texture};

#[test]
fn going_on_from_a_reduced_image_gives_the_same_samples() {
    let (mut decoder, mut compared, mut of_many) = (Decoder::new(), 0, 0);
    for seed in 20_000..20_500 {
        let Case { width, height, samples, options } = case(seed);
        let Ok(bytes) = encode(&samples, width, height, &options) else { continue };
        let mut r = Random(seed);
        for coarse in 1..=options.levels.min(3) {
            let coarse = Request { reduce: coarse, ..Request::default() };
            let Ok((image, kept)) = decoder.decode_and_keep(&bytes, &coarse) else { continue };
            let Some(low) = kept.map(Arc::new) else {
                of_many += 1;
                continue;
            };
            assert_eq!(decoder.decode(&bytes, &coarse).as_ref(), Ok(&image), "seed {seed}");
            let reduce = r.below(u32::from(coarse.reduce)) as u8;
            let (left, top) = (r.below(width), r.below(height));
            let rect = Rect { left, top, width: 1 + width / 2, height: 1 + height / 3 };
            for region in [None, Some(rect)] {
                let alone = Request { reduce, region, ..Request::default() };
                let on = Request { low: Some(Arc::clone(&low)), ..alone.clone() };
                let want = decoder.decode(&bytes, &alone);
                assert_eq!(decoder.decode(&bytes, &on), want, "seed {seed} {on:?} {options:?}");
                compared += 1;
            }
        }
    }
    assert!(compared > 500 && of_many > 50, "{compared} and {of_many}");
}

#[test]
fn what_was_kept_is_what_it_goes_on_from() {
    let mut decoder = Decoder::new();
    let options = Options { precision: 12, levels: 3, ..Options::default() };
    let stream = |seed, width| {
        let samples = texture(&mut Random(seed), width, 80, &options);
        encode(&samples, width, 80, &options).expect("a plain stream")
    };
    let (a, b, wider) = (stream(1, 90), stream(2, 90), stream(3, 95));
    let coarse = Request { reduce: 2, ..Request::default() };
    let mut kept = |bytes| {
        let (_, low) = decoder.decode_and_keep(bytes, &coarse).expect("it decodes");
        Request { low: low.map(Arc::new), ..Request::default() }
    };
    let (of_a, of_b, of_wider) = (kept(&a), kept(&b), kept(&wider));
    let plain = decoder.decode(&a, &Request::default()).expect("it decodes");
    let mut from = |request| decoder.decode(&a, request).expect("it decodes");
    assert!(of_a.low.is_some() && from(&of_a) == plain);
    assert!(from(&of_b) != plain, "another image's coarse levels, and nothing to see of them");
    assert_eq!(from(&of_wider), plain, "of another size, so it cannot be of this stream");
}
