//! The columns that hold what the table says of an image, and what the image is for: records to
//! arrays, and back.
//!
//! In and out: an [`ImageRecord`] with its [`Role`]. A column that a file lacks is `None` in
//! every record, as in a table; the line of the table is not kept.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float32Array, Int64Array, StringArray};
use arrow::datatypes::{Float32Type, Float64Type, Int64Type};
use arrow::record_batch::RecordBatch;

use crate::dataset::Role;
use crate::record::{Density, Id, ImageRecord, Laterality, Split, View};

/// One column: its name, what it is in words, its values.
pub(crate) struct Column {
    pub name: String,
    pub about: &'static str,
    pub array: ArrayRef,
}

/// Something that comes of one image of the table.
pub(crate) trait OfImage {
    /// What the table says.
    fn record(&self) -> &ImageRecord;
    /// What it is for.
    fn role(&self) -> Role;
}

/// What the table says of each, the further columns apart.
pub(crate) fn columns<T: OfImage>(s: &[T]) -> Vec<Column> {
    vec![
        text("split", "table the row is from: train or test", s, |s| {
            Some(s.record().split.as_str())
        }),
        text("patient_id", "the patient", s, |s| Some(s.record().patient_id.as_str())),
        text("image_id", "the image", s, |s| Some(s.record().image_id.as_str())),
        integer("site_id", "where it was taken", s, |s| s.record().site_id),
        text("laterality", "side of the breast, L or R", s, |s| {
            s.record().laterality.map(Laterality::as_str)
        }),
        text("view", "projection: CC, MLO, ...", s, |s| s.record().view.as_ref().map(View::as_str)),
        float("age", "years", s, |s| s.record().age),
        boolean("cancer", "the target", s, |s| s.record().cancer),
        boolean("biopsy", "a biopsy followed (leaks the target)", s, |s| s.record().biopsy),
        boolean("invasive", "the cancer is invasive (leaks the target)", s, |s| {
            s.record().invasive
        }),
        integer(
            "BIRADS",
            "0 follow-up, 1 negative, 2 normal: categories (leaks the target)",
            s,
            |s| s.record().birads,
        ),
        boolean("implant", "there is an implant", s, |s| s.record().implant),
        text("density", "A fatty to D dense", s, |s| s.record().density.map(Density::as_str)),
        integer("machine_id", "the machine", s, |s| s.record().machine_id),
        boolean("difficult_negative_case", "hard to call negative (leaks the target)", s, |s| {
            s.record().difficult_negative_case
        }),
        text("prediction_id", "row of the submission", s, |s| s.record().prediction_id.as_deref()),
        text("role", "fold, locked, left_out or test", s, |s| Some(role_word(s.role()))),
        integer("fold", "the fold that holds it out; null unless role is fold", s, |s| {
            match s.role() {
                Role::Fold(fold) => Some(i64::from(fold)),
                _ => None,
            }
        }),
    ]
}

/// The word in the `role` column.
pub(crate) fn role_word(role: Role) -> &'static str {
    match role {
        Role::Fold(_) => "fold",
        Role::Locked => "locked",
        Role::LeftOut => "left_out",
        Role::Test => "test",
    }
}

/// The record and role in a row of a shard or of predictions, or what is wrong with it.
/// [`ImageRecord::line`] is 0 and there are no further columns.
pub(crate) fn record(batch: &RecordBatch, row: usize) -> Result<(ImageRecord, Role), String> {
    let cells = Cells { batch, row };
    let id = |column: &'static str| {
        let text = cells.text(column)?.ok_or_else(|| format!("{column} is null in a row"))?;
        Id::new(text).map_err(|text| format!("{column} holds {text:?}, which is no name"))
    };
    let split = cells.one_of("split", |word| {
        [Split::Train, Split::Test].into_iter().find(|split| split.as_str() == word)
    })?;
    let fold = || {
        let fold = cells.integer("fold")?.and_then(|fold| u16::try_from(fold).ok());
        fold.ok_or_else(|| "a row with role fold has no fold from 0 to 65535".to_owned())
    };
    let role = match cells.text("role")? {
        Some("fold") => Role::Fold(fold()?),
        Some("locked") => Role::Locked,
        Some("left_out") => Role::LeftOut,
        Some("test") => Role::Test,
        found => return Err(format!("role is {found:?}, not fold, locked, left_out or test")),
    };
    let record = ImageRecord {
        split: split.ok_or("split is null in a row")?,
        line: 0,
        patient_id: id("patient_id")?,
        image_id: id("image_id")?,
        site_id: cells.integer("site_id")?,
        laterality: cells.one_of("laterality", |word| {
            [Laterality::Left, Laterality::Right].into_iter().find(|side| side.as_str() == word)
        })?,
        view: cells.text("view")?.map(View::parse),
        age: cells.real("age")?.map(|age| age as f32),
        cancer: cells.boolean("cancer")?,
        biopsy: cells.boolean("biopsy")?,
        invasive: cells.boolean("invasive")?,
        birads: cells.integer("BIRADS")?,
        implant: cells.boolean("implant")?,
        density: cells.one_of("density", |word| {
            let letters = [Density::A, Density::B, Density::C, Density::D];
            letters.into_iter().find(|letter| letter.as_str() == word)
        })?,
        machine_id: cells.integer("machine_id")?,
        difficult_negative_case: cells.boolean("difficult_negative_case")?,
        prediction_id: cells.text("prediction_id")?.map(str::to_owned),
        extra: Vec::new(),
    };
    Ok((record, role))
}

/// The values of one row by column. An absent column is null in every row; one of another type
/// is an error.
pub(crate) struct Cells<'a> {
    pub batch: &'a RecordBatch,
    pub row: usize,
}

impl<'a> Cells<'a> {
    fn value<T>(
        &self,
        name: &str,
        needed: &str,
        get: impl FnOnce(&'a ArrayRef) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let column = self.batch.column_by_name(name).filter(|column| column.is_valid(self.row));
        let Some(column) = column else { return Ok(None) };
        let wrong = || format!("column {name} has type {}, not {needed}", column.data_type());
        get(column).map(Some).ok_or_else(wrong)
    }

    pub fn text(&self, name: &str) -> Result<Option<&'a str>, String> {
        self.value(name, "string", |c| c.as_string_opt::<i32>().map(|c| c.value(self.row)))
    }

    pub fn integer(&self, name: &str) -> Result<Option<i64>, String> {
        self.value(name, "int64", |c| c.as_primitive_opt::<Int64Type>().map(|c| c.value(self.row)))
    }

    pub fn boolean(&self, name: &str) -> Result<Option<bool>, String> {
        self.value(name, "boolean", |c| c.as_boolean_opt().map(|c| c.value(self.row)))
    }

    pub fn real(&self, name: &str) -> Result<Option<f64>, String> {
        self.value(name, "double or float", |c| {
            let double = c.as_primitive_opt::<Float64Type>().map(|c| c.value(self.row));
            let float = || c.as_primitive_opt::<Float32Type>().map(|c| c.value(self.row).into());
            double.or_else(float)
        })
    }

    fn one_of<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let Some(word) = self.text(name)? else { return Ok(None) };
        parse(word).map(Some).ok_or_else(|| format!("{name} is {word:?} in a row"))
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
    column(name, about, Arc::new(arrow::array::Float64Array::from_iter(items.iter().map(get))))
}

pub(crate) fn boolean<T>(
    name: &str,
    about: &'static str,
    items: &[T],
    get: impl Fn(&T) -> Option<bool>,
) -> Column {
    column(name, about, Arc::new(BooleanArray::from_iter(items.iter().map(get))))
}
