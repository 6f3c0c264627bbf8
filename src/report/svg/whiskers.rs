//! Estimates with their intervals over a weight from 0 to 1, each with its reference value.

use std::fmt::Write as _;

use super::{SERIES, WIDTH, close, colour, open, put};
use crate::evaluate::Estimate;
use crate::number::short;
use crate::report::page::{Html, escape};

/// One series of estimates.
#[derive(Debug, Clone)]
pub struct WhiskerSeries {
    /// Its label.
    pub label: &'static str,
    /// Its colour, one of those of the style sheet.
    pub series: usize,
    /// One point per weight.
    pub points: Vec<Whisker>,
}

/// One estimate.
#[derive(Debug, Clone)]
pub struct Whisker {
    /// Its position on the axis, from 0 to 1.
    pub at: f64,
    /// Its name.
    pub name: String,
    /// The estimate; an undefined one is not drawn.
    pub estimate: Estimate,
    /// The reference value, drawn as a short line.
    pub reference: Option<f64>,
}

const LEFT: f64 = 38.0;
const RIGHT: f64 = WIDTH - 14.0;
const HEIGHT: f64 = 210.0;
/// Distance between the series at one weight.
const APART: f64 = 9.0;

/// The chart. The series are side by side at each weight; 0 is labelled `zero`. The scale starts at
/// `low` and ends above the highest interval.
pub fn whiskers(kinds: &[WhiskerSeries], zero: &str, reference: &str, low: f64) -> Html {
    let top = 20.0 * (kinds.len() + 1).div_ceil(2) as f64 + 14.0;
    let bottom = top + HEIGHT;
    let all = || kinds.iter().flat_map(|kind| &kind.points);
    let high = all().flat_map(|point| {
        let interval = point.estimate.interval.map(|[_, high]| high);
        [interval, point.estimate.value, point.reference]
    });
    let high = high.flatten().fold(low, f64::max);
    // Rounded up, so that the four steps of the scale are multiples of 0.05.
    let step = (((high - low) * 1.02 / 0.2).ceil() * 0.2 / 4.0).max(0.05);
    let up = |value: f64| bottom - ((value - low) / (4.0 * step)).clamp(0.0, 1.0) * HEIGHT;
    let across = |at: f64| LEFT + 12.0 + at * (RIGHT - LEFT - 12.0);

    let mut svg = open(bottom + 40.0, "whiskers");
    let references = all().any(|point| point.reference.is_some());
    let named = kinds.iter().map(|kind| (kind.label, Some(kind.series)));
    for (i, (label, series)) in named.chain(references.then_some((reference, None))).enumerate() {
        let (left, row) = (WIDTH / 2.0 * (i % 2) as f64, 12.0 + 20.0 * (i / 2) as f64);
        match series {
            Some(series) => {
                let (line, fill) = (series % SERIES, colour(series));
                let _ = write!(
                    svg,
                    "<path class=\"line l{line}\" d=\"M{left:.1} {:.1}h16\"/>\
                     <circle class=\"{fill}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\"/>",
                    row - 4.0,
                    left + 8.0,
                    row - 4.0
                );
            }
            None => stroke(&mut svg, left + 8.0, row - 4.0),
        }
        put(&mut svg, left + 22.0, row, "label", label);
    }
    for i in 0..=4 {
        let value = low + step * f64::from(i);
        let y = up(value);
        let _ = write!(svg, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{WIDTH}\"/>");
        put(&mut svg, LEFT - 6.0, y + 4.0, "tick end", &short(value));
    }
    put(&mut svg, across(0.0), bottom + 16.0, "tick middle", zero);
    for tenth in 1..=10 {
        let at = f64::from(tenth) / 10.0;
        put(&mut svg, across(at), bottom + 16.0, "tick middle", &format!("{at:.1}"));
    }
    put(
        &mut svg,
        (LEFT + WIDTH) / 2.0,
        bottom + 33.0,
        "tick middle",
        "weight of the auxiliary targets",
    );
    for (place, kind) in kinds.iter().enumerate() {
        let aside = APART * (place as f64 - (kinds.len() - 1) as f64 / 2.0);
        for point in &kind.points {
            draw(&mut svg, kind.series, across(point.at) + aside, point, &up);
        }
    }
    close(svg)
}

fn draw(svg: &mut String, series: usize, x: f64, point: &Whisker, up: &dyn Fn(f64) -> f64) {
    if let Some(value) = point.reference {
        stroke(svg, x, up(value));
    }
    if let Some([from, to]) = point.estimate.interval {
        let (from, to, line) = (up(from), up(to), series % SERIES);
        let _ = write!(svg, "<path class=\"line l{line}\" d=\"M{x:.1} {from:.1}V{to:.1}\"/>");
    }
    if let Some(value) = point.estimate.value {
        let (y, fill) = (up(value), colour(series));
        let title = escape(&format!("{}: {}", point.name, point.estimate));
        let _ = write!(
            svg,
            "<circle class=\"{fill}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"><title>{title}</title></circle>"
        );
    }
}

fn stroke(svg: &mut String, x: f64, y: f64) {
    let _ = write!(svg, "<path class=\"line l7\" d=\"M{:.1} {y:.1}h9\"/>", x - 4.5);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_of_a_weight_stand_side_by_side_and_what_is_undefined_is_not_drawn() {
        let point = |at: f64, value: Option<f64>| Whisker {
            at,
            name: "w < 1".into(),
            estimate: Estimate {
                value,
                interval: value.map(|v| [v - 0.1, v + 0.1]),
                undefined: None,
                undefined_resamples: 0,
            },
            reference: value.map(|_| 0.2),
        };
        let kind = |series, points| WhiskerSeries { label: "F1", series, points };
        let kinds = [
            kind(0, vec![point(0.0, Some(0.4)), point(1.0, None)]),
            kind(1, vec![point(0.0, Some(0.5))]),
        ];
        let svg = whiskers(&kinds, "CNN", "all positive", 0.0);
        let svg = svg.as_str();
        assert_eq!(svg.matches("<title>").count(), 2);
        assert!(svg.contains("w &lt; 1: 0.400 [0.300, 0.500]"), "{svg}");
        assert!(svg.contains("cx=\"45.5\"") && svg.contains("cx=\"54.5\""), "{svg}");
        // The scale ends at 0.8, above 0.6: half of the height is 0.4.
        assert!(svg.contains("cx=\"45.5\" cy=\"159.0\""), "{svg}");
    }
}
