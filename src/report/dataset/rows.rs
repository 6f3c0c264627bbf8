//! Reads the rows of a release without their pixels.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::Field;

use super::Release;
use crate::error::Fault;
use crate::image::Rect;
use crate::shard::cells::Cells;
use crate::shard::reader::ShardReader;

/// The columns that the page uses. A column that is missing or empty is `None`.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Row {
    /// Index of the shard in the release, and of the row in the shard.
    pub place: (usize, usize),
    pub split: Option<String>,
    pub patient_id: String,
    pub image_id: String,
    pub site: Option<i64>,
    pub machine: Option<i64>,
    pub laterality: Option<String>,
    pub view: Option<String>,
    pub age: Option<f64>,
    pub cancer: Option<bool>,
    pub implant: Option<bool>,
    pub density: Option<String>,
    pub role: Option<String>,
    pub fold: Option<i64>,
    pub source_path: String,
    pub source_sha256: Option<String>,
    pub syntax: Option<String>,
    pub photometric: Option<String>,
    pub bits: Option<i64>,
    /// Columns and rows of the source.
    pub size: (usize, usize),
    pub window: Option<String>,
    pub breast: Rect,
    pub crop: Rect,
    /// Boxes around lesions, if the table has them.
    pub lesions: Vec<Rect>,
    pub mirrored: bool,
    pub method: Option<String>,
    pub confidence: Option<f64>,
    /// The columns `quality_*`, by their name without the prefix.
    pub quality: Vec<(String, Finding)>,
}

/// The value of one quality column.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// A flag, set or not.
    Flag(bool),
    /// A measured number.
    Measure(f64),
    /// A word.
    Word(String),
}

impl Row {
    /// The fold that it belongs to, or its other role.
    pub fn group(&self) -> String {
        match (self.role.as_deref(), self.fold) {
            (Some("fold"), Some(fold)) => format!("fold {fold}"),
            (Some(role), _) => role.replace('_', " "),
            (None, _) => "not given".into(),
        }
    }

    /// The flags that are set.
    pub fn flags(&self) -> impl Iterator<Item = &str> {
        let raised = |finding: &Finding| *finding == Finding::Flag(true);
        self.quality.iter().filter(move |(_, f)| raised(f)).map(|(name, _)| name.as_str())
    }
}

const COLUMNS: &[&str] = &[
    "split",
    "patient_id",
    "image_id",
    "site_id",
    "machine_id",
    "laterality",
    "view",
    "age",
    "cancer",
    "implant",
    "density",
    "role",
    "fold",
    "source_path",
    "source_sha256",
    "transfer_syntax",
    "photometric",
    "bits_stored",
    "rows",
    "columns",
    "window_source",
    "window_function",
    "breast_left",
    "breast_top",
    "breast_width",
    "breast_height",
    "lesion_boxes",
    "crop_left",
    "crop_top",
    "crop_width",
    "crop_height",
    "mirrored",
    "roi_method",
    "roi_confidence",
];

const QUALITY: &str = "quality_";

/// Calls `take` with every row, in the release's order.
///
/// # Errors
/// A [`Fault`] if a shard cannot be read.
pub fn each(release: &Release, mut take: impl FnMut(Row)) -> Result<(), Fault> {
    for (shard, entry) in release.shards.iter().enumerate() {
        let Some(file) = &entry.file else { continue };
        let path = release.folder.join(file);
        let schema = ShardReader::open(&path, None)?.schema();
        let names = schema.fields().iter().map(|field| field.name().as_str());
        let wanted: Vec<&str> =
            names.filter(|name| COLUMNS.contains(name) || name.starts_with(QUALITY)).collect();
        let mut first = 0;
        for batch in ShardReader::open(&path, Some(&wanted))? {
            let batch = batch?;
            let cells = Cells(&batch);
            (0..batch.num_rows()).for_each(|i| take(row(&cells, i, (shard, first + i))));
            first += batch.num_rows();
        }
    }
    Ok(())
}

/// The descriptions of the quality columns in the shards, by their name without the prefix.
///
/// # Errors
/// A [`Fault`] if the first shard cannot be read.
pub fn about_quality(release: &Release) -> Result<HashMap<String, String>, Fault> {
    let Some(file) = release.shards.iter().find_map(|shard| shard.file.as_ref()) else {
        return Ok(HashMap::new());
    };
    let schema = ShardReader::open(&release.folder.join(file), None)?.schema();
    let about = |field: &Arc<Field>| {
        let name = field.name().strip_prefix(QUALITY)?.to_owned();
        Some((name, field.metadata().get("description")?.clone()))
    };
    Ok(schema.fields().iter().filter_map(about).collect())
}

fn row(cells: &Cells, i: usize, place: (usize, usize)) -> Row {
    let size = |name: &str| cells.size(name, i).unwrap_or(0);
    Row {
        place,
        split: cells.text("split", i),
        patient_id: cells.text("patient_id", i).unwrap_or_default(),
        image_id: cells.text("image_id", i).unwrap_or_default(),
        site: cells.integer("site_id", i),
        machine: cells.integer("machine_id", i),
        laterality: cells.text("laterality", i),
        view: cells.text("view", i),
        age: cells.real("age", i),
        cancer: cells.boolean("cancer", i),
        implant: cells.boolean("implant", i),
        density: cells.text("density", i),
        role: cells.text("role", i),
        fold: cells.integer("fold", i),
        source_path: cells.text("source_path", i).unwrap_or_default(),
        source_sha256: cells.text("source_sha256", i),
        syntax: cells.text("transfer_syntax", i),
        photometric: cells.text("photometric", i),
        bits: cells.integer("bits_stored", i),
        size: (size("columns"), size("rows")),
        window: cells.text("window_function", i).or_else(|| cells.text("window_source", i)),
        breast: cells.rect("breast", i).unwrap_or_default(),
        crop: cells.rect("crop", i).unwrap_or_default(),
        lesions: cells.boxes("lesion_boxes", i).unwrap_or_default().into_iter().map(rect).collect(),
        mirrored: cells.boolean("mirrored", i).unwrap_or(false),
        method: cells.text("roi_method", i),
        confidence: cells.real("roi_confidence", i),
        quality: quality(cells, i),
    }
}

/// The pixels that a box of left, top, right and bottom touches.
fn rect(sides: [f32; 4]) -> Rect {
    let [left, top, right, bottom] = sides.map(|side| side.max(0.0));
    let span = |from: f32, to: f32| (to.ceil() - from.floor()).max(1.0) as usize;
    Rect {
        left: left as usize,
        top: top as usize,
        width: span(left, right),
        height: span(top, bottom),
    }
}

fn quality(cells: &Cells, i: usize) -> Vec<(String, Finding)> {
    let schema = cells.0.schema();
    let names = schema.fields().iter().map(|field| field.name());
    let found = |name: &String| {
        let rest = name.strip_prefix(QUALITY)?.to_owned();
        let flag = cells.boolean(name, i).map(Finding::Flag);
        let finding = flag
            .or_else(|| cells.real(name, i).map(Finding::Measure))
            .or_else(|| cells.text(name, i).map(Finding::Word))?;
        Some((rest, finding))
    };
    names.filter_map(found).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, BooleanArray, Float32Array, Int64Array, StringArray};
    use arrow::record_batch::RecordBatch;

    #[test]
    fn what_a_release_lacks_or_leaves_empty_is_no_value() {
        let columns: [(&str, ArrayRef); 6] = [
            ("patient_id", Arc::new(StringArray::from(vec!["7", "8"]))),
            ("cancer", Arc::new(BooleanArray::from(vec![None, Some(false)]))),
            ("age", Arc::new(Float32Array::from(vec![Some(61.5), None]))),
            ("quality_seam", Arc::new(Float32Array::from(vec![Some(0.5), None]))),
            ("quality_surplus_bytes", Arc::new(Int64Array::from(vec![3, 4]))),
            ("quality_torn", Arc::new(BooleanArray::from(vec![true, false]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let [first, second] = [0, 1].map(|i| row(&Cells(&batch), i, (2, i)));
        assert_eq!((first.patient_id.as_str(), first.cancer, first.age), ("7", None, Some(61.5)));
        assert_eq!((second.cancer, second.age, second.place), (Some(false), None, (2, 1)));
        assert_eq!((first.view, first.confidence, first.size), (None, None, (0, 0)));
        let found = |name: &str, finding| (name.to_owned(), finding);
        assert_eq!(
            first.quality,
            [
                found("seam", Finding::Measure(0.5)),
                found("surplus_bytes", Finding::Measure(3.0)),
                found("torn", Finding::Flag(true)),
            ]
        );
        assert_eq!(second.quality.len(), 2, "an empty measure is none");
        assert_eq!(second.flags().count(), 0);
    }
}
