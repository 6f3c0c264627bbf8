//! The image, its tiles and its components as SIZ declares them (ISO/IEC 15444-1, A.5.1 and B.2
//! to B.3).
//!
//! In: the marker segment. Out: [`Size`], checked, and [`Area`], the type of all rectangles.

use super::error::Error;
use super::reader::Reader;

/// Images with more components are left to another decoder; pixels have one, three or four.
pub const MAX_COMPONENTS: usize = 4;

/// Half-open rectangle on the reference grid or one derived from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Area {
    pub x0: u32,
    pub y0: u32,
    pub x1: u32,
    pub y1: u32,
}

impl Area {
    pub fn width(&self) -> usize {
        self.x1.saturating_sub(self.x0) as usize
    }

    pub fn height(&self) -> usize {
        self.y1.saturating_sub(self.y0) as usize
    }

    pub fn is_empty(&self) -> bool {
        self.x1 <= self.x0 || self.y1 <= self.y0
    }

    /// The intersection; empty (perhaps with `x1 < x0`) if there is none.
    pub fn intersect(&self, other: &Self) -> Self {
        Self {
            x0: self.x0.max(other.x0),
            y0: self.y0.max(other.y0),
            x1: self.x1.min(other.x1),
            y1: self.y1.min(other.y1),
        }
    }

    /// The samples that remain when `levels` wavelet levels are left out.
    pub fn reduced(&self, levels: u8) -> Self {
        let f = |v: u32| ceil_shift(v, levels);
        Self { x0: f(self.x0), y0: f(self.y0), x1: f(self.x1), y1: f(self.y1) }
    }
}

/// `ceil(value / 2^shift)`.
pub fn ceil_shift(value: u32, shift: u8) -> u32 {
    match shift {
        0..=31 => ((u64::from(value) + (1 << shift) - 1) >> shift) as u32,
        _ => u32::from(value > 0),
    }
}

/// One component as SIZ declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    pub precision: u8,
    pub signed: bool,
}

/// The SIZ marker segment, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    pub image: Area,
    tile_x0: u32,
    tile_y0: u32,
    tile_width: u32,
    tile_height: u32,
    tiles_across: u32,
    tiles_down: u32,
    pub components: Vec<Component>,
}

impl Size {
    /// Reads and checks the segment.
    pub fn read(mut r: Reader<'_>) -> Result<Self, Error> {
        let capabilities = r.u16()?;
        if capabilities & 0x8000 != 0 {
            return Err(Error::Unsupported("extensions of Part 2"));
        }
        let [x1, y1, x0, y0] = [r.u32()?, r.u32()?, r.u32()?, r.u32()?];
        let [tile_width, tile_height, tile_x0, tile_y0] = [r.u32()?, r.u32()?, r.u32()?, r.u32()?];
        let count = r.u16()?;
        let image = Area { x0, y0, x1, y1 };
        if image.is_empty() || x1.max(y1) > i32::MAX as u32 {
            return Err(Error::Malformed("the image area is empty or beyond 2^31"));
        }
        let beyond = |start: u32, size: u32, first: u32| {
            u64::from(start) + u64::from(size) <= u64::from(first)
        };
        if tile_width == 0
            || tile_height == 0
            || tile_x0 > x0
            || tile_y0 > y0
            || beyond(tile_x0, tile_width, x0)
            || beyond(tile_y0, tile_height, y0)
        {
            return Err(Error::Malformed("the first tile does not meet the image"));
        }
        let tiles_across = (x1 - tile_x0).div_ceil(tile_width);
        let tiles_down = (y1 - tile_y0).div_ceil(tile_height);
        if u64::from(tiles_across) * u64::from(tiles_down) > 65_535 {
            return Err(Error::Malformed("more than 65535 tiles"));
        }
        if count == 0 {
            return Err(Error::Malformed("no component"));
        }
        if usize::from(count) > MAX_COMPONENTS {
            return Err(Error::Unsupported("more than four components"));
        }
        let mut components = Vec::with_capacity(MAX_COMPONENTS);
        for _ in 0..count {
            let [depth, dx, dy] = [r.u8()?, r.u8()?, r.u8()?];
            let component = Component { precision: (depth & 0x7F) + 1, signed: depth & 0x80 != 0 };
            if component.precision > 16 {
                return Err(Error::Unsupported("more than 16 bits a sample"));
            }
            if (dx, dy) != (1, 1) {
                return Err(Error::Unsupported("subsampled components"));
            }
            if components.first().is_some_and(|first| *first != component) {
                return Err(Error::Unsupported("components of different precision"));
            }
            components.push(component);
        }
        Ok(Self {
            image,
            tile_x0,
            tile_y0,
            tile_width,
            tile_height,
            tiles_across,
            tiles_down,
            components,
        })
    }

    /// How many tiles there are.
    pub fn tiles(&self) -> u32 {
        self.tiles_across * self.tiles_down
    }

    /// Width and height that no tile exceeds.
    pub fn largest_tile(&self) -> (u32, u32) {
        let (width, height) = (self.image.width() as u32, self.image.height() as u32);
        (self.tile_width.min(width), self.tile_height.min(height))
    }

    /// The samples of tile `index`.
    pub fn tile(&self, index: u32) -> Area {
        let edge = |start: u32, size: u32, n: u32| {
            (u64::from(start) + u64::from(size) * u64::from(n)).min(u64::from(u32::MAX)) as u32
        };
        let (column, row) = (index % self.tiles_across, index / self.tiles_across);
        let whole = Area {
            x0: edge(self.tile_x0, self.tile_width, column),
            y0: edge(self.tile_y0, self.tile_height, row),
            x1: edge(self.tile_x0, self.tile_width, column + 1),
            y1: edge(self.tile_y0, self.tile_height, row + 1),
        };
        whole.intersect(&self.image)
    }
}
