//! The position of a map: on the crop, in the source, inside the breast.
//!
//! In: a map of the network's input, and the row's [`Geometry`]. Positions are continuous: the
//! centre of pixel `i` is at `i + 0.5`. Source pixels outside the crop have no value. Energy in the
//! padding next to the content has no position in the source and counts as outside the breast.

use crate::image::Geometry;
use crate::image::{Plane, Rect};

/// A map with its geometry.
#[derive(Debug, Clone, PartialEq)]
pub struct Heat {
    /// 0 to 1, of the size of the geometry's output.
    pub map: Plane<f32>,
    /// The transform from the source to the map.
    pub geometry: Geometry,
}

impl Heat {
    /// # Panics
    /// Unless the map has the size of the geometry's output.
    pub fn new(map: Plane<f32>, geometry: Geometry) -> Self {
        let size = (map.width(), map.height());
        assert_eq!(size, (geometry.width, geometry.height), "a map of the network's input");
        Self { map, geometry }
    }

    /// The value of the map at a position of the source, by bilinear interpolation; `None` outside
    /// the crop.
    pub fn at_source(&self, x: f64, y: f64) -> Option<f32> {
        let crop = &self.geometry.crop;
        let inside = |at: f64, low: usize, high: usize| at >= low as f64 && at < high as f64;
        if !inside(x, crop.left, crop.right()) || !inside(y, crop.top, crop.bottom()) {
            return None;
        }
        let (x, y) = self.geometry.to_output(x, y);
        let (column, across) = split(x, self.map.width());
        let (row, down) = split(y, self.map.height());
        let mix = |row: &[f32]| {
            let next = row[(column + 1).min(row.len() - 1)];
            row[column] + across * (next - row[column])
        };
        let above = mix(self.map.row(row));
        let below = mix(self.map.row((row + 1).min(self.map.height() - 1)));
        Some(above + down * (below - above))
    }

    /// The position of the map's maximum in source pixels: the centre of the highest pixel inside
    /// the content. `None` if the map is empty.
    pub fn peak(&self) -> Option<(f64, f64)> {
        let content = self.geometry.content;
        let places = (content.top..content.bottom())
            .flat_map(|y| (content.left..content.right()).map(move |x| (x, y)));
        let heat = |(x, y): (usize, usize)| self.map.row(y)[x];
        let hottest = places.max_by(|&a, &b| heat(a).total_cmp(&heat(b)))?;
        let (x, y) = hottest;
        (heat(hottest) > 0.0).then(|| self.geometry.to_source(x as f64 + 0.5, y as f64 + 0.5))
    }

    /// Share of the map's energy inside `rect`, in source pixels; `None` if the map is empty.
    pub fn share_inside(&self, rect: Rect) -> Option<f64> {
        let (x0, y0) = self.geometry.to_output(rect.left as f64, rect.top as f64);
        let (x1, y1) = self.geometry.to_output(rect.right() as f64, rect.bottom() as f64);
        let content = self.geometry.content;
        let columns =
            covered(self.map.width(), x0.min(x1), x0.max(x1), content.left, content.right());
        let rows = covered(self.map.height(), y0, y1, content.top, content.bottom());
        let (mut inside, mut all) = (0.0_f64, 0.0_f64);
        for (row, &of_row) in self.map.rows().zip(&rows) {
            for (&heat, &of_column) in row.iter().zip(&columns) {
                inside += f64::from(heat) * of_row * of_column;
                all += f64::from(heat);
            }
        }
        (all > 0.0).then(|| inside / all)
    }
}

/// The pixel whose centre is at or before `at`, and the fraction of the distance to the next.
fn split(at: f64, length: usize) -> (usize, f32) {
    let at = (at - 0.5).clamp(0.0, (length - 1) as f64);
    (at as usize, at.fract() as f32)
}

/// The share of every pixel that `low` to `high` covers, within `first` to `end`.
fn covered(length: usize, low: f64, high: f64, first: usize, end: usize) -> Vec<f64> {
    let (low, high) = (low.max(first as f64), high.min(end as f64));
    let share = |i: usize| (high.min((i + 1) as f64) - low.max(i as f64)).max(0.0);
    (0..length).map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Fit;
    use crate::image::{Orientation, Side};
    use proptest::prelude::*;

    fn geometries() -> impl Strategy<Value = Geometry> {
        let crop = (0usize..3000, 0usize..3000, 30usize..3000, 30usize..3000)
            .prop_map(|(left, top, width, height)| Rect { left, top, width, height });
        let side = prop_oneof![Just(None), Just(Some(Side::Left)), Just(Some(Side::Right))];
        (crop, 16usize..80, 16usize..80, any::<bool>(), side, any::<bool>()).prop_map(
            |(crop, width, height, pad, side, mirrored)| {
                let fit = if pad { Fit::Pad } else { Fit::Stretch };
                let turned = if mirrored { Orientation::Mirrored } else { Orientation::Kept };
                Geometry::new(crop, (width, height), fit, side, turned)
            },
        )
    }

    fn map(geometry: &Geometry) -> Plane<f32> {
        Plane::new(geometry.width, geometry.height, vec![0.0; geometry.width * geometry.height])
    }

    proptest! {
        #[test]
        fn a_hot_pixel_is_found_in_the_source_and_from_there_again_in_the_map(
            g in geometries(), across in 0.0..1.0f64, down in 0.0..1.0f64,
        ) {
            let within = |first: usize, length: usize, share: f64| {
                first + ((length as f64 * share) as usize).min(length - 1)
            };
            let x = within(g.content.left, g.content.width, across);
            let y = within(g.content.top, g.content.height, down);
            let mut map = map(&g);
            map.row_mut(y)[x] = 1.0;
            let heat = Heat::new(map, g);
            let (sx, sy) = heat.peak().unwrap();
            let (bx, by) = g.to_output(sx, sy);
            prop_assert!((bx - x as f64 - 0.5).abs() < 1e-6 && (by - y as f64 - 0.5).abs() < 1e-6);
            prop_assert!((heat.at_source(sx, sy).unwrap() - 1.0).abs() < 1e-4);
            // A whole pixel of the map away it is cold.
            let (wide, high) = (1.0 / g.scale().0, 1.0 / g.scale().1);
            for (x, y) in [(sx - wide, sy), (sx + wide, sy), (sx, sy - high), (sx, sy + high)] {
                prop_assert!(heat.at_source(x, y).is_none_or(|heat| heat < 1e-4));
            }
        }

        #[test]
        fn heat_inside_and_outside_add_up_to_all_of_it(
            g in geometries(), cut in 0.05..0.95f64, seed in 0u32..1000,
        ) {
            let mut map = map(&g);
            for (i, heat) in map.pixels_mut().iter_mut().enumerate() {
                *heat = ((i as u32 * 7919 + seed * 104_729) % 1009) as f32;
            }
            let heat = Heat::new(map, g);
            let left = Rect { width: (g.crop.width as f64 * cut).ceil() as usize, ..g.crop };
            let right = Rect {
                left: left.right(), width: g.crop.width - left.width, ..g.crop
            };
            let share = |rect| heat.share_inside(rect).unwrap();
            prop_assert!((share(left) + share(right) - share(g.crop)).abs() < 1e-9);
            let padded = g.content.area() < g.width * g.height;
            let all = (share(g.crop) - 1.0).abs() < 1e-9;
            prop_assert_eq!(all, !padded);
        }
    }

    #[test]
    fn a_mirrored_breast_s_heat_is_looked_for_on_the_mirrored_side() {
        let crop = Rect { left: 100, top: 0, width: 40, height: 40 };
        let turned = Orientation::Mirrored;
        let g = Geometry::new(crop, (20, 20), Fit::Stretch, None, turned);
        let mut map = map(&g);
        // The left edge of the map is the right edge of the crop.
        (0..20).for_each(|y| map.row_mut(y)[..5].fill(1.0));
        let heat = Heat::new(map, g);
        let right = Rect { left: 130, width: 10, ..crop };
        assert_eq!(heat.share_inside(right), Some(1.0));
        assert_eq!(heat.share_inside(Rect { left: 100, ..right }), Some(0.0));
        assert_eq!(heat.share_inside(Rect { left: 135, ..right }), Some(0.5));
        assert!(heat.peak().unwrap().0 > 130.0);
    }

    #[test]
    fn without_heat_there_is_no_share_and_no_peak() {
        let crop = Rect { left: 0, top: 0, width: 40, height: 40 };
        let g = Geometry::new(crop, (20, 20), Fit::Stretch, None, Orientation::Kept);
        let heat = Heat::new(map(&g), g);
        assert_eq!((heat.share_inside(crop), heat.peak()), (None, None));
    }
}
