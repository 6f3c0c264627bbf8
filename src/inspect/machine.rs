//! Counts what each machine writes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};

use super::describe::{bits, size, voi};
use crate::preprocess::read::Header;
use crate::record::ImageRecord;

/// A machine, identified by the table's `machine_id`, or else by the model in its headers.
#[derive(Debug, Default, Serialize)]
#[allow(missing_docs)]
pub struct Machine {
    pub machine_id: Option<i64>,
    pub model: String,
    pub sites: BTreeSet<i64>,
    /// Rows of the tables, with and without a file.
    pub rows: usize,
    /// Rows with cancer.
    pub cancer: usize,
    /// Rows with a label.
    pub labelled: usize,
    /// Headers that were read.
    pub files: usize,
    pub bytes: u64,
    /// The ways in which it writes images, with the number of files.
    #[serde(serialize_with = "as_list")]
    pub formats: BTreeMap<Format, usize>,
    /// Rows x columns, with the number of files.
    pub sizes: BTreeMap<String, usize>,
}

/// A combination of transfer syntax, bits and so on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub struct Format {
    pub syntax: &'static str,
    pub photometric: String,
    pub bits: String,
    pub voi: String,
}

/// JSON allows only texts as keys.
fn as_list<S: Serializer>(
    formats: &BTreeMap<Format, usize>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Counted<'a> {
        #[serde(flatten)]
        format: &'a Format,
        files: usize,
    }
    serializer.collect_seq(formats.iter().map(|(format, &files)| Counted { format, files }))
}

impl Machine {
    /// Counts a row of the table.
    pub fn add_row(&mut self, record: &ImageRecord) {
        self.rows += 1;
        self.sites.extend(record.site_id);
        self.labelled += usize::from(record.cancer.is_some());
        self.cancer += usize::from(record.cancer == Some(true));
    }

    /// Counts a file of this size in bytes.
    pub fn add_file(&mut self, bytes: u64, header: &Header) {
        self.files += 1;
        self.bytes += bytes;
        let format = Format {
            syntax: header.syntax.name(),
            photometric: header.layout.photometric.as_str().to_owned(),
            bits: bits(&header.layout),
            voi: voi(header),
        };
        *self.formats.entry(format).or_default() += 1;
        *self.sizes.entry(size(&header.layout)).or_default() += 1;
    }
}

/// The machines found so far.
#[derive(Debug, Default)]
pub struct Machines(BTreeMap<(Option<i64>, String), Machine>);

impl Machines {
    /// The machine with this number, or else of this model. Several machines may have one model,
    /// but a machine has one model.
    pub fn of(&mut self, machine_id: Option<i64>, model: &str) -> &mut Machine {
        let key = (machine_id, if machine_id.is_some() { String::new() } else { model.to_owned() });
        let machine = self.0.entry(key).or_default();
        machine.machine_id = machine_id;
        if machine.model.is_empty() {
            machine.model = model.to_owned();
        }
        machine
    }

    /// Sorted by number; machines without one come last.
    pub fn sorted(self) -> Vec<Machine> {
        let mut machines: Vec<_> = self.0.into_values().collect();
        machines.sort_by_key(|machine| (machine.machine_id.is_none(), machine.machine_id));
        machines
    }
}
