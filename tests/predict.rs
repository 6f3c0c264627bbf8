//! Straight from DICOM a network is fed the bytes that the shards would hold.

mod common;

use std::path::Path;
use std::sync::Arc;

use common::release::{config, dataset, run};
use mammo_pipe::config::{Config, Precision, ShardFormat, SplitChoice, of_settings};
use mammo_pipe::dataset::synth::{Damage, SynthSpec};
use mammo_pipe::flow::{Meters, Stop};
use mammo_pipe::predict::source::{from_dicom, from_release};
use mammo_pipe::predict::{Input, source};
use mammo_pipe::preprocess::Control;
use mammo_pipe::preprocess::plan::Plan;
use mammo_pipe::record::ImageRecord;
use mammo_pipe::shard::manifest::Quarantined;
use mammo_pipe::shard::table::Table;

fn all_of_dicom(config: &Config) -> (Vec<Input>, Vec<Quarantined>) {
    let plan = Plan::new(config.clone()).unwrap();
    let control = Control {
        workers: 2,
        readers: 2,
        retry_rejected: false,
        stop: Stop::default(),
        meters: Arc::new(Meters::default()),
        seen: &|_, _| {},
    };
    let mut inputs = Vec::new();
    let aside = from_dicom(&plan, &control, |input| {
        inputs.push(input);
        Ok(())
    });
    (inputs, aside.unwrap())
}

fn all_of_release(folder: &Path) -> Vec<Input> {
    let mut inputs = Vec::new();
    from_release(&Table::read(folder).unwrap(), |input| {
        inputs.push(input);
        Ok(())
    })
    .unwrap();
    inputs
}

#[test]
fn the_settings_of_a_release_make_its_very_bytes_of_the_files_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let damage = vec![(Damage::Truncated, 1), (Damage::NoRow, 1), (Damage::MissingFile, 1)];
    dataset(&data, &SynthSpec { patients: 6, test_patients: 2, damage, ..SynthSpec::default() });
    for (format, bits, precision) in [
        (ShardFormat::Parquet, 8, Precision::Exact),
        (ShardFormat::Parquet, 8, Precision::Fast),
        (ShardFormat::Tensor, 16, Precision::Exact),
    ] {
        let release = folder.path().join(format!("{format:?}-{bits}-{precision:?}"));
        let mut made_with = config(&data, &release);
        made_with.dataset.split = SplitChoice::Both;
        made_with.dataset.allow_missing = true;
        made_with.shard.format = format;
        made_with.window.bits = bits;
        made_with.decode.precision = precision;
        made_with.roi.flip_to = Some(mammo_pipe::record::Laterality::Left);
        let counts = run(&made_with, 2).unwrap().counts;

        let table = Table::read(&release).unwrap();
        let mut again = of_settings(&table.plan.settings, "the release").unwrap();
        again.dataset.input.clone_from(&data);
        let (from_files, aside) = all_of_dicom(&again);
        assert_eq!(aside.len(), counts.rejected + counts.missing);
        let from_shards = all_of_release(&release);
        assert_eq!(from_files.len(), counts.written);
        assert_eq!(from_files.len(), from_shards.len());
        for (file, shard) in from_files.iter().zip(&from_shards) {
            assert_eq!(file.pixels, shard.pixels, "{}", file.record.image_id);
            // Shards do not keep the table's line.
            let record = ImageRecord { line: 0, ..file.record.clone() };
            assert_eq!((&record, file.role), (&shard.record, shard.role));
        }
        let bytes = from_shards[0].pixels.to_bytes();
        assert_eq!(source::pixels(&bytes, &table.shape).as_ref(), Some(&from_shards[0].pixels));
        assert_eq!(source::pixels(&bytes[1..], &table.shape), None);
    }
}
