//! Simple scenes whose tissue is known pixel by pixel; 600 x 480 pixels of 12 bits, drawn by
//! formula, so that the region finder's tests need no generator.

use super::*;
use crate::image::sampling::Sampling;

const WIDTH: usize = 480;
const HEIGHT: usize = 600;

/// A picture and which of its pixels are breast.
#[derive(Clone)]
struct Scene {
    image: Plane<u16>,
    tissue: Plane<bool>,
}

/// Noise of one pixel, -1 to 1, from its number alone.
fn noise(i: usize) -> f32 {
    let mut h = (i as u32).wrapping_mul(2_654_435_761) ^ 0x9e37_79b9;
    h = (h ^ (h >> 15)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    (h ^ (h >> 16)) as f32 / u32::MAX as f32 * 2.0 - 1.0
}

impl Scene {
    /// Air of a level that rises by `rise` over the frame, with noise of up to `noisy`.
    fn air(level: f32, rise: f32, noisy: f32) -> Self {
        let value = |i: usize| {
            let across = (i % WIDTH) as f32 / WIDTH as f32;
            (level + rise * across + noisy * noise(i)).max(0.0) as u16
        };
        Self {
            image: Plane::new(WIDTH, HEIGHT, (0..WIDTH * HEIGHT).map(value).collect()),
            tissue: Plane::new(WIDTH, HEIGHT, vec![false; WIDTH * HEIGHT]),
        }
    }

    /// Half an ellipse on the left edge: faint skin (4 % of the range) rising to mottled tissue.
    fn breast(mut self, middle: usize, half_height: f32, reach: f32) -> Self {
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let (dx, dy) = (x as f32 / reach, (y as f32 - middle as f32) / half_height);
                let inside = 1.0 - (dx * dx + dy * dy).sqrt();
                if inside > 0.0 {
                    let body = (inside * 8.0).min(1.0);
                    let mottled = ((x as f32 / 17.0).sin() + (y as f32 / 23.0).cos()) * 300.0;
                    self.image.row_mut(y)[x] +=
                        (120.0 + body * (1500.0 + mottled + 60.0 * noise(y * WIDTH + x))) as u16;
                    self.tissue.row_mut(y)[x] = true;
                }
            }
        }
        self
    }

    fn fill(mut self, left: usize, top: usize, width: usize, height: usize, value: u16) -> Self {
        for y in top..top + height {
            self.image.row_mut(y)[left..left + width].fill(value);
        }
        self
    }

    /// Letters of a label: strokes of 3 pixels, 14 high.
    fn label(mut self, left: usize, top: usize) -> Self {
        for letter in 0..5 {
            let x = left + letter * 14;
            self = self.fill(x, top, 3, 14, 4000).fill(x, top + 6, 10, 3, 4000);
        }
        self
    }

    /// Dead lines: air of 0 where `is_dead` says so, which are no tissue.
    fn dead(mut self, is_dead: impl Fn(usize, usize) -> bool) -> Self {
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                if is_dead(x, y) {
                    self.image.row_mut(y)[x] = 0;
                    self.tissue.row_mut(y)[x] = false;
                }
            }
        }
        self
    }

    /// A frame of one value: so many pixels on the left, the right, the top and the bottom. The
    /// picture in it is tilted by `tilt` pixels over its height.
    fn framed(mut self, [left, right, top, bottom]: [usize; 4], value: u16, tilt: f32) -> Self {
        for y in 0..HEIGHT {
            let lean = (tilt * y as f32 / HEIGHT as f32) as usize;
            for x in 0..WIDTH {
                if x < left + lean || x >= WIDTH - right || y < top || y >= HEIGHT - bottom {
                    self.image.row_mut(y)[x] = value;
                    self.tissue.row_mut(y)[x] = false;
                }
            }
        }
        self
    }

    /// The part of this size around a place, enlarged so that it fills the frame: a spot view.
    fn spot(&self, left: usize, top: usize, width: usize, height: usize) -> Self {
        let from = |i: usize| (left + i % WIDTH * width / WIDTH, top + i / WIDTH * height / HEIGHT);
        let all = || (0..WIDTH * HEIGHT).map(from);
        let pixels = all().enumerate().map(|(i, (x, y))| {
            let grain = 40.0 * noise(i) * f32::from(u8::from(self.tissue.row(y)[x]));
            (f32::from(self.image.row(y)[x]) + grain) as u16
        });
        Self {
            image: Plane::new(WIDTH, HEIGHT, pixels.collect()),
            tissue: Plane::new(WIDTH, HEIGHT, all().map(|(x, y)| self.tissue.row(y)[x]).collect()),
        }
    }

    fn mirrored(mut self) -> Self {
        for y in 0..HEIGHT {
            self.image.row_mut(y).reverse();
            self.tissue.row_mut(y).reverse();
        }
        self
    }

    fn found(&self) -> Found {
        let look = Look {
            pixels: &self.image,
            padding: None,
            reduction: Reduction::NONE,
            source: (WIDTH, HEIGHT),
        };
        Finder::default().find(&look)
    }

    /// The box of the tissue.
    fn truth(&self) -> Rect {
        let at = |x, y| Rect { left: x, top: y, width: 1, height: 1 };
        let tissue = self.tissue.pixels().iter().enumerate().filter(|(_, t)| **t);
        tissue.map(|(i, _)| at(i % WIDTH, i / WIDTH)).reduce(components::union).unwrap()
    }

    /// The box found keeps all tissue and has at most `slack` times the area needed.
    #[track_caller]
    fn assert_found(&self, slack: f64) -> Found {
        let (found, truth) = (self.found(), self.truth());
        assert_eq!(components::union(found.breast, truth), found.breast, "{found:?}, {truth:?}");
        let share = found.breast.area() as f64 / truth.area() as f64;
        assert!(share <= slack, "{share:.3} times the area needed: {found:?}, {truth:?}");
        found
    }
}

fn plain() -> Scene {
    Scene::air(0.0, 0.0, 0.0).breast(330, 210.0, 190.0)
}

#[test]
fn a_breast_is_found_down_to_its_faint_skin() {
    let found = plain().assert_found(1.03);
    assert_eq!(found.method, RoiMethod::Air);
    assert_eq!(found.chest_wall, Some(Side::Left));
    assert!(found.confidence > 0.9);
    assert_eq!(plain().mirrored().assert_found(1.03).chest_wall, Some(Side::Right));
}

#[test]
fn air_may_be_bright_uneven_and_noisy() {
    for (level, rise, noisy) in [(300.0, 0.0, 0.0), (69.0, 60.0, 8.0), (200.0, 0.0, 25.0)] {
        let scene = Scene::air(level, rise, noisy).breast(280, 190.0, 150.0);
        assert!(scene.assert_found(1.06).confidence > 0.7, "{level} {rise} {noisy}");
    }
}

#[test]
fn a_label_is_left_out_even_where_it_touches_the_skin() {
    plain().label(300, 40).assert_found(1.03);
    plain().label(183, 330).assert_found(1.16);
}

#[test]
fn a_paddle_s_line_is_left_out_even_where_it_crosses_the_breast() {
    plain().fill(300, 0, 9, HEIGHT, 1200).assert_found(1.03);
    plain().fill(120, 0, 9, HEIGHT, 1200).assert_found(1.12);
    plain().fill(0, 180, WIDTH, 8, 1200).assert_found(1.16);
}

#[test]
fn a_film_s_white_rim_and_scratches_are_left_out() {
    let rimmed = Scene::air(150.0, 0.0, 20.0)
        .breast(300, 200.0, 170.0)
        .fill(0, 0, WIDTH, 20, 3900)
        .fill(0, HEIGHT - 15, WIDTH, 15, 3900)
        .fill(WIDTH - 25, 0, 25, HEIGHT, 3900);
    rimmed.assert_found(1.06);
    rimmed.clone().mirrored().assert_found(1.06);
    rimmed.fill(200, 30, 2, 400, 3000).fill(100, 60, 300, 2, 3000).assert_found(1.06);
}

#[test]
fn a_small_breast_wins_over_everything_bright_around_it() {
    let small = Scene::air(0.0, 0.0, 0.0).breast(300, 90.0, 70.0);
    let found = small.label(350, 50).fill(440, 0, 12, HEIGHT, 2500).assert_found(1.1);
    assert_eq!(found.chest_wall, Some(Side::Left));
}

#[test]
fn an_implant_is_part_of_the_breast() {
    let mut scene = Scene::air(0.0, 0.0, 0.0).breast(300, 220.0, 200.0);
    for y in 200..420 {
        for x in 0..110 {
            let (dx, dy) = (x as f32 / 110.0, (y as f32 - 310.0) / 110.0);
            if dx * dx + dy * dy < 1.0 {
                scene.image.row_mut(y)[x] = 3900;
            }
        }
    }
    scene.assert_found(1.03);
}

#[test]
fn a_breast_that_fills_the_frame_keeps_the_frame() {
    let full = Scene::air(0.0, 0.0, 0.0).breast(300, 1400.0, 1300.0);
    assert_eq!(full.found().breast, Rect::whole(WIDTH, HEIGHT));
}

/// A skin fold, and the dead lines of a detector: along rows, along columns, and several.
#[test]
fn a_breast_that_a_thin_band_divides_is_one() {
    let fold = |x: usize, y: usize| (y as f32 - 420.0 + 0.3 * x as f32).abs() < 3.0;
    for scene in [
        plain().dead(|_, y| (329..332).contains(&y)),
        plain().dead(|x, _| (90..93).contains(&x)),
        plain().dead(|x, y| (60..63).contains(&x) || (250..253).contains(&y)),
        plain().dead(|_, y| (230..234).contains(&y) || (400..404).contains(&y)),
        plain().dead(fold),
    ] {
        let found = scene.assert_found(1.06);
        assert_eq!((found.method, found.chest_wall), (RoiMethod::Air, Some(Side::Left)));
        assert!(found.confidence >= SOUND, "{found:?}");
        assert_eq!(scene.mirrored().assert_found(1.06).chest_wall, Some(Side::Right));
    }
}

#[test]
fn large_parts_on_one_chest_wall_are_kept_together() {
    let scene = plain().dead(|_, y| (300..350).contains(&y));
    assert!(scene.assert_found(1.03).confidence >= SOUND);
}

/// The front of the breast, cut off by a wide band: a box without it would be wrong, and the box
/// with it is a guess.
#[test]
fn what_may_be_tissue_outside_the_box_is_added_and_makes_it_doubtful() {
    let scene = plain().dead(|x, _| (120..145).contains(&x));
    let found = scene.assert_found(1.06);
    assert!(found.confidence < SOUND, "{found:?}");
}

#[test]
fn a_strip_of_tape_in_the_air_does_not_make_a_box_doubtful() {
    let found = plain().fill(330, 60, 90, 35, 2600).assert_found(1.03);
    assert!(found.confidence > 0.9, "{found:?}");
}

/// Of a spot view that is all tissue, no level is air.
#[test]
fn a_spot_view_is_kept_whole_or_found_with_its_air() {
    let breast = Scene::air(0.0, 0.0, 0.0).breast(300, 280.0, 400.0);
    let inside = breast.spot(20, 200, 160, 200);
    let found = inside.found();
    assert_eq!((found.method, found.breast), (RoiMethod::WholeFrame, Rect::whole(WIDTH, HEIGHT)));
    let corner = breast.spot(150, 60, 240, 300);
    let found = corner.assert_found(1.1);
    assert_ne!(found.method, RoiMethod::Inverted);
}

/// Air that darkens in two steps, as on a film whose strips were not exposed.
#[test]
fn a_film_in_a_frame_is_found_and_not_doubtful() {
    for (value, tilt) in [(0, 0.0), (4095, 0.0), (1400, 0.0), (0, 6.0), (4095, 6.0)] {
        let film = Scene::air(260.0, 0.0, 30.0)
            .breast(300, 200.0, 220.0)
            .fill(WIDTH - 150, 0, 30, HEIGHT, 130)
            .framed([50, 120, 14, 22], value, tilt);
        let found = film.assert_found(1.06);
        assert!(found.confidence >= SOUND, "{value} {tilt}: {found:?}");
        assert_eq!(found.chest_wall, Some(Side::Left), "{value} {tilt}");
        let picture = found.picture;
        assert!((50..56).contains(&picture.left) && picture.right() <= WIDTH - 120, "{picture:?}");
        assert!(film.mirrored().assert_found(1.06).confidence >= SOUND, "{value} {tilt}");
    }
}

#[test]
fn even_air_is_no_frame() {
    let found = plain().found();
    assert_eq!(found.picture, Rect::whole(WIDTH, HEIGHT));
}

/// Air at 8 bits leaves most levels of the histogram empty; its noise counts all the same.
#[test]
fn air_of_eight_bits_is_as_wide_as_it_is() {
    let mut scene = Scene::air(200.0, 0.0, 45.0).breast(300, 200.0, 170.0);
    scene.image.pixels_mut().iter_mut().for_each(|v| *v = *v / 16 * 16);
    assert!(scene.assert_found(1.06).confidence > 0.7);
}

#[test]
fn a_wrong_polarity_is_noticed() {
    let mut scene = plain();
    for v in scene.image.pixels_mut() {
        *v = 4095 - *v;
    }
    assert_eq!(scene.assert_found(1.05).method, RoiMethod::Inverted);
}

/// Its padding, a strip on the right, is not air that turns bright.
#[test]
fn a_negative_with_padding_is_found() {
    let mut scene = Scene::air(100.0, 0.0, 20.0).breast(300, 200.0, 170.0);
    let mut padding = Plane::new(WIDTH, HEIGHT, vec![false; WIDTH * HEIGHT]);
    for y in 0..HEIGHT {
        padding.row_mut(y)[WIDTH - 15..].fill(true);
        for v in scene.image.row_mut(y) {
            *v = 4095 - *v;
        }
    }
    let look = Look {
        pixels: &scene.image,
        padding: Some(&padding),
        reduction: Reduction::NONE,
        source: (WIDTH, HEIGHT),
    };
    let (found, truth) = (Finder::default().find(&look), scene.truth());
    assert_eq!(found.method, RoiMethod::Inverted);
    assert_eq!(components::union(found.breast, truth), found.breast, "{found:?} {truth:?}");
    assert!(found.breast.right() < 200, "{found:?}");
}

#[test]
fn padding_may_lie_anywhere_in_the_range() {
    let mut scene = Scene::air(100.0, 0.0, 5.0).breast(300, 200.0, 170.0);
    let mut padding = Plane::new(WIDTH, HEIGHT, vec![false; WIDTH * HEIGHT]);
    for y in 0..HEIGHT {
        padding.row_mut(y)[330..].fill(true);
        scene.image.row_mut(y)[330..].fill(4095);
    }
    let look = Look {
        pixels: &scene.image,
        padding: Some(&padding),
        reduction: Reduction::NONE,
        source: (WIDTH, HEIGHT),
    };
    let found = Finder::default().find(&look);
    let truth = scene.truth();
    assert_eq!(components::union(found.breast, truth), found.breast, "{found:?} {truth:?}");
    assert!(found.breast.right() < 200, "{found:?}");
}

#[test]
fn an_image_of_nothing_is_kept_whole_and_flagged() {
    for image in [
        vec![0; 4096],
        vec![700; 4096],
        (0..4096).map(|i| (noise(i) * 900.0 + 1000.0) as u16).collect(),
    ] {
        let image = Plane::new(64, 64, image);
        let look =
            Look { pixels: &image, padding: None, reduction: Reduction::NONE, source: (64, 64) };
        let found = Finder::default().find(&look);
        assert_eq!((found.method, found.confidence), (RoiMethod::WholeFrame, 0.0));
        assert_eq!(found.breast, Rect::whole(64, 64));
    }
}

#[test]
fn the_box_is_in_source_pixels() {
    let scene = plain();
    let truth = scene.truth();
    for sampling in [Sampling::BoxMean, Sampling::Wavelet] {
        let look = Look {
            pixels: &scene.image,
            padding: None,
            reduction: Reduction { reduce: 2, sampling },
            source: (WIDTH * 4 - 3, HEIGHT * 4 - 1),
        };
        let found = Finder::default().find(&look).breast;
        assert_eq!(found.left, 0);
        assert!(found.right() >= truth.right() * 4 && found.right() <= truth.right() * 4 + 16);
        assert!(found.top <= truth.top * 4 && found.top + 16 >= truth.top * 4);
    }
}

#[test]
fn the_buffers_carry_nothing_over() {
    let mut finder = Finder::default();
    let scenes = [plain(), plain().mirrored(), Scene::air(9.0, 0.0, 0.0).breast(100, 80.0, 60.0)];
    for scene in scenes.iter().chain(scenes.iter().rev()) {
        let look = Look {
            pixels: &scene.image,
            padding: None,
            reduction: Reduction::NONE,
            source: (WIDTH, HEIGHT),
        };
        assert_eq!(finder.find(&look), scene.found());
    }
}
