//! `mammo-pipe render` as its user sees it.

use crate::common;

use std::path::Path;
use std::process::{Command, Output};

use common::dicom_file::DicomFile;
use serde_json::Value as Json;

fn render(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mammo-pipe")).arg("render").args(arguments).output().unwrap()
}

/// A breast in the shape of a triangle at the left of a dark frame, 200 x 120.
fn write_breast(path: &Path) {
    let pixels: Vec<u16> = (0..200 * 120)
        .map(|i| (i / 120, i % 120))
        .map(
            |(y, x): (i32, i32)| {
                if x < 90 - (y - 100).abs() { 1500 + (x * 7 + y * 3) as u16 % 500 } else { 20 }
            },
        )
        .collect();
    let mut file = DicomFile::grey(200, 120, &pixels);
    file.text(0x0028_1050, "DS", "1200\\900").text(0x0028_1051, "DS", "2000\\500");
    std::fs::write(path, file.bytes()).unwrap();
}

fn png_size(path: &Path) -> (u32, u32, png::BitDepth) {
    let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
    let reader = png::Decoder::new(file).read_info().unwrap();
    let info = reader.info();
    (info.width, info.height, info.bit_depth)
}

#[test]
fn every_step_is_written_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("image.dcm");
    let picture = folder.path().join("picture.png");
    write_breast(&file);
    let (file, folder) = (file.to_str().unwrap(), folder.path());
    let steps = folder.join("steps");
    let output = render(&[
        file,
        picture.to_str().unwrap(),
        "--steps",
        steps.to_str().unwrap(),
        "--json",
        "--set",
        "window.index=1",
        "--set",
        "window.bits=16",
    ]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let facts: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&facts["rows"], &facts["columns"]), (&200.into(), &120.into()));
    assert_eq!(facts["window"]["center"], 900.0);
    assert_eq!(facts["window"]["index"], 1);
    assert_eq!(facts["breast"]["box"]["left"], 0);
    assert!(!String::from_utf8_lossy(&output.stdout).contains("SECRET"));
    let sixteen = png::BitDepth::Sixteen;
    assert_eq!(png_size(&steps.join("decoded.png")), (120, 200, sixteen));
    assert_eq!(png_size(&steps.join("windowed.png")), (120, 200, sixteen));
    assert_eq!(png_size(&steps.join("output.png")), (512, 1024, sixteen));
    let (width, height, depth) = png_size(&picture);
    // Three panels of the frame's aspect and one of the output's, 900 high.
    assert_eq!(width, 3 * 540 + 450 + 5 * 16);
    assert!(height > 900 && depth == png::BitDepth::Eight, "{height}");
}

#[test]
fn a_file_that_the_pipeline_sets_aside_is_a_fault_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("image.dcm");
    let mut colour = DicomFile::grey(2, 2, &[0; 4]);
    std::fs::write(&file, colour.number(0x0028_0002, 3).bytes()).unwrap();
    let output = render(&[file.to_str().unwrap(), "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.ends_with("image.dcm: SamplesPerPixel is 3, supported is 1 (grey)\n"));
}

#[test]
fn a_render_that_would_show_nothing_is_refused() {
    let output = render(&["image.dcm"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_second_file_is_no_place_for_the_picture_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["A.dcm", "B.dcm"].map(|name| folder.path().join(name));
    write_breast(&a);
    write_breast(&b);
    let before = std::fs::read(&b).unwrap();
    let output = render(&[a.to_str().unwrap(), b.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("B.dcm: the last argument is the PNG to write"), "{message}");
    assert_eq!(std::fs::read(&b).unwrap(), before);
}

#[test]
fn a_picture_of_somebody_else_s_is_replaced_by_force_alone_and_ours_at_any_time() {
    let folder = tempfile::tempdir().unwrap();
    let [file, picture] = ["a.dcm", "holiday.png"].map(|name| folder.path().join(name));
    write_breast(&file);
    std::fs::write(&picture, "a holiday").unwrap();
    let (file, at) = (file.to_str().unwrap(), picture.to_str().unwrap());
    let refused = render(&[file, at]);
    assert_eq!(refused.status.code(), Some(1));
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(message.contains("holiday.png is there already") && message.contains("--force"));
    assert_eq!(std::fs::read(&picture).unwrap(), b"a holiday");
    assert!(render(&[file, at, "--force"]).status.success());
    assert!(render(&[file, at, "--set", "roi.margin=0.1"]).status.success(), "this one is ours");

    let steps = folder.path().join("steps");
    std::fs::create_dir(&steps).unwrap();
    std::fs::write(steps.join("cropped.png"), "a holiday").unwrap();
    let refused = render(&[file, "--steps", steps.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(std::fs::read_dir(&steps).unwrap().count(), 1, "nothing is half written");
}
