//! Maps every output pixel to its place in the source, and back.
//!
//! Positions are continuous, as in [`sampling`](crate::image::sampling): the centre of pixel `i` is
//! at `i + 0.5`; the frame's edges are at `0` and at its width or height.

use serde::{Deserialize, Serialize};

use crate::config::Fit;
use crate::image::Rect;
use crate::image::sampling::Reduction;
use crate::record::Laterality;
use crate::units::{Millimetres, PixelSpacing};

/// The left or the right side of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Side {
    Left,
    Right,
}

/// Whether the output is mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Orientation {
    /// As in the source.
    Kept,
    /// Left and right exchanged.
    Mirrored,
}

impl Orientation {
    /// The orientation in which a breast looks like one of the side `flip_to`.
    ///
    /// A left breast has its chest wall at the image's left. The chest wall that was found in the
    /// pixels decides; the table's laterality is used only if none was found.
    pub fn towards(
        flip_to: Option<Laterality>,
        chest_wall: Option<Side>,
        laterality: Option<Laterality>,
    ) -> Self {
        let shown = chest_wall.or(laterality.map(|l| match l {
            Laterality::Left => Side::Left,
            Laterality::Right => Side::Right,
        }));
        match (flip_to, shown) {
            (Some(Laterality::Left), Some(Side::Right))
            | (Some(Laterality::Right), Some(Side::Left)) => Self::Mirrored,
            _ => Self::Kept,
        }
    }
}

/// The mapping from the source to the output: crop, scale, mirror, pad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Geometry {
    /// The crop, in source pixels.
    pub crop: Rect,
    /// The position of the crop in the output, in output pixels; the rest is air (0).
    pub content: Rect,
    /// Output width in pixels.
    pub width: usize,
    /// Output height in pixels.
    pub height: usize,
    /// Whether the content is mirrored.
    pub orientation: Orientation,
}

impl Geometry {
    /// Places `crop` in an output of `width` x `height`.
    ///
    /// With [`Fit::Pad`] the aspect ratio is kept (to the nearest output pixel). Vertical padding
    /// is divided equally between top and bottom. Horizontal padding is on the side away from the
    /// chest wall, so the chest wall is always at the same edge; it is divided equally if the chest
    /// wall is not known.
    ///
    /// `crop`, `width` and `height` must not be empty; [`roi::crop`](crate::preprocess::roi::crop)
    /// and [`Config::check`](crate::config::Config::check) ensure that.
    pub fn new(
        crop: Rect,
        (width, height): (usize, usize),
        fit: Fit,
        chest_wall: Option<Side>,
        orientation: Orientation,
    ) -> Self {
        let (inner_width, inner_height) = match fit {
            Fit::Stretch => (width, height),
            Fit::Pad => {
                let scale =
                    (width as f64 / crop.width as f64).min(height as f64 / crop.height as f64);
                let fitted =
                    |n: usize, most: usize| ((n as f64 * scale).round() as usize).clamp(1, most);
                (fitted(crop.width, width), fitted(crop.height, height))
            }
        };
        let shown_at = match (chest_wall, orientation) {
            (Some(Side::Left), Orientation::Mirrored) => Some(Side::Right),
            (Some(Side::Right), Orientation::Mirrored) => Some(Side::Left),
            (side, _) => side,
        };
        let spare = width - inner_width;
        let left = match shown_at {
            Some(Side::Left) => 0,
            Some(Side::Right) => spare,
            None => spare / 2,
        };
        let top = (height - inner_height) / 2;
        let content = Rect { left, top, width: inner_width, height: inner_height };
        Self { crop, content, width, height, orientation }
    }

    /// Output pixels per source pixel, horizontal and vertical.
    pub fn scale(&self) -> (f64, f64) {
        (
            self.content.width as f64 / self.crop.width as f64,
            self.content.height as f64 / self.crop.height as f64,
        )
    }

    /// The source position of an output position. For a position in the padding it lies outside the
    /// crop.
    pub fn to_source(&self, x: f64, y: f64) -> (f64, f64) {
        let (across, down) = self.scale();
        let inside = x - self.content.left as f64;
        let inside = match self.orientation {
            Orientation::Kept => inside,
            Orientation::Mirrored => self.content.width as f64 - inside,
        };
        (
            self.crop.left as f64 + inside / across,
            self.crop.top as f64 + (y - self.content.top as f64) / down,
        )
    }

    /// The output position of a source position.
    pub fn to_output(&self, x: f64, y: f64) -> (f64, f64) {
        let (across, down) = self.scale();
        let inside = (x - self.crop.left as f64) * across;
        let inside = match self.orientation {
            Orientation::Kept => inside,
            Orientation::Mirrored => self.content.width as f64 - inside,
        };
        (
            self.content.left as f64 + inside,
            self.content.top as f64 + (y - self.crop.top as f64) * down,
        )
    }

    /// Position in millimetres at the breast, from the top left corner of the source frame.
    pub fn to_millimetres(&self, x: f64, y: f64, s: &PixelSpacing) -> (Millimetres, Millimetres) {
        let (x, y) = self.to_source(x, y);
        (Millimetres(x * s.column.0), Millimetres(y * s.row.0))
    }

    /// The distance between the centres of neighbouring output pixels.
    pub fn spacing(&self, source: &PixelSpacing) -> PixelSpacing {
        let (across, down) = self.scale();
        PixelSpacing {
            row: Millimetres(source.row.0 / down),
            column: Millimetres(source.column.0 / across),
        }
    }

    /// The position of the crop in a decoded image that is reduced, and of which only the part from
    /// sample `origin` (column, row) on is in memory.
    pub fn region(&self, reduction: Reduction, origin: (usize, usize)) -> Region {
        let at = |source: usize, origin: usize| reduction.to_reduced(source as f64) - origin as f64;
        Region {
            left: at(self.crop.left, origin.0),
            top: at(self.crop.top, origin.1),
            right: at(self.crop.right(), origin.0),
            bottom: at(self.crop.bottom(), origin.1),
        }
    }
}

/// A rectangle with continuous coordinates, so that its edges may lie inside pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)]
pub struct Region {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl From<Rect> for Region {
    fn from(r: Rect) -> Self {
        Self {
            left: r.left as f64,
            top: r.top as f64,
            right: r.right() as f64,
            bottom: r.bottom() as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::sampling::Sampling;
    use proptest::prelude::*;

    fn geometries() -> impl Strategy<Value = Geometry> {
        let crop = (0usize..5000, 0usize..5000, 1usize..5000, 1usize..6000)
            .prop_map(|(left, top, width, height)| Rect { left, top, width, height });
        let side = prop_oneof![Just(None), Just(Some(Side::Left)), Just(Some(Side::Right))];
        (crop, 16usize..1500, 16usize..1500, any::<bool>(), side, any::<bool>()).prop_map(
            |(crop, width, height, pad, side, mirrored)| {
                let fit = if pad { Fit::Pad } else { Fit::Stretch };
                let turned = if mirrored { Orientation::Mirrored } else { Orientation::Kept };
                Geometry::new(crop, (width, height), fit, side, turned)
            },
        )
    }

    proptest! {
        #[test]
        fn every_output_position_maps_there_and_back(
            g in geometries(), x in 0.0..1.0f64, y in 0.0..1.0f64,
        ) {
            let (x, y) = (x * g.width as f64, y * g.height as f64);
            let (sx, sy) = g.to_source(x, y);
            let (bx, by) = g.to_output(sx, sy);
            prop_assert!((bx - x).abs() < 1e-6 && (by - y).abs() < 1e-6, "{bx} {by} {x} {y}");
        }

        #[test]
        fn the_content_s_corners_are_the_crop_s_corners(g in geometries()) {
            let (c, r) = (g.content, g.crop);
            let (x, y) = g.to_source(c.left as f64, c.top as f64);
            let (x2, y2) = g.to_source(c.right() as f64, c.bottom() as f64);
            let (first, last) = match g.orientation {
                Orientation::Kept => (r.left, r.right()),
                Orientation::Mirrored => (r.right(), r.left),
            };
            prop_assert!((x - first as f64).abs() < 1e-6 && (x2 - last as f64).abs() < 1e-6);
            prop_assert!((y - r.top as f64).abs() < 1e-6 && (y2 - r.bottom() as f64).abs() < 1e-6);
        }

        #[test]
        fn the_content_lies_in_the_output_and_keeps_its_aspect(g in geometries()) {
            prop_assert!(g.content.right() <= g.width && g.content.bottom() <= g.height);
            prop_assert!(g.content.width == g.width || g.content.height == g.height);
        }

        #[test]
        fn a_region_of_a_reduced_image_covers_the_crop(
            g in geometries(), reduce in 0u8..5, wavelet: bool, ox in 0usize..50, oy in 0usize..50,
        ) {
            let sampling = if wavelet { Sampling::Wavelet } else { Sampling::BoxMean };
            let reduction = Reduction { reduce, sampling };
            let region = g.region(reduction, (ox, oy));
            let left = reduction.to_source(region.left + ox as f64);
            let bottom = reduction.to_source(region.bottom + oy as f64);
            prop_assert!((left - g.crop.left as f64).abs() < 1e-6);
            prop_assert!((bottom - g.crop.bottom() as f64).abs() < 1e-6);
        }
    }

    #[test]
    fn the_chest_wall_stays_at_its_edge_and_the_padding_goes_to_the_other() {
        let crop = Rect { left: 700, top: 0, width: 300, height: 2000 };
        let place = |side, turned| Geometry::new(crop, (512, 1024), Fit::Pad, side, turned).content;
        let (width, height) = (154, 1024);
        let at = |left| Rect { left, top: 0, width, height };
        assert_eq!(place(Some(Side::Right), Orientation::Kept), at(512 - 154));
        assert_eq!(place(Some(Side::Right), Orientation::Mirrored), at(0));
        assert_eq!(place(Some(Side::Left), Orientation::Kept), at(0));
        assert_eq!(place(None, Orientation::Kept), at(179));
    }

    #[test]
    fn a_wide_crop_is_centred_vertically() {
        let crop = Rect { left: 0, top: 40, width: 1000, height: 500 };
        let g = Geometry::new(crop, (512, 1024), Fit::Pad, None, Orientation::Kept);
        assert_eq!(g.content, Rect { left: 0, top: 384, width: 512, height: 256 });
    }

    #[test]
    fn the_pixels_tell_the_side_before_the_table_does() {
        use Laterality::{Left, Right};
        let towards = Orientation::towards;
        assert_eq!(towards(Some(Left), Some(Side::Right), Some(Left)), Orientation::Mirrored);
        assert_eq!(towards(Some(Left), None, Some(Right)), Orientation::Mirrored);
        assert_eq!(towards(Some(Right), Some(Side::Right), None), Orientation::Kept);
        assert_eq!(towards(None, Some(Side::Right), Some(Right)), Orientation::Kept);
        assert_eq!(towards(Some(Right), None, None), Orientation::Kept);
    }

    #[test]
    fn a_step_of_one_output_pixel_is_the_output_s_spacing() {
        let spacing = PixelSpacing { row: Millimetres(0.07), column: Millimetres(0.05) };
        let crop = Rect { left: 100, top: 200, width: 1000, height: 3000 };
        let g = Geometry::new(crop, (500, 1000), Fit::Stretch, None, Orientation::Kept);
        let out = g.spacing(&spacing);
        assert!((out.column.0 - 0.1).abs() < 1e-12 && (out.row.0 - 0.21).abs() < 1e-12);
        let (x, y) = g.to_millimetres(1.0, 1.0, &spacing);
        assert!((x.0 - 5.1).abs() < 1e-9 && (y.0 - 14.21).abs() < 1e-9);
    }
}
