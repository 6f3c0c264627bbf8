//! What training reads of a release: the table of its rows, and its pixels.

mod common;

use common::release::{config, dataset, run};
use mammo_pipe::config::ShardFormat;
use mammo_pipe::dataset::Role;
use mammo_pipe::dataset::synth::{Size, SynthSpec};
use mammo_pipe::preprocess::plan::Plan;
use mammo_pipe::record::ImageRecord;
use mammo_pipe::shard::table::Table;
use mammo_pipe::units::{Millimetres, PixelSpacing};

#[test]
fn the_table_of_a_release_says_what_the_dataset_s_said() {
    let folder = tempfile::tempdir().unwrap();
    let spec =
        SynthSpec { patients: 5, test_patients: 1, size: Size::Tiny, ..SynthSpec::default() };
    dataset(&folder.path().join("data"), &spec);
    for name in ["train.csv", "test.csv"] {
        let path = folder.path().join("data").join(name);
        let table = std::fs::read_to_string(&path).unwrap();
        let noted = table.lines().enumerate().map(|(n, line)| match n {
            0 => format!("{line},note\n"),
            2 => format!("{line},\n"),
            n => format!("{line},line {n}\n"),
        });
        std::fs::write(&path, noted.collect::<String>()).unwrap();
    }
    for format in [ShardFormat::Parquet, ShardFormat::Tensor] {
        let mut config =
            config(&folder.path().join("data"), &folder.path().join(format!("{format:?}")));
        config.dataset.split = mammo_pipe::config::SplitChoice::Both;
        config.dataset.extra_columns = vec!["note".into()];
        config.shard.format = format;
        let joined = Plan::new(config.clone()).unwrap().joined;
        let machine = joined.jobs[0].record.machine_id.unwrap();
        let spacing = PixelSpacing { row: Millimetres(0.07), column: Millimetres(0.05) };
        config.spacing.by_machine.insert(machine.to_string(), spacing);
        run(&config, 2).unwrap();
        let plan = Plan::new(config.clone()).unwrap();
        let table = Table::read(&config.output).unwrap();

        let rows: Vec<(ImageRecord, Role, String)> = table
            .rows
            .iter()
            .map(|row| (row.record.clone(), row.role, row.source_path.clone()))
            .collect();
        let jobs: Vec<_> = plan
            .joined
            .jobs
            .iter()
            .map(|job| {
                let record = ImageRecord { line: 0, ..job.record.clone() };
                (record, job.role, job.relative.clone())
            })
            .collect();
        assert_eq!(rows, jobs);
        let notes = table.rows.iter().filter(|row| row.record.extra[0].is_some()).count();
        assert_eq!(notes, rows.len() - 2, "an empty cell is no value");
        assert_eq!((table.shape.height, table.shape.width, table.shape.bits), (96, 64, 8));
        assert_eq!((table.shape.format, &table.plan), (format, &plan.facts));
        for (index, row) in table.rows.iter().enumerate() {
            assert_eq!((row.shard, row.row), (index / 8, index % 8));
            let (crop, content) = (row.geometry.crop, row.geometry.content);
            assert!(crop.right() <= row.source.0 && crop.bottom() <= row.source.1);
            assert!(content.right() <= 64 && content.bottom() <= 96 && content.area() > 0);
            assert!(row.breast.area() > 0);
            let known = row.record.machine_id == Some(machine);
            assert_eq!(row.spacing, known.then_some(spacing));
        }

        let roles = |table: &Table| table.rows.iter().map(|row| row.role).collect::<Vec<_>>();
        let same = table.clone().with_folds(&config.folds).unwrap();
        assert_eq!(roles(&same), roles(&table));
        let mut other = config.folds.clone();
        (other.count, other.seed) = (2, 1);
        let other = table.clone().with_folds(&other).unwrap();
        assert_eq!(other.folds(), [0, 1]);
        assert!(
            other.rows.iter().all(|row| (row.role == Role::Test) == row.record.cancer.is_none())
        );
    }
}
