//! What training reads of a release: the table of its rows, and its pixels.

use crate::common;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use common::release::{assert_sound, config, dataset, run};
use mammo_pipe::bench::loader::generate::{Pictures, Spec};
use mammo_pipe::config::{AugmentConfig, Sampling};
use mammo_pipe::config::{Compression, ShardFormat, SplitChoice};
use mammo_pipe::dataset::Role;
use mammo_pipe::error::Fault;
use mammo_pipe::flow::Stop;
use mammo_pipe::loader::{Batch, Loader, LoaderConfig, Remainder, Store};
use mammo_pipe::model::Pixels;
use mammo_pipe::preprocess::plan::Plan;
use mammo_pipe::record::ImageRecord;
use mammo_pipe::shard::ReleaseError;
use mammo_pipe::shard::image;
use mammo_pipe::shard::reader::ShardReader;
use mammo_pipe::shard::table::Table;
use mammo_pipe::synth::{Size, SynthSpec};
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
        config.dataset.split = SplitChoice::Both;
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

const STORAGES: [(ShardFormat, Compression); 5] = [
    (ShardFormat::Parquet, Compression::Zstd),
    (ShardFormat::Parquet, Compression::Lz4),
    (ShardFormat::Parquet, Compression::None),
    (ShardFormat::Tensor, Compression::Lz4),
    (ShardFormat::Tensor, Compression::None),
];

/// A generated release: 100 images of 80 x 48 in shards of 40, the last one of 20.
fn release(
    folder: &Path,
    (format, compression): (ShardFormat, Compression),
    bits: u8,
) -> Arc<Table> {
    let folder = folder.join(format!("{format:?}-{compression:?}-{bits}"));
    let spec = Spec {
        images: 100,
        height: 80,
        width: 48,
        bits,
        format,
        compression: Some(compression),
        shard_rows: 40,
    };
    static PICTURES: OnceLock<Pictures> = OnceLock::new();
    PICTURES.get_or_init(|| Pictures::new(80, 48)).write(&folder, &spec).unwrap();
    Arc::new(Table::read(&folder).unwrap())
}

fn all(table: &Table) -> Vec<usize> {
    (0..table.rows.len()).collect()
}

fn loader(table: &Arc<Table>, config: &LoaderConfig) -> Loader {
    Loader::new(table, &all(table), config, &Stop::default()).unwrap()
}

/// Row and pixels, little-endian, of every image of a batch.
fn images(batch: &Batch) -> Vec<(usize, Vec<u8>)> {
    let images = batch.images();
    let size = images.height * images.width;
    let pixels: Vec<Vec<u8>> = match images.pixels {
        Pixels::U8(pixels) => pixels.chunks(size).map(<[u8]>::to_vec).collect(),
        Pixels::U16(pixels) => {
            let bytes = |image: &[u16]| image.iter().flat_map(|v| v.to_le_bytes()).collect();
            pixels.chunks(size).map(bytes).collect()
        }
        Pixels::F32(_) => unreachable!("a loader has whole numbers"),
    };
    assert_eq!((pixels.len(), images.batch), (batch.len(), batch.len()));
    batch.rows.iter().copied().zip(pixels).collect()
}

fn epoch(loader: &Loader, epoch: u64, position: usize) -> Vec<(usize, Vec<u8>)> {
    loader.epoch(epoch, position).flat_map(|batch| images(&batch.unwrap())).collect()
}

/// Every image as another reader finds it.
fn truth(table: &Table) -> Vec<Vec<u8>> {
    let mut pixels = Vec::new();
    for shard in 0..table.shards.len() {
        for batch in ShardReader::open(&table.path(shard).unwrap(), None).unwrap() {
            let batch = batch.unwrap();
            let rows = image::Rows::of(&batch).unwrap();
            pixels.extend((0..batch.num_rows()).map(|row| rows.pixels(row).into_owned()));
        }
    }
    pixels
}

#[test]
fn every_image_comes_with_all_its_bits_from_every_format() {
    let folder = tempfile::tempdir().unwrap();
    for storage in STORAGES {
        for bits in [8, 16] {
            let table = release(folder.path(), storage, bits);
            let truth = truth(&table);
            assert_eq!(truth.len(), 100);
            assert_sound(&table.release);
            let in_order = loader(&table, &LoaderConfig::sequential(16));
            let found = epoch(&in_order, 0, 0);
            assert_eq!(found.len(), 100, "the last batch comes too");
            for (index, (row, pixels)) in found.into_iter().enumerate() {
                assert_eq!(row, index);
                assert!(pixels == truth[row], "{storage:?}, {bits} bits, row {row}");
            }
            let mixed = loader(&table, &LoaderConfig { augment: None, ..LoaderConfig::default() });
            let mixed = epoch(&mixed, 0, 0);
            assert!(mixed.iter().zip(0..).any(|((row, _), place)| *row != place));
            assert!(mixed.into_iter().all(|(row, pixels)| pixels == truth[row]));
        }
    }
}

#[test]
fn any_number_of_threads_and_any_memory_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for (storage, bits) in [(STORAGES[0], 8), (STORAGES[3], 16), (STORAGES[4], 8)] {
        let table = release(folder.path(), storage, bits);
        let config = |threads, memory_mb| LoaderConfig {
            threads,
            memory_mb,
            sampling: Sampling { positives_per_batch: 2, oversample_positives: 1.0 },
            augment: Some(AugmentConfig::all()),
            ..LoaderConfig::default()
        };
        let one = epoch(&loader(&table, &config(1, 64)), 3, 0);
        assert!(one == epoch(&loader(&table, &config(2, 512)), 3, 0));
        assert!(one == epoch(&loader(&table, &config(7, 16)), 3, 0));
        let other = epoch(&loader(&table, &config(1, 64)), 4, 0);
        assert!(one != other, "another epoch is another order");
        // A row with cancer comes several times, each time another way.
        let row = one[0..16].iter().find(|(row, _)| table.rows[*row].record.cancer == Some(true));
        let row = row.unwrap().0;
        let times: Vec<_> = one.iter().filter(|(other, _)| *other == row).collect();
        assert!(times.len() > 1 && times[0].1 != times[1].1);
    }
}

#[test]
fn an_epoch_goes_on_at_any_position_as_it_would_have() {
    let folder = tempfile::tempdir().unwrap();
    let table = release(folder.path(), STORAGES[3], 8);
    let config = LoaderConfig { batch: 12, remainder: Remainder::Keep, ..LoaderConfig::default() };
    let whole = epoch(&loader(&table, &config), 5, 0);
    assert_eq!(whole.len(), 100);
    let again = loader(&table, &config);
    for position in [1, 12, 13, 59, 96, 99, 100, 120] {
        let rest = epoch(&again, 5, position);
        assert!(rest == whole[position.min(100)..], "from {position}");
        let first = again.epoch(5, position).next().map(|batch| batch.unwrap().position);
        assert_eq!(first, (position < 100).then_some(position));
    }
}

#[test]
fn shards_may_come_from_elsewhere() {
    struct InMemory;
    impl Store for InMemory {
        fn open(&self, release: &Path, path: &str) -> Result<Bytes, Fault> {
            let path = release.join(path);
            std::fs::read(&path).map(Bytes::from).map_err(Fault::io(&path))
        }
    }
    let folder = tempfile::tempdir().unwrap();
    for storage in STORAGES {
        let table = release(folder.path(), storage, 8);
        let (config, stop) = (LoaderConfig::default(), Stop::default());
        let elsewhere =
            Loader::from_store(&table, Box::new(InMemory), &all(&table), &config, &stop).unwrap();
        assert!(epoch(&elsewhere, 0, 0) == epoch(&loader(&table, &config), 0, 0));
    }
}

#[test]
fn a_flipped_byte_of_an_image_is_a_fault_that_names_shard_row_and_image() {
    let folder = tempfile::tempdir().unwrap();
    for storage in STORAGES {
        let table = release(folder.path(), storage, 8);
        let row = &table.rows[61];
        let path = table.path(row.shard).unwrap();
        let sound = std::fs::read(&path).unwrap();
        let mut damaged = sound.clone();
        // Its shard's second block of 16 has the images 56 to 71 of the release.
        let at = match storage {
            (_, Compression::None) => {
                let pixels = &truth(&table)[61][..2000];
                400 + sound.windows(pixels.len()).position(|bytes| bytes == pixels).unwrap()
            }
            _ => sound.len() / 2,
        };
        damaged[at] ^= 0x10;
        std::fs::write(&path, &damaged).unwrap();
        let mut batches = loader(&table, &LoaderConfig::sequential(1)).epoch(0, 0);
        let good = batches.by_ref().take_while(Result::is_ok).count();
        assert!(batches.next().is_none(), "a fault is the last that comes");
        assert!((40..80).contains(&good), "{storage:?}: row {good}");
        let mut from_there = loader(&table, &LoaderConfig::sequential(1)).epoch(0, good);
        let fault = from_there.next().unwrap().unwrap_err();
        let Some(ReleaseError::Row { path: named, row, image_id, .. }) = fault.cause() else {
            panic!("{fault:?}")
        };
        let expected = &table.rows[good];
        assert_eq!(
            (named, *row, image_id),
            (&path, expected.row, &expected.record.image_id.to_string())
        );
        if storage.1 == Compression::None {
            assert_eq!(good, 61);
        }
        let said = fault.to_string();
        assert!(said.contains(&format!("row {row}, image {image_id}: ")), "{said}");
    }
}

#[test]
fn no_damage_anywhere_in_a_shard_gives_other_pixels_or_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    for storage in STORAGES {
        let table = release(folder.path(), storage, 8);
        let truth = truth(&table);
        let path = table.path(2).unwrap();
        let sound = std::fs::read(&path).unwrap();
        let (mut faults, tries) = (0, 150);
        for n in 0..tries {
            let mut damaged = sound.clone();
            // Half of them near the end, where the metadata are.
            let at = match n % 2 {
                0 => sound.len() * n / tries,
                _ => sound.len() - 1 - n * n % 4000,
            };
            damaged[at] ^= 1 << (n % 8);
            if n % 10 == 9 {
                damaged.truncate(at);
            }
            // A file of its own: a mapped one must not change under its readers.
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, &damaged).unwrap();
            let loader =
                loader(&table, &LoaderConfig { threads: 1, ..LoaderConfig::sequential(20) });
            match loader.epoch(0, 80).next().unwrap() {
                Ok(batch) => {
                    assert!(images(&batch).into_iter().all(|(row, pixels)| pixels == truth[row]));
                }
                Err(fault) => match fault.cause() {
                    Some(ReleaseError::Row { .. } | ReleaseError::Shard { .. }) => faults += 1,
                    _ => panic!("{fault:?}"),
                },
            }
        }
        assert!(faults > tries / 4, "{storage:?}: {faults} of {tries}");
    }
}

#[test]
fn hundreds_of_takers_that_leave_early_hang_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let tables: Vec<_> = STORAGES.iter().map(|s| release(folder.path(), *s, 8)).collect();
    let number = |n: u64, below: u64| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) % below;
    for n in 0..300 {
        let table = &tables[n as usize % tables.len()];
        let config = LoaderConfig {
            batch: 1 + number(n, 9) as usize,
            threads: 1 + number(n + 1000, 4) as usize,
            memory_mb: 8,
            ..LoaderConfig::default()
        };
        let stop = Stop::default();
        let loader = Loader::new(table, &all(table), &config, &stop).unwrap();
        let mut batches = loader.epoch(n, 0);
        for _ in 0..number(n + 2000, 15) {
            let Some(batch) = batches.next() else { break };
            assert!(batch.unwrap().len() <= 9);
        }
        match number(n + 3000, 3) {
            0 => stop.raise(),
            1 => drop(loader),
            _ => {}
        }
        if number(n + 4000, 2) == 0 {
            // Who keeps all batches runs out of nothing.
            let kept: Vec<_> = batches.by_ref().collect();
            assert!(kept.iter().all(Result::is_ok));
        }
    }
}

#[test]
fn what_cannot_be_loaded_is_refused_with_what_would_do() {
    let folder = tempfile::tempdir().unwrap();
    let table = release(folder.path(), STORAGES[0], 8);
    let refused = |rows: &[usize], config: LoaderConfig| {
        let loader = Loader::new(&table, rows, &config, &Stop::default());
        loader.err().expect("it cannot be").to_string()
    };
    let rows = all(&table);
    assert_eq!(refused(&[], LoaderConfig::default()), "there are no rows to load");
    let large = LoaderConfig { batch: 4096, memory_mb: 16, ..LoaderConfig::default() };
    let said = refused(&rows, LoaderConfig { threads: 1, ..large.clone() });
    assert!(said.contains("memory limit is 16 MiB") && said.contains("need 31"), "{said}");
    let fits = LoaderConfig { threads: 1, memory_mb: 31, ..large };
    assert!(Loader::new(&table, &rows, &fits, &Stop::default()).is_ok());
    let negatives: Vec<usize> =
        rows.iter().copied().filter(|row| table.rows[*row].record.cancer != Some(true)).collect();
    let sampling = Sampling { positives_per_batch: 1, oversample_positives: 1.0 };
    let said = refused(&negatives, LoaderConfig { sampling, ..LoaderConfig::default() });
    assert!(said.contains("needs rows with cancer"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_loader_takes_what_it_may_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    for (storage, limit) in [(STORAGES[0], 16), (STORAGES[3], 44)] {
        let spec = Spec {
            images: 160,
            height: 512,
            width: 256,
            bits: 8,
            format: storage.0,
            compression: Some(storage.1),
            shard_rows: 80,
        };
        let release = folder.path().join(format!("{storage:?}"));
        Pictures::new(512, 256).write(&release, &spec).unwrap();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_mammo-pipe"))
            .args(["bench", "loader", "--json", "--step-ms", "400", "--steps", "4"])
            .args(["--augment", "none"])
            .args(["--threads", "2", "--memory-mb", &limit.to_string()])
            .arg(&release)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let line = &result["utilisation"][0];
        assert_eq!(line["steps"], 4);
        let taken = line["memory_bytes"].as_f64().unwrap() / f64::from(1 << 20);
        // What threads and the allocator keep is beside it.
        assert!(taken < f64::from(limit) + 8.0, "{taken} MiB of {limit}");
        assert!(taken > 0.6 * f64::from(limit), "{taken} MiB of {limit} do not show a bound");
    }
}
