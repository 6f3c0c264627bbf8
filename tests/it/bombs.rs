//! Small files that stand for much memory: each is written or refused by name, and the program stays
//! within its limit for any number of workers.

use crate::common;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::dicom_file::*;
use common::release::dataset;
use mammo_pipe::synth::SynthSpec;
use serde_json::Value as Json;

/// A deflated file of as many bytes of zeros as `pixels` of 16 bits.
fn deflated(rows: u16, columns: u16) -> Vec<u8> {
    let mut file = DicomFile::grey(rows, columns, &[]);
    file.syntax = DEFLATED.into();
    let bytes = 2 * usize::from(rows) * usize::from(columns);
    file.set(PIXEL_DATA, "OW", Value::Bytes(vec![0; bytes]));
    file.bytes()
}

fn png(side: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Sixteen);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&vec![0; 2 * side as usize * side as usize]).unwrap();
    writer.finish().unwrap();
    bytes
}

/// A grey image with one element more.
fn with(tag: u32, vr: &'static str, value: Value) -> Vec<u8> {
    let (rows, columns) = (64, 48);
    let pixels: Vec<u16> = (0..rows * columns).map(|i| i % 4096).collect();
    let mut file = DicomFile::grey(rows, columns, &pixels);
    file.set(tag, vr, value);
    file.bytes()
}

fn repeated(piece: &[u8], bytes: usize) -> Value {
    Value::Bytes(piece.iter().copied().cycle().take(bytes / piece.len() * piece.len()).collect())
}

const EMPTY_ITEM: [u8; 8] = [0xFE, 0xFF, 0x00, 0xE0, 0, 0, 0, 0];

fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let mut many_values = with(0x0028_1050, "DS", Value::Text("1".into()));
    // The same attribute again and again, before the pixels.
    let value = [0x28, 0, 0x50, 0x10, b'D', b'S', 2, 0, b'1', b' '];
    let pixels = many_values.windows(4).position(|tag| tag == [0xE0, 0x7F, 0x10, 0]).unwrap();
    let repeated_elements: Vec<u8> = value.iter().copied().cycle().take(8_000_000).collect();
    many_values.splice(pixels..pixels, repeated_elements);
    let fragments = |count| {
        let fragments = vec![vec![0, 1]; count];
        DicomFile::compressed(64, 48, JPEG_2000, fragments).bytes()
    };
    vec![
        ("25 MB deflated", deflated(4000, 3125)),
        ("190 MB deflated", deflated(10_000, 9_500)),
        ("98 MB in a PNG", png(7000)),
        ("a million fragments", fragments(1_000_000)),
        ("a million tables", with(0x0028_3010, "SQ", repeated(&EMPTY_ITEM, 8_000_000))),
        ("a million numbers", with(0x0028_1050, "UN", repeated(b"1\\", 16_000_000))),
        ("a million attributes", many_values),
    ]
}

fn images(data: &Path) -> Vec<PathBuf> {
    let patients = fs::read_dir(data.join("train_images")).unwrap();
    let folders = patients.map(|folder| folder.unwrap().path());
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

fn preprocess(data: &Path, release: &Path, threads: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mammo-pipe"))
        .args(["preprocess", "--quiet", "--json", "--no-report", "--input"])
        .arg(data)
        .arg("--output")
        .arg(release)
        .args(["--workers", threads, "--readers", threads])
        .args(["--set", "limits.memory_mb=256", "--set", "limits.max_rejected_share=1"])
        .args(["--set", "resize.height=128", "--set", "resize.width=64"])
        .output()
        .unwrap()
}

#[test]
fn memory_stays_within_its_limit_whatever_the_files_stand_for() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    dataset(&data, &SynthSpec { patients: 10, test_patients: 1, ..SynthSpec::default() });
    let images = images(&data);
    let bombs = bombs();
    let mut targets = images.iter();
    for _ in 0..4 {
        for (_, bytes) in &bombs {
            fs::write(targets.next().unwrap(), bytes).unwrap();
        }
    }
    // Takes no space on disk.
    let sparse = targets.next().unwrap();
    File::options().write(true).open(sparse).unwrap().set_len(4 << 40).unwrap();

    let mut first: Option<Json> = None;
    for threads in ["1", "8", "64"] {
        let release = folder.path().join(format!("release-{threads}"));
        let output = preprocess(&data, &release, threads);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        let summary: Json = serde_json::from_slice(&output.stdout).unwrap();
        let peak = summary["peak_memory_bytes"].as_u64().unwrap();
        println!("{threads} workers: {} MB", peak / 1_000_000);
        assert!(peak <= (256 << 20) + 150_000_000, "{threads} workers: {peak} bytes");
        match &first {
            None => first = Some(summary["quarantine"].clone()),
            Some(first) => assert_eq!(*first, summary["quarantine"], "{threads} workers"),
        }
    }
    let reasons = first.unwrap().to_string();
    for part in ["limits.memory_mb leaves", "fragments", "a file of"] {
        assert!(reasons.contains(part), "{part}: {reasons}");
    }
    let inspect = Command::new(env!("CARGO_BIN_EXE_mammo-pipe"))
        .args(["inspect", "--json"])
        .arg(&data)
        .output()
        .unwrap();
    assert_eq!(inspect.status.code(), Some(0), "{}", String::from_utf8_lossy(&inspect.stderr));
}

#[cfg(target_os = "linux")]
#[test]
fn a_table_of_one_endless_line_is_refused_before_it_fills_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    dataset(&data, &SynthSpec { patients: 1, test_patients: 0, ..SynthSpec::default() });
    let table = data.join("train.csv");
    let refused = |needed: &str| {
        let run = "ulimit -v 900000; exec \"$@\"";
        let output = Command::new("sh")
            .args(["-c", run, "sh", env!("CARGO_BIN_EXE_mammo-pipe"), "inspect"])
            .arg(&data)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("train.csv") && said.contains(needed), "{said}");
    };
    let file = File::options().write(true).open(&table).unwrap();
    file.set_len(1 << 30).unwrap();
    refused("the line has more than 1048576 bytes");
    file.set_len(4 << 40).unwrap();
    refused("needs at most 4294967296");
}
