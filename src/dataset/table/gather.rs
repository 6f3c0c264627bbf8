//! Gathers several rows of one image into one: `dataset.several_rows: gather`.
//!
//! A label (`cancer`, `biopsy`, `invasive`) is positive if it is in any row, negative if it is
//! negative in a row and positive in none. `BIRADS` is the highest. Boxes are kept, all of them.
//! Texts of further columns stand side by side. Any other column has the value in which the rows
//! agree; it is missing, and counted as unknown, where they do not.

use std::collections::HashMap;

use super::Table;
use crate::record::{Id, ImageRecord};

/// Gathers the rows of `table`, which stay in their order.
pub fn gather(table: &mut Table) {
    let records = std::mem::take(&mut table.records);
    let mut cells = std::mem::take(&mut table.cells).into_iter();
    let mut places: HashMap<Id, usize> = HashMap::with_capacity(records.len());
    for record in records {
        let of_path = cells.next();
        match places.get(&record.image_id) {
            None => {
                places.insert(record.image_id.clone(), table.records.len());
                table.records.push(record);
                table.cells.extend(of_path);
            }
            Some(&at) => {
                for column in add(&mut table.records[at], record) {
                    *table.unknown.entry(format!("{column} (rows differ)")).or_default() += 1;
                }
            }
        }
    }
}

/// Adds a further row of the same image. Returns the columns in which the rows differ.
fn add(record: &mut ImageRecord, other: ImageRecord) -> Vec<&'static str> {
    let any = |a: &mut Option<bool>, b: Option<bool>| *a = (*a).max(b);
    any(&mut record.cancer, other.cancer);
    any(&mut record.biopsy, other.biopsy);
    any(&mut record.invasive, other.invasive);
    any(&mut record.difficult_negative_case, other.difficult_negative_case);
    record.birads = record.birads.max(other.birads);
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
    let mut differ = Vec::new();
    agree(&mut record.site_id, other.site_id, "site_id", &mut differ);
    agree(&mut record.laterality, other.laterality, "laterality", &mut differ);
    agree(&mut record.view, other.view, "view", &mut differ);
    agree(&mut record.age, other.age, "age", &mut differ);
    agree(&mut record.implant, other.implant, "implant", &mut differ);
    agree(&mut record.density, other.density, "density", &mut differ);
    agree(&mut record.machine_id, other.machine_id, "machine_id", &mut differ);
    agree(&mut record.prediction_id, other.prediction_id, "prediction_id", &mut differ);
    differ
}

/// Keeps the value in which two rows agree; a missing one agrees with any.
fn agree<T: PartialEq>(
    mine: &mut Option<T>,
    other: Option<T>,
    name: &'static str,
    differ: &mut Vec<&'static str>,
) {
    match (mine.as_ref(), other) {
        (Some(a), Some(b)) if *a != b => {
            *mine = None;
            differ.push(name);
        }
        (None, Some(b)) => *mine = Some(b),
        _ => {}
    }
}
