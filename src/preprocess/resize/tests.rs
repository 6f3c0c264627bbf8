use super::*;
use crate::config::{Fit, ResizeFilter};
use crate::image::Rect;
use crate::image::Side;
use crate::preprocess::window::GreyScale;
use proptest::prelude::*;

fn resized(from: &Plane<u16>, crop: Rect, out: (usize, usize), turned: Orientation) -> Plane<u16> {
    let geometry = Geometry::new(crop, out, Fit::Stretch, None, turned);
    match Resizer::default().resize(from, crop.into(), &geometry, 16) {
        Pixels::U16(plane) => plane,
        Pixels::U8(_) => panic!("16 bits were asked for"),
    }
}

/// Grey values without a pattern, from the pixel's number.
fn noise(width: usize, height: usize) -> Plane<u16> {
    let hash = |i: usize| ((i as u32).wrapping_mul(2_654_435_761) >> 13) as u16;
    Plane::new(width, height, (0..width * height).map(hash).collect())
}

/// The definition, pixel by pixel in f64: the mean over the area covered.
fn mean_over(from: &Plane<u16>, left: f64, right: f64, top: f64, bottom: f64) -> f64 {
    let share = |i: usize, a: f64, b: f64| (((i + 1) as f64).min(b) - (i as f64).max(a)).max(0.0);
    let mut sum = 0.0;
    for y in top as usize..(bottom.ceil() as usize).min(from.height()) {
        for x in left as usize..(right.ceil() as usize).min(from.width()) {
            let weight = share(x, left, right) * share(y, top, bottom);
            sum += weight * f64::from(from.row(y)[x]);
        }
    }
    sum / ((right - left) * (bottom - top))
}

proptest! {
    #[test]
    fn shrinking_is_the_mean_over_the_area(
        left in 0usize..20, top in 0usize..20, width in 17usize..80, height in 17usize..80,
        across in 1.01..9.0f64, down in 1.01..9.0f64, mirrored: bool,
    ) {
        let from = noise(100, 100);
        let crop = Rect { left, top, width, height };
        let out = ((width as f64 / across) as usize, (height as f64 / down) as usize);
        prop_assume!(out.0 > 0 && out.1 > 0 && out.0 < width && out.1 < height);
        let turned = if mirrored { Orientation::Mirrored } else { Orientation::Kept };
        let got = resized(&from, crop, out, turned);
        let (dx, dy) = (width as f64 / out.0 as f64, height as f64 / out.1 as f64);
        for y in 0..out.1 {
            for x in 0..out.0 {
                let (a, b) = (left as f64 + x as f64 * dx, top as f64 + y as f64 * dy);
                let want = mean_over(&from, a, a + dx, b, b + dy);
                let x = if mirrored { out.0 - 1 - x } else { x };
                let have = f64::from(got.row(y)[x]);
                prop_assert!((have - want).abs() <= 0.51, "({x}, {y}): {have}, {want}");
            }
        }
    }

    #[test]
    fn a_plain_grey_stays_what_it_is(grey: u16, width in 1usize..60, height in 1usize..60) {
        let from = Plane::new(40, 30, vec![grey; 1200]);
        let crop = Rect { left: 3, top: 5, width: 31, height: 17 };
        let out = resized(&from, crop, (width, height), Orientation::Kept);
        prop_assert!(out.pixels().iter().all(|&v| v == grey));
    }
}

#[test]
fn the_same_size_changes_nothing() {
    let from = noise(37, 23);
    let whole = Rect::whole(37, 23);
    assert_eq!(resized(&from, whole, (37, 23), Orientation::Kept), from);
    let mirrored = resized(&from, whole, (37, 23), Orientation::Mirrored);
    assert_eq!(mirrored.row(4)[0], from.row(4)[36]);
}

/// `cv2.resize(np.float32([[0, 100], [200, 300]]), (4, 4), interpolation=cv2.INTER_LINEAR)`,
/// OpenCV 5.0: first row 0, 25, 75, 100; second 50, 75, 125, 150.
#[test]
fn enlarging_interpolates_between_centres() {
    let from = Plane::new(2, 2, vec![0, 100, 200, 300]);
    let out = resized(&from, Rect::whole(2, 2), (4, 4), Orientation::Kept);
    assert_eq!(out.row(0), [0, 25, 75, 100]);
    assert_eq!(out.row(1), [50, 75, 125, 150]);
}

/// The script: `a = (np.arange(35, dtype=np.float32) * 7919 % 65521).reshape(5, 7)`,
/// `cv2.resize(a, (3, 2), interpolation=cv2.INTER_AREA)`, rounded; OpenCV 5.0.
#[test]
fn shrinking_equals_opencv_s_inter_area() {
    let pixels = (0..35u32).map(|i| (i * 7919 % 65521) as u16).collect();
    let out = resized(&Plane::new(7, 5, pixels), Rect::whole(7, 5), (3, 2), Orientation::Kept);
    assert_eq!(out.pixels(), OPENCV_AREA);
}

const OPENCV_AREA: [u16; 6] = [33155, 19431, 33787, 38896, 40148, 24552];

#[test]
fn eight_bits_are_the_nearest_of_full_range() {
    let from = Plane::new(6, 1, vec![0, 128, 129, 32_768, 65_406, 65_407]);
    let geometry = Geometry::new(Rect::whole(6, 1), (6, 1), Fit::Stretch, None, Orientation::Kept);
    let out = Resizer::default().resize(&from, Rect::whole(6, 1).into(), &geometry, 8);
    assert_eq!(out, Pixels::U8(Plane::new(6, 1, vec![0, 0, 1, 128, 254, 255])));
}

#[test]
fn what_goes_beyond_black_and_white_counts_in_the_mean_and_is_cut_off_behind_it() {
    let scale = GreyScale { black: 8192, white: 57343 };
    let from = Plane::new(6, 1, vec![0, 16384, 60_000, 65_000, 5_000, 9_000]);
    let geometry = Geometry::new(Rect::whole(6, 1), (3, 1), Fit::Stretch, None, Orientation::Kept);
    let whole = Rect::whole(6, 1).into();
    let out = Resizer::default().resize_on(scale, &from, whole, &geometry, 8);
    assert_eq!(out, Pixels::U8(Plane::new(3, 1, vec![0, 255, 0])));
    let from = Plane::new(6, 1, vec![0, 32768, 8192, 57343, 32768, 32768]);
    let out = Resizer::default().resize_on(scale, &from, whole, &geometry, 8);
    // (16384 - 8192) / 49151 * 255 is 42.5, and black and white make 127.5.
    assert_eq!(out, Pixels::U8(Plane::new(3, 1, vec![43, 128, 128])));
}

#[test]
fn padding_is_air_and_the_buffers_carry_nothing_over() {
    let mut resizer = Resizer::default();
    let bright = Plane::new(50, 50, vec![u16::MAX; 2500]);
    let square =
        Geometry::new(Rect::whole(50, 50), (20, 40), Fit::Pad, Some(Side::Left), Orientation::Kept);
    let first = resizer.resize(&bright, Rect::whole(50, 50).into(), &square, 8);
    let Pixels::U8(plane) = &first else { panic!("8 bits were asked for") };
    assert!(plane.row(9).iter().all(|&v| v == 0) && plane.row(30).iter().all(|&v| v == 0));
    assert!(plane.rows().skip(10).take(20).all(|row| row.iter().all(|&v| v == 255)));
    resizer.resize(&noise(90, 10), Rect::whole(90, 10).into(), &square, 16);
    assert_eq!(resizer.resize(&bright, Rect::whole(50, 50).into(), &square, 8), first);
}

#[test]
fn a_crop_cut_from_a_reduced_image_lines_up_with_the_full_one() {
    use crate::image::sampling::{Reduction, Sampling};
    // A ramp, and its wavelet-reduced image: sample i shows source pixel 2 i.
    let full = Plane::new(400, 8, (0..3200u32).map(|i| (i % 400 * 100) as u16).collect());
    let half = Plane::new(200, 4, (0..800u32).map(|i| (i % 200 * 200) as u16).collect());
    let crop = Rect { left: 101, top: 0, width: 240, height: 8 };
    let geometry = Geometry::new(crop, (24, 2), Fit::Stretch, None, Orientation::Kept);
    let reduction = Reduction { reduce: 1, sampling: Sampling::Wavelet };
    let mut resizer = Resizer::default();
    let exact = resizer.resize(&full, crop.into(), &geometry, 16);
    let quick = resizer.resize(&half, geometry.region(reduction, (0, 0)), &geometry, 16);
    let (Pixels::U16(exact), Pixels::U16(quick)) = (exact, quick) else {
        panic!("16 bits were asked for")
    };
    for (a, b) in exact.row(0).iter().zip(quick.row(0)) {
        assert!(a.abs_diff(*b) <= 10, "{a} {b}");
    }
}

const FILTERS: [ResizeFilter; 3] =
    [ResizeFilter::Area, ResizeFilter::Lanczos3, ResizeFilter::Bilinear];

fn filtered(filter: ResizeFilter, from: &Plane<u16>, region: Region, g: &Geometry) -> Plane<u16> {
    match Resizer::new(filter).resize(from, region, g, 16) {
        Pixels::U16(plane) => plane,
        Pixels::U8(_) => panic!("16 bits were asked for"),
    }
}

/// All SIMD levels that this machine has.
fn levels() -> Vec<fast_image_resize::CpuExtensions> {
    use fast_image_resize::CpuExtensions;
    #[cfg(target_arch = "x86_64")]
    let all = [CpuExtensions::None, CpuExtensions::Sse4_1, CpuExtensions::Avx2];
    #[cfg(target_arch = "aarch64")]
    let all = [CpuExtensions::None, CpuExtensions::Neon];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let all = [CpuExtensions::None];
    all.into_iter().filter(CpuExtensions::is_supported).collect()
}

#[allow(unsafe_code)]
fn at_level(filter: ResizeFilter, level: fast_image_resize::CpuExtensions) -> Resizer {
    let mut resizer = Resizer::new(filter);
    let kernel = resizer.kernel.as_mut().expect("not the area mean");
    // SAFETY: `levels` gives those that the machine supports.
    unsafe { kernel.resizer.set_cpu_extensions(level) };
    resizer
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_simd_level_gives_the_same_bytes(
        width in 1usize..90, height in 1usize..90, out in (1usize..70, 1usize..70),
        inset in proptest::array::uniform4(-0.9..0.4f64), seed: u32, plain: bool,
        bits in prop_oneof![Just(8u8), Just(16u8)], lanczos: bool,
    ) {
        let level = |i: u32| (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 9) as u16;
        // Black and white alone make the filters overshoot the most.
        let extreme = |i: u32| if level(i) & 8 == 0 { 0 } else { u16::MAX };
        let pixels = (0..(width * height) as u32).map(|i| if plain { extreme(i) } else { level(i) });
        let from = Plane::new(width, height, pixels.collect());
        let region = Region {
            left: inset[0], top: inset[1],
            right: width as f64 - inset[2], bottom: height as f64 - inset[3],
        };
        let crop = Rect::whole(width, height);
        let turned = if seed & 1 == 0 { Orientation::Mirrored } else { Orientation::Kept };
        let geometry = Geometry::new(crop, out, Fit::Stretch, None, turned);
        let filter = if lanczos { ResizeFilter::Lanczos3 } else { ResizeFilter::Bilinear };
        let made: Vec<Pixels> = levels()
            .into_iter()
            .map(|level| at_level(filter, level).resize(&from, region, &geometry, bits))
            .collect();
        prop_assert!(made.windows(2).all(|pair| pair[0] == pair[1]), "{filter:?}");
    }

    #[test]
    fn a_plain_grey_stays_what_it_is_under_every_filter(
        grey: u16, width in 1usize..60, height in 1usize..60,
    ) {
        let from = Plane::new(40, 30, vec![grey; 1200]);
        let crop = Rect { left: 3, top: 5, width: 31, height: 17 };
        let geometry = Geometry::new(crop, (width, height), Fit::Stretch, None, Orientation::Kept);
        for filter in FILTERS {
            let out = filtered(filter, &from, crop.into(), &geometry);
            prop_assert!(out.pixels().iter().all(|&v| v == grey), "{filter:?}");
        }
    }
}

#[test]
fn more_than_one_simd_level_is_compared() {
    if cfg!(target_arch = "x86_64") {
        assert!(levels().len() > 1, "{:?}", levels());
    }
}

/// Where the light is on the average, in continuous positions.
fn centre_of_light(plane: &Plane<u16>) -> (f64, f64) {
    let (mut all, mut x_sum, mut y_sum) = (0.0, 0.0, 0.0);
    for (y, row) in plane.rows().enumerate() {
        for (x, &level) in row.iter().enumerate() {
            all += f64::from(level);
            x_sum += f64::from(level) * (x as f64 + 0.5);
            y_sum += f64::from(level) * (y as f64 + 0.5);
        }
    }
    (x_sum / all, y_sum / all)
}

#[test]
fn a_bright_dot_lands_where_the_geometry_says_under_every_filter() {
    use crate::image::sampling::{Reduction, Sampling};
    let crop = Rect { left: 31, top: 17, width: 250, height: 330 };
    let half = Reduction { reduce: 1, sampling: Sampling::Wavelet };
    // Shrinking, growing, and one axis of each; each padded at one side.
    let cases = [((96, 160), Fit::Pad), ((600, 700), Fit::Pad), ((80, 700), Fit::Stretch)];
    for (size, fit) in cases {
        for turned in [Orientation::Kept, Orientation::Mirrored] {
            for filter in FILTERS {
                for reduction in [Reduction::NONE, half] {
                    let geometry = Geometry::new(crop, size, fit, Some(Side::Left), turned);
                    // A dot of 8 x 8 samples, so that overshoot does not draw its centre aside.
                    let (left, top) = (60, 50);
                    let mut from = Plane::new(300, 360, vec![0_u16; 300 * 360]);
                    (top..top + 8).for_each(|y| from.row_mut(y)[left..left + 8].fill(60_000));
                    let source = |at: usize| reduction.to_source(at as f64 + 4.0);
                    let (x, y) = geometry.to_output(source(left), source(top));
                    let out =
                        filtered(filter, &from, geometry.region(reduction, (0, 0)), &geometry);
                    let (cx, cy) = centre_of_light(&out);
                    let off = ((cx - x).abs(), (cy - y).abs());
                    let case = format!("{size:?} {fit:?} {turned:?} {filter:?} {reduction:?}");
                    assert!(off.0 < 0.35 && off.1 < 0.35, "{case}: {off:?}");
                }
            }
        }
    }
}

#[test]
fn padding_stays_air_under_every_filter() {
    let bright = Plane::new(50, 50, vec![u16::MAX; 2500]);
    let whole = Rect::whole(50, 50);
    let g = Geometry::new(whole, (20, 40), Fit::Pad, Some(Side::Left), Orientation::Mirrored);
    for filter in FILTERS {
        let out = filtered(filter, &bright, whole.into(), &g);
        let expected = |y: usize| if (10..30).contains(&y) { u16::MAX } else { 0 };
        for (y, row) in out.rows().enumerate() {
            assert!(row.iter().all(|&level| level == expected(y)), "{filter:?} {y}");
        }
    }
}

/// Pillow 13.0, an implementation of its own of the same filters:
/// `a = (20000 + np.arange(35, dtype=np.int64) * 7919 % 20011).astype(np.float32).reshape(5, 7)`,
/// `Image.fromarray(a).resize(size, filter, box=(0.25, 0.5, 6.5, 5.0))`, rounded.
const PILLOW: [(ResizeFilter, (usize, usize), &[u16]); 4] = [
    (ResizeFilter::Lanczos3, (3, 2), &[30020, 31111, 31294, 29636, 30264, 29088]),
    (
        ResizeFilter::Lanczos3,
        (9, 4),
        &[
            27722, 24008, 28478, 34600, 32681, 29178, 32561, 37796, 28187, //
            34531, 34877, 29395, 29649, 38310, 28726, 21780, 31040, 33903, //
            27561, 35908, 29930, 21586, 28713, 35279, 32526, 26568, 32687, //
            22239, 27090, 35041, 34223, 25873, 31499, 32469, 21653, 25802,
        ],
    ),
    (ResizeFilter::Bilinear, (3, 2), &[29788, 31227, 31165, 29802, 30100, 29120]),
    (
        ResizeFilter::Bilinear,
        (9, 4),
        &[
            28176, 26032, 29239, 33112, 32358, 30464, 31225, 36724, 29161, //
            32510, 33145, 30863, 29678, 35177, 29281, 26165, 31664, 32591, //
            28131, 33630, 29402, 24618, 30117, 32768, 32152, 27229, 32103, //
            23071, 28570, 32610, 33496, 27183, 30556, 30775, 22378, 27043,
        ],
    ),
];

#[test]
fn lanczos_and_bilinear_equal_pillow_s_in_a_region_between_pixels() {
    let pixels = (0..35u32).map(|i| (20_000 + i * 7919 % 20_011) as u16).collect();
    let from = Plane::new(7, 5, pixels);
    let region = Region { left: 0.25, top: 0.5, right: 6.5, bottom: 5.0 };
    for (filter, size, expected) in PILLOW {
        let whole = Rect::whole(7, 5);
        let geometry = Geometry::new(whole, size, Fit::Stretch, None, Orientation::Kept);
        let out = filtered(filter, &from, region, &geometry);
        // Each axis rounds.
        let off = out.pixels().iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(off <= Some(2), "{filter:?} {size:?}: {off:?}");
    }
}
