//! Images of a release as training takes them: `cargo bench --bench loader`.
//!
//! An epoch of 512 phantoms of 1024 x 512 in 8 bits, Parquet with zstd, by one thread: in the
//! release's order as validation reads it, shuffled, and with the default augmentation; every
//! image's checksum verified. The peer is the `parquet` crate's own reader, which reads the images'
//! column in the order of the file and checks nothing. Bytes are those of the pixels.
//!
//! `mammo-pipe bench loader` measures more: all formats, threads, and how long a device would wait.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, BinaryArray};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use mammo_pipe::bench::loader::generate::{Pictures, Spec};
use mammo_pipe::config::AugmentConfig;
use mammo_pipe::flow::Stop;
use mammo_pipe::loader::{Loader, LoaderConfig, Shuffle};
use mammo_pipe::shard::table::Table;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

fn main() {
    divan::main();
}

struct Release {
    table: Arc<Table>,
    _folder: tempfile::TempDir,
}

static RELEASE: LazyLock<Release> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let spec = Spec::default();
    Pictures::new(spec.height, spec.width)
        .write(folder.path(), &spec)
        .expect("the folder can be written to");
    let table = Arc::new(Table::read(folder.path()).expect("the release is sound"));
    Release { table, _folder: folder }
});

fn count<'a, 'b>(bencher: Bencher<'a, 'b>) -> Bencher<'a, 'b> {
    let table = &RELEASE.table;
    let images = table.rows.len();
    bencher.counter(BytesCount::new(images * table.image_bytes())).counter(ItemsCount::new(images))
}

/// How images are taken.
#[derive(Debug, Clone, Copy)]
enum Order {
    /// As they lie there, without augmentation.
    Sequential,
    /// Shuffled over all of the release.
    Shuffled,
    /// Shuffled, with the default augmentation.
    Augmented,
}

#[divan::bench(args = [Order::Sequential, Order::Shuffled, Order::Augmented], sample_count = 10)]
fn epoch(bencher: Bencher, order: Order) {
    let table = &RELEASE.table;
    let (shuffle, augment) = match order {
        Order::Sequential => (Some(Shuffle::Sequential), None),
        Order::Shuffled => (None, None),
        Order::Augmented => (None, Some(AugmentConfig::default())),
    };
    let config = LoaderConfig { threads: 1, shuffle, augment, ..LoaderConfig::sequential(16) };
    let rows: Vec<usize> = (0..table.rows.len()).collect();
    let loader = Loader::new(table, &rows, &config, &Stop::default()).expect("it can be loaded");
    let mut number = 0;
    count(bencher).bench_local(|| {
        number += 1;
        let images =
            loader.epoch(number, 0).map(|batch| batch.expect("the release is sound").len());
        assert_eq!(images.sum::<usize>(), rows.len());
    });
}

#[divan::bench(sample_count = 10)]
fn epoch_by_parquet(bencher: Bencher) {
    let table = &RELEASE.table;
    let paths: Vec<PathBuf> =
        (0..table.shards.len()).map(|shard| table.path(shard).expect("it has a file")).collect();
    count(bencher).bench_local(|| {
        let images: usize = paths.iter().map(|path| images_of(path)).sum();
        assert_eq!(images, table.rows.len());
    });
}

/// Reads all images of a shard, 16 at a time.
fn images_of(path: &Path) -> usize {
    let file = File::open(path).expect("it can be opened");
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).expect("it is Parquet");
    let image = ProjectionMask::columns(builder.parquet_schema(), ["image"]);
    let reader = builder.with_projection(image).with_batch_size(16).build();
    let batches = reader.expect("it can be read").map(|batch| {
        let batch = batch.expect("it can be read");
        let images: &BinaryArray = batch.column(0).as_any().downcast_ref().expect("bytes");
        divan::black_box(images.value_data());
        images.len()
    });
    batches.sum()
}
