//! The page of `bench storage`: the verdict first, then the measurements that it rests on.
//!
//! In: a [`Measurement`] and its [`Verdict`]. Out: a [`Page`] with plots of throughput and latency
//! by threads, and of the two limits by cores. The measurement is in the page as data, too.

mod plots;
mod tables;

use super::page::{Card, Html, Page, Section, cards, definitions};
use crate::bench::storage::measurement::Measurement;
use crate::bench::storage::verdict::{Bottleneck, Verdict, paragraphs, time};
use crate::number::{count, duration, short, size};

/// The page.
pub fn page(measurement: &Measurement, verdict: &Verdict) -> Page {
    let system = &measurement.system;
    let subtitle = format!(
        "{} on {} ({}); {} cores, {} of memory",
        system.file_system,
        system.source,
        system.options,
        short_cores(system.cores),
        size(system.memory_bytes)
    );
    let data = serde_json::to_string(measurement).expect("plain data becomes JSON");
    Page {
        title: format!("Storage {}", measurement.path.display()),
        subtitle: Html::element("p", "subtitle", Html::text(subtitle)),
        sections: vec![
            conclusion(measurement, verdict),
            plots::limits(verdict),
            plots::files(measurement),
            tables::measurements(measurement),
            training(verdict),
            words(measurement),
        ],
        data: vec![("measurement", data)],
    }
}

fn conclusion(measurement: &Measurement, verdict: &Verdict) -> Section {
    let mut body = Html::default();
    for (i, text) in paragraphs(measurement, verdict).into_iter().enumerate() {
        let class = match (i, verdict.here.map(|here| here.bottleneck)) {
            (0, Some(Bottleneck::Cpu)) => "verdict good",
            (0, _) => "verdict fair",
            _ => "",
        };
        body = body.and(Html::element("p", class, Html::text(text)));
    }
    let (storage, cpu) = (&verdict.storage, &verdict.cpu);
    let mut all = Vec::new();
    if let Some(storage) = storage {
        all.push(Card {
            value: format!("{}/s", size(storage.knee.rate as u64)),
            label: "read at the knee",
            note: format!(
                "{} threads; {} images/s",
                storage.knee.threads,
                short(storage.images_per_second)
            ),
        });
    }
    if let Some(cpu) = cpu {
        all.push(Card {
            value: format!("{} images/s", short(cpu.images_per_core_second)),
            label: "decoded by one core",
            note: format!("{} ms of CPU time each", short(cpu.cpu_ms)),
        });
    }
    if let Some(here) = verdict.here {
        all.push(Card {
            value: time(here.seconds),
            label: "for the dataset on this machine",
            note: format!(
                "{} files, {}",
                count(verdict.dataset.files),
                size(verdict.dataset.bytes)
            ),
        });
    }
    Section {
        id: "verdict",
        title: "Verdict",
        intro: "Reading and decoding go on at the same time, so the slower of the two decides. The knee \
                is the least number of threads that reach 95 % of the best throughput."
            .into(),
        body: body.and(cards(&all)),
    }
}

fn training(verdict: &Verdict) -> Section {
    let body = if verdict.training.is_empty() {
        Html::paragraph(
            "Reading shards was not measured. Name a folder on the same mount with --scratch."
                .into(),
        )
    } else {
        tables::training(verdict)
    };
    Section {
        id: "training",
        title: "Training",
        intro: "Accelerator utilisation (AU) as MLPerf Storage defines it: the time that the device \
                computes, divided by the time of the run. It is what storage alone allows, with \
                batches read ahead. Images have 1024 x 512 pixels of 8 bits; a compressed one has 0.47 \
                (zstd) or 0.57 (lz4) of that size, as generated mammograms have. mammo-pipe bench loader measures the loader itself."
            .into(),
        body,
    }
}

fn words(measurement: &Measurement) -> Section {
    let program = format!(
        "Measured by mammo-pipe {} in {}.",
        measurement.program,
        duration(measurement.seconds)
    );
    let terms = definitions(&[
        (
            "cold",
            "The page cache of this machine was emptied for these files, and the bytes that came from \
             storage were counted.",
        ),
        (
            "client cold",
            "The same on a network file system: the cache of the server is not known. It may have held \
             the files.",
        ),
        ("direct", "Read with O_DIRECT, which passes the page cache of this machine."),
        ("warm", "Read once before: the speed of the memory, not of the disk."),
        (
            "plan order",
            "The order of a release, by patient and image, in which preprocess reads. Shuffled is the \
             order of a random choice; by inode is often the order on the disk.",
        ),
    ]);
    Section {
        id: "words",
        title: "How it was measured",
        intro: "docs/storage.md says how to read this page, and how it relates to fio and MLPerf \
                Storage."
            .into(),
        body: terms.and(Html::paragraph(program.into())),
    }
}

fn short_cores(cores: f64) -> String {
    if cores.fract() == 0.0 { format!("{cores:.0}") } else { format!("{cores:.1}") }
}
