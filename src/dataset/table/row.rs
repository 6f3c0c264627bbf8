//! One row of a table: from cells to a record.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use csv::ByteRecord;
use serde_json::Value;

use super::cell;
use super::columns::{Column, Columns, Source};
use super::{Label, Problem, Problems, Words};
use crate::config::{DatasetConfig, UnknownValues};
use crate::record::{Id, ImageRecord, Split};

/// The fields of one row, by column.
pub struct Cells<'a> {
    pub fields: &'a ByteRecord,
    pub columns: &'a Columns,
    pub config: &'a DatasetConfig,
    pub label: Option<&'a Label>,
    pub words: &'a Words,
    pub path: &'a Path,
    pub line: u64,
    pub unknown: &'a mut BTreeMap<String, usize>,
    /// The columns of the row's cells that were not understood so far.
    pub told: Vec<Source>,
    pub problems: &'a mut Problems,
}

impl Cells<'_> {
    /// The record; `None` after a problem that ends the row.
    pub fn record(&mut self, split: Split) -> Option<ImageRecord> {
        if self.fields.len() != self.columns.width {
            self.problem(Problem::Ragged {
                have: self.fields.len(),
                need: self.columns.width,
                breaks: self.fields.iter().any(|field| field.contains(&b'\n')),
            });
            return None;
        }
        let laterality = self.get(Column::Laterality, cell::laterality);
        // Where a row describes several images, the files have ids; the row is named by its breast.
        let image_id = match self.columns.of(Column::ImageId) {
            Some(_) => self.required(Column::ImageId, cell::id),
            None => self.required(Column::PatientId, cell::id).and_then(|patient| {
                let side = laterality.map_or(String::new(), |side| format!("_{}", side.as_str()));
                Id::new(&format!("{patient}{side}")).ok()
            }),
        };
        // The file's name gives the patient if the table does not.
        let patient_id = match self.columns.of(Column::PatientId) {
            Some(_) if self.columns.of(Column::ImageId).is_none() && image_id.is_none() => None,
            Some(_) => self.required(Column::PatientId, cell::id),
            None => image_id.clone(),
        };
        let is_outcome = self.is_outcome();
        // The two required columns come last, so that every cell has been checked before they end
        // the row.
        let mut record = ImageRecord {
            split,
            line: self.line,
            site_id: self.category(Column::SiteId),
            laterality,
            view: self.get(Column::View, cell::view),
            age: self.get(Column::Age, cell::age),
            cancer: self.get(Column::Cancer, cell::boolean).filter(|_| is_outcome),
            biopsy: self.get(Column::Biopsy, cell::boolean).filter(|_| is_outcome),
            invasive: self.get(Column::Invasive, cell::boolean).filter(|_| is_outcome),
            birads: self.get(Column::Birads, cell::birads),
            implant: self.get(Column::Implant, cell::boolean),
            density: self.get(Column::Density, cell::density),
            machine_id: self.category(Column::MachineId),
            difficult_negative_case: self.get(Column::DifficultNegativeCase, cell::boolean),
            prediction_id: self.get(Column::PredictionId, cell::text),
            extra: self.extra(),
            boxes: self.lesion_box().into_iter().collect(),
            patient_id: patient_id?,
            image_id: image_id?,
        };
        // After the column itself, so that a cell is not reported twice.
        if self.columns.of(Column::Cancer).is_none() {
            record.cancer = self.proxy().filter(|_| is_outcome);
        }
        Some(record)
    }

    /// The split of the row: that of its column, or `asked` if the table has none.
    pub fn split(&mut self, asked: Split) -> Option<Split> {
        let Some(index) = self.columns.split else { return Some(asked) };
        // A row that is too short is reported when its record is made.
        let Some(text) = self.fields.get(index) else { return Some(asked) };
        let text = self.mapped("split", Cow::Borrowed(text));
        let split = match text.as_deref() {
            Some(b"train") => Some(Split::Train),
            Some(b"test") => Some(Split::Test),
            _ => None,
        };
        if split.is_none() {
            let column = self.columns.name(index);
            let needs = "train or test (dataset.values.split maps other words)";
            self.problem(Problem::cell(column, &self.fields[index], needs));
        }
        split
    }

    /// The label by the condition of `dataset.label`; `None` without a condition or a value.
    fn proxy(&mut self) -> Option<bool> {
        let label = self.label?;
        let source = self.columns.label.as_ref()?;
        let text = self.mapped(&label.column, source.text(self.fields))?;
        let holds = std::str::from_utf8(&text).ok().and_then(|text| label.of(text));
        if holds.is_none() && !self.told.contains(source) {
            self.not_understood(&label.column, source, &text, "a number, for dataset.label");
        }
        holds
    }

    /// Whether the row's outcome is near enough to its exam, by `dataset.outcome`.
    fn is_outcome(&mut self) -> bool {
        let (Some(outcome), Some((exam, result))) = (&self.config.outcome, self.columns.dates)
        else {
            return true;
        };
        let exam = self.day(&outcome.exam_date, exam);
        let result = self.day(&outcome.outcome_date, result);
        match (exam, result) {
            (Some(exam), Some(result)) => (0..=i64::from(outcome.days)).contains(&(result - exam)),
            // Without a date nothing can be told of the time.
            _ => false,
        }
    }

    /// The day of the date in a cell; `None` if it is missing or not understood.
    fn day(&mut self, name: &str, index: usize) -> Option<i64> {
        let text = self.mapped(name, Cow::Borrowed(&self.fields[index]))?;
        let day = std::str::from_utf8(&text).ok().and_then(cell::day);
        if day.is_none() {
            let needs = "a date such as 2019-03-31 or 20190331";
            self.not_understood(name, &Source::At(index), &text, needs);
        }
        day
    }

    fn required<T>(&mut self, column: Column, parse: cell::Parse<T>) -> Option<T> {
        let source = self.columns.of(column)?;
        if cell::is_missing(&source.text(self.fields)) {
            self.problem(Problem::EmptyCell { column: self.columns.name_of(source) });
            return None;
        }
        let text = source.text(self.fields);
        let parsed = std::str::from_utf8(&text).map_err(|_| "UTF-8").and_then(parse);
        parsed
            .map_err(|needs| {
                let column = self.columns.name_of(source);
                self.problem(Problem::cell(column, &text, needs));
            })
            .ok()
    }

    fn get<T>(&mut self, column: Column, parse: cell::Parse<T>) -> Option<T> {
        let source = self.columns.of(column)?;
        let text = self.mapped(column.name(), source.text(self.fields))?;
        let parsed = std::str::from_utf8(&text).map_err(|_| "UTF-8").and_then(parse);
        parsed.map_err(|needs| self.not_understood(column.name(), source, &text, needs)).ok()
    }

    /// A site or a machine: its number, or the number of its name.
    fn category(&mut self, column: Column) -> Option<i64> {
        let source = self.columns.of(column)?;
        let text = self.mapped(column.name(), source.text(self.fields))?;
        let named = self.words.number(column.name(), &String::from_utf8_lossy(&text));
        named.or_else(|| self.get(column, cell::integer))
    }

    /// Reports a cell that is not understood, or counts it, as `dataset.unknown_values` says.
    fn not_understood(&mut self, ours: &str, source: &Source, text: &[u8], needs: &'static str) {
        self.told.push(source.clone());
        match self.config.unknown_values {
            UnknownValues::Error => {
                let column = self.columns.name_of(source);
                self.problem(Problem::value(column, text, needs));
            }
            UnknownValues::Null => *self.unknown.entry(ours.to_owned()).or_default() += 1,
        }
    }

    fn mapped<'t>(&self, ours: &str, text: Cow<'t, [u8]>) -> Option<Cow<'t, [u8]>> {
        mapped(self.config, ours, text)
    }

    /// The cells of the columns that stand in the path, and last that of `dataset.uid_column` if
    /// there is one; `None` after a problem.
    pub fn of_path(&mut self) -> Option<Vec<String>> {
        let columns = self.columns;
        let prefix = &self.config.strip_prefix;
        let mut texts = Vec::with_capacity(columns.in_path.len());
        for source in &columns.in_path {
            let field = source.text(self.fields);
            let text = std::str::from_utf8(&field).map_err(|_| "UTF-8");
            match text.and_then(|text| cell::path(text, prefix)) {
                Ok(text) => texts.push(text),
                Err(needs) => {
                    self.problem(Problem::cell(columns.name_of(source), &field, needs));
                    return None;
                }
            }
        }
        if let Some(source) = &columns.uid {
            texts.push(String::from_utf8_lossy(&source.text(self.fields)).trim().to_owned());
        }
        Some(texts)
    }

    fn extra(&mut self) -> Vec<Option<String>> {
        let columns = self.columns;
        let text = |(index, name): (&Option<usize>, &String)| {
            let field = &self.fields[(*index)?];
            let text = match self.config.values.contains_key(name) {
                true => self.mapped(name, Cow::Borrowed(field))?,
                false => Cow::Borrowed(field),
            };
            (!text.is_empty()).then(|| String::from_utf8_lossy(&text).into_owned())
        };
        columns.extra.iter().zip(&self.config.extra_columns).map(text).collect()
    }

    /// The lesion's box of the row, if all four sides are given.
    fn lesion_box(&mut self) -> Option<[f32; 4]> {
        let [left, top, right, bottom] = self.columns.boxes?;
        let side = |index: usize| {
            let text = std::str::from_utf8(&self.fields[index]).ok()?;
            text.parse().ok().filter(|side: &f32| side.is_finite())
        };
        Some([side(left)?, side(top)?, side(right)?, side(bottom)?])
    }

    fn problem(&mut self, problem: Problem) {
        self.problems.push(self.path, self.line, problem);
    }
}

/// The cell as `dataset.values` maps it; `None` if it is missing.
pub fn mapped<'t>(
    config: &DatasetConfig,
    ours: &str,
    text: Cow<'t, [u8]>,
) -> Option<Cow<'t, [u8]>> {
    if let Some(values) = config.values.get(ours) {
        let cell = String::from_utf8_lossy(&text);
        // pandas writes whole numbers as floats where a column has gaps.
        let whole = || values.get(cell.strip_suffix(".0")?);
        let exact = values.get(cell.as_ref()).or_else(whole);
        let alike = || values.iter().find(|(from, _)| from.eq_ignore_ascii_case(&cell));
        match exact.or_else(|| alike().map(|(_, to)| to)) {
            Some(Value::Null) => return None,
            Some(Value::String(to)) => return Some(Cow::Owned(to.clone().into_bytes())),
            Some(to) => return Some(Cow::Owned(to.to_string().into_bytes())),
            None => {}
        }
    }
    (!cell::is_missing(&text)).then_some(text)
}
