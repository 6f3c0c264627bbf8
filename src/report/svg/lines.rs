//! Line charts with a legend and marks.

use std::fmt::Write as _;

use super::{WIDTH, close, colour, open, put};
use crate::number::short;
use crate::report::page::{Html, escape};

/// One curve.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its label; an empty one is left out of the legend.
    pub label: String,
    /// Its colour, one of those of the style sheet.
    pub series: usize,
    /// How it is drawn.
    pub stroke: Stroke,
    /// Its points, from left to right.
    pub points: Vec<[f64; 2]>,
    /// Points with a mark, and the text of each mark.
    pub marks: Vec<([f64; 2], String)>,
}

/// How a curve is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Stroke {
    Whole,
    Dashed,
    /// Wide and pale, under another curve, to highlight a part of it.
    Glow,
}

/// The area between two curves, such as a confidence band.
#[derive(Debug, Clone)]
pub struct Area {
    /// Its colour, one of those of the style sheet.
    pub series: usize,
    /// x, low and high, from left to right.
    pub points: Vec<[f64; 3]>,
}

/// An axis.
#[derive(Debug, Clone)]
pub struct Axis {
    /// Its label.
    pub label: &'static str,
    /// Its range; that of the points if `None`.
    pub range: Option<[f64; 2]>,
}

const LEFT: f64 = 44.0;
const RIGHT: f64 = WIDTH - 8.0;
const HEIGHT: f64 = 190.0;

/// The chart. Points that are not finite are left out, and so are curves without points.
pub fn lines(lines: &[Line], x: &Axis, y: &Axis) -> Html {
    lines_over(&[], lines, x, y)
}

/// The chart over areas. The range of the axes does not take the areas into account.
pub fn lines_over(areas: &[Area], lines: &[Line], x: &Axis, y: &Axis) -> Html {
    let drawn: Vec<&Line> = lines.iter().filter(|line| !line.points.is_empty()).collect();
    let named: Vec<&&Line> = drawn.iter().filter(|line| !line.label.is_empty()).collect();
    let top = 20.0 * named.len().div_ceil(2) as f64 + 28.0;
    let bottom = top + HEIGHT;
    let (across, up) = (ends(&drawn, x, 0), ends(&drawn, y, 1));
    let place = |[px, py]: [f64; 2]| {
        let share = |value: f64, [low, high]: [f64; 2]| {
            if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 }
        };
        [LEFT + share(px, across) * (RIGHT - LEFT), bottom - share(py, up) * HEIGHT]
    };
    let mut svg = open(bottom + 40.0, "lines");
    for (i, line) in named.iter().enumerate() {
        let (left, row) = (WIDTH / 2.0 * (i % 2) as f64, 12.0 + 20.0 * (i / 2) as f64);
        // The ends of a highlight are round, and as long as it is wide.
        let (from, long) = if line.stroke == Stroke::Glow { (6.0, 10) } else { (0.0, 22) };
        stroke(&mut svg, line, &format!("M{:.1} {:.1}h{long}", left + from, row - 4.0));
        put(&mut svg, left + 28.0, row, "label", &line.label);
    }
    for (value, text) in ticks(up) {
        let [_, y] = place([across[0], value]);
        let _ = write!(svg, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>");
        put(&mut svg, LEFT - 6.0, y + 4.0, "tick end", &text);
    }
    for (value, text) in ticks(across) {
        let [x, _] = place([value, up[0]]);
        let anchor = if x > RIGHT - 8.0 { "tick end" } else { "tick middle" };
        put(&mut svg, x.min(RIGHT), bottom + 16.0, anchor, &text);
    }
    put(&mut svg, (LEFT + RIGHT) / 2.0, bottom + 33.0, "tick middle", x.label);
    put(&mut svg, 0.0, top - 12.0, "tick", y.label);
    for area in areas {
        let there = area.points.iter().map(|&[x, low, _]| place([x, low]));
        let back = area.points.iter().rev().map(|&[x, _, high]| place([x, high]));
        let class = format!("area {}", colour(area.series));
        let _ = write!(svg, "<path class=\"{class}\" d=\"{}Z\"/>", path(there.chain(back)));
    }
    // Highlights are drawn under the curves.
    let (glowing, others): (Vec<&Line>, Vec<&Line>) =
        drawn.into_iter().partition(|line| line.stroke == Stroke::Glow);
    for line in glowing.into_iter().chain(others) {
        let points = line.points.iter().filter(|p| p.iter().all(|v| v.is_finite()));
        stroke(&mut svg, line, &path(points.map(|&p| place(p))));
        for (point, title) in &line.marks {
            let [x, y] = place(*point);
            let (class, title) = (colour(line.series), escape(title));
            let _ = write!(
                svg,
                "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"><title>{title}</title>\
                 </circle>"
            );
        }
    }
    close(svg)
}

fn path(points: impl Iterator<Item = [f64; 2]>) -> String {
    let step =
        |(i, [x, y]): (usize, [f64; 2])| format!("{}{x:.1} {y:.1}", if i == 0 { "M" } else { "L" });
    points.enumerate().map(step).collect()
}

fn stroke(svg: &mut String, line: &Line, path: &str) {
    let how = match line.stroke {
        Stroke::Whole => "",
        Stroke::Dashed => " dashed",
        Stroke::Glow => " glow",
    };
    let _ =
        write!(svg, "<path class=\"line l{}{how}\" d=\"{path}\"/>", line.series % super::SERIES);
}

/// Three to seven round values between two ends, with their labels.
fn ticks([low, high]: [f64; 2]) -> Vec<(f64, String)> {
    if high <= low {
        return vec![(low, short(low))];
    }
    let least = (high - low) / 6.0;
    let power = 10_f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let step = steps.into_iter().find(|step| *step >= least * (1.0 - 1e-9)).unwrap_or(steps[3]);
    let digits = (-step.log10().floor()).max(0.0) as usize;
    let write = |value: f64| match digits {
        // More digits would not fit next to the axis.
        5.. => format!("{value:.0e}"),
        _ => format!("{value:.digits$}"),
    };
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|n| (n as f64 * step, write(n as f64 * step))).collect()
}

/// The axis's range, or the minimum and maximum of the points.
fn ends(lines: &[&Line], axis: &Axis, coordinate: usize) -> [f64; 2] {
    axis.range.unwrap_or_else(|| {
        let all = lines.iter().flat_map(|line| &line.points).map(|point| point[coordinate]);
        let finite = all.filter(|value| value.is_finite());
        let [low, high] = finite.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], value| {
            [low.min(value), high.max(value)]
        });
        if low <= high { [low, high] } else { [0.0, 1.0] }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_rises_to_the_right_and_leaves_out_what_is_no_number() {
        let line = Line {
            label: "a < b".into(),
            series: 9,
            stroke: Stroke::Dashed,
            points: vec![[0.0, 0.0], [1.0, f64::NAN], [2.0, 1.0]],
            marks: vec![([2.0, 1.0], "best".into())],
        };
        let axis = |label| Axis { label, range: None };
        let svg = lines(&[line], &axis("epoch"), &axis("loss"));
        let svg = svg.as_str();
        assert!(svg.contains("a &lt; b") && svg.contains("line l1 dashed"), "{svg}");
        assert!(svg.contains(&format!("d=\"M{LEFT:.1} 238.0L{RIGHT:.1} 48.0\"")), "{svg}");
        assert!(svg.contains("<title>best</title>"), "{svg}");
    }

    #[test]
    fn ticks_are_round_and_whole_numbers_stay_whole() {
        let written = |ends| ticks(ends).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(written([0.0, 1.0]), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(written([0.0, 7.0]), ["0", "2", "4", "6"]);
        assert_eq!(written([0.453, 0.962]), ["0.5", "0.6", "0.7", "0.8", "0.9"]);
        assert_eq!(written([0.0, 0.0015]), ["0.0000", "0.0005", "0.0010", "0.0015"]);
        assert_eq!(written([-3.0, 3.0]), ["-3", "-2", "-1", "0", "1", "2", "3"]);
        assert_eq!(written([2.0, 2.0]), ["2.00"]);
    }

    #[test]
    fn a_band_goes_there_on_its_low_side_and_back_on_its_high_one() {
        let line = |label: &str, stroke| Line {
            label: label.into(),
            series: 2,
            stroke,
            points: vec![[0.0, 0.5], [1.0, 0.5]],
            marks: Vec::new(),
        };
        let area = Area { series: 2, points: vec![[0.0, 0.0, 0.5], [1.0, 0.5, 1.0]] };
        let axis = |label| Axis { label, range: Some([0.0, 1.0]) };
        let curves = [line("curve", Stroke::Whole), line("", Stroke::Glow)];
        let svg = lines_over(&[area], &curves, &axis("x"), &axis("y"));
        let svg = svg.as_str();
        let (low, middle, high) = (238.0, 143.0, 48.0);
        let there = format!("M{LEFT:.1} {low:.1}L{RIGHT:.1} {middle:.1}");
        let back = format!("L{RIGHT:.1} {high:.1}L{LEFT:.1} {middle:.1}Z");
        assert!(svg.contains(&format!("class=\"area s2\" d=\"{there}{back}\"")), "{svg}");
        let (glow, whole) = (svg.find("l2 glow").unwrap(), svg.rfind("line l2\"").unwrap());
        assert!(glow < whole, "{svg}");
        assert_eq!(svg.matches("glow").count(), 1, "a line without a label has no legend: {svg}");
    }
}
