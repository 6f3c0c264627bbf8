//! A grey image in memory.

/// A rectangle of pixels, row-major without gaps: pixel `(x, y)` is at `y * width + x`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plane<T> {
    width: usize,
    height: usize,
    pixels: Vec<T>,
}

impl<T> Plane<T> {
    /// A plane of `pixels` with rows of `width`.
    ///
    /// # Panics
    /// If there are not exactly `width * height` pixels. A caller that got the size from a file has
    /// checked it and rejected the file before.
    pub fn new(width: usize, height: usize, pixels: Vec<T>) -> Self {
        assert_eq!(pixels.len(), width * height, "{width} x {height} pixels");
        Self { width, height, pixels }
    }

    /// The width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// All pixels, row by row.
    pub fn pixels(&self) -> &[T] {
        &self.pixels
    }

    /// All pixels, row by row, for changing them in place.
    pub fn pixels_mut(&mut self) -> &mut [T] {
        &mut self.pixels
    }

    /// Returns the pixels, so that a worker can reuse the memory for its next image.
    pub fn into_pixels(self) -> Vec<T> {
        self.pixels
    }

    /// The pixels of row `y`, counted from the top.
    pub fn row(&self, y: usize) -> &[T] {
        &self.pixels[y * self.width..][..self.width]
    }

    /// The pixels of row `y`, for changing them in place.
    pub fn row_mut(&mut self, y: usize) -> &mut [T] {
        &mut self.pixels[y * self.width..][..self.width]
    }

    /// The rows from top to bottom.
    pub fn rows(&self) -> impl Iterator<Item = &[T]> {
        (0..self.height).map(|y| self.row(y))
    }

    /// A copy of the pixels in `part`, which lies inside the plane.
    pub fn part(&self, part: Rect) -> Self
    where
        T: Copy,
    {
        let mut pixels = Vec::with_capacity(part.area());
        for y in part.top..part.bottom() {
            pixels.extend_from_slice(&self.row(y)[part.left..part.right()]);
        }
        Self { width: part.width, height: part.height, pixels }
    }

    /// The same plane with every pixel mapped.
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> Plane<U> {
        Plane {
            width: self.width,
            height: self.height,
            pixels: self.pixels.iter().map(f).collect(),
        }
    }
}

/// A rectangle in pixels of a named image, with the origin at the top left.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Rect {
    /// First column.
    pub left: usize,
    /// First row.
    pub top: usize,
    /// The width in pixels.
    pub width: usize,
    /// The height in pixels.
    pub height: usize,
}

impl Rect {
    /// The whole of a `width` x `height` image.
    pub fn whole(width: usize, height: usize) -> Self {
        Self { left: 0, top: 0, width, height }
    }

    /// The column after the last.
    pub fn right(&self) -> usize {
        self.left + self.width
    }

    /// The row after the last.
    pub fn bottom(&self) -> usize {
        self.top + self.height
    }

    /// The rectangle grown by `border` on every side, limited by a `width` x `height` image.
    pub fn grown(&self, border: usize, width: usize, height: usize) -> Self {
        let (left, top) = (self.left.saturating_sub(border), self.top.saturating_sub(border));
        let (right, bottom) =
            ((self.right() + border).min(width), (self.bottom() + border).min(height));
        Self { left, top, width: right - left, height: bottom - top }
    }

    /// The area in pixels.
    pub fn area(&self) -> usize {
        self.width * self.height
    }
}
