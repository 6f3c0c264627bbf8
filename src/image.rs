//! Grey images in memory: planes and boxes, the mapping between pixels of two images, PNG files.

pub mod geometry;
mod pixels;
pub mod picture;
mod plane;
pub mod sampling;

pub use geometry::{Geometry, Orientation, Region, Side};
pub use pixels::Pixels;
pub use plane::{Plane, Rect};
