//! `verify` finds whatever differs from a sound release, and believes nothing that a manifest says.

use crate::common;

use std::fs;
use std::path::{Path, PathBuf};

use common::release::{assert_sound, config, content, dataset, run};
use common::sized;
use mammo_pipe::report;
use mammo_pipe::shard::table::Table;
use mammo_pipe::shard::verify::verify;
use mammo_pipe::store::sealed_json;
use mammo_pipe::synth::{Damage, SynthSpec};
use serde_json::{Value, json};

/// A release of small images in several shards with its page, in a folder of its own.
fn release(damage: Vec<(Damage, usize)>) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (data, release) = (folder.path().join("data"), folder.path().join("release"));
    dataset(&data, &SynthSpec { patients: 5, test_patients: 0, damage, ..SynthSpec::default() });
    let mut config = config(&data, &release);
    config.shard.rows = 6;
    run(&config, 2).unwrap();
    report::write(&release, Some(&data), None).unwrap();
    assert_sound(&release);
    (folder, release)
}

/// What `verify` says; empty for a sound release.
fn problems(release: &Path) -> String {
    match verify(release, |_| {}) {
        Ok(verified) => verified.problems.join("\n"),
        Err(fault) => fault.to_string(),
    }
}

/// Every file of the release that a rerun, training or a reader would use, with its content.
fn files(release: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = content(release).into_iter().collect();
    for name in ["report.html", "sources.jsonl"] {
        files.push((name.into(), fs::read(release.join(name)).unwrap()));
    }
    files
}

#[test]
fn every_flipped_bit_is_found_in_every_kind_of_file() {
    let (_folder, release) = release(vec![(Damage::Truncated, 1), (Damage::MissingFile, 1)]);
    let files = files(&release);
    let mut state = 17_u64;
    for number in 0..sized(40, 1000) * files.len() / 4 {
        let (name, bytes) = &files[number % files.len()];
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let bit = (state >> 33) as usize % (8 * bytes.len());
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(release.join(name), flipped).unwrap();
        let said = problems(&release);
        let file = name.rsplit('/').next().unwrap();
        assert!(said.contains(file), "bit {bit} of {name}: {said:?}");
        fs::write(release.join(name), bytes).unwrap();
    }
    assert_sound(&release);
}

#[test]
fn every_file_that_is_gone_cut_longer_or_another_is_found() {
    let (folder, release) = release(vec![(Damage::Truncated, 1)]);
    let files = files(&release);
    let other = folder.path().join("other");
    let mut changes = 0;
    for (at, (name, bytes)) in files.iter().enumerate() {
        let path = release.join(name);
        // A release without its page or its local list of sources is whole.
        let is_needed = !["report.html", "sources.jsonl"].contains(&name.as_str());
        let mut longer = bytes.clone();
        longer.push(b' ');
        let next = &files[(at + 1) % files.len()].1;
        for content in [&bytes[..bytes.len() / 2], &longer, &[], next] {
            fs::write(&path, content).unwrap();
            assert_ne!(problems(&release), "", "{name} of {} bytes", content.len());
            changes += 1;
        }
        fs::remove_file(&path).unwrap();
        if is_needed {
            assert_ne!(problems(&release), "", "{name} is gone");
            fs::create_dir(&path).unwrap();
            assert_ne!(problems(&release), "", "{name} is a folder");
            fs::remove_dir(&path).unwrap();
            changes += 2;
        }
        #[cfg(unix)]
        if name.starts_with("shards/") {
            fs::write(&other, bytes).unwrap();
            std::os::unix::fs::symlink(&other, &path).unwrap();
            assert!(problems(&release).contains("is not a regular file"), "{name} is a link");
            fs::remove_file(&path).unwrap();
            changes += 1;
        }
        fs::write(&path, bytes).unwrap();
    }
    for (from, name) in [
        ("plan.json", "shards/shard-00000-0123456789ab.parquet"),
        ("manifest/shard-00000.json", "shards/notes.txt"),
    ] {
        fs::copy(release.join(from), release.join(name)).unwrap();
        assert!(problems(&release).contains(name), "{name} is added");
        fs::remove_file(release.join(name)).unwrap();
        changes += 1;
    }
    assert!(changes >= 50, "{changes}");
    assert_sound(&release);
}

/// The paths of all numbers, texts and truth values in `value`.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| leaves(value, &format!("{path}/{key}"), found));
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(i, value)| leaves(value, &format!("{path}/{i}"), found));
        }
        Value::Null => {}
        _ => found.push(path.to_owned()),
    }
}

fn changed(value: &Value) -> Value {
    match value {
        Value::Bool(is) => json!(!is),
        Value::Number(number) if number.is_f64() => json!(number.as_f64().unwrap() + 0.5),
        Value::Number(number) => json!(number.as_u64().unwrap() + 1),
        Value::String(text) => json!(format!("{text}x")),
        other => other.clone(),
    }
}

#[test]
fn a_manifest_that_says_something_else_is_found_even_with_its_checksum_right() {
    let (_folder, release) = release(vec![]);
    let path = release.join("manifest.json");
    let written = fs::read(&path).unwrap();
    let mut manifest: Value = serde_json::from_slice(&written).unwrap();
    manifest.as_object_mut().unwrap().remove("checksum");
    let mut paths = Vec::new();
    leaves(&manifest, "", &mut paths);
    // What made the release is nowhere else.
    paths.retain(|path| path != "/tool");
    assert!(paths.len() > 150, "{}", paths.len());
    for leaf in paths.iter().step_by(sized(3, 1)) {
        let mut other = manifest.clone();
        let value = other.pointer_mut(leaf).unwrap();
        *value = changed(value);
        fs::write(&path, sealed_json(&other)).unwrap();
        assert_ne!(problems(&release), "", "{leaf} is {}", other.pointer(leaf).unwrap());
    }
    fs::write(&path, written).unwrap();
    assert_sound(&release);
}

#[cfg(unix)]
#[test]
fn a_hostile_manifest_opens_nothing_outside_and_ends() {
    let (folder, release) = release(vec![]);
    let path = release.join("manifest.json");
    let manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    // Whoever opens a pipe that nobody writes waits for ever, and the test with it.
    let pipe = |path: PathBuf| {
        let status = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(status.success());
    };
    pipe(folder.path().join("outside"));
    pipe(release.join("shards/pipe"));
    let outside = folder.path().join("outside").to_string_lossy().into_owned();
    let most = u64::MAX;
    let repeated = json!(vec![manifest["shards"][0].clone(); 20_000]);
    let deep: Value = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let changes = [
        ("/shards/0/file", json!("../outside")),
        ("/shards/0/file", json!(outside)),
        ("/shards/0/file", json!("shards/../../outside")),
        ("/shards/0/file", json!("shards/../outside")),
        ("/shards/0/file", json!("shards/./pipe")),
        ("/shards/0/file", json!("shards/pipe")),
        ("/shards/0/file", json!("shards")),
        ("/shards/0/file", json!("shards/")),
        ("/shards/0/file", json!("")),
        ("/shards/0/file", json!("/dev/zero")),
        ("/shards/0/file", json!("shards/a\u{0}b")),
        ("/shards/0/file", json!("x".repeat(1 << 20))),
        ("/shards/0/file", json!(null)),
        ("/shards/0/shard", json!(most)),
        ("/shards/0/first", json!(most)),
        ("/shards/0/planned", json!(most)),
        ("/shards/0/rows", json!(most)),
        ("/shards/0/bytes", json!(most)),
        ("/shards/0/sha256", json!("é".repeat(32))),
        ("/shards", repeated),
        ("/shards", json!([])),
        ("/counts/listed", json!(most)),
        ("/counts/missing", json!(most)),
        ("/plan/images", json!(most)),
        ("/plan/strays", json!(most)),
        ("/plan/format_version", json!(u32::MAX)),
        ("/plan/settings/resize/height", json!(most)),
        ("/plan/settings/resize/width", json!(0)),
        ("/plan/settings/window/bits", json!(most)),
        ("/plan/settings/shard/rows", json!(0)),
        ("/plan/settings/folds/count", json!(u16::MAX)),
        ("/plan/settings", deep),
        ("/folds", json!({"groups": most})),
        ("/columns", json!(vec![["image", "FixedSizeBinary(2147483647)"]; 1000])),
    ];
    for (at, value) in changes {
        let mut other = manifest.clone();
        other.as_object_mut().unwrap().remove("checksum");
        *other.pointer_mut(at).unwrap() = value;
        fs::write(&path, sealed_json(&other)).unwrap();
        assert_ne!(problems(&release), "", "{at}");
        // Its readers may find it good or not; they end, and do not panic.
        let _ = Table::read(&release).is_ok();
    }
    // What is no manifest at all.
    for text in ["", "{", "[]", "null", "{\"plan\": 1}", &"[".repeat(100_000), "\u{0}"] {
        fs::write(&path, text).unwrap();
        assert!(problems(&release).contains("manifest.json"), "{text:.20}");
    }
}
