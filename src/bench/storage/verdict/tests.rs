//! Measurements made by hand, on both sides of the bottleneck.

use super::*;
use crate::bench::storage::knee::tests::points;
use crate::bench::storage::measurement::{
    Cache, Data, DecodeRate, Effort, Measurement, Series, System, VERSION,
};

fn series(pattern: &str, order: Order, cache: Cache, rates: &[(usize, f64)]) -> Series {
    Series { pattern: pattern.into(), order, cache, points: points(rates), note: String::new() }
}

/// A machine with four cores and a dataset of 1,000 files of 5 MB, all JPEG lossless, that take
/// `cpu_ms` each. Rates are threads and MB/s, in plan order and shuffled.
pub fn measurement(plan: &[(usize, f64)], shuffled: &[(usize, f64)], cpu_ms: f64) -> Measurement {
    let syntax = "1.2.840.10008.1.2.4.70";
    Measurement {
        version: VERSION,
        program: "0.1.0".into(),
        started: 0,
        seconds: 1.0,
        effort: Effort::Quick,
        path: "/data".into(),
        system: System {
            file_system: "ext4".into(),
            source: "/dev/sda".into(),
            options: "rw".into(),
            network: false,
            free_bytes: 1 << 40,
            memory_bytes: 1 << 34,
            cores: 4.0,
        },
        data: Data {
            own: true,
            files: 1000,
            bytes: 5_000_000_000,
            measured_files: 100,
            measured_bytes: 500_000_000,
            syntaxes: vec![(syntax.into(), 16)],
            larger_than_memory: false,
        },
        metadata: Vec::new(),
        files: vec![
            series("whole files", Order::Plan, Cache::Warm, &[(1, 9000.0)]),
            series("whole files", Order::Plan, Cache::Cold, plan),
            series("whole files", Order::Shuffled, Cache::Cold, shuffled),
        ],
        prefixes: Vec::new(),
        shards: Vec::new(),
        writes: Vec::new(),
        decode: vec![DecodeRate {
            syntax: syntax.into(),
            own: true,
            images: 10,
            cpu_ms,
            file_bytes: 5e6,
        }],
        notes: Vec::new(),
    }
}

fn verdict(measurement: &Measurement) -> Verdict {
    let step = TrainingStep { step_ms: None, batch: 16 };
    Verdict::new(measurement, DatasetSize::of(measurement), step)
}

fn near(found: f64, expected: f64) {
    assert!((found / expected - 1.0).abs() < 1e-9, "{found} is not {expected}");
}

#[test]
fn a_slow_disk_is_the_bottleneck_and_workers_for_half_more_than_it_feeds_are_advised() {
    // 100 MB/s are 20 images/s; a core decodes 10/s, so two cores are fed and four are not.
    let slow = measurement(&[(1, 60.0), (2, 100.0), (4, 100.0)], &[(1, 25.0), (4, 50.0)], 100.0);
    let verdict = verdict(&slow);
    let here = verdict.here.unwrap();
    assert_eq!(here.bottleneck, Bottleneck::Storage);
    near(here.images_per_second, 20.0);
    near(here.seconds, 50.0);
    assert_eq!(verdict.cpu_limit_up_to_cores, Some(2));
    let settings = verdict.settings.unwrap();
    assert_eq!((settings.readers, settings.workers), (2, 3));
    assert_eq!(verdict.storage.as_ref().unwrap().cache, Cache::Cold, "warm says nothing of a disk");
    let text = paragraphs(&slow, &verdict).join("\n");
    assert!(text.starts_with("Storage is the bottleneck."), "{text}");
    assert!(text.contains("The CPU is the limit up to 2 cores; with more, storage is."), "{text}");
    assert!(text.contains("--readers 2 --workers 3"), "{text}");
    assert!(text.contains("Order matters"), "{text}");
}

#[test]
fn a_fast_disk_leaves_the_cpu_as_the_bottleneck_with_as_few_readers_as_do() {
    // 1,000 MB/s are 200 images/s; four cores decode 40/s, which is 200 MB/s, and eight threads read
    // 225.
    let rates = [(4, 150.0), (8, 225.0), (16, 600.0), (32, 1000.0)];
    let fast = measurement(&rates, &[(32, 990.0)], 100.0);
    let verdict = verdict(&fast);
    let here = verdict.here.unwrap();
    assert_eq!(here.bottleneck, Bottleneck::Cpu);
    near(here.images_per_second, 40.0);
    near(here.seconds, 25.0);
    assert_eq!(verdict.cpu_limit_up_to_cores, Some(20));
    let settings = verdict.settings.unwrap();
    assert_eq!((settings.readers, settings.workers, settings.memory_mb), (8, 4, 2048));
    let text = paragraphs(&fast, &verdict).join("\n");
    assert!(text.starts_with("The CPU is the bottleneck."), "{text}");
    assert!(text.contains("Order hardly matters"), "{text}");
    assert!(text.contains("Throughput still rose at 32 threads"), "{text}");
}

#[test]
fn fewer_readers_than_the_default_are_advised_only_where_more_give_nothing() {
    let readers = |rates: &[(usize, f64)]| {
        let measured = measurement(rates, &[(1, 100.0)], 100.0);
        verdict(&measured).settings.unwrap().readers
    };
    assert_eq!(readers(&[(1, 300.0), (2, 600.0), (8, 1000.0)]), 4);
    assert_eq!(readers(&[(1, 300.0), (2, 600.0), (8, 610.0)]), 2);
}

#[test]
fn the_forecast_for_other_machines_takes_the_lower_limit_of_each() {
    let measured = measurement(&[(1, 100.0), (4, 1000.0)], &[(1, 50.0), (4, 500.0)], 100.0);
    let found = verdict(&measured).forecasts;
    let expected = [
        // 200 images/s in plan order, 100 shuffled, 10 per core.
        (Order::Plan, 2.0, 20.0, Bottleneck::Cpu),
        (Order::Plan, 4.0, 40.0, Bottleneck::Cpu),
        (Order::Plan, 16.0, 160.0, Bottleneck::Cpu),
        (Order::Plan, 64.0, 200.0, Bottleneck::Storage),
        (Order::Shuffled, 2.0, 20.0, Bottleneck::Cpu),
        (Order::Shuffled, 4.0, 40.0, Bottleneck::Cpu),
        (Order::Shuffled, 16.0, 100.0, Bottleneck::Storage),
        (Order::Shuffled, 64.0, 100.0, Bottleneck::Storage),
    ];
    assert_eq!(found.len(), expected.len());
    for (found, (order, cores, rate, bottleneck)) in found.iter().zip(expected) {
        assert_eq!((found.order, found.cores, found.bottleneck), (order, cores, bottleneck));
        near(found.images_per_second, rate);
        near(found.seconds, 1000.0 / rate);
    }
}

#[test]
fn storage_slower_than_one_core_is_the_limit_from_the_first_core_on() {
    let slow = measurement(&[(1, 20.0)], &[(1, 20.0)], 100.0);
    let verdict = verdict(&slow);
    assert_eq!(verdict.cpu_limit_up_to_cores, Some(0));
    let settings = verdict.settings.unwrap();
    assert_eq!((settings.readers, settings.workers), (1, 1));
    assert!(paragraphs(&slow, &verdict)[0].contains("with one core already"));
}

#[test]
fn a_folder_that_is_no_dataset_is_judged_for_rsna_s_in_its_usual_syntaxes() {
    let mut made = measurement(&[(1, 575.8)], &[(1, 575.8)], 100.0);
    made.data.own = false;
    made.data.syntaxes.clear();
    made.decode[0].own = false;
    // Half of the CPU time per byte of JPEG lossless; each syntax counts by its patients.
    made.decode.push(DecodeRate {
        syntax: "1.2.840.10008.1.2.4.90".into(),
        cpu_ms: 500.0,
        ..made.decode[0].clone()
    });
    let verdict = verdict(&made);
    assert_eq!(verdict.dataset, RSNA);
    let mean = 315e9 / 54_706.0;
    let cpu = verdict.cpu.as_ref().unwrap();
    // 5,597 patients with JPEG lossless, 6,095 with JPEG 2000 (docs of `synth::machines`).
    let mix = crate::bench::storage::decode::usual_mix();
    let of = |uid: &str| mix.iter().find(|(found, _)| found == uid).unwrap().1 as f64;
    let (lossless, wavelet) = (of("1.2.840.10008.1.2.4.70"), of("1.2.840.10008.1.2.4.90"));
    let expected = (lossless * 100.0 + wavelet * 500.0) / (lossless + wavelet) / 5e6 * mean;
    near(cpu.cpu_ms, expected);
    assert!(!cpu.own);
    near(verdict.storage.unwrap().images_per_second, 575.8e6 / mean);
}

#[test]
fn limits_within_20_percent_are_called_about_equal() {
    // Four cores decode 40 images/s, which are 200 MB/s.
    for (rate, equal) in [(160.0, false), (170.0, true), (230.0, true), (250.0, false)] {
        let measured = measurement(&[(4, rate)], &[(4, rate)], 100.0);
        let text = paragraphs(&measured, &verdict(&measured)).join("\n");
        assert_eq!(
            text.starts_with("Storage and the CPU are about equally fast."),
            equal,
            "{text}"
        );
        assert!(text.contains("would then take about"), "{text}");
    }
}

#[test]
fn a_shuffled_read_that_is_faster_is_put_down_to_a_cache() {
    let measured = measurement(&[(4, 100.0)], &[(4, 130.0)], 100.0);
    let text = paragraphs(&measured, &verdict(&measured)).join("\n");
    assert!(text.contains("Shuffled was faster: a cache on the way may have held"), "{text}");
}

#[test]
fn fewer_threads_than_were_measured_have_no_rate() {
    let measured = measurement(&[(4, 100.0), (8, 150.0)], &[(4, 100.0)], 100.0);
    let series = whole_files(&measured, Order::Plan).unwrap();
    assert_eq!(at_threads(series, 3), None);
    near(at_threads(series, 7).unwrap(), 100e6);
    near(at_threads(series, 64).unwrap(), 150e6);
}

#[test]
fn a_prefix_shortens_only_the_reading_of_jpeg_2000() {
    let mut measured = measurement(&[(4, 100.0)], &[(4, 100.0)], 100.0);
    // 200 beginnings of 1 MB per second, and half of the files are JPEG 2000.
    measured.prefixes = vec![series("prefix", Order::Plan, Cache::Cold, &[(4, 200.0)])];
    measured.data.syntaxes.push(("1.2.840.10008.1.2.4.90".into(), 16));
    let prefix = verdict(&measured).prefix.unwrap();
    near(prefix.share, 0.5);
    near(prefix.whole_seconds, 50.0);
    near(prefix.seconds, 25.0 + 500.0 / 200.0);
    measured.prefixes[0].points[0].latency = None;
    assert_eq!(verdict(&measured).prefix, None, "no prefix was read to its end");
}

#[test]
fn training_waits_for_single_pages_and_not_for_whole_shards() {
    let mut measured = measurement(&[(4, 100.0)], &[(4, 100.0)], 100.0);
    let mut pages = series("one page", Order::Shuffled, Cache::Cold, &[(4, 1.0)]);
    // 100 pages of 0.3 MB per second.
    pages.points[0].bytes = 30_000_000;
    pages.points[0].seconds = 1.0;
    measured.shards = vec![
        series("one page", Order::Shuffled, Cache::Warm, &[(1, 5000.0)]),
        pages,
        series("shard", Order::Plan, Cache::Cold, &[(1, 2000.0)]),
    ];
    let step = TrainingStep { step_ms: Some(50.0), batch: 16 };
    let verdict = Verdict::new(&measured, DatasetSize::of(&measured), step);
    let of = |pattern: &str, format: &str| {
        let is = |row: &&Training| row.pattern == pattern && row.format == format;
        verdict.training.iter().find(is).unwrap()
    };
    // An image of 0.246 MB takes no less than a page of 0.3 MB; one of 0.524 MB takes longer.
    near(of("one page", "parquet zstd").images_per_second, 100.0);
    near(of("one page", "tensor").images_per_second, 100.0 * 300_000.0 / 524_288.0);
    near(of("one page", "parquet zstd").utilisation[0].utilisation, 100.0 / 320.0);
    near(of("shard", "tensor").images_per_second, 2e9 / 524_288.0);
    near(of("shard", "tensor").utilisation[0].utilisation, 1.0);
    assert_eq!(verdict.training.len(), 6);
    let of_steps = |step_ms| {
        let step = TrainingStep { step_ms, batch: 16 };
        let verdict = Verdict::new(&measured, DatasetSize::of(&measured), step);
        paragraphs(&measured, &verdict).join("\n")
    };
    // 57 images/s at worst: AU is 90 % from 252 ms on.
    assert!(of_steps(None).contains("does not reach at 25, 50, 100 and 200 ms"));
    assert!(of_steps(Some(240.0)).contains("does not reach at 240 ms"));
    assert!(of_steps(Some(260.0)).contains("90 %, which this storage reaches."));
}

#[test]
fn without_decoding_or_reading_there_is_no_bottleneck() {
    let mut measured = measurement(&[(1, 100.0)], &[(1, 100.0)], 100.0);
    measured.decode.clear();
    let found = verdict(&measured);
    assert!(found.here.is_none() && found.settings.is_none() && found.forecasts.is_empty());
    assert!(paragraphs(&measured, &found)[0].contains("Decoding was not measured"));
    measured.files.clear();
    let found = verdict(&measured);
    assert!(found.storage.is_none());
    assert!(paragraphs(&measured, &found)[0].contains("no verdict"));
}
