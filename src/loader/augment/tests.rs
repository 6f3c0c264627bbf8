use proptest::prelude::*;

use super::warp::{Crop, Motion};
use super::*;

fn applied<T: Grey>(drawn: &Drawn, source: &[T], width: usize) -> Vec<T> {
    let mut out = vec![T::narrow(7); source.len()];
    drawn.apply(source, &mut out, width, Rect::whole(width, source.len() / width));
    out
}

fn moved<T: Grey>(source: &[T], width: usize, place: Place) -> Vec<T> {
    applied(&Drawn { place, ..Drawn::nothing() }, source, width)
}

/// Motion and crop of an image that has `width` and `source.len() / width`.
fn affine<T: Grey>(source: &[T], width: usize, motion: Motion, crop: Crop) -> Vec<T> {
    let size = (width as f64, (source.len() / width) as f64);
    moved(source, width, Place::Affine(Affine::new(&motion, (false, false), crop, size)))
}

fn still() -> Motion {
    Motion::default()
}

/// A picture of `.` and digits: black, and hundreds of white of 1000.
fn picture<T: Grey>(lines: &str) -> Vec<T> {
    let level = |c: char| c.to_digit(10).map_or(0, |digit| T::WHITE * digit / 10);
    lines.split_whitespace().flat_map(str::chars).map(|c| T::narrow(level(c))).collect()
}

fn noise(count: usize, seed: u64) -> Vec<u16> {
    let mut random = Random::new(seed);
    (0..count).map(|_| random.next() as u16).collect()
}

#[test]
fn flips_swap_left_and_right_or_top_and_bottom() {
    let flip = |horizontal, vertical| {
        moved(&[1u8, 2, 3, 4, 5, 6], 3, Place::Flip { horizontal, vertical })
    };
    assert_eq!(flip(false, false), [1, 2, 3, 4, 5, 6]);
    assert_eq!(flip(true, false), [3, 2, 1, 6, 5, 4]);
    assert_eq!(flip(false, true), [4, 5, 6, 1, 2, 3]);
    assert_eq!(flip(true, true), [6, 5, 4, 3, 2, 1]);
}

#[test]
fn a_map_that_only_flips_mixes_no_pixels() {
    let source = noise(13 * 9, 1);
    for (horizontal, vertical) in [(false, false), (true, false), (false, true), (true, true)] {
        let map = Affine::new(&still(), (horizontal, vertical), Crop::default(), (13.0, 9.0));
        let flipped = moved(&source, 13, Place::Flip { horizontal, vertical });
        assert_eq!(moved(&source, 13, Place::Affine(map)), flipped);
    }
}

#[test]
fn a_shift_moves_right_and_down_and_lets_air_in() {
    let source: Vec<u8> = picture("12... 345.. .6... .....");
    let motion = Motion { shift: (2.0 / 5.0, 1.0 / 4.0), ..still() };
    let expected: Vec<u8> = picture("..... ..12. ..345 ...6.");
    assert_eq!(affine(&source, 5, motion, Crop::default()), expected);
}

#[test]
fn a_quarter_turn_is_clockwise_and_keeps_the_middle() {
    let source: Vec<u16> = picture("..1.. ..2.. 34567 ..8.. ..9..");
    let motion = Motion { rotate_degrees: 90.0, ..still() };
    let expected: Vec<u16> = picture("..3.. ..4.. 98521 ..6.. ..7..");
    assert_eq!(affine(&source, 5, motion, Crop::default()), expected);
}

#[test]
fn any_rotation_keeps_the_middle_and_turns_what_is_above_it_to_the_right() {
    let mut source = vec![0u8; 41 * 61];
    source[30 * 41 + 20] = 200;
    // A bar above the middle, three pixels wide.
    (5..15).for_each(|y| source[y * 41 + 19..][..3].fill(100));
    let motion = Motion { rotate_degrees: 30.0, ..still() };
    let out = affine(&source, 41, motion, Crop::default());
    assert!(out[30 * 41 + 20] >= 199, "{}", out[30 * 41 + 20]);
    // 20 above the middle goes to 10 right of it and 17 above.
    assert!(out[13 * 41 + 30] >= 90 && out[10 * 41 + 20] == 0);
}

#[test]
fn a_scale_enlarges_about_the_middle() {
    let source: Vec<u8> = picture("........ ........ ...56... ...78... ........ ........");
    let motion = Motion { scale: 2.0, ..still() };
    let out = affine(&source, 8, motion, Crop::default());
    let bright = |out: &[u8]| out.iter().filter(|level| **level > 0).count();
    assert_eq!(bright(&source), 4);
    // Four pixels become sixteen, and a rim of half a pixel each way.
    assert_eq!(bright(&out), 36);
    assert_eq!(out[1], (f32::from(source[2 * 8 + 3]) / 16.0).round() as u8);
    assert_eq!(out[5 * 8 + 6], (f32::from(source[3 * 8 + 4]) / 16.0).round() as u8);
}

#[test]
fn a_shear_leans_lower_ends_to_the_right() {
    let source: Vec<u16> = picture("...9... ...9... ...9... ...9... ...9...");
    let motion = Motion { shear_degrees: 45.0, ..still() };
    let expected: Vec<u16> = picture(".9..... ..9.... ...9... ....9.. .....9.");
    assert_eq!(affine(&source, 7, motion, Crop::default()), expected);
}

#[test]
fn a_crop_shows_the_part_it_names() {
    let source: Vec<u8> = picture("111111122222 111111122222 333333344444 333333344444");
    let shown = |left, top| {
        let out = affine(&source, 12, still(), Crop { share: 0.25, left, top });
        out.iter().copied().min().zip(out.iter().copied().max())
    };
    let level = |digit: u32| (255 * digit / 10) as u8;
    assert_eq!(shown(0.1, 0.1), Some((level(1), level(1))));
    assert_eq!(shown(0.7, 0.1), Some((level(2), level(2))));
    assert_eq!(shown(0.7, 0.65), Some((level(4), level(4))));
}

/// Textbook bilinear interpolation.
fn interpolated(source: &[u8], width: usize, map: &Affine, x: usize, y: usize) -> f64 {
    let height = source.len() / width;
    let (x, y) = (x as f64 + 0.5, y as f64 + 0.5);
    let u = map.xx * x + map.xy * y + map.x0 - 0.5;
    let v = map.yx * x + map.yy * y + map.y0 - 0.5;
    let level = |x: f64, y: f64| {
        let there = x >= 0.0 && y >= 0.0 && x < width as f64 && y < height as f64;
        if there { f64::from(source[y as usize * width + x as usize]) } else { 0.0 }
    };
    let (left, top) = (u.floor(), v.floor());
    let (a, b) = (u - left, v - top);
    (level(left, top) * (1.0 - a) + level(left + 1.0, top) * a) * (1.0 - b)
        + (level(left, top + 1.0) * (1.0 - a) + level(left + 1.0, top + 1.0) * a) * b
}

proptest! {
    #[test]
    fn every_pixel_matches_textbook_interpolation(
        (width, height) in (1usize..40, 1usize..40), seed: u64,
        rotate_degrees in -180.0..180.0f64, scale in 0.3..3.0f64, shear_degrees in -40.0..40.0f64,
        shift in (-0.8..0.8f64, -0.8..0.8f64), flips: (bool, bool), share in 0.2..1.0f64,
    ) {
        let source: Vec<u8> = noise(width * height, seed).iter().map(|n| *n as u8).collect();
        let motion = Motion { rotate_degrees, scale, shear_degrees, shift };
        let crop = Crop { share, left: (1.0 - share) * 0.3, top: (1.0 - share) * 0.6 };
        let map = Affine::new(&motion, flips, crop, (width as f64, height as f64));
        let out = moved(&source, width, Place::Affine(map));
        for (i, level) in out.iter().enumerate() {
            let expected = interpolated(&source, width, &map, i % width, i / width);
            // Two weights of 8 bits, each too small by less than 1 / 256, and rounding.
            prop_assert!((f64::from(*level) - expected).abs() < 2.6, "{i}: {level}, {expected}");
        }
    }
}

#[test]
fn reading_the_content_alone_changes_no_pixel() {
    let (width, height) = (30, 44);
    let content = Rect { left: 5, top: 3, width: 19, height: 40 };
    let mut source = vec![0u16; width * height];
    let mut random = Random::new(2);
    for y in content.top..content.bottom() {
        source[y * width..][content.left..content.right()].fill_with(|| random.next() as u16);
    }
    for seed in 0..300 {
        let drawn = Drawn::new(&AugmentConfig::all(), seed, (width, height));
        let mut within = vec![7; source.len()];
        drawn.apply(&source, &mut within, width, content);
        assert!(within == applied(&drawn, &source, width), "{drawn:?}");
    }
}

#[test]
fn beyond_the_image_is_air() {
    let source = vec![u16::MAX; 20 * 20];
    let motion = Motion { rotate_degrees: 45.0, ..still() };
    let out = affine(&source, 20, motion, Crop::default());
    assert_eq!([out[0], out[19], out[380], out[399]], [0; 4]);
    assert_eq!(out[10 * 20 + 10], u16::MAX);
}

#[test]
fn an_intensity_change_changes_grey_levels_as_it_says_and_leaves_black_and_air() {
    let intensity = |brightness, contrast, gamma| {
        let intensity = Some(Intensity { brightness, contrast, gamma });
        applied(&Drawn { intensity, ..Drawn::nothing() }, &[0u8, 51, 102, 204, 255], 5)
    };
    assert_eq!(intensity(0.0, 1.0, 1.0), [0, 51, 102, 204, 255]);
    assert_eq!(intensity(0.1, 1.0, 1.0), [0, 77, 128, 230, 255]);
    // 0.5 + 0.5 * (share - 0.5)
    assert_eq!(intensity(0.0, 0.5, 1.0), [0, 89, 115, 166, 191]);
    // share ^ 2
    assert_eq!(intensity(0.0, 1.0, 2.0), [0, 10, 41, 163, 255]);
}

#[test]
fn an_intensity_change_of_16_bits_keeps_levels_apart_that_8_bits_would_not() {
    let intensity = Intensity { brightness: 0.05, contrast: 1.1, gamma: 1.2 };
    let source: Vec<u16> = (20_000..20_600).collect();
    let out = applied(&Drawn { intensity: Some(intensity), ..Drawn::nothing() }, &source, 600);
    let mut distinct = out.clone();
    distinct.dedup();
    assert!(distinct.len() > 550, "{} levels of 600", distinct.len());
    for (level, out) in source.iter().zip(out) {
        let share = f64::from(*level) / 65_535.0;
        let expected = ((share.powf(1.2) - 0.5) * 1.1 + 0.55) * 65_535.0;
        assert!((f64::from(out) - expected).abs() < 2.0, "{level}: {out}, {expected}");
    }
}

fn noisy<T: Grey>(level: u32, deviation: f64) -> Vec<T> {
    let noise = Some(Noise { deviation, seed: 5 });
    let source = vec![T::narrow(level); 300 * 200];
    applied(&Drawn { noise, ..Drawn::nothing() }, &source, 300)
}

#[test]
fn noise_has_the_deviation_it_says_and_leaves_air_alone() {
    for deviation in [0.02, 0.1] {
        let eight = noisy::<u8>(128, deviation).into_iter().map(|v| f64::from(v) / 255.0);
        let sixteen = noisy::<u16>(32_896, deviation).into_iter().map(|v| f64::from(v) / 65_535.0);
        for levels in [eight.collect::<Vec<f64>>(), sixteen.collect()] {
            let mean = levels.iter().sum::<f64>() / levels.len() as f64;
            let variance = levels.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
            let found = (variance / levels.len() as f64).sqrt();
            assert!((mean - 128.0 / 255.0).abs() < 0.002, "{mean}");
            assert!((found / deviation - 1.0).abs() < 0.03, "{found}, needs {deviation}");
        }
    }
    let rows: Vec<Vec<u8>> = noisy(128, 0.1).chunks(300).map(<[u8]>::to_vec).collect();
    assert_ne!(rows[0], rows[1]);
    assert!(noisy::<u8>(0, 0.1).iter().all(|level| *level == 0));
    assert!(noisy::<u8>(255, 0.1).contains(&255), "white does not wrap round");
}

#[test]
fn a_hole_blackens_its_rectangle_and_nothing_else() {
    let holes = vec![Rect { left: 1, top: 0, width: 2, height: 2 }, Rect::whole(1, 1)];
    let out = applied(&Drawn { holes, ..Drawn::nothing() }, &[5u8; 12], 4);
    assert_eq!(out, [0, 0, 0, 5, 5, 0, 0, 5, 5, 5, 5, 5]);
}

#[test]
fn what_is_drawn_depends_on_the_seed_alone_and_keeps_to_its_ranges() {
    let (config, size) = (AugmentConfig::default(), (512, 1024));
    let drawn = |seed| Drawn::new(&config, seed, size);
    assert_eq!(drawn(3), drawn(3));
    let (mut flips, mut maps, mut intensities, mut noises, mut cuts) = (0, 0, 0, 0, 0);
    for seed in 0..2000 {
        let drawn = drawn(seed);
        flips += i32::from(matches!(drawn.place, Place::Flip { .. }));
        maps += i32::from(matches!(drawn.place, Place::Affine(_)));
        if let Some(intensity) = drawn.intensity {
            intensities += 1;
            assert!(intensity.brightness.abs() <= 0.1 && (intensity.contrast - 1.0).abs() <= 0.2);
            assert!((0.8..=1.25).contains(&intensity.gamma), "{intensity:?}");
        }
        if let Some(noise) = drawn.noise {
            noises += 1;
            assert!((0.0..=0.02).contains(&noise.deviation));
        }
        cuts += i32::from(!drawn.holes.is_empty());
        assert!(drawn.holes.len() <= 2);
        for hole in drawn.holes {
            assert!(hole.right() <= 512 && hole.bottom() <= 1024, "{hole:?}");
            assert!((25..=77).contains(&hole.width) && (51..=154).contains(&hole.height));
        }
    }
    // Of 2000: 0.8 or 0.3 of the maps, half the intensities, a fifth of noise and cuts.
    assert!((1660..1780).contains(&maps) && maps + flips == 2000, "{maps}");
    assert!((900..1100).contains(&intensities), "{intensities}");
    assert!((320..480).contains(&noises) && (320..480).contains(&cuts), "{noises} {cuts}");
}

#[test]
fn switching_one_change_off_moves_nothing_in_the_others() {
    let all = AugmentConfig::all();
    let mut quiet = all.clone();
    quiet.noise.probability = 0.0;
    for seed in 0..50 {
        let (with, without) =
            (Drawn::new(&all, seed, (40, 60)), Drawn::new(&quiet, seed, (40, 60)));
        assert!(with.noise.is_some() && without.noise.is_none());
        assert_eq!(Drawn { noise: None, ..with }, without);
    }
}

#[test]
fn a_setting_that_is_not_allowed_is_named() {
    assert_eq!(AugmentConfig::default().check(), Ok(()));
    assert_eq!(AugmentConfig::all().check(), Ok(()));
    let mut config = AugmentConfig::default();
    config.affine.scale = [1.2, 0.9];
    let error = config.check().unwrap_err().to_string();
    assert_eq!(
        error,
        "augment.affine.scale is [1.2, 0.9], needs two ascending factors from 0.1 to 10"
    );
    config = AugmentConfig::default();
    config.noise.probability = f64::NAN;
    assert_eq!(config.check().unwrap_err().key, "noise.probability");
}
