//! Computes the crop from the breast's box: first the margin, then the aspect ratio, always within
//! the frame.

use crate::config::{Aspect, RoiConfig, RoiExtent};
use crate::image::Rect;
use crate::units::PixelSpacing;

/// Why this stage rejects a file.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum RoiError {
    /// The margin is in millimetres, and no spacing is known.
    #[error(
        "roi.margin_mm is {margin_mm} mm, but the file tells no spacing and \
         spacing.by_machine has none for its machine"
    )]
    NoSpacing {
        /// The configured margin in mm.
        margin_mm: f64,
    },
}

/// The crop in a frame of `frame` (columns, rows) with the breast in `breast`, for an output of
/// `output` (columns, rows).
///
/// # Errors
/// [`RoiError::NoSpacing`] if the margin is in millimetres and `spacing` is not known.
pub fn crop(
    breast: Rect,
    config: &RoiConfig,
    spacing: Option<&PixelSpacing>,
    frame: (usize, usize),
    output: (usize, usize),
) -> Result<Rect, RoiError> {
    let (across, down) = match (config.margin_mm, spacing) {
        (None, _) => {
            let margin = config.margin * frame.0 as f64;
            (margin, margin)
        }
        (Some(mm), Some(spacing)) => (mm / spacing.column.0, mm / spacing.row.0),
        (Some(margin_mm), None) => return Err(RoiError::NoSpacing { margin_mm }),
    };
    if config.extent == RoiExtent::Whole {
        return Ok(Rect::whole(frame.0, frame.1));
    }
    let (across, down) = (across.ceil() as usize, down.ceil() as usize);
    let (mut left, mut right) = widen(breast.left, breast.right(), across, frame.0);
    let (mut top, mut bottom) = widen(breast.top, breast.bottom(), down, frame.1);
    if config.aspect == Aspect::Output {
        let aspect = output.0 as f64 / output.1 as f64;
        let (width, height) = ((right - left) as f64, (bottom - top) as f64);
        if width < height * aspect {
            (left, right) = stretch(left, right, (height * aspect).round() as usize, frame.0);
        } else {
            (top, bottom) = stretch(top, bottom, (width / aspect).round() as usize, frame.1);
        }
    }
    Ok(Rect { left, top, width: right - left, height: bottom - top })
}

/// `margin` more at both ends, limited by the frame.
fn widen(low: usize, high: usize, margin: usize, frame: usize) -> (usize, usize) {
    (low.saturating_sub(margin), high.saturating_add(margin).min(frame))
}

/// Grows to `length` around the middle, shifted where the frame ends.
fn stretch(low: usize, high: usize, length: usize, frame: usize) -> (usize, usize) {
    let length = length.clamp(high - low, frame);
    let low = low.saturating_sub((length - (high - low)) / 2).min(frame - length);
    (low, low + length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::units::Millimetres;

    const BREAST: Rect = Rect { left: 1500, top: 400, width: 500, height: 1000 };
    const FRAME: (usize, usize) = (2000, 3000);

    fn config() -> RoiConfig {
        Config::default().roi
    }

    #[test]
    fn the_margin_is_a_share_of_the_frame_s_width_and_ends_at_the_frame() {
        let got = crop(BREAST, &config(), None, FRAME, (512, 1024));
        assert_eq!(got, Ok(Rect { left: 1480, top: 380, width: 520, height: 1040 }));
    }

    #[test]
    fn a_margin_in_millimetres_needs_a_spacing() {
        let config = RoiConfig { margin_mm: Some(7.0), ..config() };
        let refused = crop(BREAST, &config, None, FRAME, (512, 1024));
        assert_eq!(refused, Err(RoiError::NoSpacing { margin_mm: 7.0 }));
        let whole = RoiConfig { extent: RoiExtent::Whole, ..config.clone() };
        assert!(crop(BREAST, &whole, None, FRAME, (512, 1024)).is_err());
        let spacing = PixelSpacing { row: Millimetres(0.1), column: Millimetres(0.07) };
        let got = crop(BREAST, &config, Some(&spacing), FRAME, (512, 1024));
        assert_eq!(got, Ok(Rect { left: 1400, top: 330, width: 600, height: 1140 }));
    }

    #[test]
    fn a_margin_beyond_all_numbers_ends_at_the_frame() {
        let config = RoiConfig { margin_mm: Some(500.0), ..config() };
        let spacing = PixelSpacing { row: Millimetres(1e-310), column: Millimetres(1e-310) };
        let got = crop(BREAST, &config, Some(&spacing), FRAME, (512, 1024));
        assert_eq!(got, Ok(Rect::whole(2000, 3000)));
    }

    #[test]
    fn the_whole_frame_is_kept_on_request() {
        let config = RoiConfig { extent: RoiExtent::Whole, ..config() };
        assert_eq!(crop(BREAST, &config, None, FRAME, (512, 1024)), Ok(Rect::whole(2000, 3000)));
    }

    #[test]
    fn the_output_s_aspect_is_reached_by_growing_only() {
        let config = RoiConfig { margin: 0.0, aspect: Aspect::Output, ..config() };
        let square = crop(BREAST, &config, None, FRAME, (700, 700));
        assert_eq!(square, Ok(Rect { left: 1000, top: 400, width: 1000, height: 1000 }));
        let narrow = crop(BREAST, &config, None, FRAME, (200, 800));
        assert_eq!(narrow, Ok(Rect { left: 1500, top: 0, width: 500, height: 2000 }));
    }
}
