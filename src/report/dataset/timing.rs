//! Processing time, by stage and by thread pool.

use serde::{Deserialize, Serialize};

use super::Html;
use crate::flow::Snapshot;
use crate::number::{count, of, short};
use crate::number::{duration, size};
use crate::preprocess::sink::Summary;
use crate::report::page::{Card, Section, cards, figure, figures};
use crate::report::svg::{Bar, Stack, bars, stacked};
use crate::store::start::Start;

/// The timing of one run of `preprocess`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Run {
    /// Wall time.
    pub seconds: f64,
    /// Number of images processed; an earlier run may have processed others.
    pub processed: usize,
    /// Bytes read.
    pub bytes_read: u64,
    /// Time by stage.
    pub stages: Vec<Snapshot>,
    /// Waiting time by thread pool.
    pub pools: Vec<Snapshot>,
    /// When and how it was started; absent in pages of older versions.
    #[serde(default)]
    pub start: Option<Start>,
}

/// The timing as stored in a page, for the next page of the same release.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::report) struct Kept {
    /// The plan of the release.
    pub plan_sha256: String,
    /// The timing.
    pub run: Run,
}

impl Run {
    /// The timing in `summary`; `None` if no image was processed.
    pub fn of(summary: &Summary) -> Option<Self> {
        (summary.processed > 0).then(|| Self {
            seconds: summary.seconds,
            processed: summary.processed,
            bytes_read: summary.bytes_read,
            stages: summary.stages.clone(),
            pools: summary.pools.clone(),
            start: None,
        })
    }

    /// This with the start of the command.
    #[must_use]
    pub fn started(self, start: Start) -> Self {
        Self { start: Some(start), ..self }
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
            note: format!("{} in total", size(run.bytes_read)),
        },
        Card {
            value: duration(run.seconds),
            label: "wall time",
            note: format!("with {}", of(threads, "thread")),
        },
    ]);
    let charts = [
        figure(
            "Processing time by stage",
            stages(run),
            "Seconds over all threads, and milliseconds per image. The stage with the longest bar \
             limits the throughput.",
        ),
        figure(
            "Thread utilisation",
            pools(run),
            "Busy: working. Starved: waiting for input, because the stage before is slower or the \
             memory limit is reached. Blocked: waiting for the stage after.",
        ),
    ];
    Section {
        id: "time",
        title: "Processing time",
        intro:
            "One thread pool reads files while another decodes, windows, crops and resizes them."
                .into(),
        body: numbers.and(figures(charts)),
    }
}

fn stages(run: &Run) -> Html {
    let bar = |stage: &Snapshot| Bar {
        label: stage.name.clone(),
        value: stage.busy_s,
        text: format!(
            "{} s · {} ms per image",
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
