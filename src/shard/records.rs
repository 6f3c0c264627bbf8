//! The columns that hold the table's row and the role of an image, in both directions.
//!
//! In and out: an [`ImageRecord`] with its [`Role`]. A column that a file lacks is `None` in every
//! record, as in a table. The line number in the table is not kept.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array, StringArray};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::cells::Cells;
use crate::dataset::Role;
use crate::record::{Density, Id, ImageRecord, Laterality, View};

/// One column: its name, its description, its values.
pub(crate) struct Column {
    pub name: String,
    pub about: &'static str,
    pub array: ArrayRef,
}

/// An item that belongs to one row of the table.
pub(crate) trait OfImage {
    /// The row of the table.
    fn record(&self) -> &ImageRecord;
    /// The role of the image.
    fn role(&self) -> Role;
}

/// The columns of the table's rows, without the further columns.
pub(crate) fn columns<T: OfImage>(s: &[T]) -> Vec<Column> {
    vec![
        text("split", "table that the row is from: train or test", s, |s| {
            Some(s.record().split.as_str())
        }),
        text("patient_id", "id of the patient", s, |s| Some(s.record().patient_id.as_str())),
        text("image_id", "id of the image", s, |s| Some(s.record().image_id.as_str())),
        integer("site_id", "id of the site where the image was taken", s, |s| s.record().site_id),
        text("laterality", "side of the breast, L or R", s, |s| {
            s.record().laterality.map(Laterality::as_str)
        }),
        text("view", "projection: CC, MLO, ...", s, |s| s.record().view.as_ref().map(View::as_str)),
        float("age", "age of the patient in years", s, |s| s.record().age),
        boolean("cancer", "label: cancer in this breast", s, |s| s.record().cancer),
        boolean("biopsy", "whether a biopsy followed (leaks the label)", s, |s| s.record().biopsy),
        boolean("invasive", "whether the cancer is invasive (leaks the label)", s, |s| {
            s.record().invasive
        }),
        integer(
            "BIRADS",
            "0 needs follow-up, 1 negative, 2 normal: categories (leaks the label)",
            s,
            |s| s.record().birads,
        ),
        boolean("implant", "whether the breast has an implant", s, |s| s.record().implant),
        text("density", "breast density, A (fatty) to D (dense)", s, |s| {
            s.record().density.map(Density::as_str)
        }),
        integer("machine_id", "id of the machine", s, |s| s.record().machine_id),
        boolean(
            "difficult_negative_case",
            "a negative case that was difficult to read (leaks the label)",
            s,
            |s| s.record().difficult_negative_case,
        ),
        text("prediction_id", "id of the submission's row", s, |s| {
            s.record().prediction_id.as_deref()
        }),
        text("role", "use of the image: fold, locked, left_out or test", s, |s| {
            Some(role_word(s.role()))
        }),
        integer("fold", "fold that holds the image out; null for other roles", s, |s| {
            let Role::Fold(fold) = s.role() else { return None };
            Some(i64::from(fold))
        }),
    ]
}

/// The value in the `role` column.
pub(crate) fn role_word(role: Role) -> &'static str {
    match role {
        Role::Fold(_) => "fold",
        Role::Locked => "locked",
        Role::LeftOut => "left_out",
        Role::Test => "test",
    }
}

/// The record and role in row `i`, with the further columns `extra`; or the name of the column that
/// is absent or unreadable. [`ImageRecord::line`] is 0.
pub(crate) fn record(
    cells: &Cells,
    i: usize,
    extra: &[String],
) -> Result<(ImageRecord, Role), &'static str> {
    let id =
        |name: &'static str| cells.text(name, i).and_then(|text| Id::new(&text).ok()).ok_or(name);
    let record = ImageRecord {
        split: word(cells, "split", i)?.ok_or("split")?,
        line: 0,
        patient_id: id("patient_id")?,
        image_id: id("image_id")?,
        site_id: cells.integer("site_id", i),
        laterality: word(cells, "laterality", i)?,
        view: cells.text("view", i).map(|code| View::parse(&code)),
        age: cells.real("age", i).map(|age| age as f32),
        cancer: cells.boolean("cancer", i),
        biopsy: cells.boolean("biopsy", i),
        invasive: cells.boolean("invasive", i),
        birads: cells.integer("BIRADS", i),
        implant: cells.boolean("implant", i),
        density: word(cells, "density", i)?,
        machine_id: cells.integer("machine_id", i),
        difficult_negative_case: cells.boolean("difficult_negative_case", i),
        prediction_id: cells.text("prediction_id", i),
        extra: extra.iter().map(|name| cells.text(name, i)).collect(),
        boxes: Vec::new(),
    };
    Ok((record, role(cells, i)?))
}

/// A value written as its type's `Serialize` writes it. An unknown word is an error, not an absent
/// value.
fn word<T: DeserializeOwned>(
    cells: &Cells,
    name: &'static str,
    i: usize,
) -> Result<Option<T>, &'static str> {
    let Some(text) = cells.text(name, i) else { return Ok(None) };
    serde_json::from_value(Value::String(text)).map(Some).map_err(|_| name)
}

fn role(cells: &Cells, i: usize) -> Result<Role, &'static str> {
    match cells.text("role", i).as_deref() {
        Some("fold") => {
            let fold = cells.integer("fold", i).and_then(|fold| u16::try_from(fold).ok());
            Ok(Role::Fold(fold.ok_or("fold")?))
        }
        Some("locked") => Ok(Role::Locked),
        Some("left_out") => Ok(Role::LeftOut),
        Some("test") => Ok(Role::Test),
        _ => Err("role"),
    }
}

fn column(name: &str, about: &'static str, array: ArrayRef) -> Column {
    Column { name: name.to_owned(), about, array }
}

pub(crate) fn text<'a, T>(
    name: &str,
    about: &'static str,
    items: &'a [T],
    get: impl Fn(&'a T) -> Option<&'a str>,
) -> Column {
    column(name, about, Arc::new(StringArray::from_iter(items.iter().map(get))))
}

pub(crate) fn integer<T>(
    name: &str,
    about: &'static str,
    items: &[T],
    get: impl Fn(&T) -> Option<i64>,
) -> Column {
    column(name, about, Arc::new(Int64Array::from_iter(items.iter().map(get))))
}

pub(crate) fn float<T>(
    name: &str,
    about: &'static str,
    items: &[T],
    get: impl Fn(&T) -> Option<f32>,
) -> Column {
    column(name, about, Arc::new(Float32Array::from_iter(items.iter().map(get))))
}

pub(crate) fn double<T>(
    name: &str,
    about: &'static str,
    items: &[T],
    get: impl Fn(&T) -> Option<f64>,
) -> Column {
    column(name, about, Arc::new(Float64Array::from_iter(items.iter().map(get))))
}

pub(crate) fn boolean<T>(
    name: &str,
    about: &'static str,
    items: &[T],
    get: impl Fn(&T) -> Option<bool>,
) -> Column {
    column(name, about, Arc::new(BooleanArray::from_iter(items.iter().map(get))))
}
