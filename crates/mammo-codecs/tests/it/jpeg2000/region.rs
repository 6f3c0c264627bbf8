//! A region is the same as if it were cut from the whole, and as if all cores had decoded it.

use mammo_codecs::encode::jpeg2000::encode;
use mammo_codecs::jpeg2000::{Decoder, Error, Rect, Request};

use super::streams::{Case, Random, case};

#[test]
fn a_region_is_cut_from_the_whole() {
    let (mut decoder, mut parallel) = (Decoder::new(), Decoder::parallel());
    let mut compared = 0;
    for seed in 10_000..10_400 {
        let Case { width, height, samples, options } = case(seed);
        let Ok(bytes) = encode(&samples, width, height, &options) else { continue };
        let mut r = Random(seed);
        for reduce in 0..=options.levels.min(2) {
            let Ok(whole) = decoder.decode(&bytes, &Request { reduce, ..Request::default() })
            else {
                continue;
            };
            let (left, top) = (r.below(width), r.below(height));
            let rect = Rect {
                left,
                top,
                width: 1 + r.below(width - left),
                height: 1 + r.below(height - top),
            };
            let request = Request { reduce, region: Some(rect), ..Request::default() };
            let part = match decoder.decode(&bytes, &request) {
                Err(Error::EmptyRegion) => continue,
                other => other.unwrap_or_else(|e| panic!("seed {seed} {rect:?}: {e}")),
            };
            assert_eq!(
                parallel.decode(&bytes, &request).as_ref(),
                Ok(&part),
                "seed {seed} {rect:?}"
            );
            let (x, y) = part.origin;
            for component in 0..u32::from(part.components) {
                for row in 0..part.height {
                    let from = ((component * whole.height + y + row) * whole.width + x) as usize;
                    let at = ((component * part.height + row) * part.width) as usize;
                    let (got, want) =
                        (&part.samples[at..][..part.width as usize], &whole.samples[from..]);
                    assert_eq!(
                        got,
                        &want[..part.width as usize],
                        "seed {seed} reduce {reduce} {rect:?} {options:?}"
                    );
                }
            }
            compared += 1;
        }
    }
    assert!(compared > 500, "{compared}");
}
