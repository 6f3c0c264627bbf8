//! `decode.precision: display` changes no coordinate, and no pixel by more than one level.

use crate::common;

use std::path::Path;

use arrow::array::AsArray;
use arrow::datatypes::{Float32Type, Int64Type};
use common::release::{config, dataset, run};
use mammo_pipe::config::{Precision, ResizeFilter, SplitChoice};
use mammo_pipe::shard::image::Rows;
use mammo_pipe::shard::reader::ShardReader;
use mammo_pipe::shard::release::read_manifest;
use mammo_pipe::synth::{Coding, Size, SynthSpec};

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

/// How many pixels are off by none, by one, by two and so on.
fn compare(
    data: &Path,
    precision: Precision,
    split: SplitChoice,
    (height, width): (usize, usize),
) -> Vec<usize> {
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
    let mut counts = vec![0];
    for (a, b) in exact.iter().zip(&display) {
        assert_eq!((&a.id, &a.numbers, &a.quality), (&b.id, &b.numbers, &b.quality));
        for (a, b) in a.pixels.iter().zip(&b.pixels) {
            let off = usize::from(a.abs_diff(*b));
            counts.resize(counts.len().max(off + 1), 0);
            counts[off] += 1;
        }
    }
    counts
}

/// Peak signal-to-noise ratio of 8 bits, in dB.
fn psnr(counts: &[usize]) -> f64 {
    let squares: usize = counts.iter().enumerate().map(|(off, count)| off * off * count).sum();
    let mean = squares as f64 / counts.iter().sum::<usize>() as f64;
    10.0 * (255.0_f64.powi(2) / mean).log10()
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
    let counts = compare(folder.path(), Precision::Display, SplitChoice::Test, (512, 256));
    assert_eq!(counts.len(), 2, "not off by one at most, or nothing was left out: {counts:?}");
}

#[test]
#[ignore = "needs ../shared with real files"]
fn display_is_within_one_level_on_real_files() {
    let shared = common::needs::real_files();
    for precision in [Precision::Display, Precision::Fast] {
        let counts = compare(&shared.join("rsna"), precision, SplitChoice::Both, (1024, 512));
        let psnr = psnr(&counts);
        eprintln!(
            "real files, {precision:?}: pixels by how far they are off: {counts:?}, {psnr:.1} dB"
        );
        let most = if precision == Precision::Display { 1 } else { 3 };
        assert!((2..=most + 1).contains(&counts.len()), "off by more than {most}, or by nothing");
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

#[test]
fn less_than_exact_is_refused_for_filters_that_take_no_area_means() {
    for filter in [ResizeFilter::Lanczos3, ResizeFilter::Bilinear] {
        let mut config = mammo_pipe::config::Config::default();
        config.resize.filter = filter;
        assert!(config.check().is_ok());
        config.decode.precision = Precision::Fast;
        let refused = config.check().unwrap_err().to_string();
        let expected = format!("decode.precision is fast with resize.filter {filter:?}");
        assert!(refused.starts_with(&expected.to_lowercase()), "{refused}");
        config.resize.filter = ResizeFilter::Area;
        assert!(config.check().is_ok());
    }
}

#[test]
fn a_filter_of_the_resize_changes_pixels_a_little_and_no_coordinate() {
    let folder = tempfile::tempdir().unwrap();
    let coding = Some(Coding::Jpeg2000);
    dataset(folder.path(), &SynthSpec { patients: 2, coding, ..SynthSpec::default() });
    for reduce in [0, 1] {
        let filters = [ResizeFilter::Area, ResizeFilter::Lanczos3, ResizeFilter::Bilinear];
        let [area, others @ ..] = filters.map(|filter| {
            let release = folder.path().join(format!("{filter:?} {reduce}"));
            let mut config = config(folder.path(), &release);
            config.resize.filter = filter;
            config.decode.reduce = reduce;
            run(&config, 2).unwrap();
            rows(&config.output)
        });
        for other in others {
            assert_eq!(area.len(), other.len());
            for (a, b) in area.iter().zip(&other) {
                assert_eq!((&a.id, &a.numbers, &a.quality), (&b.id, &b.numbers, &b.quality));
                let off = a.pixels.iter().zip(&b.pixels).map(|(a, b)| f64::from(a.abs_diff(*b)));
                let mean = off.sum::<f64>() / a.pixels.len() as f64;
                assert!(mean > 0.0 && mean < 8.0, "{}: {mean} levels of 256", a.id);
            }
        }
    }
}
