//! A shard written: `cargo bench --bench shard`.
//!
//! 128 phantoms of 1024 x 512 in 8 bits become one shard, on one thread. Ours is all that a finished
//! shard takes: rows, checksums, encoding, SHA-256, flushed to the disk, committed. The peer is the
//! `parquet` crate as it is without settings, and with the same compression, given the same rows as
//! record batches and writing to a file that is not flushed. Bytes are those of the pixels.

use std::fs::{self, File};
use std::path::Path;

use arrow::record_batch::RecordBatch;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use mammo_pipe::bench::loader::generate::{Pictures, Spec};
use mammo_pipe::config::{Compression, ShardFormat};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::file::properties::WriterProperties;

fn main() {
    divan::main();
}

const IMAGES: usize = 128;

/// How the pixels are stored.
const CASES: [(ShardFormat, Compression); 5] = [
    (ShardFormat::Parquet, Compression::Zstd),
    (ShardFormat::Parquet, Compression::Lz4),
    (ShardFormat::Parquet, Compression::None),
    (ShardFormat::Tensor, Compression::Lz4),
    (ShardFormat::Tensor, Compression::None),
];

fn spec((format, compression): (ShardFormat, Compression)) -> Spec {
    let compression = Some(compression);
    Spec { images: IMAGES, shard_rows: IMAGES, format, compression, ..Spec::default() }
}

fn pictures(spec: &Spec) -> Pictures {
    Pictures::new(spec.height, spec.width)
}

fn count<'a, 'b>(bencher: Bencher<'a, 'b>, spec: &Spec) -> Bencher<'a, 'b> {
    let bytes = IMAGES * spec.height * spec.width * usize::from(spec.bits / 8);
    bencher.counter(BytesCount::new(bytes)).counter(ItemsCount::new(IMAGES))
}

#[divan::bench(args = CASES)]
fn write(bencher: Bencher, case: (ShardFormat, Compression)) {
    let spec = spec(case);
    let pictures = pictures(&spec);
    count(bencher, &spec)
        .with_inputs(|| tempfile::tempdir().expect("there is a folder for temporary files"))
        .bench_local_values(|folder| {
            pictures.write(folder.path(), &spec).expect("it can be written");
            folder
        });
}

/// How the peer is set.
#[divan::bench(args = [None, Some(1)])]
fn write_by_parquet(bencher: Bencher, zstd_level: Option<i32>) {
    let spec = spec((ShardFormat::Parquet, Compression::None));
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    pictures(&spec).write(folder.path(), &spec).expect("it can be written");
    let batches = batches(folder.path());
    let properties = zstd_level.map(|level| {
        let level = ZstdLevel::try_new(level).expect("the level exists");
        WriterProperties::builder().set_compression(Codec::ZSTD(level)).build()
    });
    let file = folder.path().join("peer.parquet");
    count(bencher, &spec).bench_local(|| {
        let file = File::create(&file).expect("it can be made");
        let mut writer = ArrowWriter::try_new(file, batches[0].schema(), properties.clone())
            .expect("the schema is one of ours");
        batches.iter().for_each(|batch| writer.write(batch).expect("it can be written"));
        writer.close().expect("it can be ended")
    });
}

/// The rows of a release's shards.
fn batches(release: &Path) -> Vec<RecordBatch> {
    let shards = fs::read_dir(release.join("shards")).expect("it has shards");
    let read = |path| {
        let file = File::open(path).expect("it can be opened");
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).expect("it is Parquet");
        builder.with_batch_size(16).build().expect("it can be read")
    };
    let paths = shards.map(|entry| entry.expect("the folder can be read").path());
    paths.flat_map(read).map(|batch| batch.expect("it can be read")).collect()
}
