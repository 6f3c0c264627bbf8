//! Tables of the page of `bench storage`.

use crate::bench::storage::decode::name_of;
use crate::bench::storage::knee::{by_bytes, by_items};
use crate::bench::storage::measurement::{Measurement, Point};
use crate::bench::storage::verdict::{Utilisation, Verdict, bottleneck_name, time};
use crate::number::{count, short, size};
use crate::report::page::{Align, Html, Section, Table, details};

/// All that was measured, by number of threads.
pub(super) fn measurements(measurement: &Measurement) -> Section {
    let data = &measurement.data;
    let whose = if data.own { "of the dataset" } else { "made for the measurement and removed" };
    let larger = if data.larger_than_memory { "more" } else { "less" };
    let intro = format!(
        "{} of {} files {whose} were read: {}, {larger} than the memory of {}.",
        count(data.measured_files),
        count(data.files),
        size(data.measured_bytes),
        size(measurement.system.memory_bytes)
    );
    let mut body = Html::default();
    let parts = [
        ("Whole files", &measurement.files),
        ("Beginnings of files", &measurement.prefixes),
        ("Reading shards", &measurement.shards),
        ("Writing shards", &measurement.writes),
    ];
    for (title, series) in parts.into_iter().filter(|(_, series)| !series.is_empty()) {
        let mut table = points_table();
        let mut notes = Html::default();
        for series in series {
            let order = series.order.name();
            let name = format!("{}, {order}, {}", series.pattern, series.cache.name());
            let knee = by_bytes(&series.points).map(|knee| knee.threads);
            for point in &series.points {
                table.row(cells(&name, point, knee == Some(point.threads)));
            }
            if !series.note.is_empty() {
                let text = format!("{name}: {}", series.note);
                notes = notes.and(Html::element("p", "note", Html::text(text)));
            }
        }
        body = body.and(details(title, table.html().and(notes)));
    }
    if !measurement.metadata.is_empty() {
        let mut table = points_table();
        for operation in &measurement.metadata {
            let knee = by_items(&operation.points).map(|knee| knee.threads);
            for point in &operation.points {
                let name = operation.name.replace('_', " ");
                table.row(cells(&name, point, knee == Some(point.threads)));
            }
        }
        body = body.and(details("Operations on names", table.html()));
    }
    for note in &measurement.notes {
        body = body.and(Html::element("p", "note", Html::text(note)));
    }
    Section {
        id: "measurements",
        title: "Measurements",
        intro: intro.into(),
        body: body.and(decoding(measurement)),
    }
}

fn points_table() -> Table {
    Table::new(&[
        ("What", Align::Left),
        ("Threads", Align::Right),
        ("MB/s", Align::Right),
        ("Per second", Align::Right),
        ("First done, s", Align::Right),
        ("Last done, s", Align::Right),
        ("p50, ms", Align::Right),
        ("p95, ms", Align::Right),
        ("p99, ms", Align::Right),
        ("Max, ms", Align::Right),
        ("In cache before", Align::Right),
    ])
}

fn cells(name: &str, point: &Point, is_knee: bool) -> Vec<Html> {
    let threads =
        if is_knee { format!("{} (knee)", point.threads) } else { point.threads.to_string() };
    let rate = match point.bytes {
        0 => "–".to_owned(),
        _ => short(point.bytes_per_second() / 1e6),
    };
    let times = point.latency.map(|found| [found.p50, found.p95, found.p99, found.max].map(short));
    let [p50, p95, p99, max] = times.unwrap_or(["–"; 4].map(str::to_owned));
    let cached = point.cached.map_or("–".into(), |share| format!("{:.1} %", 100.0 * share));
    let texts = [
        name.to_owned(),
        threads,
        rate,
        short(point.items_per_second()),
        short(point.first_done),
        short(point.seconds),
        p50,
        p95,
        p99,
        max,
        cached,
    ];
    texts.map(Html::text).into()
}

fn decoding(measurement: &Measurement) -> Html {
    let mut table = Table::new(&[
        ("Transfer syntax", Align::Left),
        ("Images", Align::Right),
        ("CPU per image, ms", Align::Right),
        ("Images/s per core", Align::Right),
        ("Mean size", Align::Right),
        ("Of", Align::Left),
    ]);
    for rate in &measurement.decode {
        table.row(vec![
            Html::text(name_of(&rate.syntax)),
            Html::text(count(rate.images)),
            Html::text(short(rate.cpu_ms)),
            Html::text(short(1e3 / rate.cpu_ms)),
            Html::text(size(rate.file_bytes as u64)),
            Html::text(if rate.own { "the dataset" } else { "phantoms" }),
        ]);
    }
    if measurement.decode.is_empty() {
        return Html::paragraph("Decoding was not measured.".into());
    }
    Html::element(
        "h3",
        "",
        "Decoding by one core, with all cores busy, from a file's bytes to a sample".into(),
    )
    .and(table.html())
}

/// The time for the dataset by cores and order.
pub(super) fn forecasts(verdict: &Verdict) -> Html {
    if verdict.forecasts.is_empty() {
        return Html::default();
    }
    let mut table = Table::new(&[
        ("Cores", Align::Right),
        ("Order", Align::Left),
        ("Images/s", Align::Right),
        ("Time for the dataset", Align::Right),
        ("Bottleneck", Align::Left),
    ]);
    for forecast in &verdict.forecasts {
        table.row(vec![
            Html::text(super::short_cores(forecast.cores)),
            Html::text(forecast.order.name()),
            Html::text(short(forecast.images_per_second)),
            Html::text(time(forecast.seconds)),
            Html::text(bottleneck_name(forecast)),
        ]);
    }
    table.html()
}

/// AU by pattern, format and step.
pub(super) fn training(verdict: &Verdict) -> Html {
    let mut table = Table::new(&[
        ("Reading", Align::Left),
        ("Cache", Align::Left),
        ("Format", Align::Left),
        ("Threads", Align::Right),
        ("Images/s", Align::Right),
        ("AU by length of the step", Align::Left),
    ]);
    for row in &verdict.training {
        // Rounded down, so that almost all is not all.
        let share = |au: &Utilisation| (1000.0 * au.utilisation).floor() / 10.0;
        let steps =
            row.utilisation.iter().map(|au| format!("{:.1} % at {} ms", share(au), au.step_ms));
        table.row(vec![
            Html::text(&row.pattern),
            Html::text(row.cache.name()),
            Html::text(&row.format),
            Html::text(row.threads),
            Html::text(short(row.images_per_second)),
            Html::text(steps.collect::<Vec<_>>().join(", ")),
        ]);
    }
    let text = format!("{} images per step.", verdict.step.batch);
    Html::paragraph(text.into()).and(table.html())
}
