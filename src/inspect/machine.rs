//! What each machine writes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};

use super::describe::{bits, size, voi};
use crate::preprocess::read::Header;
use crate::record::ImageRecord;

/// A machine by the table's `machine_id`, or else by the model that its headers name.
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
    /// Rows whose label is given.
    pub labelled: usize,
    /// Headers read.
    pub files: usize,
    pub bytes: u64,
    /// How it writes, with the number of files.
    #[serde(serialize_with = "as_list")]
    pub formats: BTreeMap<Format, usize>,
    /// Rows x columns, with the number of files.
    pub sizes: BTreeMap<String, usize>,
}

/// A way of writing images.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub struct Format {
    pub syntax: &'static str,
    pub photometric: String,
    pub bits: String,
    pub voi: String,
}

/// JSON has only texts for keys.
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

    /// Counts a file of so many bytes.
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

/// The machines met so far.
#[derive(Debug, Default)]
pub struct Machines(BTreeMap<(Option<i64>, String), Machine>);

impl Machines {
    /// The machine of this number, or else of this model. One model may be several machines,
    /// but a machine is of one model.
    pub fn of(&mut self, machine_id: Option<i64>, model: &str) -> &mut Machine {
        let key = (machine_id, if machine_id.is_some() { String::new() } else { model.to_owned() });
        let machine = self.0.entry(key).or_default();
        machine.machine_id = machine_id;
        if machine.model.is_empty() {
            machine.model = model.to_owned();
        }
        machine
    }

    /// By number, those without one last.
    pub fn sorted(self) -> Vec<Machine> {
        let mut machines: Vec<_> = self.0.into_values().collect();
        machines.sort_by_key(|machine| (machine.machine_id.is_none(), machine.machine_id));
        machines
    }
}
