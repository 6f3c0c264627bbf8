use super::*;
use crate::image::Side;
use crate::preprocess::roi::RoiMethod;

const WIDTH: usize = 320;
const HEIGHT: usize = 400;
const AIR: u16 = 900;

/// A mottled breast, 130 pixels wide at the left edge, over air of 500 that is not quite even.
fn sound() -> Plane<u16> {
    let value = |i: usize| {
        let (x, y) = ((i % WIDTH) as f32, (i / WIDTH) as f32);
        let inside = 1.0 - (x / 130.0).powi(2) - ((y - 200.0) / 150.0).powi(2);
        let grain = ((i as u32).wrapping_mul(2_654_435_761) >> 28) as f32;
        if inside <= 0.0 {
            return (500.0 + grain) as u16;
        }
        let mottled = ((x / 7.0).sin() + (y / 11.0).cos()) * 4000.0 * inside.min(0.5);
        (1500.0 + 40_000.0 * inside.min(0.6) + mottled + 8.0 * grain) as u16
    };
    Plane::new(WIDTH, HEIGHT, (0..WIDTH * HEIGHT).map(value).collect())
}

fn judged(image: &Plane<u16>, found: Found) -> Quality {
    judge(&View {
        linear: image,
        windowed: image,
        padding: None,
        reduction: Reduction::NONE,
        found: &found,
        surplus_bytes: 0,
        is_above: false,
        stored: StoredFacts::default(),
        header: HeaderFacts::default(),
    })
}

fn found() -> Found {
    Found {
        breast: Rect { left: 0, top: 50, width: 130, height: 300 },
        method: RoiMethod::Air,
        confidence: 0.9,
        chest_wall: Some(Side::Left),
        air: Some(AIR),
        picture: Rect::whole(WIDTH, HEIGHT),
    }
}

fn flags(image: &Plane<u16>) -> Vec<Flag> {
    judged(image, found()).flags.iter().collect()
}

#[test]
fn a_sound_image_has_no_flag() {
    let quality = judged(&sound(), found());
    assert!(quality.flags.is_empty(), "{quality:?}");
    assert!((quality.air_share.unwrap() - 0.76).abs() < 0.03, "{quality:?}");
    assert!(quality.entropy_bits > 5.0 && quality.seam < 0.1, "{quality:?}");
}

/// What lossless JPEG leaves when a difference is misread: from there on all is brighter.
#[test]
fn a_level_that_jumps_between_rows_is_a_tear() {
    for from in [90, 200, 333] {
        let mut image = sound();
        for v in &mut image.pixels_mut()[from * WIDTH + 40..] {
            *v = v.saturating_add(3000);
        }
        let quality = judged(&image, found());
        assert_eq!(quality.flags.iter().collect::<Vec<_>>(), [Flag::Torn], "{quality:?}");
        assert!(quality.seam > 0.75, "{quality:?}");
    }
}

/// What it leaves where restart markers stand between the rows.
#[test]
fn a_single_row_that_stands_out_is_a_tear() {
    let mut image = sound();
    for v in &mut image.row_mut(230)[60..] {
        *v += 900;
    }
    assert_eq!(flags(&image), [Flag::Torn]);
}

#[test]
fn text_tape_and_a_paddle_s_line_are_no_tears() {
    let mut image = sound();
    for y in 60..90 {
        image.row_mut(y)[200..300].fill(60_000);
    }
    for y in 0..HEIGHT {
        image.row_mut(y)[250..256].fill(20_000);
    }
    assert_eq!(flags(&image), []);
}

/// What JPEG 2000 leaves when a code-block is misread.
#[test]
fn a_tile_of_noise_in_the_air_is_a_tear() {
    let mut image = sound();
    for y in 256..384 {
        for (x, v) in image.row_mut(y)[192..320].iter_mut().enumerate() {
            *v += ((x * 7919 + y * 104_729) % 911) as u16;
        }
    }
    assert_eq!(flags(&image), [Flag::Torn]);
}

/// A coarse band's code-block: smooth waves, where air has one value in all the rest.
#[test]
fn a_tile_of_waves_in_air_of_one_level_is_a_tear() {
    let mut image = sound();
    for v in image.pixels_mut().iter_mut().filter(|v| **v < AIR) {
        *v = 500;
    }
    assert_eq!(flags(&image), []);
    for y in 256..384 {
        for (x, v) in image.row_mut(y)[192..320].iter_mut().enumerate() {
            *v += (20.0 + 15.0 * (x as f32 / 9.0).sin() + y as f32 / 20.0) as u16;
        }
    }
    assert_eq!(flags(&image), [Flag::Torn]);
}

/// A black frame, a film's air in two levels of its own, one of them black in places.
#[test]
fn a_film_s_frame_and_its_levels_of_air_are_no_tears() {
    let mut film = sound();
    for (i, v) in film.pixels_mut().iter_mut().enumerate() {
        let (x, y) = (i % WIDTH, i / WIDTH);
        let is_black = (x / 60 + y / 90) % 3 == 0 && *v < AIR;
        *v = if is_black { 500 } else { *v };
    }
    assert_eq!(flags(&film), []);
    let picture = Rect { left: 0, top: 30, width: 250, height: 340 };
    let mut framed = film;
    for y in 0..HEIGHT {
        let from = if (picture.top..picture.bottom()).contains(&y) { picture.width } else { 0 };
        framed.row_mut(y)[from..].fill(40_000);
    }
    let quality = judged(&framed, Found { picture, ..found() });
    assert!(quality.flags.is_empty(), "{quality:?}");
    let quality = judged(&framed, found());
    assert!(quality.flags.contains(Flag::Torn), "the frame's edge is a seam: {quality:?}");
}

#[test]
fn a_blank_exposure_is_mostly_air_and_flat() {
    let blank = Plane::new(WIDTH, HEIGHT, vec![500; WIDTH * HEIGHT]);
    assert_eq!(flags(&blank), [Flag::MostlyAir, Flag::Flat]);
}

#[test]
fn a_window_that_hides_the_breast_saturates() {
    let image = sound();
    let white = image.map(|&v| if v > AIR { u16::MAX - v % 5000 / 100 } else { 0 });
    let found = found();
    let view = View {
        linear: &image,
        windowed: &white,
        padding: None,
        reduction: Reduction::NONE,
        found: &found,
        surplus_bytes: 40,
        is_above: false,
        stored: StoredFacts::default(),
        header: HeaderFacts::default(),
    };
    let quality = judge(&view);
    assert_eq!(quality.saturated_share, 1.0);
    let names: Vec<_> = quality.flags.iter().map(Flag::as_str).collect();
    assert_eq!(names, ["flat", "saturated", "surplus"]);
}

#[test]
fn a_whole_frame_for_want_of_a_box_is_doubtful_and_its_air_unknown() {
    let breast = Rect::whole(WIDTH, HEIGHT);
    let whole = Found {
        breast,
        method: RoiMethod::WholeFrame,
        confidence: 0.0,
        chest_wall: None,
        air: None,
        picture: breast,
    };
    let quality = judged(&sound(), whole);
    assert_eq!(quality.air_share, None);
    assert!(quality.flags.contains(Flag::DoubtfulBox));
}
