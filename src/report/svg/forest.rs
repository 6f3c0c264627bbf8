//! A forest plot: estimates with their intervals, one under the other.

use std::fmt::Write as _;

use super::{WIDTH, close, cut, open, put};
use crate::evaluate::Estimate;
use crate::number::short;
use crate::report::page::Html;

/// One row of a forest plot.
#[derive(Debug, Clone)]
pub struct ForestRow {
    /// Its label.
    pub label: String,
    /// The estimate; an undefined one is written as a dash and not drawn.
    pub estimate: Estimate,
}

/// The plot over `[low, high]`, with a line at `reference`, for example the value of all items.
pub fn forest(stems: &[ForestRow], [low, high]: [f64; 2], reference: Option<f64>) -> Html {
    const STEP: f64 = 36.0;
    let bottom = STEP * stems.len() as f64 + 6.0;
    let place = |value: f64| ((value - low) / (high - low)).clamp(0.0, 1.0) * WIDTH;
    let mut svg = open(bottom + 22.0, "forest");
    for (i, stem) in stems.iter().enumerate() {
        let y = STEP * i as f64;
        put(&mut svg, 0.0, y + 13.0, "label", &cut(&stem.label, 30));
        put(&mut svg, WIDTH, y + 13.0, "value end", &stem.estimate.to_string());
        // Only next to the bars, so that it crosses no text.
        if let Some(x) = reference.map(place) {
            let _ = write!(svg, "<path class=\"line l7\" d=\"M{x:.1} {:.1}v14\"/>", y + 17.0);
        }
        if let Some([from, to]) = stem.estimate.interval {
            let (from, to) = (place(from), place(to));
            let _ =
                write!(svg, "<path class=\"line l0\" d=\"M{from:.1} {:.1}H{to:.1}\"/>", y + 24.0);
        }
        if let Some(value) = stem.estimate.value {
            let x = place(value);
            let _ = write!(
                svg,
                "<rect class=\"s0\" x=\"{:.1}\" y=\"{:.1}\" width=\"8\" height=\"8\"/>",
                x - 4.0,
                y + 20.0
            );
        }
    }
    put(&mut svg, 0.0, bottom + 14.0, "tick", &short(low));
    put(&mut svg, WIDTH, bottom + 14.0, "tick end", &short(high));
    close(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_undefined_is_a_dash_and_no_mark() {
        let stem = |value| {
            let estimate =
                Estimate { value, interval: None, undefined: None, undefined_resamples: 0 };
            ForestRow { label: "site 2".into(), estimate }
        };
        let svg = forest(&[stem(None), stem(Some(0.75))], [0.5, 1.0], None);
        assert!(svg.as_str().contains(">–<"), "{}", svg.as_str());
        assert_eq!(svg.as_str().matches("<rect").count(), 1);
        assert!(svg.as_str().contains("x=\"176.0\""), "half the width less half the mark");
    }
}
