//! The filters of `resize.filter` other than the area mean, by `fast_image_resize`.
//!
//! Weights follow a curve over the distance from the output pixel's centre, stretched with the
//! step where an axis shrinks and one source pixel wide where it grows, each axis by itself. The
//! columns are done first and rounded to 16 bits, then the rows. Weights that would fall beside
//! the image are shared out among the others; what the crop leaves out counts as far as it is in
//! the image given, which a release's stages keep to two samples.
//!
//! Pixels go in and come out with 16 bits whatever the output has, for only that path is summed
//! in integers of 64 bits: every SIMD level gives the same bytes. For the same reason Lanczos'
//! curve is ours: the library's takes the sine of the C library, which is not the same everywhere.

use std::borrow::Cow;
use std::f64::consts::PI;
use std::iter::repeat_n;

use fast_image_resize::{Filter, FilterType, ResizeAlg, ResizeOptions, Resizer};

use crate::config::ResizeFilter;
use crate::image::picture::filtered;
use crate::image::{Plane, Region};

/// A filter that is no area mean.
#[derive(Debug, Clone)]
pub struct Kernel {
    filter: FilterType,
    pub(super) resizer: Resizer,
}

/// Bytes that it takes at most beside source and output, for a source and an output of
/// (columns, rows): the output's columns at the source's height, the content in 16 bits, and the
/// source once more, with its edges repeated, where a region reaches beyond it.
pub fn cost(source: (usize, usize), output: (usize, usize)) -> usize {
    let repeated = (source.0 + 4) * (source.1 + 4);
    2 * (output.0 * (source.1 + 4) + output.0 * output.1 + repeated)
}

impl Kernel {
    /// `None` for the area mean.
    pub fn of(filter: ResizeFilter) -> Option<Self> {
        let filter = match filter {
            ResizeFilter::Area => return None,
            ResizeFilter::Bilinear => FilterType::Bilinear,
            ResizeFilter::Lanczos3 => {
                let filter = Filter::new("lanczos3", lanczos3, 3.0);
                FilterType::Custom(filter.expect("a support of 3 is positive"))
            }
        };
        Some(Self { filter, resizer: Resizer::new() })
    }

    /// `region` of `from` in `size` (columns, rows).
    ///
    /// # Panics
    /// If `from`, `region` or the output is empty.
    pub fn resize(
        &mut self,
        from: &Plane<u16>,
        region: Region,
        size: (usize, usize),
    ) -> Plane<u16> {
        let (from, region) = reaching(from, region);
        let (across, down) = (region.right - region.left, region.bottom - region.top);
        assert!(across > 0.0 && down > 0.0, "nothing to resize: {region:?}");
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(self.filter)).crop(
            region.left,
            region.top,
            across,
            down,
        );
        let levels = filtered(&mut self.resizer, &from, &options, size);
        // `cost` counts its memory for the image at hand only.
        self.resizer.reset_internal_buffers();
        levels
    }
}

/// `from` with its edges repeated as far as `region` reaches beyond it, and the region in that.
fn reaching(from: &Plane<u16>, region: Region) -> (Cow<'_, Plane<u16>>, Region) {
    let beyond = |distance: f64| distance.max(0.0).ceil() as usize;
    let (width, height) = (from.width(), from.height());
    let (left, right) = (beyond(-region.left), beyond(region.right - width as f64));
    let (top, bottom) = (beyond(-region.top), beyond(region.bottom - height as f64));
    if (left, right, top, bottom) == (0, 0, 0, 0) || width * height == 0 {
        return (Cow::Borrowed(from), region);
    }
    let (wide, high) = (left + width + right, top + height + bottom);
    let mut pixels = Vec::with_capacity(wide * high);
    for y in 0..high {
        let row = from.row(y.saturating_sub(top).min(height - 1));
        pixels.extend(repeat_n(row[0], left));
        pixels.extend(row);
        pixels.extend(repeat_n(row[width - 1], right));
    }
    let (dx, dy) = (left as f64, top as f64);
    let region = Region {
        left: region.left + dx,
        top: region.top + dy,
        right: region.right + dx,
        bottom: region.bottom + dy,
    };
    (Cow::Owned(Plane::new(wide, high, pixels)), region)
}

fn lanczos3(x: f64) -> f64 {
    if x.abs() < 3.0 { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}

/// `sin(pi x) / (pi x)`, by nothing but arithmetic.
fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    // The sine of `angle`, a quarter turn at most, by its series: what is left out after the
    // 21st power is below 2e-18.
    let turns = x.round();
    let angle = PI * (x - turns);
    let series = (1..=10).rev().fold(1.0, |sum, k| {
        let divisor = f64::from(2 * k * (2 * k + 1));
        1.0 - angle * angle / divisor * sum
    });
    let sign = if turns % 2.0 == 0.0 { 1.0 } else { -1.0 };
    sign * angle * series / (PI * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sine_is_the_c_library_s_but_for_the_last_bits() {
        for i in -3000..=3000 {
            let x = f64::from(i) / 997.0;
            let expected = if i == 0 { 1.0 } else { (PI * x).sin() / (PI * x) };
            assert!((sinc(x) - expected).abs() < 1e-15, "{x}: {} {expected}", sinc(x));
        }
        assert_eq!((lanczos3(0.0), lanczos3(3.0), lanczos3(-3.0)), (1.0, 0.0, 0.0));
    }

    #[test]
    fn an_image_is_copied_only_where_the_region_reaches_beyond_it() {
        let from = Plane::new(3, 2, vec![1, 2, 3, 4, 5, 6]);
        let inside = Region { left: 0.5, top: 0.0, right: 3.0, bottom: 2.0 };
        assert!(matches!(reaching(&from, inside), (Cow::Borrowed(_), same) if same == inside));
        let beyond = Region { left: -0.5, top: 0.25, right: 4.25, bottom: 2.5 };
        let (grown, region) = reaching(&from, beyond);
        assert_eq!(grown.row(0), [1, 1, 2, 3, 3, 3]);
        assert_eq!((grown.row(1), grown.row(2)), (&[4, 4, 5, 6, 6, 6][..], grown.row(1)));
        assert_eq!(region, Region { left: 0.5, top: 0.25, right: 5.25, bottom: 2.5 });
    }
}
