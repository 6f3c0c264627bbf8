//! Draws bright objects over an image, with coordinates in millimetres.

use crate::image::Plane;

/// Brightness to add to each pixel. Overlapping objects do not add up: the brighter one stays.
pub(super) struct Canvas {
    pub plane: Plane<f32>,
    /// Millimetres between pixels.
    pub pitch: f32,
}

impl Canvas {
    /// An empty canvas.
    pub fn new(width: usize, height: usize, pitch: f32) -> Self {
        Self { plane: Plane::new(width, height, vec![0.0; width * height]), pitch }
    }

    /// Sets every pixel within `reach` of the box from `low` to `high` to the larger of its value
    /// and `f(x, y)`.
    pub fn brighten(
        &mut self,
        low: [f32; 2],
        high: [f32; 2],
        reach: f32,
        f: impl Fn(f32, f32) -> f32,
    ) {
        let pixel = |mm: f32, limit: usize| ((mm / self.pitch).max(0.0) as usize).min(limit);
        let (width, height) = (self.plane.width(), self.plane.height());
        let columns = pixel(low[0] - reach, width)..pixel(high[0] + reach + self.pitch, width);
        for row in pixel(low[1] - reach, height)..pixel(high[1] + reach + self.pitch, height) {
            let y = (row as f32 + 0.5) * self.pitch;
            let pixels = &mut self.plane.row_mut(row)[columns.clone()];
            for (column, pixel) in columns.clone().zip(pixels) {
                *pixel = pixel.max(f((column as f32 + 0.5) * self.pitch, y));
            }
        }
    }

    /// A round object whose brightness is its thickness along the ray.
    pub fn ball(&mut self, [cx, cy]: [f32; 2], radius: f32, strength: f32) {
        let (radius, strength) = self.seen(radius, strength, 2);
        self.brighten([cx, cy], [cx, cy], radius, |x, y| {
            let (dx, dy) = (x - cx, y - cy);
            strength * (1.0 - (dx * dx + dy * dy) / (radius * radius)).max(0.0).sqrt()
        });
    }

    /// A thread through the points. In each pair of parameters, radius and strength change from the
    /// first value to the second.
    pub fn thread(&mut self, points: &[[f32; 2]], radius: [f32; 2], strength: [f32; 2]) {
        let last = points.len().saturating_sub(1).max(1) as f32;
        for (i, pair) in points.windows(2).enumerate() {
            let at = |of: [f32; 2], t: f32| of[0] + (of[1] - of[0]) * (i as f32 + t) / last;
            let ([ax, ay], [bx, by]) = (pair[0], pair[1]);
            let (ux, uy) = (bx - ax, by - ay);
            let length = (ux * ux + uy * uy).max(1e-9);
            let (radius, strength) = self.seen(at(radius, 0.5), at(strength, 0.5), 1);
            let inverse = 1.0 / (radius * radius);
            self.brighten([ax.min(bx), ay.min(by)], [ax.max(bx), ay.max(by)], radius, |x, y| {
                let (vx, vy) = (x - ax, y - ay);
                let t = ((ux * vx + uy * vy) / length).clamp(0.0, 1.0);
                let (dx, dy) = (vx - t * ux, vy - t * uy);
                let inside = (1.0 - (dx * dx + dy * dy) * inverse).max(0.0);
                strength * inside * inside
            });
        }
    }

    /// An object thinner than a pixel appears as wide as a pixel, and fainter.
    fn seen(&self, radius: f32, strength: f32, dimensions: i32) -> (f32, f32) {
        let least = 0.75 * self.pitch;
        if radius >= least {
            (radius, strength)
        } else {
            (least, strength * (radius / least).powi(dimensions))
        }
    }
}
