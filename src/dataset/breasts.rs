//! Rows that describe several images: one row per breast or per patient (`dataset.row_of`).
//!
//! In: the rows and the files. Out: one row per file. The path gives the patient; the path or the
//! header gives the side and the projection. The image's id is the path itself, with `_` for `/`,
//! unless the path has a place for it.

use std::collections::HashMap;

use rayon::prelude::*;

use super::FileFacts;
use super::join::{Placed, Row};
use super::listing::File;
use super::table::cell;
use super::template::{Field, Template};
use super::tolerance;
use crate::config::{RowOf, Tolerance};
use crate::error::Fault;
use crate::flow::threads;
use crate::record::{Id, Laterality, View};

/// Files whose headers are read at once.
const THREADS: usize = 16;

/// Gives each file the row of its breast or patient; rows without a file come last.
///
/// # Errors
/// A [`Fault`] if no threads can be started.
pub(super) fn place(
    rows: Vec<Row>,
    files: &[File],
    template: &Template,
    row_of: RowOf,
    tolerances: &[Tolerance],
    facts: &(dyn Fn(&File) -> Option<FileFacts> + Sync),
) -> Result<Vec<Placed>, Fault> {
    let key = |patient: &str, side: Option<Laterality>| {
        let side = if row_of == RowOf::Breast { side } else { None };
        (tolerance::key(patient, tolerances).into_owned(), side)
    };
    let by_key: HashMap<_, usize> = rows
        .iter()
        .enumerate()
        .map(|(i, row)| (key(row.record.patient_id.as_str(), row.record.laterality), i))
        .collect();
    let found: Vec<Option<Found>> = threads::pool(THREADS)?.install(|| {
        let look = |file: &File| {
            let mut found = Found::of(file, template)?;
            if found.laterality.is_none() || found.view.is_none() {
                let facts = facts(file).unwrap_or_default();
                found.laterality = found.laterality.or(facts.laterality);
                found.view = found.view.or(facts.view);
            }
            Some(found)
        };
        files.par_iter().map(look).collect()
    });
    let mut is_used = vec![false; rows.len()];
    let mut placed = Vec::new();
    for (at, found) in found.into_iter().enumerate() {
        let Some(found) = found else { continue };
        let side = if row_of == RowOf::Breast { found.laterality } else { None };
        let Some(&row) = by_key.get(&key(&found.patient, side)) else { continue };
        is_used[row] = true;
        let mut record = rows[row].record.clone();
        record.image_id = found.image_id;
        record.laterality = record.laterality.or(found.laterality);
        record.view = record.view.or(found.view);
        placed.push(Placed { record, cells: Vec::new(), file: Some(at), several: false });
    }
    let unused = rows.into_iter().zip(is_used).filter(|(_, is_used)| !is_used);
    placed.extend(unused.map(|(Row { record, cells }, _)| Placed {
        record,
        cells,
        file: None,
        several: false,
    }));
    Ok(placed)
}

/// What a file's path gives.
struct Found {
    patient: String,
    image_id: Id,
    laterality: Option<Laterality>,
    view: Option<View>,
}

impl Found {
    fn of(file: &File, template: &Template) -> Option<Self> {
        let texts = template.matches(&file.relative)?;
        let text = |wanted: Field| {
            template.fields().zip(&texts).find(|(field, _)| **field == wanted).map(|(_, t)| *t)
        };
        let stem = file.relative.rsplit_once('.').map_or(file.relative.as_str(), |(stem, _)| stem);
        let image = text(Field::ImageId).map_or_else(|| stem.replace('/', "_"), str::to_owned);
        Some(Self {
            patient: text(Field::PatientId)?.to_owned(),
            image_id: Id::new(&image).ok()?,
            laterality: text(Field::Laterality).and_then(|text| cell::laterality(text).ok()),
            view: text(Field::View).and_then(|text| cell::view(text).ok()),
        })
    }
}
