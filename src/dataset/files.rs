//! Finds the file of a row: by the path that the row gives, or by what its name holds.
//!
//! In: the listed files and a [`Template`]. A path that the row gives in full is looked up as it
//! stands; then with its extension in upper or lower case; then up to the differences of
//! `dataset.tolerate`. Where the template has placeholders that the table lacks, or wildcards, the
//! parts that the row gives are looked up, and the file's name gives the rest.

use std::collections::HashMap;

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
    /// Files by their key, with the place of the one file or `None` if there are several.
    by_key: HashMap<String, Option<usize>>,
}

/// What was found for a row.
pub enum Match {
    /// One file, and the record with what the file's name adds to it.
    One(usize, ImageRecord),
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
        };
        let is_exact = template.is_exact(captured);
        for (at, file) in index.files.iter().enumerate() {
            if let Some(name) = with_extension_of(&file.relative, template) {
                index.other_case.insert(name, at);
            }
            let key = if is_exact && !tolerances.is_empty() {
                Some(tolerance::key(&file.relative, tolerances).into_owned())
            } else if is_exact {
                None
            } else {
                key_of(&file.relative, template, captured, tolerances)
            };
            if let Some(key) = key {
                index.by_key.entry(key).and_modify(|only| *only = None).or_insert(Some(at));
            }
        }
        index
    }

    /// Finds the file of `record`, whose cells of [`Template::columns`] are `cells`.
    pub fn find(&self, record: ImageRecord, cells: &[String]) -> Match {
        if !self.template.is_exact(self.captured) {
            return self.find_by_parts(record, cells);
        }
        let path = self.template.file(&record, cells);
        if let Some(at) = self.at(&path) {
            return Match::One(at, record);
        }
        if self.tolerances.is_empty() {
            return Match::None(record);
        }
        let record = tolerance::repaired(&record, self.tolerances).unwrap_or(record);
        let path = self.template.file(&record, cells);
        let same = tolerance::key(&path, self.tolerances);
        match self.at(&path).map(Some).or_else(|| self.by_key.get(same.as_ref()).copied()) {
            Some(Some(at)) => Match::One(at, record),
            Some(None) => Match::Several(record),
            None => Match::None(record),
        }
    }

    fn at(&self, path: &str) -> Option<usize> {
        let exact = self.files.binary_search_by(|file| file.relative.as_str().cmp(path)).ok();
        exact.or_else(|| self.other_case.get(path).copied())
    }

    fn find_by_parts(&self, record: ImageRecord, cells: &[String]) -> Match {
        let by = |record: &ImageRecord, tolerances: &[Tolerance]| {
            let key = self.template.key(record, cells, self.captured)?;
            self.by_key.get(tolerance::key(&key, tolerances).as_ref()).copied()
        };
        let record = match by(&record, self.tolerances) {
            None => tolerance::repaired(&record, self.tolerances).unwrap_or(record),
            Some(_) => record,
        };
        match by(&record, self.tolerances) {
            Some(Some(at)) => match self.with_captured(&record, at) {
                Some(record) => Match::One(at, record),
                None => Match::None(record),
            },
            Some(None) => Match::Several(record),
            None => Match::None(record),
        }
    }

    /// The record with what the table lacks, from the file's name; `None` if the name gives no usable
    /// patient.
    fn with_captured(&self, record: &ImageRecord, at: usize) -> Option<ImageRecord> {
        let mut record = record.clone();
        let found = self.template.matches(&self.files[at].relative)?;
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

/// What the file's path holds of the parts that a row gives, as [`Template::key`] writes it.
fn key_of(
    relative: &str,
    template: &Template,
    captured: &[Field],
    tolerances: &[Tolerance],
) -> Option<String> {
    let mut key = String::new();
    for (field, text) in template.fields().zip(template.matches(relative)?) {
        if !captured.contains(field) {
            key.push_str(text);
            key.push('\n');
        }
    }
    Some(tolerance::key(&key, tolerances).into_owned())
}
