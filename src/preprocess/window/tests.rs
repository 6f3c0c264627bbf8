//! Expected levels are by PS3.3 C.11.2's equations, worked out by hand where they are round;
//! `tests/interop/window_truth.py` holds whole images to pydicom.

use super::*;
use crate::config::Config;
use crate::preprocess::read::Padding;

fn layout(bits: u16, signed: bool, photometric: Photometric) -> PixelLayout {
    PixelLayout {
        rows: 1,
        columns: 1,
        bits_allocated: 16,
        bits_stored: bits,
        high_bit: bits - 1,
        signed,
        samples_per_pixel: 1,
        photometric,
        frames: 1,
    }
}

fn unsigned(bits: u16) -> PixelLayout {
    layout(bits, false, Photometric::Monochrome2)
}

fn windowed(function: VoiFunction, windows: &[(f64, f64)]) -> Display {
    let windows = windows.iter().enumerate();
    let window =
        |(index, &(center, width)): (usize, &_)| VoiWindow { center, width, function, index };
    Display { windows: windows.map(window).collect(), ..Display::default() }
}

fn config(mode: WindowMode, index: usize) -> WindowConfig {
    WindowConfig { mode, index, ..Config::default().window }
}

fn dicom(display: &Display, layout: &PixelLayout) -> Lut {
    lut(display, layout, &config(WindowMode::Dicom, 0), None).unwrap()
}

#[test]
fn a_linear_window_begins_and_ends_where_the_standard_says() {
    // PS3.3 C.11.2.1.2.1's own example: center 2048, width 4096 is the identity of 12 bits.
    let lut = dicom(&windowed(VoiFunction::Linear, &[(2048.0, 4096.0)]), &unsigned(12));
    for stored in 0..4096 {
        let expected = f64::from(stored) / 4095.0 * 65535.0;
        assert_eq!(lut.level(stored as u16), expected.round() as u16, "{stored}");
    }
    // And its second: width 1 is a threshold at the center.
    let lut = dicom(&windowed(VoiFunction::Linear, &[(2048.0, 1.0)]), &unsigned(12));
    assert_eq!((lut.level(2047), lut.level(2048)), (0, 65535));
}

#[test]
fn a_linear_exact_window_is_half_a_value_off_the_linear_one() {
    let lut = dicom(&windowed(VoiFunction::LinearExact, &[(100.0, 50.0)]), &unsigned(8));
    assert_eq!((lut.level(75), lut.level(76)), (0, 1311));
    assert_eq!((lut.level(100), lut.level(124), lut.level(125)), (32768, 64224, 65535));
    let linear = dicom(&windowed(VoiFunction::Linear, &[(100.0, 50.0)]), &unsigned(8));
    assert_eq!((linear.level(75), linear.level(76)), (0, 1337));
}

#[test]
fn a_sigmoid_is_half_at_its_center_and_steepest_there() {
    let lut = dicom(&windowed(VoiFunction::Sigmoid, &[(2686.0, 900.0)]), &unsigned(12));
    assert_eq!(lut.level(2686), 32768);
    // 65535 / (1 + exp(-4 * 225 / 900))
    assert_eq!(lut.level(2911), 47910);
    assert_eq!(lut.level(2461), 65535 - 47910);
}

#[test]
fn the_last_window_stands_for_those_a_file_lacks() {
    let display = windowed(VoiFunction::Linear, &[(50.0, 20.0), (60.0, 30.0)]);
    for (index, center) in [(0, 50.0), (1, 60.0), (7, 60.0)] {
        let lut = lut(&display, &unsigned(8), &config(WindowMode::Dicom, index), None).unwrap();
        assert_eq!(lut.used.center, Some(center));
        assert_eq!(lut.used.index, Some(index.min(1)));
        assert_eq!(lut.used.source, WindowSource::Window);
    }
}

#[test]
fn a_window_that_the_reader_left_out_gives_way_to_the_next_one() {
    let mut display =
        windowed(VoiFunction::Linear, &[(50.0, 20.0), (60.0, 30.0), (70.0, 40.0), (80.0, 50.0)]);
    display.windows.remove(1);
    display.windows.pop();
    for (index, expected) in [(0, 0), (1, 2), (2, 2), (3, 2)] {
        let lut = lut(&display, &unsigned(8), &config(WindowMode::Dicom, index), None).unwrap();
        assert_eq!(lut.used.index, Some(expected), "{index}");
    }
    display.windows.clear();
    assert_eq!(dicom(&display, &unsigned(8)).used.source, WindowSource::Full);
}

#[test]
fn windows_are_given_in_rescaled_values() {
    let mut display = windowed(VoiFunction::LinearExact, &[(0.0, 2000.0)]);
    display.modality = Modality::Rescale { slope: 2.0, intercept: -1024.0 };
    let lut = dicom(&display, &layout(16, true, Photometric::Monochrome2));
    // 2 * 512 - 1024 = 0 is the center, 2 * -2000 - 1024 far below.
    assert_eq!(lut.level(512), 32768);
    assert_eq!(lut.level(-2000i16 as u16), 0);
    assert_eq!(lut.level(1012), 65535);
}

#[test]
fn monochrome1_is_inverted_after_the_window_and_padding_is_air_even_so() {
    let mut display = windowed(VoiFunction::LinearExact, &[(100.0, 100.0)]);
    display.padding = Some(Padding { low: 10, high: 12 });
    let lut = dicom(&display, &layout(8, false, Photometric::Monochrome1));
    assert_eq!((lut.level(9), lut.level(13)), (65535, 65535));
    assert_eq!((lut.level(10), lut.level(11), lut.level(12)), (0, 0, 0));
    assert_eq!(lut.level(75), 49151);
    assert_eq!(lut.level(200), 0);
}

#[test]
fn an_inverse_presentation_shape_inverts_once_and_not_twice() {
    let mut display = windowed(VoiFunction::LinearExact, &[(100.0, 100.0)]);
    let plain = dicom(&display, &unsigned(8));
    display.shape = PresentationShape::Inverse;
    let inverse = dicom(&display, &unsigned(8));
    let both = dicom(&display, &layout(8, false, Photometric::Monochrome1));
    assert_eq!(plain.level(70), 65535 - inverse.level(70));
    assert_eq!(both.level(70), inverse.level(70));
}

#[test]
fn a_table_goes_before_a_window_and_clamps_at_both_ends() {
    let mut display = windowed(VoiFunction::Linear, &[(2048.0, 4096.0)]);
    let entries = vec![0, 300, 1023, 2000];
    display.tables = vec![(0, LookupTable { first: 100, bits: 10, entries })];
    let lut = dicom(&display, &unsigned(12));
    assert_eq!((lut.level(0), lut.level(100)), (0, 0));
    assert_eq!(lut.level(101), (300.0f64 / 1023.0 * 65535.0).round() as u16);
    // An entry beyond its own bits is as bright as it gets.
    assert_eq!((lut.level(102), lut.level(103), lut.level(4095)), (65535, 65535, 65535));
    assert_eq!(lut.used.source, WindowSource::Table);
    assert_eq!(lut.used.function, None);
}

#[test]
fn without_a_window_the_whole_stored_range_is_shown() {
    let lut = dicom(&Display::default(), &layout(12, true, Photometric::Monochrome2));
    assert_eq!((lut.level(-2048i16 as u16), lut.level(2047)), (0, 65535));
    assert_eq!(lut.used.source, WindowSource::Full);
    assert_eq!((lut.used.center, lut.used.width), (Some(-0.5), Some(4095.0)));
}

#[test]
fn the_images_own_range_is_stretched_only_when_asked_for() {
    let display = windowed(VoiFunction::Sigmoid, &[(2000.0, 10.0)]);
    let percentile = config(WindowMode::Percentile, 0);
    let lut = lut(&display, &unsigned(12), &percentile, Some((1000.0, 3000.0))).unwrap();
    assert_eq!((lut.level(1000), lut.level(1500), lut.level(3000)), (0, 16384, 65535));
    assert_eq!(lut.used.source, WindowSource::Percentile);
}

#[test]
fn a_falling_rescale_keeps_its_direction_in_every_mode() {
    let modality = Modality::Rescale { slope: -1.0, intercept: 4095.0 };
    let display = Display { modality, ..Display::default() };
    let full = dicom(&display, &unsigned(12));
    assert_eq!((full.level(0), full.level(4095)), (65535, 0));
    let minmax = config(WindowMode::Minmax, 0);
    let minmax = lut(&display, &unsigned(12), &minmax, Some((1000.0, 3000.0))).unwrap();
    assert_eq!((minmax.level(1000), minmax.level(3000)), (65535, 0));
}

#[test]
fn a_window_that_cannot_be_is_named() {
    let error = |function, width, mode, range| {
        let display = windowed(function, &[(100.0, width)]);
        lut(&display, &unsigned(12), &config(mode, 0), range).unwrap_err().to_string()
    };
    use VoiFunction::Linear;
    let flat = error(Linear, 9.0, WindowMode::Minmax, Some((7.0, 7.0)));
    assert!(flat.contains("7 to 7; a window needs two different values"), "{flat}");
    let none = error(Linear, 9.0, WindowMode::Percentile, None);
    assert_eq!(none, "every pixel is padding or air, so no window can be computed");
}

#[test]
fn only_the_part_asked_for_is_mapped() {
    let stored = Plane::new(3, 3, vec![0, 1, 2, 3, 4, 5, 6, 7, 255]);
    let lut = dicom(&Display::default(), &unsigned(8));
    let mut out = Plane::default();
    lut.apply(&stored, Rect { left: 1, top: 1, width: 2, height: 2 }, &mut out);
    assert_eq!(out, Plane::new(2, 2, vec![4 * 257, 5 * 257, 7 * 257, 65535]));
}

#[test]
fn the_steepest_step_is_the_windows_or_the_one_to_padding() {
    let linear = windowed(VoiFunction::LinearExact, &[(2048.0, 4096.0)]);
    let slope = dicom(&linear, &unsigned(12)).slopes().all().1;
    assert!((slope - 255.0 / 4096.0).abs() < 1.0 / 257.0, "{slope}");
    let signed = dicom(&linear, &layout(12, true, Photometric::Monochrome2)).slopes().all().1;
    assert!((signed - 255.0 / 4096.0).abs() < 1.0 / 257.0, "order of negative values: {signed}");
    // A padding of 1000 cuts to black what is about a quarter bright.
    let padded = Display { padding: Some(Padding { low: 1000, high: 1000 }), ..linear };
    let (down, up) = dicom(&padded, &unsigned(12)).slopes().all();
    assert!((down + 1000.5 * 255.0 / 4096.0).abs() < 0.5, "{down}");
    assert!((up - 1001.5 * 255.0 / 4096.0).abs() < 0.5, "{up}");
}

#[test]
fn a_window_over_the_whole_range_is_a_straight_line_that_goes_on() {
    let lut = dicom(&windowed(VoiFunction::Linear, &[(2048.0, 4096.0)]), &unsigned(12));
    let line = lut.straight().unwrap();
    assert!((line.slope - 255.0 / 4095.0).abs() < 1e-6 && line.off < 0.01, "{line:?}");
    assert_eq!(line.margin, 682);
    let beyond = lut.straightened(&line).unwrap();
    let GreyScale { black, white } = beyond.scale;
    assert_eq!((beyond.level(0), beyond.level(4095)), (black, white));
    assert!(beyond.level(-600i16 as u16) < black && beyond.level(4695) > white);
    let full = |stored: i16| beyond.scale.to_full(beyond.level(stored as u16));
    assert_eq!((full(-600), full(0), full(4095), full(4695)), (0, 0, 65535, 65535));
    for stored in 0..4096 {
        assert!(full(stored).abs_diff(lut.level(stored as u16)) <= 1, "{stored}");
    }
}

#[test]
fn a_falling_line_is_straight_too() {
    let layout = layout(12, true, Photometric::Monochrome1);
    let lut = dicom(&windowed(VoiFunction::LinearExact, &[(-0.5, 4095.0)]), &layout);
    let line = lut.straight().unwrap();
    assert!(line.slope < -0.06, "{line:?}");
    let beyond = lut.straightened(&line).unwrap();
    assert!(beyond.level(2500) < beyond.scale.black);
    assert!(beyond.level(-2500i16 as u16) > beyond.scale.white);
}

#[test]
fn what_clips_bends_or_has_padding_inside_is_not_straight() {
    let straight = |display: &Display, bits| dicom(display, &unsigned(bits)).straight();
    assert_eq!(straight(&windowed(VoiFunction::Linear, &[(2048.0, 4000.0)]), 12), None);
    assert_eq!(straight(&windowed(VoiFunction::Sigmoid, &[(2048.0, 4096.0)]), 12), None);
    let mut padded = windowed(VoiFunction::Linear, &[(2048.0, 4096.0)]);
    padded.padding = Some(Padding { low: 0, high: 0 });
    assert!(straight(&padded, 12).is_some(), "padding that is black already");
    padded.padding = Some(Padding { low: 3000, high: 3000 });
    assert_eq!(straight(&padded, 12), None);
    // 16 bits of two's complement leave no room beyond 15 bits.
    assert_eq!(straight(&windowed(VoiFunction::Linear, &[(32768.0, 65536.0)]), 16), None);
}
