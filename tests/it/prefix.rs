//! `decode.read: prefix` reads less, changes no pixel, and finds files that are cut off.

use crate::common;

use std::fs;
use std::path::Path;

use arrow::array::{Array as _, AsArray, RecordBatch};
use common::release::{config, dataset, run};
use mammo_pipe::config::{Config, Reading};
use mammo_pipe::shard::image::Rows;
use mammo_pipe::shard::reader::ShardReader;
use mammo_pipe::shard::release::read_manifest;
use mammo_pipe::synth::{Coding, Size, SynthSpec};

fn batches(release: &Path) -> Vec<RecordBatch> {
    let shards = read_manifest(release).unwrap().shards.into_iter().filter_map(|s| s.file);
    shards
        .flat_map(|file| ShardReader::open(&release.join(file), None).unwrap())
        .map(Result::unwrap)
        .collect()
}

fn reading(data: &Path, release: &Path, read: Reading, reduce: u8) -> Config {
    let mut config = config(data, release);
    config.dataset.allow_missing = true;
    (config.decode.read, config.decode.reduce) = (read, reduce);
    (config.resize.height, config.resize.width) = (256, 128);
    config
}

#[test]
fn a_prefix_is_less_to_read_gives_the_same_rows_and_is_told_from_a_file_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let coding = Some(Coding::Jpeg2000);
    let size = Size::Full;
    dataset(
        &data,
        &SynthSpec { patients: 1, test_patients: 0, size, coding, ..SynthSpec::default() },
    );
    let [whole, prefix] = [Reading::Whole, Reading::Prefix].map(|read| {
        let config = reading(&data, &folder.path().join(format!("{read:?}")), read, 1);
        let summary = run(&config, 2).unwrap();
        assert_eq!(summary.counts.rejected, 0);
        (summary.bytes_read, batches(&config.output))
    });
    assert!(prefix.0 * 2 < whole.0, "{} bytes of {}", prefix.0, whole.0);
    assert_eq!(whole.1.len(), prefix.1.len());
    for (whole, prefix) in whole.1.iter().zip(&prefix.1) {
        for (name, (a, b)) in
            whole.schema().fields().iter().zip(whole.columns().iter().zip(prefix.columns()))
        {
            match name.name().as_str() {
                "source_sha256" => assert_eq!((a.null_count(), b.null_count()), (0, b.len())),
                name => assert!(a == b, "{name} differs"),
            }
        }
        assert!(Rows::of(prefix).unwrap().pixels(0).iter().any(|&pixel| pixel > 0));
    }
    // The beginning would be enough for what is damaged now.
    damage(&data);
    let reasons = [Reading::Whole, Reading::Prefix].map(|read| {
        let config = reading(&data, &folder.path().join(format!("damaged-{read:?}")), read, 1);
        run(&config, 2).unwrap().quarantine
    });
    // The file without the delimiter that ends its fragments ends where its stream does: it is read.
    assert_eq!(reasons[0].values().sum::<usize>(), 3, "{reasons:?}");
    assert_eq!(reasons[0], reasons[1]);
}

/// Cuts off some bytes, half, and the delimiter that ends fragments, each of another file, and
/// takes the end of its stream from one that goes on behind it.
fn damage(data: &Path) {
    let patients = fs::read_dir(data.join("train_images")).unwrap();
    let images = patients.flat_map(|patient| fs::read_dir(patient.unwrap().path()).unwrap());
    let mut files: Vec<_> = images.map(|image| image.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 4);
    // Some bytes, half, the delimiter that ends fragments, and the end of the stream inside a
    // file that goes on.
    for (file, cut) in files.iter().zip([100, usize::MAX, 8, 0]) {
        let mut bytes = fs::read(file).unwrap();
        if cut == 0 {
            let end = bytes.len() - 8;
            bytes[end - 3..end].fill(0);
        } else {
            bytes.truncate(bytes.len() - cut.min(bytes.len() / 2));
        }
        fs::write(file, bytes).unwrap();
    }
}

#[test]
#[ignore = "needs ../shared with real files"]
fn a_prefix_of_real_files_gives_the_same_pixels() {
    let shared = common::needs::real_files();
    for reduce in [1, 2] {
        let folder = tempfile::tempdir().unwrap();
        let [whole, prefix] = [Reading::Whole, Reading::Prefix].map(|read| {
            let output = folder.path().join(format!("{read:?}"));
            let mut config = reading(&shared.join("rsna"), &output, read, reduce);
            config.dataset.split = mammo_pipe::config::SplitChoice::Both;
            let summary = run(&config, 2).unwrap();
            (summary, batches(&config.output))
        });
        assert_eq!(whole.0.counts.written, prefix.0.counts.written);
        for (whole, prefix) in whole.1.iter().zip(&prefix.1) {
            let (a, b) = (Rows::of(whole).unwrap(), Rows::of(prefix).unwrap());
            let sizes = whole.column_by_name("source_bytes").unwrap();
            let syntax = whole.column_by_name("transfer_syntax").unwrap().as_string::<i32>();
            for row in 0..whole.num_rows() {
                assert_eq!(a.pixels(row), b.pixels(row), "{}", syntax.value(row));
            }
            assert_eq!(sizes, prefix.column_by_name("source_bytes").unwrap());
        }
        eprintln!(
            "real files, reduce {reduce}: {} of {} bytes read",
            prefix.0.bytes_read, whole.0.bytes_read
        );
        assert!(prefix.0.bytes_read < whole.0.bytes_read);
    }
}
