//! Finds the file of a row: by the path that the row gives, or by what its name holds.
//!
//! In: the listed files and a [`Template`]. A path that the row gives in full is looked up as it
//! stands; then with its extension in upper or lower case; then up to the differences of
//! `dataset.tolerate`. Where the template has placeholders that the table lacks, or wildcards, the
//! parts that the row gives are looked up, and the file's name gives the rest. A name that can be
//! divided in several ways, as `1_2_3.dcm` by `{image_id}_*.dcm`, is found by all of them.
//!
//! With `dataset.uid_column`, the headers' UIDs are looked up and nothing else.

use std::collections::{HashMap, HashSet};

use super::listing::File;
use super::table::cell;
use super::template::{Field, Template};
use super::tolerance;
use crate::config::Tolerance;
use crate::record::{Id, ImageRecord};

/// The listed files, with what is needed to find them.
pub struct Files<'a> {
    /// The files, sorted by path.
    pub files: Vec<File>,
    template: &'a Template,
    captured: &'a [Field],
    tolerances: &'a [Tolerance],
    /// Files whose extension differs in case from the template's, by the name with the template's.
    other_case: HashMap<String, usize>,
    /// Files by their keys; empty if the row gives the path in full.
    by_key: ByKey,
    /// Files by their keys up to the differences that are tolerated; empty if none are.
    by_alike: ByKey,
    /// Files by the UIDs of their headers, if these tell a row's file.
    by_uid: Option<ByKey>,
}

/// Files by a key, with the place of the one file or `None` if there are several.
type ByKey = HashMap<String, Option<usize>>;

/// What was found for a row.
pub enum Match {
    /// One file, and the record with what the file's name adds to it. `is_exact` tells whether the
    /// file is found as the row names it, without `dataset.tolerate`.
    One { at: usize, record: ImageRecord, is_exact: bool },
    /// Several files, so that none can be taken.
    Several(ImageRecord),
    /// No file.
    None(ImageRecord),
}

impl<'a> Files<'a> {
    /// An index of `files`, which are sorted by path. `captured` are the placeholders that the
    /// table lacks.
    pub fn new(
        files: Vec<File>,
        template: &'a Template,
        captured: &'a [Field],
        tolerances: &'a [Tolerance],
    ) -> Self {
        let mut index = Self {
            files,
            template,
            captured,
            tolerances,
            other_case: HashMap::new(),
            by_key: HashMap::new(),
            by_alike: HashMap::new(),
            by_uid: None,
        };
        let is_exact = template.is_exact(captured);
        for (at, file) in index.files.iter().enumerate() {
            if let Some(name) = with_extension_of(&file.relative, template) {
                index.other_case.insert(name, at);
            }
            let keys = match is_exact {
                true => HashSet::from([file.relative.clone()]),
                false => keys_of(&file.relative, template, captured),
            };
            if !tolerances.is_empty() {
                let alike = |key: &String| tolerance::key(key, tolerances).into_owned();
                add(&mut index.by_alike, keys.iter().map(alike).collect(), at);
            }
            if !is_exact {
                add(&mut index.by_key, keys, at);
            }
        }
        index
    }

    /// Lets the UIDs of the headers tell a row's file, in the order of the files.
    pub fn with_uids(mut self, uids: Vec<Vec<String>>) -> Self {
        let mut by_uid = ByKey::new();
        for (at, uids) in uids.into_iter().enumerate() {
            add(&mut by_uid, uids.into_iter().collect(), at);
        }
        self.by_uid = Some(by_uid);
        self
    }

    /// Finds the file of `record`, whose cells of [`Template::columns`] are `cells`. With
    /// [`with_uids`](Self::with_uids) the UID is the last of them.
    pub fn find(&self, record: ImageRecord, cells: &[String]) -> Match {
        if let Some(by_uid) = &self.by_uid {
            return match cells.last().and_then(|uid| by_uid.get(uid)) {
                Some(found) => self.matched(*found, record, cells, true),
                None => Match::None(record),
            };
        }
        if let Some(found) = self.named(&record, cells) {
            return self.matched(found, record, cells, true);
        }
        if self.tolerances.is_empty() {
            return Match::None(record);
        }
        let record = tolerance::repaired(&record, self.tolerances).unwrap_or(record);
        let alike = || {
            let key = self.key(&record, cells)?;
            self.by_alike.get(tolerance::key(&key, self.tolerances).as_ref()).copied()
        };
        match self.named(&record, cells).or_else(alike) {
            Some(found) => self.matched(found, record, cells, false),
            None => Match::None(record),
        }
    }

    /// The file that has just the name that the record gives; `Some(None)` if several have it.
    fn named(&self, record: &ImageRecord, cells: &[String]) -> Option<Option<usize>> {
        if self.template.is_exact(self.captured) {
            return self.at(&self.template.file(record, cells)).map(Some);
        }
        self.by_key.get(&self.key(record, cells)?).copied()
    }

    /// What the record gives of the path: all of it, or its parts.
    fn key(&self, record: &ImageRecord, cells: &[String]) -> Option<String> {
        match self.template.is_exact(self.captured) {
            true => Some(self.template.file(record, cells)),
            false => self.template.key(record, cells, self.captured),
        }
    }

    fn matched(
        &self,
        found: Option<usize>,
        record: ImageRecord,
        cells: &[String],
        is_exact: bool,
    ) -> Match {
        let Some(at) = found else { return Match::Several(record) };
        match self.with_captured(&record, cells, at) {
            Some(record) => Match::One { at, record, is_exact },
            None => Match::None(record),
        }
    }

    fn at(&self, path: &str) -> Option<usize> {
        let exact = self.files.binary_search_by(|file| file.relative.as_str().cmp(path)).ok();
        exact.or_else(|| self.other_case.get(path).copied())
    }

    /// The record with what the table lacks, from the file's name; `None` if the name gives no usable
    /// patient. Of several ways to divide the name, the first that agrees with the record is taken.
    fn with_captured(
        &self,
        record: &ImageRecord,
        cells: &[String],
        at: usize,
    ) -> Option<ImageRecord> {
        let mut record = record.clone();
        if self.captured.is_empty() {
            return Some(record);
        }
        let wanted = self.key(&record, cells)?;
        let wanted = tolerance::key(&wanted, self.tolerances);
        let agrees = |found: &Vec<&str>| {
            let key = key_of(found, self.template, self.captured);
            self.by_uid.is_some() || tolerance::key(&key, self.tolerances) == wanted
        };
        let found = self.template.all_matches(&self.files[at].relative);
        let found = found.into_iter().find(agrees)?;
        let captured = |(field, _): &(&Field, &str)| self.captured.contains(field);
        for (field, text) in self.template.fields().zip(found).filter(captured) {
            match field {
                Field::PatientId => record.patient_id = Id::new(text).ok()?,
                Field::ImageId => record.image_id = Id::new(text).ok()?,
                Field::Laterality => record.laterality = cell::laterality(text).ok(),
                Field::View => record.view = cell::view(text).ok(),
                Field::Split | Field::Column(_) => {}
            }
        }
        Some(record)
    }
}

/// The name with the template's extension, if it has that extension in other letters.
fn with_extension_of(relative: &str, template: &Template) -> Option<String> {
    let wanted = template.extension()?;
    let (name, extension) = relative.rsplit_once('.')?;
    let differs = extension != wanted && extension.eq_ignore_ascii_case(wanted);
    differs.then(|| format!("{name}.{wanted}"))
}

/// What the file's path holds of the parts that a row gives, as [`Template::key`] writes it, for
/// every way in which the path has the form of the template.
fn keys_of(relative: &str, template: &Template, captured: &[Field]) -> HashSet<String> {
    let found = template.all_matches(relative);
    found.iter().map(|found| key_of(found, template, captured)).collect()
}

/// The parts of `found`, one text per placeholder, that a row gives.
fn key_of(found: &[&str], template: &Template, captured: &[Field]) -> String {
    let mut key = String::new();
    for (field, text) in template.fields().zip(found) {
        if !captured.contains(field) {
            key.push_str(text);
            key.push('\n');
        }
    }
    key
}

/// Adds the file at place `at` under its keys.
fn add(index: &mut ByKey, keys: HashSet<String>, at: usize) {
    for key in keys {
        index.entry(key).and_modify(|only| *only = None).or_insert(Some(at));
    }
}
