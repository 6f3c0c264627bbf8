//! The verdict in words: the same sentences on the terminal and on the page.

use super::{Bottleneck, ENOUGH, Forecast, StorageLimit, Verdict};
use crate::bench::storage::measurement::{Cache, Measurement};
use crate::number::{count, duration, short, size};

/// Orders and limits within this factor of each other are called about equal.
const ABOUT: f64 = 1.2;

/// The verdict as paragraphs, the most important one first.
pub fn paragraphs(measurement: &Measurement, verdict: &Verdict) -> Vec<String> {
    let mut all = vec![limits(measurement, verdict)];
    all.extend(advice(verdict));
    all.extend(order(verdict));
    all.extend(prefix(verdict));
    all.extend(training(verdict));
    all.extend(doubts(measurement, verdict));
    all
}

fn limits(measurement: &Measurement, verdict: &Verdict) -> String {
    let (storage, cpu) = match (&verdict.storage, &verdict.cpu) {
        (Some(storage), Some(cpu)) => (storage, cpu),
        (Some(storage), None) => return format!("{} Decoding was not measured.", reads(storage)),
        (None, _) => return "Reading whole files was not measured, so there is no verdict.".into(),
    };
    let cores = short_cores(measurement.system.cores);
    let decoded = measurement.system.cores * cpu.images_per_core_second;
    let name = match verdict.here.map(|here| here.bottleneck) {
        _ if is_about(storage.images_per_second, decoded) => {
            "Storage and the CPU are about equally fast"
        }
        Some(Bottleneck::Storage) => "Storage is the bottleneck",
        _ => "The CPU is the bottleneck",
    };
    format!(
        "{name}. {} The {cores} of this machine decode {} images/s ({} each). {}",
        reads(storage),
        short(decoded),
        short(cpu.images_per_core_second),
        crossing(verdict.cpu_limit_up_to_cores.unwrap_or_default())
    )
}

fn is_about(one: f64, other: f64) -> bool {
    (1.0 / ABOUT..=ABOUT).contains(&(one / other))
}

fn reads(storage: &StorageLimit) -> String {
    format!(
        "Storage delivers {}/s, or {} images/s, with {} ({}, {}).",
        size(storage.knee.rate as u64),
        short(storage.images_per_second),
        threads(storage.knee.threads),
        storage.order.name(),
        storage.cache.name(),
    )
}

fn crossing(cores: usize) -> String {
    match cores {
        0 => "Storage is the limit with one core already.".into(),
        1 => "The CPU is the limit with one core; with two or more, storage is.".into(),
        n => format!("The CPU is the limit up to {n} cores; with more, storage is."),
    }
}

fn advice(verdict: &Verdict) -> Option<String> {
    let (settings, here) = (verdict.settings?, verdict.here?);
    let dataset = verdict.dataset;
    let what = if dataset.own { "This dataset" } else { "A dataset like RSNA's" };
    Some(format!(
        "Use: mammo-pipe preprocess --readers {} --workers {} --set limits.memory_mb={}. {what} of {} \
         files and {} would then take about {}, if storage stays as fast as in this measurement.",
        settings.readers,
        settings.workers,
        settings.memory_mb,
        count(dataset.files),
        size(dataset.bytes),
        time(here.seconds)
    ))
}

fn order(verdict: &Verdict) -> Option<String> {
    let (plan, shuffled) = (verdict.storage.as_ref()?, verdict.shuffled.as_ref()?);
    let ratio = plan.images_per_second / shuffled.images_per_second;
    let read = |limit: &StorageLimit| time(verdict.dataset.files as f64 / limit.images_per_second);
    let (first, second) = (read(plan), read(shuffled));
    Some(if ratio > ABOUT {
        format!(
            "Order matters: reading alone takes {first} in plan order and {second} shuffled, {} \
             times as long. preprocess reads in plan order.",
            short(ratio)
        )
    } else if ratio < 1.0 / ABOUT {
        format!(
            "Reading alone takes {first} in plan order and {second} shuffled. Shuffled was faster: a \
             cache on the way may have held the files."
        )
    } else {
        format!(
            "Order hardly matters: reading alone takes {first} in plan order, {second} shuffled."
        )
    })
}

fn prefix(verdict: &Verdict) -> Option<String> {
    let prefix = verdict.prefix.as_ref().filter(|prefix| prefix.share > 0.0)?;
    Some(format!(
        "With decode.read: prefix and decode.reduce of 1 or more, reading takes {} instead of {}: {:.0} \
         % of the files are JPEG 2000, of which it reads about {} each.",
        time(prefix.seconds),
        time(prefix.whole_seconds),
        100.0 * prefix.share,
        size(prefix.bytes_per_file as u64)
    ))
}

fn training(verdict: &Verdict) -> Option<String> {
    let slowest = verdict
        .training
        .iter()
        .min_by(|a, b| a.images_per_second.total_cmp(&b.images_per_second))?;
    let steps = slowest
        .utilisation
        .iter()
        .map(|au| format!("{:.0} % at {} ms", (100.0 * au.utilisation).floor(), au.step_ms));
    let steps = steps.collect::<Vec<_>>().join(", ");
    let below = slowest.utilisation.iter().filter(|au| au.utilisation < ENOUGH);
    let below: Vec<String> = below.map(|au| au.step_ms.to_string()).collect();
    let judgement = match &below[..] {
        [] => "which this storage reaches".to_owned(),
        [one] => format!("which this storage does not reach at {one} ms"),
        [some @ .., last] => {
            format!("which this storage does not reach at {} and {last} ms", some.join(", "))
        }
    };
    Some(format!(
        "Training reads {} images/s of {} at worst ({}). Accelerator utilisation with {} images per \
         step: {steps}. MLPerf Storage asks for 90 %, {judgement}.",
        short(slowest.images_per_second),
        slowest.format,
        slowest.pattern,
        verdict.step.batch,
    ))
}

/// What makes the verdict less certain.
fn doubts(measurement: &Measurement, verdict: &Verdict) -> Option<String> {
    let mut doubts: Vec<String> = Vec::new();
    if let Some(storage) = &verdict.storage {
        if storage.cached.is_some_and(|share| share > 0.05) {
            let share = 100.0 * storage.cached.unwrap_or_default();
            doubts.push(format!("{share:.0} % of the bytes were in this machine's cache."));
        }
        if storage.cache == Cache::Warm {
            doubts.push("Only warm reads were measured: the disk may be far slower.".into());
        }
        if storage.cache == Cache::ClientCold && !measurement.data.larger_than_memory {
            doubts.push(
                "The server's cache may have held the files: storage may be slower than this. \
                 --full reads more of them."
                    .into(),
            );
        }
        if storage.knee.open {
            doubts.push(format!(
                "Throughput still rose at {}: more might give more.",
                threads(storage.knee.threads)
            ));
        }
    }
    if verdict.cpu.as_ref().is_some_and(|cpu| !cpu.own) {
        doubts.push("Decoding was measured on phantoms, not on files of a dataset.".into());
    }
    (!doubts.is_empty()).then(|| format!("Note: {}", doubts.join(" ")))
}

/// A duration for people, with tenths of a second below 10 s.
pub fn time(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.1} s") } else { duration(seconds) }
}

/// The name of the bottleneck of a forecast.
pub fn bottleneck_name(forecast: &Forecast) -> &'static str {
    match forecast.bottleneck {
        Bottleneck::Storage => "storage",
        Bottleneck::Cpu => "CPU",
    }
}

fn threads(threads: usize) -> String {
    crate::number::of(threads, "thread")
}

fn short_cores(cores: f64) -> String {
    if cores.fract() == 0.0 {
        return crate::number::of(cores as usize, "core");
    }
    format!("{cores:.1} cores")
}
