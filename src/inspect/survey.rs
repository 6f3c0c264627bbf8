//! Collects counts and findings, file by file.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Item;
use super::describe::{describe, model};
use super::machine::{Machine, Machines};
use crate::dataset::hints::Hint;
use crate::dataset::table::Absent;
use crate::dataset::{Counts, Joined};
use crate::preprocess::read::{Header, ReadError};
use crate::record::{ImageRecord, Split};

/// The number of findings of a kind that are kept; further ones are only counted.
const KEPT: usize = 100;

/// The number of different values of an attribute that are kept apart. A window may differ in every
/// file.
const DISTINCT: usize = 1000;

/// The survey of a dataset.
#[derive(Debug, Serialize)]
pub struct Survey {
    /// The folder.
    pub input: PathBuf,
    /// Its tables.
    pub tables: Vec<TableFacts>,
    /// Numbers of rows and files; `None` without a table.
    pub counts: Option<Counts>,
    /// The number of files, with and without a row.
    pub files: usize,
    /// The size of these files in bytes.
    pub bytes: u64,
    /// Headers that were read.
    pub headers: usize,
    /// Files that are no images but what copying left behind.
    pub ignored: usize,
    /// Files without a row that are no mammograms by their series.
    pub left_out: usize,
    /// Near misses between table and files, each with the setting that helps.
    pub hints: Vec<Hint>,
    /// Without a table: files that are not DICOM, and whose names do not claim it.
    pub other_files: usize,
    /// The attributes with their values.
    pub attributes: Vec<Attribute>,
    /// The machines.
    pub machines: Vec<Machine>,
    /// Rows without a file.
    pub missing: Findings,
    /// Files without a row.
    pub strays: Findings,
    /// Files whose header cannot be read.
    pub unreadable: Findings,
    /// Files that `preprocess` would reject because of their header.
    pub unsupported: Findings,
    /// Files of several frames, such as tomosyntheses, which `preprocess` would reject.
    pub multi_frame: Findings,
    /// The number of files with each note, by its code: what is unusual, and read all the same.
    pub notes: BTreeMap<String, usize>,
    /// Contradictions between table and header.
    pub disagreements: Findings,
    #[serde(skip)]
    tallies: Vec<Tally>,
    #[serde(skip)]
    by_machine: Machines,
}

/// The counts of one table.
#[derive(Debug, Serialize)]
#[allow(missing_docs)]
pub struct TableFacts {
    pub split: Split,
    pub rows: usize,
    pub patients: usize,
    /// Pairs of a patient and a side.
    pub breasts: usize,
    /// Rows with a label.
    pub labelled: usize,
    /// Rows with cancer.
    pub cancer: usize,
    /// Known columns that the table lacks.
    pub absent: Vec<Absent>,
}

/// An attribute and its values, the most frequent first.
#[derive(Debug, Serialize)]
#[allow(missing_docs)]
pub struct Attribute {
    pub name: &'static str,
    pub values: Vec<Value>,
}

/// A value and how often it occurs.
#[derive(Debug, Serialize)]
#[allow(missing_docs)]
pub struct Value {
    pub value: String,
    pub files: usize,
    pub bytes: u64,
}

/// The findings of one kind.
#[derive(Debug, Default, Serialize)]
pub struct Findings {
    /// The number of findings.
    pub count: usize,
    /// The first ones.
    pub first: Vec<Finding>,
}

/// One finding.
#[derive(Debug, Serialize)]
#[allow(missing_docs)]
pub struct Finding {
    pub file: String,
    pub what: String,
}

impl Findings {
    pub(super) fn push(&mut self, file: &str, what: String) {
        self.count += 1;
        if self.first.len() < KEPT {
            self.first.push(Finding { file: file.to_owned(), what });
        }
    }
}

/// The values of one attribute while they are counted.
#[derive(Debug)]
struct Tally {
    name: &'static str,
    values: BTreeMap<String, (usize, u64)>,
}

impl Survey {
    /// The survey of a folder without a table.
    pub(super) fn of_folder(input: &Path) -> Self {
        Self {
            input: input.to_owned(),
            tables: Vec::new(),
            counts: None,
            files: 0,
            bytes: 0,
            headers: 0,
            ignored: 0,
            left_out: 0,
            hints: Vec::new(),
            other_files: 0,
            attributes: Vec::new(),
            machines: Vec::new(),
            missing: Findings::default(),
            strays: Findings::default(),
            unreadable: Findings::default(),
            unsupported: Findings::default(),
            multi_frame: Findings::default(),
            notes: BTreeMap::new(),
            disagreements: Findings::default(),
            tallies: Vec::new(),
            by_machine: Machines::default(),
        }
    }

    /// Adds what follows from joining the table and the files.
    pub(super) fn of_join(input: &Path, joined: &Joined) -> Self {
        let mut survey = Self {
            counts: Some(joined.counts()),
            ignored: joined.ignored,
            left_out: joined.left_out,
            hints: joined.hints.clone(),
            ..Self::of_folder(input)
        };
        let jobs = joined.jobs.iter().map(|job| &job.record);
        let records = jobs.chain(joined.missing.iter().map(|missing| &missing.record));
        for table in &joined.tables {
            let records = records.clone().filter(|record| record.split == table.split);
            survey.tables.push(table_facts(table.split, table.absent.clone(), records));
        }
        for record in records.filter(|record| record.machine_id.is_some()) {
            survey.by_machine.of(record.machine_id, "").add_row(record);
        }
        for missing in &joined.missing {
            let (line, split) = (missing.record.line, missing.record.split.as_str());
            survey.missing.push(&missing.relative, format!("line {line} of the {split} table"));
        }
        for stray in &joined.strays {
            survey.strays.push(&stray.relative, stray.reason.to_string());
        }
        survey
    }

    /// Counts a file whose header could be read.
    pub(super) fn add(&mut self, item: &Item, header: &Header, max_pixels: usize) {
        self.headers += 1;
        match header.layout.check(max_pixels) {
            Ok(()) => {}
            Err(ReadError::Frames { frames }) => {
                self.multi_frame.push(&item.relative, format!("{frames} frames"));
            }
            Err(reason) => self.unsupported.push(&item.relative, reason.to_string()),
        }
        header.notes.count_into(&mut self.notes);
        if let Some(record) = &item.record {
            self.compare(&item.relative, record, header);
        }
        let described = describe(header);
        if self.tallies.is_empty() {
            let names = described.iter().map(|(name, _)| *name);
            self.tallies = names.map(|name| Tally { name, values: BTreeMap::new() }).collect();
        }
        for (tally, (_, value)) in self.tallies.iter_mut().zip(described) {
            let full = tally.values.len() >= DISTINCT && !tally.values.contains_key(&value);
            let key = if full { "(others)".to_owned() } else { value };
            let (files, bytes) = tally.values.entry(key).or_default();
            *files += 1;
            *bytes += item.bytes;
        }
        let machine_id = item.record.as_ref().and_then(|record| record.machine_id);
        let model = model(header).unwrap_or_default();
        self.by_machine.of(machine_id, &model).add_file(item.bytes, header);
    }

    /// Compares a side or a projection that both the header and the table give.
    fn compare(&mut self, file: &str, record: &ImageRecord, header: &Header) {
        let mut differ = |what: &str, table: Option<&str>, header: Option<&str>| {
            if let (Some(table), Some(header)) = (table, header)
                && table != header
            {
                let (line, split) = (record.line, record.split.as_str());
                let text = format!(
                    "{what} is {header} in the header, {table} in line {line} of the {split} table"
                );
                self.disagreements.push(file, text);
            }
        };
        let sides = (record.laterality.map(|l| l.as_str()), header.laterality.map(|l| l.as_str()));
        differ("laterality", sides.0, sides.1);
        let views =
            (record.view.as_ref().map(|v| v.as_str()), header.view.as_ref().map(|v| v.as_str()));
        differ("view", views.0, views.1);
    }

    /// Sorts the counts.
    pub(super) fn finish(&mut self) {
        self.attributes = std::mem::take(&mut self.tallies).into_iter().map(Tally::rank).collect();
        self.machines = std::mem::take(&mut self.by_machine).sorted();
    }

    /// Whether there is no finding. Missing files count as findings unless they are expected.
    pub fn is_clean(&self, allow_missing: bool) -> bool {
        let findings = [
            &self.strays,
            &self.unreadable,
            &self.unsupported,
            &self.multi_frame,
            &self.disagreements,
        ];
        findings.iter().all(|findings| findings.count == 0)
            && (allow_missing || self.missing.count == 0)
    }
}

impl Tally {
    fn rank(self) -> Attribute {
        let value = |(value, (files, bytes))| Value { value, files, bytes };
        let mut values: Vec<_> = self.values.into_iter().map(value).collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.files));
        Attribute { name: self.name, values }
    }
}

fn table_facts<'a>(
    split: Split,
    absent: Vec<Absent>,
    records: impl Iterator<Item = &'a ImageRecord>,
) -> TableFacts {
    let (mut patients, mut breasts) = (HashSet::new(), HashSet::new());
    let mut facts =
        TableFacts { split, rows: 0, patients: 0, breasts: 0, labelled: 0, cancer: 0, absent };
    for record in records {
        facts.rows += 1;
        facts.labelled += usize::from(record.cancer.is_some());
        facts.cancer += usize::from(record.cancer == Some(true));
        patients.insert(&record.patient_id);
        breasts.extend(record.laterality.map(|side| (&record.patient_id, side)));
    }
    (facts.patients, facts.breasts) = (patients.len(), breasts.len());
    facts
}
