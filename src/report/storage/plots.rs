//! Plots of the page of `bench storage`.

use crate::bench::storage::knee::by_bytes;
use crate::bench::storage::measurement::{Cache, Measurement, Order, Point, Series};
use crate::bench::storage::verdict::Verdict;
use crate::number::short;
use crate::report::page::{Html, Section, figure, figures};
use crate::report::svg::{Axis, Line, SERIES, Stroke, lines};

/// The limits of storage and CPU by number of cores, and where they cross.
pub(super) fn limits(verdict: &Verdict) -> Section {
    let body = match (&verdict.storage, &verdict.cpu) {
        (Some(storage), Some(cpu)) => {
            let crossing = storage.images_per_second / cpu.images_per_core_second;
            let here = verdict.here.map_or(0.0, |here| here.cores);
            let most = (1.6 * crossing).max(1.25 * here).clamp(4.0, 256.0);
            let flat = |label: &str, series, stroke, rate| Line {
                label: label.into(),
                series,
                stroke,
                points: vec![[0.0, rate], [most, rate]],
                marks: Vec::new(),
            };
            let mut decoded = Line {
                points: vec![[0.0, 0.0], [most, most * cpu.images_per_core_second]],
                ..flat("decoding", 0, Stroke::Whole, 0.0)
            };
            if crossing <= most {
                let name = format!("the limits cross at {} cores", short(crossing));
                decoded.marks.push(([crossing, storage.images_per_second], name));
            }
            let mut drawn =
                vec![decoded, flat("storage", 1, Stroke::Whole, storage.images_per_second)];
            if let Some(shuffled) = &verdict.shuffled {
                let rate = shuffled.images_per_second;
                drawn.push(flat("storage, shuffled", 1, Stroke::Dashed, rate));
            }
            let plot = lines(
                &drawn,
                &Axis { label: "cores", range: Some([0.0, most]) },
                &Axis { label: "images/s", range: None },
            );
            figures([figure(
                "Images per second by cores",
                plot,
                format!(
                    "The lower line is what a machine with that many cores reaches. The lines cross at \
                     {} cores; this machine has {}.",
                    short(crossing),
                    super::short_cores(here)
                ),
            )])
        }
        _ => Html::paragraph("One of the two limits was not measured.".into()),
    };
    Section {
        id: "limits",
        title: "Storage and CPU",
        intro: "More cores decode more images, as long as storage delivers them.".into(),
        body: body.and(super::tables::forecasts(verdict)),
    }
}

/// Throughput and latency of whole files and prefixes by threads. Warm reads would flatten the other
/// curves; they are in the tables only.
pub(super) fn files(measurement: &Measurement) -> Section {
    let series: Vec<&Series> = measurement
        .files
        .iter()
        .chain(&measurement.prefixes)
        .filter(|series| series.cache != Cache::Warm && by_bytes(&series.points).is_some())
        .collect();
    let throughput = |point: &Point| Some(point.bytes_per_second() / 1e6);
    type Plot<'a> = (&'static str, &'static str, &'a dyn Fn(&Point) -> Option<f64>, &'a str);
    let all: [Plot<'_>; 3] = [
        (
            "Throughput by threads",
            "MB/s",
            &throughput,
            "The marks are the knees: more threads than that gain less than 5 %.",
        ),
        (
            "Median time per file by threads",
            "ms",
            &|point| point.latency.map(|times| times.p50),
            "Open, read and close. Where throughput no longer rises, more threads only wait longer.",
        ),
        (
            "99th percentile of the time per file",
            "ms",
            &|point| point.latency.map(|times| times.p99),
            "One file of a hundred takes longer than this. A batch of images waits for its slowest file.",
        ),
    ];
    let plots = all.map(|(title, unit, value, caption)| {
        let knees = unit == "MB/s";
        let drawn: Vec<Line> = series
            .iter()
            .enumerate()
            .map(|(i, series)| line(series, i % SERIES, value, knees))
            .collect();
        let values = drawn.iter().flat_map(|line| &line.points).map(|[_, value]| *value);
        let most = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
        let up = Axis { label: unit, range: (most > 0.0).then_some([0.0, 1.05 * most]) };
        let across = Axis { label: "threads", range: None };
        figure(title, lines(&drawn, &across, &up), caption.to_owned())
    });
    Section {
        id: "files",
        title: "Reading files",
        intro: "Each file is opened, read and closed by one thread.".into(),
        body: figures(plots),
    }
}

/// A point without a value is left out.
fn line(
    series: &Series,
    colour: usize,
    value: &dyn Fn(&Point) -> Option<f64>,
    knees: bool,
) -> Line {
    let knee = by_bytes(&series.points).filter(|_| knees);
    let marks = series.points.iter().filter(|p| knee.is_some_and(|k| k.threads == p.threads));
    let at = |point: &Point| Some([point.threads as f64, value(point)?]);
    let mark = |point: &Point| {
        let [threads, value] = at(point)?;
        Some(([threads, value], format!("knee: {threads} threads, {}", short(value))))
    };
    Line {
        label: short_label(series),
        series: colour,
        stroke: if series.order == Order::Plan { Stroke::Whole } else { Stroke::Dashed },
        points: series.points.iter().filter_map(at).collect(),
        marks: marks.filter_map(mark).collect(),
    }
}

/// A label that fits half the width of a chart.
fn short_label(series: &Series) -> String {
    let part = if series.pattern == "whole files" { "" } else { "prefix, " };
    format!("{part}{}, {}", series.order.name(), series.cache.name())
}
