//! `decode.precision: display` changes no coordinate, and no pixel by more than one level.

mod common;

use std::path::Path;

use arrow::array::AsArray;
use arrow::datatypes::{Float32Type, Int64Type};
use common::release::{config, dataset, run};
use mammo_pipe::config::{Precision, SplitChoice};
use mammo_pipe::dataset::synth::{Coding, Size, SynthSpec};
use mammo_pipe::shard::image::Rows;
use mammo_pipe::shard::reader::ShardReader;
use mammo_pipe::shard::release::read_manifest;

struct Row {
    id: String,
    numbers: Vec<i64>,
    quality: Vec<f32>,
    pixels: Vec<u8>,
}

fn rows(release: &Path) -> Vec<Row> {
    let mut rows = Vec::new();
    for shard in read_manifest(release).unwrap().shards {
        for batch in ShardReader::open(&release.join(shard.file.unwrap()), None).unwrap() {
            let batch = batch.unwrap();
            let images = Rows::of(&batch).unwrap();
            for row in 0..batch.num_rows() {
                let numbers = batch
                    .columns()
                    .iter()
                    .filter_map(|c| c.as_primitive_opt::<Int64Type>().map(|c| c.value(row)));
                let quality = batch
                    .columns()
                    .iter()
                    .filter_map(|c| c.as_primitive_opt::<Float32Type>().map(|c| c.value(row)));
                rows.push(Row {
                    id: images.image_id(row).to_owned(),
                    numbers: numbers.collect(),
                    quality: quality.collect(),
                    pixels: images.pixels(row).into_owned(),
                });
            }
        }
    }
    rows
}

/// Largest difference, and how many pixels differ of how many.
fn compare(
    data: &Path,
    precision: Precision,
    split: SplitChoice,
    (height, width): (usize, usize),
) -> (u8, usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    let [exact, display] = [Precision::Exact, precision].map(|precision| {
        let mut config = config(data, &folder.path().join(format!("{precision:?}")));
        config.dataset.split = split;
        config.dataset.allow_missing = true;
        config.decode.precision = precision;
        (config.resize.height, config.resize.width) = (height, width);
        run(&config, 2).unwrap();
        rows(&config.output)
    });
    assert_eq!(exact.len(), display.len());
    let (mut worst, mut differ, mut all) = (0, 0, 0);
    for (a, b) in exact.iter().zip(&display) {
        assert_eq!((&a.id, &a.numbers, &a.quality), (&b.id, &b.numbers, &b.quality));
        for (a, b) in a.pixels.iter().zip(&b.pixels) {
            worst = worst.max(a.abs_diff(*b));
            differ += usize::from(a != b);
            all += 1;
        }
    }
    (worst, differ, all)
}

#[test]
fn display_is_within_one_level_on_full_size_phantoms() {
    let folder = tempfile::tempdir().unwrap();
    let coding = Some(Coding::Jpeg2000);
    let spec = SynthSpec {
        patients: 1,
        test_patients: 1,
        size: Size::Full,
        coding,
        ..SynthSpec::default()
    };
    dataset(folder.path(), &spec);
    let (worst, differ, all) =
        compare(folder.path(), Precision::Display, SplitChoice::Test, (512, 256));
    assert!(worst <= 1, "off by {worst}");
    assert!(differ > 0, "nothing was left out, so nothing was tested: {all} pixels");
}

#[test]
fn display_is_within_one_level_on_real_files() {
    let Some(shared) = common::shared() else { return };
    for precision in [Precision::Display, Precision::Fast] {
        let (worst, differ, all) =
            compare(&shared.join("rsna"), precision, SplitChoice::Both, (1024, 512));
        eprintln!("real files, {precision:?}: {differ} of {all} pixels differ, by {worst} at most");
        assert!(worst <= if precision == Precision::Display { 1 } else { 3 }, "off by {worst}");
        assert!(differ > 0, "nothing was left out, so nothing was tested: {all} pixels");
    }
}

#[test]
fn less_than_exact_is_refused_for_16_bits() {
    let mut config = mammo_pipe::config::Config::default();
    config.window.bits = 16;
    assert!(config.check().is_ok());
    config.decode.precision = Precision::Display;
    let refused = config.check().unwrap_err().to_string();
    assert!(refused.starts_with("decode.precision is display with window.bits 16"), "{refused}");
}
