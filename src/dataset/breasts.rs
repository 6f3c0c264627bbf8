//! Rows that describe several images: one row per breast or per patient (`dataset.row_of`).
//!
//! In: the rows and the files. Out: one row per file. The path gives the patient; the path or the
//! header gives the side and the projection. The image's id is the path itself, with `_` for `/`,
//! unless the path has a place for it.
//!
//! Of two rows for one breast or patient neither is used, and of two files with one `image_id`
//! neither is taken: which of them is right cannot be told.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use super::FileFacts;
use super::join::{Placed, Reasons, Row, take_out_same_ids};
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

/// Gives each file the row of its breast or patient; rows without a file come last. Files with the
/// `image_id` of another are returned with their reason.
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
) -> Result<(Vec<Placed>, Reasons), Fault> {
    // `None` without a side where a row is of a breast: such a row, or file, is of neither.
    let key = |patient: &str, side: Option<Laterality>| {
        let side = match row_of {
            RowOf::Breast => Some(side?),
            _ => None,
        };
        Some((tolerance::key(patient, tolerances).into_owned(), side))
    };
    let mut by_key: HashMap<_, Vec<usize>> = HashMap::with_capacity(rows.len());
    for (i, row) in rows.iter().enumerate() {
        if let Some(key) = key(row.record.patient_id.as_str(), row.record.laterality) {
            by_key.entry(key).or_default().push(i);
        }
    }
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
    let several: HashSet<usize> =
        by_key.values().filter(|rows| rows.len() > 1).flatten().copied().collect();
    let mut row_of_file: HashMap<usize, usize> = HashMap::with_capacity(files.len());
    let mut placed = Vec::new();
    for (at, found) in found.into_iter().enumerate() {
        let Some(found) = found else { continue };
        let Some(key) = key(&found.patient, found.laterality) else { continue };
        let Some(&[row]) = by_key.get(&key).map(Vec::as_slice) else { continue };
        row_of_file.insert(at, row);
        let mut record = rows[row].record.clone();
        record.image_id = found.image_id;
        record.laterality = record.laterality.or(found.laterality);
        record.view = record.view.or(found.view);
        placed.push(Placed { record, cells: Vec::new(), file: Some(at), several: false });
    }
    let reasons = take_out_same_ids(&mut placed, files);
    let used: HashSet<usize> =
        placed.iter().filter_map(|row| row_of_file.get(&row.file?)).copied().collect();
    let unused = rows.into_iter().enumerate().filter(|(i, _)| !used.contains(i));
    placed.extend(unused.map(|(i, Row { record, cells })| Placed {
        record,
        cells,
        file: None,
        several: several.contains(&i),
    }));
    Ok((placed, reasons))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::StrayReason;
    use crate::record::ImageRecord;

    fn row(patient: &str, side: Option<Laterality>, cancer: bool) -> Row {
        let id = Id::new(patient).unwrap();
        let record = ImageRecord {
            laterality: side,
            cancer: Some(cancer),
            ..ImageRecord::unlabelled(id.clone(), id)
        };
        Row { record, cells: Vec::new() }
    }

    /// The label of each file, and the reasons; the number of rows that cannot be used because there
    /// are several.
    fn placed(
        rows: Vec<Row>,
        files: &[&str],
        template: &str,
        row_of: RowOf,
    ) -> (Vec<(usize, Option<bool>)>, Reasons, usize) {
        let template = Template::parse(template).unwrap();
        let file = |path: &&str| File { relative: path.to_string(), bytes: 1, modified: None };
        let files: Vec<File> = files.iter().map(file).collect();
        let all = rows.len();
        let none = |_: &File| None;
        let (placed, reasons) = place(rows, &files, &template, row_of, &[], &none).unwrap();
        let with_file = placed.iter().filter_map(|row| Some((row.file?, row.record.cancer)));
        let unused = placed.iter().filter(|row| row.file.is_none()).count();
        assert!(unused <= all);
        let several = placed.iter().filter(|row| row.several).count();
        (with_file.collect(), reasons, several)
    }

    const PATH: &str = "{patient_id}/{laterality}_*.dcm";
    const FILES: [&str; 4] = ["p/L_1.dcm", "p/R_1.dcm", "p/x_1.dcm", "q/L_1.dcm"];

    #[test]
    fn of_two_rows_for_one_breast_neither_gives_a_label() {
        use Laterality::{Left, Right};
        let rows = || {
            vec![
                row("p", Some(Left), false),
                row("p", Some(Right), true),
                row("p", Some(Left), true),
                row("q", Some(Left), true),
            ]
        };
        let (files, _, several) = placed(rows(), &FILES, PATH, RowOf::Breast);
        assert_eq!((files, several), (vec![(1, Some(true)), (3, Some(true))], 2));
        let (files, _, several) = placed(rows(), &FILES, PATH, RowOf::Patient);
        assert_eq!((files, several), (vec![(3, Some(true))], 3));
    }

    #[test]
    fn a_row_without_a_side_is_of_no_breast_but_of_a_patient() {
        let (files, _, several) = placed(vec![row("p", None, true)], &FILES, PATH, RowOf::Breast);
        assert_eq!((files, several), (vec![], 0), "p/x_1.dcm has no side either");
        let (files, _, _) = placed(vec![row("p", None, true)], &FILES, PATH, RowOf::Patient);
        assert_eq!(files, [(0, Some(true)), (1, Some(true)), (2, Some(true))]);
    }

    #[test]
    fn of_two_files_with_one_id_neither_is_an_image() {
        let files = ["p/1.dcm", "p/2.dcm", "q/1.dcm"];
        let rows = vec![row("p", None, true), row("q", None, false)];
        let (files, reasons, _) =
            placed(rows, &files, "{patient_id}/{image_id}.dcm", RowOf::Patient);
        assert_eq!(files, [(1, Some(true))]);
        let same = |other: &str| {
            Some(StrayReason::SameId { image_id: Id::new("1").unwrap(), other: other.to_owned() })
        };
        assert_eq!(reasons.get("p/1.dcm").cloned(), same("q/1.dcm"));
        assert_eq!(reasons.get("q/1.dcm").cloned(), same("p/1.dcm"));
        assert_eq!(reasons.len(), 2);
    }
}
