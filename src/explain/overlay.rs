//! Draws a map over the grey image that it explains.
//!
//! In: grey levels and a [`Heat`]. Out: a colour image of the crop, or of the whole source. The
//! opacity of the colour grows with the value of the map, so that places with value 0 keep their
//! grey.

use super::colour::inferno;
use super::place::Heat;
use crate::image::Pixels;
use crate::image::picture::{Rgb, outline};
use crate::image::{Plane, Rect};

/// Opacity at value 1: tissue stays visible everywhere.
const OPACITY: f32 = 0.65;

/// Colour of the breast's box: light blue, which neither grey levels nor the map's colours have.
const BOX: Rgb = [90, 200, 250];

/// The network's input under its map.
///
/// # Panics
/// If the two differ in size.
pub fn on_crop(pixels: &Pixels, heat: &Heat) -> Plane<Rgb> {
    let size = (pixels.width(), pixels.height());
    assert_eq!(size, (heat.map.width(), heat.map.height()), "the map has the size of the input");
    let grey = eight_bits(pixels);
    let blended = grey.pixels().iter().zip(heat.map.pixels()).map(|(&g, &heat)| blend(g, heat));
    Plane::new(size.0, size.1, blended.collect())
}

/// The input, and next to it the input under its map; the breast's box (in source pixels) is drawn
/// on both.
pub fn side_by_side(pixels: &Pixels, heat: &Heat, breast: Rect) -> Plane<Rgb> {
    let mut panels = [eight_bits(pixels).map(|&g| [g; 3]), on_crop(pixels, heat)];
    let (width, height) = (pixels.width(), pixels.height());
    let dash = (height / 48).max(4);
    for panel in &mut panels {
        outline(panel, in_output(breast, heat), 1, dash, BOX);
    }
    let mut page = Plane::new(2 * width, height, vec![[0; 3]; 2 * width * height]);
    for y in 0..height {
        let row = page.row_mut(y);
        row[..width].copy_from_slice(panels[0].row(y));
        row[width..].copy_from_slice(panels[1].row(y));
    }
    page
}

/// The whole source (grey levels over the full range) under the map, mapped back to the source.
pub fn on_source(grey: &Plane<u16>, heat: &Heat) -> Plane<Rgb> {
    let mut page = grey.map(|&level| [(level >> 8) as u8; 3]);
    let crop = heat.geometry.crop;
    for y in crop.top..crop.bottom().min(page.height()) {
        let row = page.row_mut(y);
        let columns = crop.left..crop.right().min(row.len());
        for (x, pixel) in columns.clone().zip(&mut row[columns]) {
            if let Some(heat) = heat.at_source(x as f64 + 0.5, y as f64 + 0.5) {
                *pixel = blend(pixel[0], heat);
            }
        }
    }
    page
}

/// The pixels of the output that a rectangle of the source touches.
fn in_output(rect: Rect, heat: &Heat) -> Rect {
    let g = &heat.geometry;
    let (x0, y0) = g.to_output(rect.left as f64, rect.top as f64);
    let (x1, y1) = g.to_output(rect.right() as f64, rect.bottom() as f64);
    let pixel = |at: f64, most: usize| (at.max(0.0) as usize).min(most);
    let (left, right) = (pixel(x0.min(x1).floor(), g.width), pixel(x0.max(x1).ceil(), g.width));
    let (top, bottom) = (pixel(y0.floor(), g.height), pixel(y1.ceil(), g.height));
    Rect { left, top, width: right - left, height: bottom - top }
}

fn eight_bits(pixels: &Pixels) -> Plane<u8> {
    match pixels {
        Pixels::U8(plane) => plane.clone(),
        Pixels::U16(plane) => plane.map(|&level| (level >> 8) as u8),
    }
}

fn blend(grey: u8, heat: f32) -> Rgb {
    let opacity = OPACITY * heat.clamp(0.0, 1.0);
    inferno(heat).map(|colour| {
        let grey = f32::from(grey);
        (grey + opacity * (f32::from(colour) - grey) + 0.5) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Fit;
    use crate::image::{Geometry, Orientation};

    fn heat(hot: (usize, usize)) -> Heat {
        let crop = Rect { left: 10, top: 20, width: 60, height: 40 };
        let turned = Orientation::Mirrored;
        let geometry = Geometry::new(crop, (30, 20), Fit::Stretch, None, turned);
        let mut map = Plane::new(30, 20, vec![0.0; 600]);
        map.row_mut(hot.1)[hot.0] = 1.0;
        Heat::new(map, geometry)
    }

    fn coloured(page: &Plane<Rgb>) -> Vec<(usize, usize)> {
        let of_row = |(y, row): (usize, &[Rgb])| {
            let hot = row.iter().enumerate().filter(|(_, p)| p[0] != p[1] || p[1] != p[2]);
            hot.map(|(x, _)| (x, y)).collect::<Vec<_>>()
        };
        page.rows().enumerate().flat_map(of_row).collect()
    }

    #[test]
    fn only_what_is_hot_is_coloured_on_the_crop() {
        let pixels = Pixels::U8(Plane::new(30, 20, vec![120; 600]));
        assert_eq!(coloured(&on_crop(&pixels, &heat((3, 7)))), [(3, 7)]);
    }

    #[test]
    fn a_hot_pixel_is_coloured_where_the_mirrored_crop_has_it_in_the_source() {
        let grey = Plane::new(100, 80, vec![30_000; 8000]);
        let page = on_source(&grey, &heat((3, 7)));
        // Columns 6 and 7 from the crop's right edge, rows 14 and 15 from its top; a pixel of
        // the map fades over its neighbours' centres.
        let found = coloured(&page);
        let (columns, rows): (Vec<_>, Vec<_>) = found.iter().copied().unzip();
        let range = |v: &[usize]| (*v.iter().min().unwrap(), *v.iter().max().unwrap());
        assert_eq!((range(&columns), range(&rows)), ((61, 64), (33, 36)));
        let hottest = found.iter().max_by_key(|(x, y)| page.row(*y)[*x][0]).unwrap();
        assert!((62..=63).contains(&hottest.0) && (34..=35).contains(&hottest.1), "{hottest:?}");
    }

    #[test]
    fn the_breast_s_box_is_drawn_on_both_panels() {
        let pixels = Pixels::U8(Plane::new(30, 20, vec![120; 600]));
        let breast = Rect { left: 30, top: 24, width: 40, height: 20 };
        let page = side_by_side(&pixels, &heat((3, 7)), breast);
        assert_eq!((page.width(), page.height()), (60, 20));
        // Mirrored: the source's columns 30 to 70 are the map's 0 to 20.
        assert_eq!(page.row(2)[0], BOX);
        assert_eq!(page.row(2)[30], BOX);
        assert_ne!(page.row(2)[20], BOX);
    }
}
