//! Gathers several rows of one image into one: `dataset.several_rows: gather`.
//!
//! A label (`cancer`, `biopsy`, `invasive`) and `difficult_negative_case` are positive if they are
//! in any row, negative if they are negative in a row and positive in none. `BIRADS` is the highest;
//! 0 (needs assessment) is no lowest category, so where 0 stands beside another, `BIRADS` is missing
//! and counted. Boxes are kept, all of them. Texts of further columns stand side by side. Any other
//! column has the value in which the rows agree; where they do not, it is missing, and the image is
//! counted as unknown.
//!
//! Rows with one `image_id` but other patients or other files are of several images, and refused.

use std::collections::{HashMap, HashSet};

use super::{Problem, Problems, Table};
use crate::record::{Id, ImageRecord};

/// What the name of a column is followed by in [`Table::unknown`] where rows of an image differ.
pub const DIFFER: &str = " (rows differ)";

/// The columns in which rows of an image differ, by the place of the image.
type Differing = HashSet<(usize, &'static str)>;

/// Gathers the rows of `table`, which stay in their order. Rows of other images with the same
/// `image_id` are left out and reported in `problems`.
pub fn gather(table: &mut Table, problems: &mut Problems) {
    let records = std::mem::take(&mut table.records);
    let mut cells = std::mem::take(&mut table.cells).into_iter();
    let mut places: HashMap<Id, usize> = HashMap::with_capacity(records.len());
    let mut differing = Differing::new();
    for record in records {
        let of_path = cells.next();
        match places.get(&record.image_id) {
            None => {
                places.insert(record.image_id.clone(), table.records.len());
                table.records.push(record);
                table.cells.extend(of_path);
            }
            Some(&at) => {
                let first = &table.records[at];
                let is_other = first.patient_id != record.patient_id
                    || of_path.is_some_and(|of_path| table.cells[at] != of_path);
                if is_other {
                    let other = Problem::OtherImage {
                        image_id: record.image_id.to_string(),
                        first_line: first.line,
                    };
                    problems.push(&table.path, record.line, other);
                } else {
                    add(&mut table.records[at], record, at, &mut differing);
                }
            }
        }
    }
    for (_, column) in differing {
        *table.unknown.entry(format!("{column}{DIFFER}")).or_default() += 1;
    }
}

/// Adds a further row of the image at place `at`.
fn add(record: &mut ImageRecord, other: ImageRecord, at: usize, differing: &mut Differing) {
    let any = |a: &mut Option<bool>, b: Option<bool>| *a = (*a).max(b);
    any(&mut record.cancer, other.cancer);
    any(&mut record.biopsy, other.biopsy);
    any(&mut record.invasive, other.invasive);
    any(&mut record.difficult_negative_case, other.difficult_negative_case);
    for found in other.boxes {
        if !record.boxes.contains(&found) {
            record.boxes.push(found);
        }
    }
    for (text, more) in record.extra.iter_mut().zip(other.extra) {
        match (text.as_mut(), more) {
            (Some(text), Some(more)) if !text.split("; ").any(|known| known == more) => {
                text.push_str("; ");
                text.push_str(&more);
            }
            (None, more) => *text = more,
            _ => {}
        }
    }
    let mut agree = Agree { at, differing };
    // A further row with the highest category cannot undo that one row had 0 and another had not.
    let needs_assessment = record.birads == Some(0) || other.birads == Some(0);
    if needs_assessment || agree.differed("BIRADS") {
        agree.on("BIRADS", &mut record.birads, other.birads);
    } else {
        record.birads = record.birads.max(other.birads);
    }
    agree.on("site_id", &mut record.site_id, other.site_id);
    agree.on("laterality", &mut record.laterality, other.laterality);
    agree.on("view", &mut record.view, other.view);
    agree.on("age", &mut record.age, other.age);
    agree.on("implant", &mut record.implant, other.implant);
    agree.on("density", &mut record.density, other.density);
    agree.on("machine_id", &mut record.machine_id, other.machine_id);
    agree.on("prediction_id", &mut record.prediction_id, other.prediction_id);
}

/// Keeps the values in which the rows of an image agree.
struct Agree<'a> {
    /// The place of the image.
    at: usize,
    differing: &'a mut Differing,
}

impl Agree<'_> {
    /// Whether earlier rows of the image differ in a column.
    fn differed(&self, name: &'static str) -> bool {
        self.differing.contains(&(self.at, name))
    }

    /// Keeps the value of a column in which two rows agree; a missing one agrees with any. Once two
    /// rows differ, the value stays missing.
    fn on<T: PartialEq>(&mut self, name: &'static str, mine: &mut Option<T>, other: Option<T>) {
        match (mine.as_ref(), other) {
            (Some(a), Some(b)) if *a != b => {
                *mine = None;
                self.differing.insert((self.at, name));
            }
            (None, Some(b)) if !self.differed(name) => *mine = Some(b),
            _ => {}
        }
    }
}
