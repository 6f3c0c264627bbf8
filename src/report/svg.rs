//! Charts as SVG, for a card of a phone's width, coloured by the page's style.
//!
//! Colours are CSS classes (`s0` to `s7`, after Okabe and Ito, which readers with any colour vision
//! can distinguish), so that the style sheet handles light and dark mode. Every value is also
//! written as text, so that no chart depends on colour alone.

mod forest;
mod lines;
mod scale;
mod whiskers;

use std::fmt::Write as _;

pub use forest::{ForestRow, forest};
pub use lines::{Area, Axis, Line, Stroke, lines, lines_over};
pub use scale::scale;
pub use whiskers::{Whisker, WhiskerSeries, whiskers};

use super::page::{Html, escape};
use crate::number::{count, share, short, whole_percent};

/// Width of every chart in its own units, about one pixel each.
const WIDTH: f64 = 360.0;

/// Number of colours for series in the style sheet.
pub const SERIES: usize = 8;

/// The largest number of bars in one chart; the caller adds up the rest.
pub const MOST_BARS: usize = 12;

/// One bar.
#[derive(Debug, Clone)]
pub struct Bar {
    /// Its label.
    pub label: String,
    /// Its length, not negative.
    pub value: f64,
    /// The value as text next to the bar.
    pub text: String,
}

/// Horizontal bars from a common zero. With `most` they are parts of that whole, which is drawn
/// behind them; without it, the longest bar fills the width.
pub fn bars(bars: &[Bar], class: &'static str, most: Option<f64>) -> Html {
    const STEP: f64 = 34.0;
    let whole = most;
    let most = whole.unwrap_or_else(|| bars.iter().fold(0.0, |m, bar| bar.value.max(m)));
    let mut svg = open(STEP * bars.len() as f64, "bars");
    for (i, bar) in bars.iter().enumerate() {
        let y = STEP * i as f64;
        let share = if most > 0.0 { (bar.value / most).clamp(0.0, 1.0) } else { 0.0 };
        put(&mut svg, 0.0, y + 13.0, "label", &cut(&bar.label, 36));
        put(&mut svg, WIDTH, y + 13.0, "value end", &bar.text);
        if whole.is_some() {
            rect(&mut svg, "track", (0.0, y + 19.0, WIDTH, 8.0), "");
        }
        if share > 0.0 {
            rect(&mut svg, class, (0.0, y + 19.0, (share * WIDTH).max(1.5), 8.0), "");
        }
    }
    close(svg)
}

/// One row of [`stacked`].
#[derive(Debug, Clone)]
pub struct Stack {
    /// Its label above the bar; may be empty.
    pub label: String,
    /// The text at its right.
    pub text: String,
    /// Length of each series, in the order of the legend.
    pub parts: Vec<f64>,
}

/// Rows of parts laid end to end, each row filling the width, with a legend of `series`.
pub fn stacked(rows: &[Stack], series: &[String]) -> Html {
    stacked_in(rows, series, &(0..series.len()).collect::<Vec<_>>())
}

/// As [`stacked`], with the number of the colour of each series: where a colour has a meaning, such
/// as green for good.
pub fn stacked_in(rows: &[Stack], series: &[String], colours: &[usize]) -> Html {
    const STEP: f64 = 44.0;
    let of = |series: usize| colours.get(series).copied().unwrap_or(series);
    let mut legend = String::new();
    let (mut x, mut y) = (0.0, 14.0);
    for (i, name) in series.iter().enumerate() {
        // The reader's font is not known, so its width is estimated.
        let width = 22.0 + 7.0 * name.chars().count() as f64;
        if x > 0.0 && x + width > WIDTH {
            (x, y) = (0.0, y + 20.0);
        }
        rect(&mut legend, colour(of(i)), (x, y - 10.0, 11.0, 11.0), "");
        put(&mut legend, x + 16.0, y, "label", name);
        x += width + 6.0;
    }
    let top = if series.is_empty() { 0.0 } else { y + 12.0 };
    let mut svg = open(top + STEP * rows.len() as f64, "stacked");
    svg += &legend;
    for (i, row) in rows.iter().enumerate() {
        let y = top + STEP * i as f64;
        let total: f64 = row.parts.iter().sum();
        put(&mut svg, 0.0, y + 14.0, "label", &cut(&row.label, 30));
        put(&mut svg, WIDTH, y + 14.0, "value end", &row.text);
        rect(&mut svg, "track", (0.0, y + 20.0, WIDTH, 16.0), "");
        let mut x = 0.0;
        for (i, part) in row.parts.iter().enumerate().filter(|(_, part)| **part > 0.0) {
            let width = part / total * WIDTH;
            let name = series.get(i).map_or("", String::as_str);
            rect(
                &mut svg,
                colour(of(i)),
                (x, y + 20.0, (width - 1.0).max(0.75), 16.0),
                &format!("{name}: {}", share(part / total)),
            );
            if width > 46.0 {
                let text = whole_percent(part / total);
                put(&mut svg, x + width / 2.0, y + 32.0, inside(of(i)), &text);
            }
            x += width;
        }
    }
    close(svg)
}

/// A histogram: counts in bins of equal width over a fixed range.
#[derive(Debug, Clone)]
pub struct Histogram {
    low: f64,
    high: f64,
    bins: Vec<usize>,
    sum: f64,
    least: f64,
}

impl Histogram {
    /// An empty histogram with `bins` bins from `low` to `high`.
    pub fn new(low: f64, high: f64, bins: usize) -> Self {
        Self { low, high, bins: vec![0; bins], sum: 0.0, least: f64::INFINITY }
    }

    /// Counts `value`; a value outside the range counts in the first or last bin.
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        let last = self.bins.len() - 1;
        let place = (value - self.low) / (self.high - self.low) * self.bins.len() as f64;
        self.bins[(place.max(0.0) as usize).min(last)] += 1;
        self.sum += value;
        self.least = self.least.min(value);
    }

    /// Number of values counted.
    pub fn total(&self) -> usize {
        self.bins.iter().sum()
    }

    /// Mean and minimum of the values; `None` without values.
    pub fn mean_and_least(&self) -> Option<(f64, f64)> {
        let total = self.total();
        (total > 0).then(|| (self.sum / total as f64, self.least))
    }

    /// The chart, with `unit` under its axis.
    pub fn chart(&self, class: &'static str, unit: &str) -> Html {
        const LEFT: f64 = 44.0;
        const TOP: f64 = 12.0;
        const BOTTOM: f64 = 150.0;
        let most = self.bins.iter().copied().max().unwrap_or(0).max(1);
        let height = |n: usize| (BOTTOM - TOP) * n as f64 / ceiling(most) as f64;
        let mut svg = open(190.0, "histogram");
        for n in [0, ceiling(most) / 2, ceiling(most)] {
            let y = BOTTOM - height(n);
            let _ = write!(svg, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{WIDTH}\"/>");
            put(&mut svg, LEFT - 6.0, y + 4.0, "tick end", &count(n));
        }
        let step = (WIDTH - LEFT) / self.bins.len() as f64;
        let wide = (self.high - self.low) / self.bins.len() as f64;
        for (i, &n) in self.bins.iter().enumerate().filter(|(_, n)| **n > 0) {
            let from = self.low + wide * i as f64;
            let title = format!("{} to {}: {}", short(from), short(from + wide), count(n));
            let (x, high) = (LEFT + step * i as f64, height(n).max(1.0));
            rect(&mut svg, class, (x + 0.5, BOTTOM - high, step - 1.0, high), &title);
        }
        for quarter in 0..=4 {
            let share = f64::from(quarter) / 4.0;
            let value = self.low + share * (self.high - self.low);
            let anchor = match quarter {
                0 => "tick",
                4 => "tick end",
                _ => "tick middle",
            };
            let text = format!("{}", (value * 100.0).round() / 100.0);
            put(&mut svg, LEFT + share * (WIDTH - LEFT), BOTTOM + 16.0, anchor, &text);
        }
        put(&mut svg, (LEFT + WIDTH) / 2.0, BOTTOM + 34.0, "tick middle", unit);
        close(svg)
    }
}

/// The next even number with one digit other than 0: the top of an axis whose middle is a whole
/// number.
fn ceiling(most: usize) -> usize {
    let most = most.max(1);
    let power = 10_usize.pow(most.ilog10());
    let tops = [1, 2, 4, 6, 8, 10].map(|step| step * power);
    let is_top = |top: &usize| *top >= most && top.is_multiple_of(2);
    tops.into_iter().find(is_top).expect("ten times its power of ten is even and above it")
}

fn open(height: f64, class: &str) -> String {
    format!("<svg class=\"chart {class}\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">")
}

fn close(svg: String) -> Html {
    Html::made(svg + "</svg>\n")
}

fn put(svg: &mut String, x: f64, y: f64, class: &str, text: &str) {
    let text = escape(text);
    let _ = write!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{text}</text>");
}

fn rect(svg: &mut String, class: &str, (x, y, width, height): (f64, f64, f64, f64), title: &str) {
    let size = format!("x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"");
    let _ = match title {
        "" => write!(svg, "<rect class=\"{class}\" {size} rx=\"1.5\"/>"),
        title => {
            let title = escape(title);
            write!(svg, "<rect class=\"{class}\" {size} rx=\"1.5\"><title>{title}</title></rect>")
        }
    };
}

fn colour(series: usize) -> &'static str {
    ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"][series % SERIES]
}

fn inside(series: usize) -> &'static str {
    [
        "in0 middle",
        "in1 middle",
        "in2 middle",
        "in3 middle",
        "in4 middle",
        "in5 middle",
        "in6 middle",
        "in7 middle",
    ][series % SERIES]
}

/// The first `most` characters, with an ellipsis if the text is longer.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_beyond_the_range_counts_for_the_bin_at_its_end() {
        let mut histogram = Histogram::new(0.0, 1.0, 4);
        for value in [-3.0, 0.1, 0.5, 1.0, 7.0, f64::NAN] {
            histogram.add(value);
        }
        assert_eq!(histogram.bins, [2, 0, 1, 2]);
        assert_eq!(histogram.total(), 5);
        let (mean, least) = histogram.mean_and_least().unwrap();
        assert!((mean - 1.12).abs() < 1e-12 && least == -3.0, "{mean} {least}");
        assert_eq!(Histogram::new(0.0, 1.0, 4).mean_and_least(), None);
    }

    #[test]
    fn an_axis_ends_above_the_longest_bar_and_has_a_middle() {
        assert_eq!([0, 1, 7, 10, 11, 95, 101].map(ceiling), [2, 2, 8, 10, 20, 100, 200]);
    }

    #[test]
    fn labels_are_escaped_and_the_longest_bar_is_the_chart_s_width() {
        let bar = |label: &str, value| Bar { label: label.into(), value, text: "x".into() };
        let svg = bars(&[bar("<b>", 5.0), bar("c", 2.5), bar("none", 0.0)], "s0", None);
        let svg = svg.as_str();
        assert!(svg.contains("&lt;b&gt;") && !svg.contains("<b>"), "{svg}");
        let widths: Vec<&str> = svg.split("class=\"s0\"").skip(1).collect();
        assert_eq!(widths.len(), 2, "nothing is drawn for nothing: {svg}");
        assert!(widths[0].contains("width=\"360.0\"") && widths[1].contains("width=\"180.0\""));
    }

    #[test]
    fn parts_of_a_row_fill_its_width() {
        let row = Stack { label: "a".into(), text: String::new(), parts: vec![1.0, 0.0, 3.0] };
        let svg = stacked(&[row], &["x".into(), "y".into(), "z".into()]);
        assert!(svg.as_str().contains("x: 25.0 %") && svg.as_str().contains("z: 75.0 %"));
        assert!(!svg.as_str().contains("y: "));
    }
}
