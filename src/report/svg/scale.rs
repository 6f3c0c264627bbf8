//! A colour scale from 0 to 1.

use std::fmt::Write as _;

use super::{WIDTH, close, open, put};
use crate::image::picture::Rgb;
use crate::report::page::Html;

/// Steps that the bar is drawn with: more than an eye can tell apart at this width.
const STEPS: usize = 60;

/// A bar of the colours of the values 0 to 1, with the numbers below it and words at both ends.
pub fn scale(colour: &dyn Fn(f64) -> Rgb, low: &str, high: &str) -> Html {
    let mut svg = open(58.0, "scale");
    put(&mut svg, 0.0, 12.0, "label", low);
    put(&mut svg, WIDTH, 12.0, "label end", high);
    let width = WIDTH / STEPS as f64;
    for step in 0..STEPS {
        let [red, green, blue] = colour((step as f64 + 0.5) / STEPS as f64);
        // Neighbours overlap a little, so that no gap shows between them.
        let _ = write!(
            svg,
            "<rect x=\"{:.2}\" y=\"20\" width=\"{:.2}\" height=\"16\" \
             fill=\"rgb({red},{green},{blue})\"/>",
            step as f64 * width,
            width + if step + 1 < STEPS { 0.6 } else { 0.0 }
        );
    }
    for (at, class) in [
        (0.0, "tick"),
        (0.25, "tick middle"),
        (0.5, "tick middle"),
        (0.75, "tick middle"),
        (1.0, "tick end"),
    ] {
        put(&mut svg, at * WIDTH, 52.0, class, &format!("{at}"));
    }
    close(svg)
}
