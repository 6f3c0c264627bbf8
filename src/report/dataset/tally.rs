//! All counts of a release, made in one pass over the rows.
//!
//! Memory grows with the number of patients and of distinct values, not with the number of images;
//! only the rows of the galleries are kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::counter::{Counter, Share};
use super::rows::{Finding, Row};
use super::smallest::Smallest;
use crate::preprocess::read::TransferSyntax;
use crate::report::svg::Histogram;
use crate::shard::flagged::Flagged;
use crate::shard::flags::Flag;

/// The counts of one machine.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Machine {
    pub share: Share,
    pub patients: BTreeSet<usize>,
    pub sites: Counter,
    pub syntaxes: Counter,
    pub sizes: Counter,
    pub photometric: Counter,
    pub bits: Counter,
    pub windows: Counter,
    pub confidence: f64,
}

/// Number of crops in the gallery of the least certain boxes.
pub const LEAST_CERTAIN: usize = 24;
/// Number of crops in the gallery of images with a quality flag.
pub const ODD: usize = 12;
/// Number of crops in the gallery of the random sample.
pub const TYPICAL: usize = 12;
/// Seed of the random order. It selects the random sample, and orders images of equal confidence, so
/// that they are not all of the first patients.
const SEED: u64 = 42;

/// All counts.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Tally {
    pub all: Share,
    pub sites: Counter,
    pub machines: BTreeMap<Option<i64>, Machine>,
    pub machine: Counter,
    pub views: Counter,
    pub sides: Counter,
    pub syntaxes: Counter,
    pub photometric: Counter,
    pub bits: Counter,
    pub sizes: Counter,
    pub windows: Counter,
    pub densities: Counter,
    pub implants: Counter,
    pub splits: Counter,
    pub groups: Counter,
    pub methods: Counter,
    pub age: Histogram,
    pub confidence: Histogram,
    /// Share of the frame that the breast's box covers.
    pub box_share: Histogram,
    /// Share of the frame that the crop covers.
    pub crop_share: Histogram,
    /// Number and fold of every patient; the fold for the training table only.
    patients: HashMap<String, (usize, Option<String>)>,
    /// Patients of the training table whose images are in two folds, which must not happen.
    pub divided: BTreeSet<String>,
    pub quality: BTreeMap<String, Quality>,
    pub flagged: usize,
    /// Rows with a quality flag.
    pub odd: Smallest<u64>,
    pub least_certain: Smallest<(f64, u64)>,
    pub typical: Smallest<u64>,
}

/// One quality column over all images.
#[derive(Debug, Clone, Default)]
pub struct Quality {
    /// Images by flag or word.
    pub words: Counter,
    /// Sum, minimum, maximum and number of the measured values.
    pub measured: Option<(f64, f64, f64, usize)>,
}

impl Default for Tally {
    fn default() -> Self {
        let counter = Counter::default;
        Self {
            all: Share::default(),
            sites: counter(),
            machines: BTreeMap::new(),
            machine: counter(),
            views: counter(),
            sides: counter(),
            syntaxes: counter(),
            photometric: counter(),
            bits: counter(),
            sizes: counter(),
            windows: counter(),
            densities: counter(),
            implants: counter(),
            splits: counter(),
            groups: counter(),
            methods: counter(),
            age: Histogram::new(20.0, 100.0, 16),
            confidence: Histogram::new(0.0, 1.0, 20),
            box_share: Histogram::new(0.0, 1.0, 20),
            crop_share: Histogram::new(0.0, 1.0, 20),
            patients: HashMap::new(),
            divided: BTreeSet::new(),
            quality: BTreeMap::new(),
            flagged: 0,
            odd: Smallest::new(ODD),
            least_certain: Smallest::new(LEAST_CERTAIN),
            // More than needed, because the other galleries may show some of them.
            typical: Smallest::new(TYPICAL + LEAST_CERTAIN + ODD),
        }
    }
}

impl Tally {
    /// Counts one row.
    pub fn add(&mut self, row: Row) {
        let cancer = row.cancer;
        let size = format!("{} × {}", row.size.0, row.size.1);
        let syntax = row.syntax.as_deref().map(syntax_name);
        self.all.add(cancer);
        self.sites.add(row.site, cancer);
        self.machine.add(row.machine, cancer);
        self.views.add(row.view.as_ref(), cancer);
        self.sides.add(row.laterality.as_ref(), cancer);
        self.syntaxes.add(syntax, cancer);
        self.photometric.add(row.photometric.as_ref(), cancer);
        self.bits.add(row.bits, cancer);
        self.sizes.add(Some(&size), cancer);
        self.windows.add(row.window.as_ref(), cancer);
        self.densities.add(row.density.as_ref(), cancer);
        self.implants.add(row.implant.map(|i| if i { "implant" } else { "none" }), cancer);
        self.splits.add(row.split.as_ref(), cancer);
        self.groups.add(Some(row.group()), cancer);
        self.methods.add(row.method.as_ref(), cancer);
        row.age.into_iter().for_each(|age| self.age.add(age));
        row.confidence.into_iter().for_each(|confidence| self.confidence.add(confidence));
        let frame = (row.size.0 * row.size.1) as f64;
        self.box_share.add(row.breast.area() as f64 / frame);
        self.crop_share.add(row.crop.area() as f64 / frame);

        let patient = self.patient(&row);
        let machine = self.machines.entry(row.machine).or_default();
        machine.share.add(cancer);
        machine.patients.insert(patient);
        machine.sites.add(row.site, cancer);
        machine.syntaxes.add(syntax, cancer);
        machine.sizes.add(Some(&size), cancer);
        machine.photometric.add(row.photometric.as_ref(), cancer);
        machine.bits.add(row.bits, cancer);
        machine.windows.add(row.window.as_ref(), cancer);
        machine.confidence += row.confidence.unwrap_or(0.0);

        for (name, finding) in &row.quality {
            self.quality.entry(name.clone()).or_default().add(finding, cancer);
        }
        let (confidence, drawn) = uncertainty(&row);
        let is_flagged = row.flags().next().is_some();
        self.flagged += usize::from(is_flagged);
        // Text in the pixels may name the patient: such images are in no gallery.
        if row.flags().any(|flag| flag == "burned_in") {
            return;
        }
        self.least_certain.offer((confidence, drawn), &row);
        self.typical.offer(drawn, &row);
        if is_flagged {
            self.odd.offer(drawn, &row);
        }
    }

    /// The patient's number; also checks that all her rows are in the same fold.
    fn patient(&mut self, row: &Row) -> usize {
        let next = self.patients.len();
        let (number, group) = self.patients.entry(row.patient_id.clone()).or_insert((next, None));
        if row.split.as_deref() != Some("test") {
            let now = row.group();
            if group.get_or_insert_with(|| now.clone()) != &now {
                self.divided.insert(row.patient_id.clone());
            }
        }
        *number
    }

    /// The images by flag.
    pub fn flagged(&self) -> Flagged {
        let raised = |quality: &Quality| {
            let words = quality.words.natural();
            words.iter().find(|(word, _)| *word == "true").map_or(0, |(_, share)| share.images)
        };
        let counts = self.quality.iter().filter_map(|(name, q)| Some((Flag::of(name)?, raised(q))));
        Flagged::new(self.all.images, self.flagged, counts)
    }

    /// Number of patients.
    pub fn patients(&self) -> usize {
        self.patients.len()
    }
}

impl Quality {
    fn add(&mut self, finding: &Finding, cancer: Option<bool>) {
        match finding {
            Finding::Flag(raised) => self.words.add(Some(*raised), cancer),
            Finding::Word(word) => self.words.add(Some(word), cancer),
            Finding::Measure(value) => {
                let (sum, least, most, n) =
                    self.measured.unwrap_or((0.0, f64::INFINITY, f64::NEG_INFINITY, 0));
                self.measured = Some((sum + value, least.min(*value), most.max(*value), n + 1));
            }
        }
    }
}

/// The readable name of a transfer syntax, or its UID if it is not known.
pub fn syntax_name(uid: &str) -> &str {
    match TransferSyntax::from_uid(uid) {
        Some(syntax) => syntax.name(),
        None => uid,
    }
}

/// A sort key: the confidence of the box, then a random number. A missing confidence counts as 0.
pub fn uncertainty(row: &Row) -> (f64, u64) {
    let confidence = row.confidence.filter(|c| c.is_finite()).unwrap_or(0.0);
    (confidence, xxh3_64_with_seed(row.image_id.as_bytes(), SEED))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(patient: &str, fold: i64, confidence: f64) -> Row {
        Row {
            patient_id: patient.into(),
            image_id: format!("{patient}-{confidence}"),
            split: Some("train".into()),
            role: Some("fold".into()),
            fold: Some(fold),
            size: (10, 20),
            confidence: Some(confidence),
            ..Row::default()
        }
    }

    #[test]
    fn a_patient_in_two_folds_is_found() {
        let mut tally = Tally::default();
        for row in [row("a", 0, 1.0), row("b", 1, 1.0), row("a", 0, 0.5)] {
            tally.add(row);
        }
        assert!(tally.divided.is_empty());
        tally.add(row("b", 0, 1.0));
        assert_eq!(tally.divided, BTreeSet::from(["b".to_owned()]));
        assert_eq!(tally.patients(), 2);
    }

    #[test]
    fn a_patient_of_both_tables_is_not_divided() {
        let mut tally = Tally::default();
        let test = Row {
            split: Some("test".into()),
            role: Some("test".into()),
            fold: None,
            ..row("a", 0, 1.0)
        };
        tally.add(row("a", 0, 1.0));
        tally.add(test);
        assert!(tally.divided.is_empty());
    }

    #[test]
    fn an_image_with_text_in_its_pixels_is_in_no_gallery() {
        let mut tally = Tally::default();
        let quality = vec![("burned_in".to_owned(), Finding::Flag(true))];
        tally.add(Row { quality, ..row("a", 0, 0.1) });
        tally.add(row("b", 0, 0.9));
        assert_eq!((tally.all.images, tally.flagged), (2, 1));
        let kept = tally.least_certain.take();
        assert_eq!(kept.iter().map(|row| row.patient_id.as_str()).collect::<Vec<_>>(), ["b"]);
        assert!(tally.odd.take().is_empty() && tally.typical.take().len() == 1);
    }

    #[test]
    fn the_least_certain_of_many_are_kept_in_order() {
        let mut tally = Tally::default();
        for i in 0..1000 {
            let confidence = f64::from((i * 7919) % 1000) / 1000.0;
            tally.add(row(&i.to_string(), 0, confidence));
        }
        let kept = tally.least_certain.take();
        let confidences: Vec<f64> = kept.iter().filter_map(|row| row.confidence).collect();
        let expected: Vec<f64> = (0..LEAST_CERTAIN).map(|i| i as f64 / 1000.0).collect();
        assert_eq!(confidences, expected);
    }
}
