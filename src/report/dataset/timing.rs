//! How long the run took, and what its threads did meanwhile.

use serde::{Deserialize, Serialize};

use super::Html;
use crate::flow::Snapshot;
use crate::number::{count, of, short};
use crate::number::{duration, size};
use crate::preprocess::sink::Summary;
use crate::report::page::{Card, Section, cards, figure, figures};
use crate::report::svg::{Bar, Stack, bars, stacked};

/// The timing of one run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Run {
    /// Wall time.
    pub seconds: f64,
    /// Images it processed; an earlier run may have processed others.
    pub processed: usize,
    /// Bytes it read.
    pub bytes_read: u64,
    /// Work by stage.
    pub stages: Vec<Snapshot>,
    /// Waiting by pool of threads.
    pub pools: Vec<Snapshot>,
}

/// The timing as a page keeps it for the next page on the same release.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::report) struct Kept {
    /// The plan that it is of.
    pub plan_sha256: String,
    /// The timing.
    pub run: Run,
}

impl Run {
    /// The timing in `summary`; `None` if everything had been done before.
    pub fn of(summary: &Summary) -> Option<Self> {
        (summary.processed > 0).then(|| Self {
            seconds: summary.seconds,
            processed: summary.processed,
            bytes_read: summary.bytes_read,
            stages: summary.stages.clone(),
            pools: summary.pools.clone(),
        })
    }
}

/// The section, for a release of `planned` images.
pub fn section(run: &Run, planned: usize) -> Section {
    let seconds = run.seconds.max(1e-9);
    let threads: usize = run.pools.iter().map(|pool| pool.workers).sum();
    let processed = match planned.saturating_sub(run.processed) {
        0 => format!("{} processed", count(run.processed)),
        n => format!("{} processed, {} by an earlier run", count(run.processed), count(n)),
    };
    let numbers = cards(&[
        Card {
            value: format!("{}/s", short(run.processed as f64 / seconds)),
            label: "images",
            note: processed,
        },
        Card {
            value: format!("{}/s", size((run.bytes_read as f64 / seconds) as u64)),
            label: "read",
            note: format!("{} in all", size(run.bytes_read)),
        },
        Card {
            value: duration(run.seconds),
            label: "from start to end",
            note: format!("with {}", of(threads, "thread")),
        },
    ]);
    let charts = [
        figure(
            "Work by stage",
            stages(run),
            "Seconds of work of all threads together, and milliseconds an image. The longest bar \
             is where a faster method would help.",
        ),
        figure(
            "What the threads did",
            pools(run),
            "Busy: working. Starved: without input, because the step before is slower, or \
             because as many images as the memory holds are on their way. Blocked: waiting to \
             hand on.",
        ),
    ];
    Section {
        id: "time",
        title: "Time",
        intro: "Files are read by one group of threads and decoded, windowed, cropped and resized \
                by another, at the same time."
            .into(),
        body: numbers.and(figures(charts)),
    }
}

fn stages(run: &Run) -> Html {
    let bar = |stage: &Snapshot| Bar {
        label: stage.name.clone(),
        value: stage.busy_s,
        text: format!(
            "{} s · {} ms an image",
            short(stage.busy_s),
            short(1000.0 * stage.busy_s / stage.items.max(1) as f64)
        ),
    };
    bars(&run.stages.iter().map(bar).collect::<Vec<_>>(), "s2", None)
}

fn pools(run: &Run) -> Html {
    let row = |pool: &Snapshot| {
        let all = pool.workers as f64 * run.seconds;
        let busy = (all - pool.starved_s - pool.blocked_s).max(0.0);
        Stack {
            label: pool.name.clone(),
            text: of(pool.workers, "thread"),
            parts: vec![busy, pool.starved_s, pool.blocked_s],
        }
    };
    let rows: Vec<Stack> = run.pools.iter().map(row).collect();
    stacked(&rows, &["busy", "starved", "blocked"].map(str::to_owned))
}
