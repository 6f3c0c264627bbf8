//! The report of a release, made and read as a user does: by the program, in a browser.

use crate::common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::browser::{Seen, open_in_browser};
use mammo_pipe::report::page::escape;
use mammo_pipe::shard::manifest::Quarantined;

/// Runs the program and gives its exit code.
fn mammo_pipe(args: &[&str]) -> i32 {
    let output = Command::new(env!("CARGO_BIN_EXE_mammo-pipe")).args(args).output().unwrap();
    let code = output.status.code().unwrap();
    assert!([0, 3].contains(&code), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    code
}

/// A dataset and its release.
struct Made {
    folder: tempfile::TempDir,
}

impl Made {
    /// A dataset of a few tiny images, some of them damaged.
    fn dataset(patients: u32, damage: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dataset = folder.path().join("dataset");
        let patients = patients.to_string();
        let mut args = vec!["synth", dataset.to_str().unwrap(), "--size", "tiny", "--quiet"];
        args.extend(["--patients", &patients, "--prevalence", "0.3"]);
        damage.iter().for_each(|damage| args.extend(["--damage", damage]));
        mammo_pipe(&args);
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn preprocess(&self) -> i32 {
        self.preprocess_with(&[])
    }

    fn preprocess_with(&self, more: &[&str]) -> i32 {
        let (input, output) = (self.path("dataset"), self.path("release"));
        let args = [
            "preprocess",
            "--input",
            input.to_str().unwrap(),
            "--output",
            output.to_str().unwrap(),
            "--set=resize.height=128",
            "--set=resize.width=64",
            "--set=shard.rows=8",
            "--split=both",
            "--quiet",
        ];
        mammo_pipe(&[&args, more].concat())
    }

    fn report(&self, more: &[&str]) -> String {
        let release = self.path("release");
        mammo_pipe(&[&["report", release.to_str().unwrap()], more].concat());
        self.page()
    }

    fn page(&self) -> String {
        self.text("release/report.html")
    }
}

/// Panics unless every element is closed in order, and nothing is asked of the network.
fn check_structure(page: &str) {
    for bad in ["http:", "https:", "src=", "@import", "url(", "onload", "onerror=", "javascript:"] {
        let found = page.find(bad).map(|at| &page[at.saturating_sub(60)..at + bad.len()]);
        assert_eq!(found, None, "{bad} in the page");
    }
    let mut open: Vec<&str> = Vec::new();
    let mut ids = BTreeSet::new();
    let mut targets = BTreeSet::new();
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("it says that it is HTML");
    while let Some(at) = rest.find('<') {
        let end = at + rest[at..].find('>').expect("a tag ends");
        let tag = &rest[at + 1..end];
        let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap();
        rest = &rest[end + 1..];
        for value in tag.split(" id=\"").skip(1) {
            assert!(ids.insert(value.split('"').next().unwrap()), "two of {value}");
        }
        for value in tag.split("href=\"").skip(1) {
            let target = value.split('"').next().unwrap();
            assert!(target.starts_with(['#', 'd']), "{tag}");
            targets.extend(target.strip_prefix('#'));
        }
        match tag {
            _ if tag.starts_with('/') => {
                assert_eq!(open.pop(), Some(name), "before {}", &rest[..rest.len().min(80)]);
            }
            // The last line is a comment with the checksum of the others.
            _ if tag.ends_with('/') || ["meta", "link", "!--"].contains(&name) => {}
            _ => open.push(name),
        }
        if name == "style" || name == "script" {
            rest = &rest[rest.find(&format!("</{name}>")).unwrap_or(0)..];
        }
    }
    assert!(open.is_empty(), "{open:?} stay open");
    assert!(targets.is_subset(&ids), "links to {targets:?}, there is {ids:?}");
    assert!(page.len() < 4 << 20, "{} bytes", page.len());
}

const DAMAGE: [&str; 6] = ["empty=2", "html", "truncated=5", "wrong-rows", "no-row", "colour"];

#[test]
fn the_page_tells_of_every_image_set_aside_and_stands_alone() {
    let made = Made::dataset(8, &[&DAMAGE[..], &["missing-file"]].concat());
    assert_eq!(made.preprocess(), 3);
    let page = made.page();
    check_structure(&page);

    let quarantine = made.text("release/quarantine.csv");
    let mut rows = csv::Reader::from_reader(quarantine.as_bytes());
    let rows: Vec<Quarantined> = rows.deserialize().map(Result::unwrap).collect();
    assert!(rows.len() >= 12, "{quarantine}");
    let digits = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
    let without_digits = digits(&page);
    for row in rows {
        assert!(without_digits.contains(&digits(&escape(&row.reason))), "{}", row.reason);
    }
    assert!(page.contains("No patient is in two folds"));
    assert!(page.contains("<image href=\"data:image/jpeg;base64,"));
    assert!(page.contains("id=\"time\""), "a run has its timing");
}

#[test]
fn tensors_of_16_bits_are_shown_like_bytes() {
    let made = Made::dataset(2, &[]);
    made.preprocess_with(&["--set=shard.format=tensor", "--set=window.bits=16"]);
    let page = made.page();
    check_structure(&page);
    assert!(page.contains("64 × 128 pixels of 16 bits"));
    let images = made.text("dataset/train.csv").lines().count() - 1;
    let images = images + made.text("dataset/test.csv").lines().count() - 1;
    assert_eq!(page.matches("<image ").count(), 2 * images.min(36), "before and after");
}

#[test]
fn a_report_written_again_keeps_the_timing_and_says_what_it_cannot_show() {
    let made = Made::dataset(2, &[]);
    assert_eq!(made.preprocess(), 0);
    let first = made.page();
    let input = made.path("dataset");
    assert_eq!(made.report(&["--dataset", input.to_str().unwrap()]), first);

    let outlines = made.report(&[]);
    check_structure(&outlines);
    assert!(outlines.contains("id=\"time\"") && outlines.contains("folder was not given"));
    let pictures = |page: &str| page.matches("<image ").count();
    assert_eq!(2 * pictures(&outlines), pictures(&first), "only the images of the release");

    // A rerun finds everything done: its time says nothing.
    assert_eq!(made.preprocess(), 0);
    assert_eq!(made.page(), first);
}

#[test]
fn an_id_is_never_markup() {
    let made = Made::dataset(2, &[]);
    let table = made.text("dataset/train.csv");
    let line: Vec<&str> = table.lines().nth(1).unwrap().split(',').collect();
    let (patient, image) = (line[1], line[2]);
    let (evil_patient, evil_image) = ("<script>alert(1)", "<img onerror=alert(2)>&amp;'");
    let images = made.path("dataset/train_images");
    let place = |patient: &str, image: &str| images.join(patient).join(format!("{image}.dcm"));
    fs::rename(place(patient, image), place(patient, evil_image)).unwrap();
    fs::rename(images.join(patient), images.join(evil_patient)).unwrap();
    let table = table
        .replace(&format!(",{image},"), &format!(",{evil_image},"))
        .replace(&format!(",{patient},"), &format!(",{evil_patient},"));
    fs::write(made.path("dataset/train.csv"), table).unwrap();

    assert_eq!(made.preprocess(), 0);
    let page = made.page();
    assert!(page.contains(&escape(evil_patient)) && page.contains(&escape(evil_image)));
    assert!(!page.contains("<script>") && !page.contains("<img"));
    let empty = page.replace("onerror=alert(2)", "");
    check_structure(&empty);
}

#[test]
fn a_release_without_a_single_row_has_a_page() {
    let made = Made::dataset(2, &[]);
    for file in
        walk(&made.path("dataset")).iter().filter(|p| p.extension().is_some_and(|e| e == "dcm"))
    {
        fs::write(file, "").unwrap();
    }
    assert_eq!(made.preprocess(), 3);
    let page = made.page();
    check_structure(&page);
    assert!(page.contains("No image was written") && page.contains("the file is empty"));
}

#[test]
fn a_release_that_is_not_finished_says_so() {
    let made = Made::dataset(4, &DAMAGE[..1]);
    assert_eq!(made.preprocess(), 3);
    fs::remove_file(made.path("release/manifest.json")).unwrap();
    fs::remove_file(made.path("release/manifest/shard-00001.json")).unwrap();
    let page = made.report(&[]);
    check_structure(&page);
    assert!(page.contains("Not complete: 8 of "), "a shard of 8 is gone");
}

#[test]
fn a_release_with_missing_images_is_never_called_complete_nor_shown_in_green() {
    let made = Made::dataset(4, &["missing-file"]);
    assert_eq!(made.preprocess(), 3);
    let page = made.page();
    assert!(page.contains("Images are missing: 1 row"), "what is missing is not said");
    assert!(page.contains("verdict bad\">Images are missing"), "its colour");
    assert!(!page.contains("Complete"), "it is not");
    let before = page.split("<title>missing: ").next().unwrap();
    let bar = &before[before.rfind("<rect class").unwrap()..];
    assert!(bar.starts_with("<rect class=\"s1\""), "vermilion, where s2 is green: {bar}");
    assert!(page.contains("Row without a file"), "the class in plain words");
    assert!(page.contains("See that every disk is mounted"), "what to do next");
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
#[ignore = "needs chromium"]
fn a_browser_shows_the_page_without_a_request_or_a_console_message() {
    let made = Made::dataset(4, &DAMAGE);
    made.preprocess();
    let seen = open_in_browser(&made.path("release/report.html"));
    let title = "Release release".to_owned();
    assert_eq!(seen, Seen { console: Vec::new(), requests: BTreeSet::new(), title });

    // The same eyes do see a page that asks and complains.
    let control = made.path("control.html");
    let asks = "<title>c</title><img src=\"http://192.0.2.1/x.png\">";
    fs::write(&control, format!("{asks}<script>console.error('broken')</script>")).unwrap();
    let seen = open_in_browser(&control);
    assert_eq!(seen.requests, BTreeSet::from(["http://192.0.2.1/x.png".to_owned()]));
    assert!(seen.console.iter().any(|line| line.contains("broken")), "{seen:?}");
}
