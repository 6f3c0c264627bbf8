//! Left-out bit-planes move no pixel further than was promised.

use std::sync::Arc;

use mammo_codecs::encode::jpeg2000::{Options, Wavelet, encode};
use mammo_codecs::jpeg2000::display::{Assurance, Output, Slopes, plan};
use mammo_codecs::jpeg2000::{BitPlanes, Decoder, Image, Request};

use super::streams::{Random, texture, values};

/// The means of `scale`d areas of grey levels, from samples.
fn pixels(image: &Image, scale: (f64, f64), grey: impl Fn(u16) -> f64) -> Vec<f64> {
    let (width, height) = (image.width as usize, image.height as usize);
    let shares = |size: usize, scale: f64| -> Vec<Vec<(usize, f64)>> {
        let parts = |start: f64| {
            let end = start + scale;
            let part = move |i: usize| (end.min(i as f64 + 1.0) - start.max(i as f64)) / scale;
            (start as usize..size.min(end.ceil() as usize))
                .map(|i| (i, part(i)))
                .filter(|p| p.1 > 0.0)
                .collect()
        };
        (0..(size as f64 / scale) as usize).map(|i| parts(i as f64 * scale)).collect()
    };
    let (columns, rows) = (shares(width, scale.0), shares(height, scale.1));
    let mean = |row: &[(usize, f64)], column: &[(usize, f64)]| {
        let line = |y: usize| {
            column.iter().map(|&(x, w)| w * grey(image.samples[y * width + x])).sum::<f64>()
        };
        row.iter().map(|&(y, w)| w * line(y)).sum::<f64>()
    };
    rows.iter().flat_map(|row| columns.iter().map(move |column| mean(row, column))).collect()
}

#[test]
fn left_out_planes_move_no_pixel_further_than_their_bound() {
    let mut decoder = Decoder::new();
    let mut r = Random(11);
    for round in 0..48 {
        let wavelet = if round % 4 == 3 { Wavelet::Irreversible } else { Wavelet::Reversible };
        let options = Options { precision: 12, levels: 4, wavelet, ..Options::default() };
        let samples = texture(&mut r, 190, 170, &options);
        let bytes = encode(&samples, 190, 170, &options).expect("a plain stream");
        let scale = (1.0 + f64::from(r.below(500)) / 100.0, 1.0 + f64::from(r.below(500)) / 100.0);
        let exact = decoder.decode(&bytes, &Request::default()).expect("it decodes");
        let coarse = Request { reduce: 1 + (round % 5) as u8, ..Request::default() };
        let kept = decoder.decode_and_keep(&bytes, &coarse).ok().and_then(|(_, low)| low);
        let kept = kept.map(Arc::new);
        let steepest = 255.0 / f64::from(400 + r.below(3696));
        // A window that clips on both sides, rising or falling, or one that bends.
        let grey = |v: u16| -> f64 {
            let level = (f64::from(v) - 500.0) * steepest;
            match round % 3 {
                0 => level.clamp(0.0, 255.0),
                1 => 255.0 - level.clamp(0.0, 255.0),
                _ => 255.0 / (1.0 + (2.0 - level / 63.75).exp()),
            }
        };
        let steps: Vec<f32> = (0..4095).map(|v| (grey(v + 1) - grey(v)) as f32).collect();
        let local = Slopes::new(0, &steps);
        let (least, most) = local.all();
        let slopes = if round % 2 == 0 { local } else { Slopes::anywhere(least..=most) };
        let output = Output { scale_x: scale.0, scale_y: scale.1, slopes, slack: 0.0 };
        let expected = Assurance::Expected { deviations: 4.0 };
        for (assurance, tolerance) in
            [(Assurance::Proven, 1.0), (Assurance::Proven, 4.0), (expected, 1.0)]
        {
            let low = if round % 5 > 1 { None } else { kept.clone() };
            let plan = plan(&bytes, &output, tolerance, assurance, low.as_deref());
            let plan = plan.expect("a sound header");
            assert!(plan.bound <= tolerance);
            let request = Request { planes: plan.planes.clone(), low, ..Request::default() };
            let skipped = decoder.decode(&bytes, &request).expect("it decodes");
            let pairs = pixels(&exact, scale, grey).into_iter().zip(pixels(&skipped, scale, grey));
            let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(
                off <= plan.bound,
                "{off} off, {assurance:?}, scale {scale:?}, slope {steepest}"
            );
        }
    }
}

/// Black and white at random, which what is left out takes beyond both.
fn extremes(side: u32) -> Vec<u8> {
    let mut r = Random(5);
    let samples: Vec<u16> = (0..side * side).map(|_| r.below(2) as u16 * 4095).collect();
    let options = Options { precision: 12, levels: 4, ..Options::default() };
    encode(&samples, side, side, &options).expect("a plain stream")
}

#[test]
fn a_straight_scale_that_goes_on_beyond_the_range_keeps_the_bound() {
    let (bytes, mut decoder) = (extremes(190), Decoder::new());
    let exact = decoder.decode(&bytes, &Request::default()).expect("it decodes");
    let grey = |v: u16| f64::from(v as i16) * 255.0 / 4095.0;
    let slopes = Slopes::anywhere(255.0 / 4095.0..=255.0 / 4095.0);
    for scale in [1.3, 2.7, 4.0] {
        let output = Output { scale_x: scale, scale_y: scale, slopes: slopes.clone(), slack: 0.0 };
        let plan = plan(&bytes, &output, 1.0, Assurance::Proven, None).expect("a sound header");
        let reach = plan.reach.ceil() as i16;
        let range = Some((-reach, 4095 + reach));
        let request = Request { planes: plan.planes.clone(), range, ..Request::default() };
        let skipped = decoder.decode(&bytes, &request).expect("it decodes");
        assert!(skipped.is_within && reach < 700, "reach {}", plan.reach);
        let beyond = skipped.samples.iter().filter(|&&v| !(0..4096).contains(&(v as i16)));
        assert!(beyond.count() > 100, "nothing went beyond the range, so nothing is shown");
        let scale = (scale, scale);
        let pairs = pixels(&exact, scale, grey).into_iter().zip(pixels(&skipped, scale, grey));
        let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off <= plan.bound && plan.bound <= 1.0, "{off} off, {} promised", plan.bound);
    }
}

#[test]
fn samples_that_go_beyond_their_range_are_told() {
    let (bytes, mut decoder) = (extremes(100), Decoder::new());
    let mut is_within = |planes: u8, range| {
        let planes = BitPlanes::Skip(vec![[planes; 3]]);
        let request = Request { planes, range, ..Request::default() };
        decoder.decode(&bytes, &request).expect("it decodes").is_within
    };
    assert!(is_within(0, None) && is_within(0, Some((0, 4095))));
    assert!(!is_within(0, Some((1, 4095))) && !is_within(0, Some((0, 4094))));
    assert!(!is_within(6, Some((-20, 4115))) && is_within(6, Some((-500, 4595))));
}

#[test]
fn the_lowest_band_is_never_cut() {
    let options = Options { precision: 12, levels: 0, ..Options::default() };
    let samples = texture(&mut Random(7), 90, 70, &options);
    let bytes = encode(&samples, 90, 70, &options).expect("a plain stream");
    let request = Request { planes: BitPlanes::Skip(vec![[5; 3]]), ..Request::default() };
    let whole = Decoder::new().decode(&bytes, &request).expect("it decodes");
    assert_eq!(values(&whole), samples);
}
