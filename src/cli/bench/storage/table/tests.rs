use super::*;
use crate::bench::storage::measurement::{Cache, Data, Effort, System, VERSION};

fn series(pattern: &str, cache: Cache, points: Vec<Point>, note: &str) -> Series {
    Series { pattern: pattern.into(), order: Order::Plan, cache, points, note: note.into() }
}

/// A measurement of nothing.
fn measured() -> Measurement {
    Measurement {
        version: VERSION,
        program: String::new(),
        started: 0,
        seconds: 1.0,
        effort: Effort::Quick,
        path: "/data".into(),
        system: System {
            file_system: "nfs4".into(),
            source: "server:/lab".into(),
            options: "rw".into(),
            network: true,
            free_bytes: 1 << 40,
            memory_bytes: 1 << 34,
            cores: 4.0,
        },
        data: Data {
            own: true,
            files: 1,
            bytes: 2_000_000,
            measured_files: 1,
            measured_bytes: 2_000_000,
            syntaxes: Vec::new(),
            larger_than_memory: false,
        },
        metadata: Vec::new(),
        files: Vec::new(),
        prefixes: Vec::new(),
        shards: Vec::new(),
        writes: Vec::new(),
        decode: Vec::new(),
        notes: Vec::new(),
    }
}

#[test]
fn a_line_is_broken_at_a_space_and_never_longer_than_the_terminal() {
    let text = "storage ".repeat(30);
    let wrapped = wrapped(text.trim());
    assert!(wrapped.lines().all(|line| line.len() <= 80 && !line.ends_with(' ')), "{wrapped}");
    assert_eq!(wrapped.replace('\n', " "), text.trim());
}

#[test]
fn a_row_fits_the_terminal() {
    let cells = ["64+", "12345", "123456", "99999", "99999", "99999", "99999"];
    let row = row("whole files, shuffled and more", "client", cells.map(str::to_owned));
    assert!(row.chars().count() <= WIDTH, "{row}");
}

#[test]
fn almost_all_is_not_all() {
    assert_eq!(percent(0.9999), 99.9);
    assert_eq!(percent(1.0), 100.0);
}

#[test]
fn a_series_without_points_is_named_by_its_note_and_equal_notes_are_said_once() {
    let point = Point {
        threads: 1,
        items: 0.5,
        bytes: 1_000_000,
        seconds: 1.0,
        first_done: 1.0,
        cached: None,
        latency: None,
    };
    let mut measurement = measured();
    measurement.files =
        vec![series("whole files", Cache::ClientCold, vec![point], "1 was cut off")];
    let skipped = |pattern: &str| series(pattern, Cache::Cold, Vec::new(), "nothing is written");
    measurement.shards = vec![skipped("one page"), skipped("shard")];
    measurement.writes = vec![skipped("shard")];
    let lines = patterns(&measurement);
    assert!(lines[1].ends_with("–      –      –      –") && lines[1].contains("0.50"), "{lines:?}");
    assert_eq!(lines[3], "whole files, plan client: 1 was cut off");
    assert_eq!(lines[4], "one page, plan cold; shard, plan cold; write shard: nothing is written");
    assert_eq!(lines.len(), 5, "{lines:?}");
}
