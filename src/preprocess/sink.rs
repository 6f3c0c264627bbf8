//! Takes the outcomes in the plan's order, writes the shards, and accounts for every image.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::time::Duration;

use serde::Serialize;

use super::plan::Plan;
use super::reject_class::RejectClass;
use super::rows::SampleWriter;
use super::stages::{Read, Sample};
use super::{Control, PreprocessError, Reject, columns, memory, mount};
use crate::error::{Fault, chain};
use crate::flow::{Ordered, Rejected, Snapshot, Stage};
use crate::shard::ReleaseFolder;
use crate::shard::Shape;
use crate::shard::flagged::Flagged;
use crate::shard::image;
use crate::shard::manifest::{Counts, Entry, Manifest, Quarantined};
use crate::shard::release::{Release, Stock, read_entries};
use crate::shard::writer;

/// The result of a run.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Numbers of all listed images by outcome.
    pub counts: Counts,
    /// The files that this run could not read by a fault of the machine. With them, all images of
    /// their shards are unreached.
    pub unreached: Vec<Quarantined>,
    /// Shards of earlier runs that were missing, damaged or changed, each with the reason.
    pub made_again: Vec<String>,
    /// Images that this run processed; earlier runs finished the others.
    pub processed: usize,
    /// Bytes that this run read.
    pub bytes_read: u64,
    /// Bytes of all shards.
    pub bytes_written: u64,
    /// Shards finished, by this run or before.
    pub shards: usize,
    /// The number of shards of the plan.
    pub shards_planned: usize,
    /// Wall time of this run in seconds.
    pub seconds: f64,
    /// The program's largest memory so far, in bytes; null if the system does not say.
    pub peak_memory_bytes: Option<u64>,
    /// Time by stage.
    pub stages: Vec<Snapshot>,
    /// Waiting time by pool.
    pub pools: Vec<Snapshot>,
    /// The number of quarantined images by stage and reason.
    pub quarantine: BTreeMap<String, usize>,
    /// The number of quarantined images by class.
    #[serde(skip)]
    pub classes: BTreeMap<RejectClass, usize>,
    /// The number of written images with each note, by its code.
    pub notes: BTreeMap<String, usize>,
    /// The number of written images with a quality flag, all together.
    pub flagged: usize,
    /// The number of written images with each quality flag, by its name.
    pub flags: BTreeMap<String, usize>,
    /// The flags once more, for the warning.
    #[serde(skip)]
    pub quality: Flagged,
}

impl Summary {
    /// Whether every shard is finished.
    pub fn complete(&self) -> bool {
        self.counts.unreached == 0
    }
}

/// The writing end of a run.
pub struct Sink<'a> {
    plan: &'a Plan,
    release: &'a Release,
    control: &'a Control<'a>,
    entries: BTreeMap<usize, Entry>,
    again: Vec<String>,
    processed: usize,
    rejected: usize,
    /// Bytes of the files that the read stage rejected.
    unreadable_bytes: u64,
    unreached: Vec<Quarantined>,
    /// How many of the last images were unreached.
    in_a_row: usize,
}

/// What became of a shard.
enum ShardEnd {
    /// It is finished.
    Finished(Entry),
    /// An image of it is unreached, so the next run makes it.
    Open,
    /// The outcomes ended before it was complete.
    Stopped,
}

/// So many files in a row that cannot be read are no accident: a hundred files of some 25 patients.
const TOO_MANY_IN_A_ROW: usize = 100;

/// Images that are needed before the share of rejected ones is meaningful.
const FEW: usize = 200;

impl<'a> Sink<'a> {
    /// Starts from what earlier runs finished.
    ///
    /// # Errors
    /// A [`Fault`] if entries of rejected images cannot be withdrawn.
    pub fn new(
        plan: &'a Plan,
        release: &'a Release,
        control: &'a Control,
        stock: Stock,
    ) -> Result<Self, Fault> {
        let Stock { finished: mut entries, again } = stock;
        if control.retry_rejected {
            let with_rejects = entries.values().filter(|entry| !entry.rejected.is_empty());
            let with_rejects: Vec<usize> = with_rejects.map(|entry| entry.shard).collect();
            release.withdraw(&with_rejects)?;
            entries.retain(|_, entry| entry.rejected.is_empty());
            release.sweep_shards(&entries)?;
        }
        Ok(Self {
            plan,
            release,
            control,
            entries,
            again,
            processed: 0,
            rejected: 0,
            unreadable_bytes: 0,
            unreached: Vec::new(),
            in_a_row: 0,
        })
    }

    /// The shards that are still to be made.
    fn open(&self) -> impl Iterator<Item = usize> + 'a {
        let done: std::collections::BTreeSet<usize> = self.entries.keys().copied().collect();
        (0..self.plan.shards()).filter(move |number| !done.contains(number))
    }

    /// The images of the plan that are still to be processed, in order.
    pub fn todo(&self) -> impl Iterator<Item = usize> + 'a {
        let plan = self.plan;
        self.open().flat_map(|number| plan.shard(number))
    }

    /// Writes the shards from `outcomes`, which are those of [`Sink::todo`]. Returns early, without
    /// an error, if they end early. A shard with an unreached image is left out.
    ///
    /// # Errors
    /// A [`Fault`]; the shards that are finished stay.
    pub fn drain(&mut self, mut outcomes: Ordered<Sample, Reject>) -> Result<(), Fault> {
        for number in self.open() {
            match self.shard(number, &mut outcomes)? {
                ShardEnd::Finished(entry) => {
                    self.entries.insert(number, entry);
                }
                ShardEnd::Open => {}
                ShardEnd::Stopped => break,
            }
        }
        Ok(())
    }

    /// Writes one shard, if all its images were read or rejected.
    fn shard(
        &mut self,
        number: usize,
        outcomes: &mut Ordered<Sample, Reject>,
    ) -> Result<ShardEnd, Fault> {
        let range = self.plan.shard(number);
        let mut writer = None;
        let mut is_open = false;
        let mut rejected = Vec::new();
        let mut notes = BTreeMap::new();
        for index in range.clone() {
            let Some(outcome) = outcomes.next() else { return Ok(ShardEnd::Stopped) };
            let bytes = self.plan.job(index).bytes;
            self.processed += 1;
            (self.control.seen)(bytes, outcome.is_err());
            let is_unreached = |why: &Rejected<_>| matches!(why.reason, Reject::Unreached(_));
            if !outcome.as_ref().is_err_and(is_unreached) {
                self.in_a_row = 0;
            }
            match outcome {
                Err(why) if is_unreached(&why) && !self.control.give_up_unreached => {
                    is_open = true;
                    // Removes the temporary file.
                    writer = None;
                    self.unreached(index, &why)?;
                }
                Ok(_) if is_open => {}
                Ok(sample) => {
                    sample.facts.notes.count_into(&mut notes);
                    self.writer(&mut writer, number)?.push(sample)?;
                }
                Err(why) => {
                    if why.stage == Read::NAME {
                        self.unreadable_bytes += bytes;
                    }
                    rejected.push(self.quarantined(index, &why));
                    self.rejected += 1;
                    self.check_share(&why)?;
                }
            }
        }
        if is_open {
            return Ok(ShardEnd::Open);
        }
        let (file, rows) = match writer {
            Some(writer) => writer.close().map(|(file, rows)| (Some(file), rows))?,
            None => (None, 0),
        };
        let entry = Entry {
            shard: number,
            first: range.start,
            planned: range.len(),
            file: None,
            rows,
            bytes: 0,
            sha256: String::new(),
            rejected,
            notes,
        };
        self.release.commit(entry, file).map(ShardEnd::Finished)
    }

    fn writer<'w>(
        &self,
        slot: &'w mut Option<SampleWriter>,
        number: usize,
    ) -> Result<&'w mut SampleWriter, Fault> {
        if slot.is_none() {
            let config = &self.plan.config;
            let file = self.release.start(number, writer::extension(config.shard.format))?;
            *slot = Some(SampleWriter::new(file, &config.shard, Shape::of(config))?);
        }
        Ok(slot.as_mut().expect("filled above"))
    }

    fn quarantined(&self, index: usize, why: &Rejected<Reject>) -> Quarantined {
        let job = self.plan.job(index);
        Quarantined {
            split: Some(job.record.split),
            line: Some(job.record.line),
            patient_id: Some(job.record.patient_id.to_string()),
            image_id: Some(job.record.image_id.to_string()),
            path: job.name.clone(),
            stage: why.stage.into(),
            reason: chain(&why.reason),
        }
    }

    /// Keeps the unreached image in the list; stops the run if there are many in a row.
    fn unreached(&mut self, index: usize, why: &Rejected<Reject>) -> Result<(), Fault> {
        self.unreached.push(self.quarantined(index, why));
        self.in_a_row += 1;
        if self.in_a_row < TOO_MANY_IN_A_ROW {
            return Ok(());
        }
        self.release.write_unreached(&self.unreached)?;
        let path = &self.plan.job(index).path;
        let mount = mount::point(path).unwrap_or_else(|| self.plan.config.dataset.input.clone());
        let last = match why.reason.source() {
            Some(cause) => cause.to_string(),
            None => why.reason.to_string(),
        };
        let (in_a_row, path) = (self.in_a_row, path.clone());
        Err(PreprocessError::Unreachable { in_a_row, path, last, mount }.into())
    }

    /// A wrong mount or setting rejects everything: better to stop after minutes than after a day.
    fn check_share(&self, why: &Rejected<Reject>) -> Result<(), Fault> {
        let share = self.rejected as f64 / self.processed as f64;
        if self.processed >= FEW && share > self.plan.config.limits.max_rejected_share {
            return Err(PreprocessError::TooManyRejected {
                rejected: self.rejected,
                seen: self.processed,
                last: format!("{}: {}", why.stage, chain(&why.reason)),
            }
            .into());
        }
        Ok(())
    }

    /// Writes `quarantine.csv`, and the manifest if all shards are finished.
    ///
    /// # Errors
    /// A [`Fault`] if a file cannot be written.
    ///
    /// # Panics
    /// If an image was lost or counted twice, which is a bug.
    pub fn conclude(self, time: Duration) -> Result<Summary, Fault> {
        let Self {
            plan,
            release,
            control,
            entries,
            processed,
            unreadable_bytes,
            unreached,
            again,
            ..
        } = self;
        let stages = control.meters.steps();
        let joined = plan.joined.counts();
        let planned: usize = entries.values().map(|e| e.planned).sum();
        let rejected: usize = entries.values().map(|e| e.rejected.len()).sum();
        let counts = Counts {
            listed: joined.listed,
            written: entries.values().map(|e| e.rows).sum(),
            rejected: rejected + joined.strays,
            missing: joined.missing,
            unreached: joined.jobs - planned,
        };
        assert!(counts.conserved(), "images were lost or counted twice: {counts:?}");

        let mut set_aside: Vec<Quarantined> =
            entries.values().flat_map(|e| e.rejected.iter().cloned()).collect();
        set_aside.extend(plan.not_joined());
        let quarantine_sha256 = release.write_quarantine(&set_aside)?;
        release.write_unreached(&unreached)?;
        let quality = Flagged::read(&plan.config.output, entries.values())?;
        let flags = quality.flags.iter().map(|(flag, n)| (flag.as_str().to_owned(), *n)).collect();
        let summary = Summary {
            counts,
            unreached,
            made_again: again,
            processed,
            bytes_read: unreadable_bytes + stages.iter().map(|s| s.fetched_bytes).sum::<u64>(),
            bytes_written: entries.values().map(|e| e.bytes).sum(),
            shards: entries.len(),
            shards_planned: plan.shards(),
            seconds: time.as_secs_f64(),
            peak_memory_bytes: memory::peak(),
            stages,
            pools: control.meters.pools(),
            quarantine: by_reason(&set_aside),
            classes: by_class(&set_aside),
            notes: noted(entries.values()),
            flagged: quality.flagged,
            flags,
            quality,
        };
        if summary.complete() {
            release.complete(&Manifest {
                plan: plan.facts.clone(),
                plan_sha256: plan.facts.sha256(),
                tool: env!("CARGO_PKG_VERSION").into(),
                counts,
                columns: image::columns(&columns::schema(&Shape::of(&plan.config))),
                folds: serde_json::to_value(&plan.audit).expect("plain data becomes JSON"),
                shards: entries.into_values().collect(),
                quarantine_sha256,
            })?;
        }
        Ok(summary)
    }
}

/// The number of shards of `plan` that earlier runs finished.
///
/// # Errors
/// A [`Fault`] if the folder holds a release of another plan, or cannot be read.
pub fn finished(plan: &Plan) -> Result<usize, Fault> {
    if !ReleaseFolder::new(&plan.config.output).is_begun() {
        return Ok(0);
    }
    Release::check(&plan.config.output, &plan.facts, plan.listed())?;
    Ok(read_entries(&ReleaseFolder::new(&plan.config.output))?.len())
}

/// The counts of all shards' notes.
fn noted<'e>(entries: impl Iterator<Item = &'e Entry>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (code, count) in entries.flat_map(|entry| &entry.notes) {
        *counts.entry(code.clone()).or_default() += count;
    }
    counts
}

fn by_class(rows: &[Quarantined]) -> BTreeMap<RejectClass, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(RejectClass::of(&row.stage, &row.reason)).or_default() += 1;
    }
    counts
}

/// Counts by stage and reason. Numbers in the reasons are removed, so that equal causes are counted
/// together.
fn by_reason(rows: &[Quarantined]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        let mut reason = String::new();
        for c in row.reason.chars() {
            match c {
                '0'..='9' if reason.ends_with('#') => {}
                '0'..='9' => reason.push('#'),
                c => reason.push(c),
            }
        }
        *counts.entry(format!("{}: {reason}", row.stage)).or_insert(0) += 1;
    }
    counts
}
