//! The measurement on a terminal of 80 columns: one line per pattern, at its knee.

use crate::bench::storage::decode::name_of;
use crate::bench::storage::knee::{Knee, by_bytes, by_items};
use crate::bench::storage::measurement::{Measurement, Order, Point, Series};
use crate::bench::storage::verdict::{Forecast, Training, Verdict, bottleneck_name, time};
use crate::number::{count, size};

/// Columns of the terminal.
const WIDTH: usize = 80;

/// The table.
pub fn of(measurement: &Measurement, verdict: &Verdict) -> String {
    let mut lines = head(measurement);
    lines.push(String::new());
    lines.extend(patterns(measurement));
    lines.push(String::new());
    lines.extend(decoding(measurement));
    lines.extend(forecasts(verdict));
    lines.extend(training(verdict));
    if !measurement.notes.is_empty() {
        lines.push(String::new());
        lines.extend(measurement.notes.iter().map(|note| wrapped(note)));
    }
    lines.join("\n")
}

/// `text` in lines of at most 80 columns, broken at spaces.
pub fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is a first line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(word.to_owned());
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.join("\n")
}

/// `text` in at most `most` columns.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

fn head(measurement: &Measurement) -> Vec<String> {
    let (system, data) = (&measurement.system, &measurement.data);
    let whose = if data.own { "of the dataset" } else { "made here" };
    let larger = if data.larger_than_memory { "more" } else { "less" };
    let lines = [
        format!("{}", measurement.path.display()),
        format!("  {} on {} ({})", system.file_system, system.source, system.options),
        format!(
            "  {} cores, {} of memory, {} free",
            short_cores(system.cores),
            size(system.memory_bytes),
            size(system.free_bytes)
        ),
        format!(
            "  {} files {whose} ({}), {} read ({}, {larger} than memory)",
            count(data.files),
            size(data.bytes),
            count(data.measured_files),
            size(data.measured_bytes)
        ),
    ];
    lines.iter().map(|line| cut(line, WIDTH)).collect()
}

fn patterns(measurement: &Measurement) -> Vec<String> {
    let mut lines = vec![row(
        "what",
        "cache",
        ["thr", "MB/s", "per s", "p50 ms", "p95 ms", "p99 ms", "max ms"].map(str::to_owned),
    )];
    for operation in &measurement.metadata {
        if let Some(knee) = by_items(&operation.points) {
            let cells = at_knee(&operation.points, knee, false);
            lines.push(row(&operation.name.replace('_', " "), "", cells));
        }
    }
    let parts = [
        ("", &measurement.files),
        ("", &measurement.prefixes),
        ("", &measurement.shards),
        ("write ", &measurement.writes),
    ];
    let all = parts.into_iter().flat_map(|(verb, all)| all.iter().map(move |one| (verb, one)));
    let mut notes: Vec<(String, &str)> = Vec::new();
    for (verb, series) in all {
        let (what, cache) = names(verb, series);
        if let Some(knee) = by_bytes(&series.points) {
            lines.push(row(&what, cache, at_knee(&series.points, knee, true)));
        }
        let name = [what.as_str(), cache].map(str::trim).join(" ");
        match notes.last_mut() {
            _ if series.note.is_empty() => {}
            Some((names, note)) if *note == series.note => *names += &format!("; {}", name.trim()),
            _ => notes.push((name.trim().to_owned(), series.note.as_str())),
        }
    }
    lines.push(
        "thr: the least threads that reach 95 % of the best; +: more were not measured".into(),
    );
    lines.extend(notes.iter().map(|(names, note)| wrapped(&format!("{names}: {note}"))));
    lines
}

/// What is measured and what the caches held, in short.
fn names(verb: &str, series: &Series) -> (String, &'static str) {
    match verb {
        "" => {
            let order = series.order.name().trim_end_matches(" order");
            let cache = series.cache.name().trim_end_matches(" cold");
            (format!("{}, {order}", series.pattern), cache)
        }
        verb => (format!("{verb}{}", series.pattern), ""),
    }
}

fn at_knee(points: &[Point], knee: Knee, bytes: bool) -> [String; 7] {
    let threads = format!("{}{}", knee.threads, if knee.open { "+" } else { "" });
    let Some(point) = points.iter().find(|point| point.threads == knee.threads) else {
        return [threads, "".into(), "".into(), "".into(), "".into(), "".into(), "".into()];
    };
    let rate = if bytes { figure(point.bytes_per_second() / 1e6) } else { String::new() };
    let times = point.latency.map(|found| [found.p50, found.p95, found.p99, found.max].map(figure));
    let [p50, p95, p99, max] = times.unwrap_or(["–"; 4].map(str::to_owned));
    [threads, rate, figure(point.items_per_second()), p50, p95, p99, max]
}

fn row(what: &str, cache: &str, [thr, rate, items, p50, p95, p99, max]: [String; 7]) -> String {
    let what = cut(what, 22);
    format!(
        "{what:<22} {cache:<6} {thr:>4} {rate:>7} {items:>7} {p50:>6} {p95:>6} {p99:>6} {max:>6}"
    )
}

/// A number with about three digits, in at most six columns for values below 100,000.
fn figure(value: f64) -> String {
    match value {
        v if v >= 99.95 => format!("{v:.0}"),
        v if v >= 9.995 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

fn decoding(measurement: &Measurement) -> Vec<String> {
    let line = |rate: &crate::bench::storage::measurement::DecodeRate| {
        let whose = if rate.own { "own files" } else { "phantoms" };
        format!(
            "decode {:<28} {:>6} CPU ms/image of {:>5.1} MB ({whose})",
            cut(name_of(&rate.syntax), 28),
            figure(rate.cpu_ms),
            rate.file_bytes / 1e6
        )
    };
    measurement.decode.iter().map(line).map(|line| cut(&line, WIDTH)).collect()
}

fn forecasts(verdict: &Verdict) -> Vec<String> {
    let of = |order: Order| verdict.forecasts.iter().filter(move |found| found.order == order);
    let plan: Vec<&Forecast> = of(Order::Plan).collect();
    if plan.is_empty() {
        return Vec::new();
    }
    let dataset = verdict.dataset;
    let which = if dataset.own { "this dataset" } else { "a dataset like RSNA's" };
    let mut lines = vec![
        String::new(),
        format!("{which}: {} files, {}", count(dataset.files), size(dataset.bytes)),
        format!("{:>5}  {:<34} {:<34}", "cores", "in plan order", "shuffled").trim_end().to_owned(),
    ];
    let cell = |found: &Forecast| {
        format!(
            "{:>7}/s  {:<14} {}",
            figure(found.images_per_second),
            time(found.seconds),
            bottleneck_name(found)
        )
    };
    for forecast in plan {
        let shuffled = of(Order::Shuffled).find(|other| other.cores == forecast.cores);
        let shuffled = shuffled.map_or(String::new(), cell);
        let cores = short_cores(forecast.cores);
        let line = format!("{cores:>5}  {:<34} {shuffled}", cell(forecast));
        lines.push(line.trim_end().to_owned());
    }
    lines
}

fn training(verdict: &Verdict) -> Vec<String> {
    let shown = |row: &&Training| row.format != "parquet lz4";
    let rows: Vec<&Training> = verdict.training.iter().filter(shown).collect();
    let Some(first) = rows.first() else { return Vec::new() };
    let steps = first.utilisation.iter().map(|au| format!("{:>6} ms", short_ms(au.step_ms)));
    let batch = verdict.step.batch;
    let title = format!("training, AU at {batch} images per step of");
    let mut lines = vec![String::new(), format!("{title:<40}{}", steps.collect::<String>())];
    for row in rows {
        let name = format!("{}, {}", row.pattern, row.format);
        let au = row.utilisation.iter().map(|au| format!("{:>7.1} %", percent(au.utilisation)));
        let rate = figure(row.images_per_second);
        lines.push(format!("{:<25} {rate:>8} img/s{}", cut(&name, 25), au.collect::<String>()));
    }
    lines
}

/// In percent, never rounded up to 100.
fn percent(share: f64) -> f64 {
    if share >= 1.0 { 100.0 } else { (1000.0 * share).floor() / 10.0 }
}

fn short_ms(ms: f64) -> String {
    if ms.fract() == 0.0 { format!("{ms:.0}") } else { format!("{ms:.1}") }
}

fn short_cores(cores: f64) -> String {
    if cores.fract() == 0.0 { format!("{cores:.0}") } else { format!("{cores:.1}") }
}

#[cfg(test)]
mod tests;
