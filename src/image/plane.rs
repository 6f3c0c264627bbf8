//! A grey image in memory.

/// A rectangle of pixels, row-major without gaps: pixel `(x, y)` is at `y * width + x`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plane<T> {
    width: usize,
    height: usize,
    pixels: Vec<T>,
}

impl<T> Plane<T> {
    /// Takes `pixels` as rows of `width`.
    ///
    /// # Panics
    /// Unless there are exactly `width * height` of them: a caller that got the count from a
    /// file has checked it and rejected the file before.
    pub fn new(width: usize, height: usize, pixels: Vec<T>) -> Self {
        assert_eq!(pixels.len(), width * height, "{width} x {height} pixels");
        Self { width, height, pixels }
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// All pixels, row by row.
    pub fn pixels(&self) -> &[T] {
        &self.pixels
    }

    /// All pixels, row by row, to be changed in place.
    pub fn pixels_mut(&mut self) -> &mut [T] {
        &mut self.pixels
    }

    /// Gives the pixels back, so that a worker can use the memory for its next image.
    pub fn into_pixels(self) -> Vec<T> {
        self.pixels
    }

    /// The pixels of row `y`, counted from the top.
    pub fn row(&self, y: usize) -> &[T] {
        &self.pixels[y * self.width..][..self.width]
    }

    /// The pixels of row `y`, to be changed in place.
    pub fn row_mut(&mut self, y: usize) -> &mut [T] {
        &mut self.pixels[y * self.width..][..self.width]
    }

    /// The rows from top to bottom.
    pub fn rows(&self) -> impl Iterator<Item = &[T]> {
        (0..self.height).map(|y| self.row(y))
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

/// A rectangle in pixels of the image it names, origin at the top left.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Rect {
    /// First column.
    pub left: usize,
    /// First row.
    pub top: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Rect {
    /// The whole of a `width` x `height` image.
    pub fn whole(width: usize, height: usize) -> Self {
        Self { left: 0, top: 0, width, height }
    }

    /// The column behind the last.
    pub fn right(&self) -> usize {
        self.left + self.width
    }

    /// The row behind the last.
    pub fn bottom(&self) -> usize {
        self.top + self.height
    }

    /// Grown by `border` on every side, as far as a `width` x `height` image goes.
    pub fn grown(&self, border: usize, width: usize, height: usize) -> Self {
        let (left, top) = (self.left.saturating_sub(border), self.top.saturating_sub(border));
        let (right, bottom) =
            ((self.right() + border).min(width), (self.bottom() + border).min(height));
        Self { left, top, width: right - left, height: bottom - top }
    }

    /// Pixels covered.
    pub fn area(&self) -> usize {
        self.width * self.height
    }
}
