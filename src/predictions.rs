//! The predictions of a model, one per image, with the columns that subgroups need.
//!
//! In and out: [`Prediction`]s as a Parquet file, one row per image: the table's columns and the
//! fold as in a release, then `logit` and `probability`. CSV is read too. [`Items`] made from them
//! are evaluated: images, breasts or patients.

mod checksum;
mod items;
#[cfg(test)]
pub(super) mod made;
mod table;
mod types;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use crate::dataset::Role;
use crate::error::{Fault, faults};
use crate::record::ImageRecord;
use crate::shard::cells::Cells;
use crate::shard::reader::ShardReader;
use crate::shard::records::{self, Column, OfImage, double};
use crate::store::{self, MAKER, MAKER_KEY};
use checksum::Checksum;

pub use items::{Items, Level};

/// The prediction of a model for one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The image's row of the table.
    pub record: ImageRecord,
    /// Its role: the model was not trained on the fold named here.
    pub role: Role,
    /// The network's output for cancer, before the sigmoid.
    pub logit: f64,
    /// The sigmoid of the logit, or the mean over several models and over flips of the image.
    pub probability: f64,
}

impl OfImage for Prediction {
    fn record(&self) -> &ImageRecord {
        &self.record
    }

    fn role(&self) -> Role {
        self.role
    }
}

/// The sigmoid, 1 / (1 + e^-x).
pub fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// A file that does not hold valid predictions.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct PredictionsError {
    /// The file.
    pub path: PathBuf,
    /// The first problem found.
    pub reason: String,
}
faults!(PredictionsError);

/// The logit of a probability, kept finite: 0 and 1 are replaced by the nearest doubles that have
/// a logit.
pub fn logit(probability: f64) -> f64 {
    let p = probability.clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON);
    (p / (1.0 - p)).ln()
}

/// The note with the checksum of the values.
const CHECKSUM: &str = "mammo_pipe.checksum";

/// Predictions as the bytes of a Parquet file; equal rows give equal bytes. `further` columns come
/// last. The footer names this program as the maker, and holds a checksum of the values and `notes`.
pub(crate) fn encode(
    predictions: &[Prediction],
    further: Vec<Column>,
    notes: &[(&str, &str)],
) -> Vec<u8> {
    let columns = records::columns(predictions).into_iter().chain([
        double("logit", "the network's output for cancer", predictions, |p| Some(p.logit)),
        double(
            "probability",
            "sigmoid of the logit, or the mean over several networks",
            predictions,
            |p| Some(p.probability),
        ),
    ]);
    let (fields, arrays): (Vec<_>, Vec<_>) = columns
        .chain(further)
        .map(|Column { name, about, array }| {
            let about = HashMap::from([("description".to_owned(), about.to_owned())]);
            (Field::new(name, array.data_type().clone(), true).with_metadata(about), array)
        })
        .unzip();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .expect("every column is made from the same predictions, with its own type");
    let mut checksum = Checksum::new(&batch.schema());
    checksum.add(&batch);
    let checksum = checksum.finish();
    let ours = [(MAKER_KEY, MAKER), (CHECKSUM, &checksum)];
    let notes = ours.iter().chain(notes);
    let notes = notes.map(|(key, value)| KeyValue::new((*key).to_owned(), (*value).to_owned()));
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_key_value_metadata(Some(notes.collect()))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties))
        .expect("Parquet has all types of these columns");
    writer.write(&batch).and_then(|()| writer.close()).expect("memory takes what is written");
    bytes
}

/// Writes predictions to `path` atomically, through `.tmp` in `folder`, which must exist.
///
/// # Errors
/// [`Fault::Io`].
pub fn write(folder: &Path, path: &Path, predictions: &[Prediction]) -> Result<(), Fault> {
    store::replace(folder, path, &encode(predictions, Vec::new(), &[]))
}

/// Reads predictions: a Parquet file as written by [`write()`], or a CSV file, whose name ends in
/// `.csv`.
///
/// # Errors
/// [`Fault::Io`]; [`PredictionsError`] with the first problem of a file that does not hold valid
/// predictions.
pub fn read(path: &Path) -> Result<Vec<Prediction>, Fault> {
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv")) {
        return table::read(path);
    }
    let wrong = |reason: String| Fault::from(PredictionsError { path: path.into(), reason });
    let reader = ShardReader::open(path, None)?;
    let none = RecordBatch::new_empty(reader.schema());
    let mut checksum = Checksum::new(&types::ours(&none).map_err(wrong)?.schema());
    let mut predictions = Vec::new();
    for batch in reader {
        let batch = types::ours(&batch?).map_err(wrong)?;
        checksum.add(&batch);
        for row in 0..batch.num_rows() {
            let number = predictions.len();
            let prediction = prediction(&Cells(&batch), row);
            let prediction = prediction.map_err(|problem| format!("row {number}: {problem}"));
            predictions.push(prediction.map_err(wrong)?);
        }
    }
    if note(path, CHECKSUM).is_some_and(|written| written != checksum.finish()) {
        return Err(wrong(format!(
            "is damaged, or was changed after mammo-pipe wrote it: its checksum is not that of its \
             values; if the change is yours, leave out {CHECKSUM} of the file's metadata"
        )));
    }
    Ok(predictions)
}

/// The note `key` in the Parquet file at `path`, as `encode` wrote it; `None` if the file is not
/// there, is no Parquet, or has no such note.
pub fn note(path: &Path, key: &str) -> Option<String> {
    let file = std::fs::File::open(path).ok()?;
    let reader = SerializedFileReader::new(file).ok()?;
    let notes = reader.metadata().file_metadata().key_value_metadata()?;
    notes.iter().find(|note| note.key == key)?.value.clone()
}

fn prediction(cells: &Cells, row: usize) -> Result<Prediction, String> {
    let (record, role) = records::record(cells, row, &[])
        .map_err(|column| format!("column {column} is absent or unreadable"))?;
    let number = |name: &str| {
        let value = cells.real(name, row).filter(|value| value.is_finite());
        value.ok_or_else(|| format!("image {} has no finite {name}", record.image_id))
    };
    let (logit, probability) = (number("logit")?, number("probability")?);
    if !(0.0..=1.0).contains(&probability) {
        return Err(format!("image {} has probability {probability}, not 0 to 1", record.image_id));
    }
    Ok(Prediction { record, role, logit, probability })
}

#[cfg(test)]
mod tests;
