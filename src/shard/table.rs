//! The rows of a finished release without their pixels, for training, evaluation and reports.
//!
//! In: the folder of a release. Out: [`Table`], whose rows are in the release's order. An index
//! into [`Table::rows`] identifies an image from here on.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use arrow::record_batch::RecordBatch;
use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Shape;
use super::cells::Cells;
use super::error::ReleaseError;
use super::flags::{Flag, Flags};
use super::folder::ReleaseFolder;
use super::manifest::{Entry, PlanFacts};
use super::reader::ShardReader;
use super::records;
use super::release::read_manifest;
use crate::config::{Compression, FoldsConfig};
use crate::dataset::{Role, folds};
use crate::error::Fault;
use crate::image::Rect;
use crate::image::{Geometry, Orientation};
use crate::record::ImageRecord;
use crate::units::{Millimetres, PixelSpacing};

/// All rows of a release, with its settings.
#[derive(Debug, Clone)]
pub struct Table {
    /// The folder.
    pub release: PathBuf,
    /// The plan of the release. `plan.settings` is the whole preprocessing configuration; every
    /// checkpoint that is trained on the release repeats it.
    pub plan: PlanFacts,
    /// SHA-256 of `plan`.
    pub plan_sha256: String,
    /// The version of the tool that made it.
    pub tool: String,
    /// The shards; [`Row::shard`] is an index into them.
    pub shards: Vec<Entry>,
    /// Height, width, bits and format of the images, and the names of [`ImageRecord::extra`].
    pub shape: Shape,
    /// The compression of the pixels; the format's default if `None`.
    pub compression: Option<Compression>,
    /// The images, in the release's order.
    pub rows: Vec<Row>,
}

/// One image.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The row of the dataset's table. `line` is 0, because the shards do not keep it.
    pub record: ImageRecord,
    /// The role of the image.
    pub role: Role,
    /// Index into [`Table::shards`].
    pub shard: usize,
    /// The row's number in that shard.
    pub row: usize,
    /// XXH3 (64 bits) of the pixels, little-endian where they have 16 bits.
    pub checksum: u64,
    /// The mapping from the source's pixels to the image's.
    pub geometry: Geometry,
    /// The box of the breast, in source pixels.
    pub breast: Rect,
    /// Columns and rows of the source.
    pub source: (usize, usize),
    /// The distance between source pixels at the breast, if known.
    pub spacing: Option<PixelSpacing>,
    /// The method that found the breast.
    pub roi_method: String,
    /// The confidence of the breast's box: 0 (a guess) to 1 (plausible in every respect).
    pub roi_confidence: f32,
    /// The quality flags.
    pub flags: Flags,
    /// The path of the source file, below the dataset's folder.
    pub source_path: String,
    /// SHA-256 of the source file, in hexadecimal; `None` if it was not read whole.
    pub source_sha256: Option<String>,
}

impl Table {
    /// Reads the rows of the finished release in `folder`. Pixels are not read.
    ///
    /// # Errors
    /// [`ReleaseError::NoManifest`] if it is not finished; [`ReleaseError::Shard`] with the shard
    /// and the required column that is absent, or the image that occurs twice; [`Fault::Io`],
    /// [`Fault::Json`], [`ReleaseError::NewerRelease`].
    pub fn read(folder: &Path) -> Result<Self, Fault> {
        let manifest = read_manifest(folder)?;
        let shape = Shape {
            height: setting(folder, &manifest.plan, "resize", "height")?,
            width: setting(folder, &manifest.plan, "resize", "width")?,
            bits: setting(folder, &manifest.plan, "window", "bits")?,
            format: setting(folder, &manifest.plan, "shard", "format")?,
            extra: setting(folder, &manifest.plan, "dataset", "extra_columns")?,
            boxes: manifest.plan.settings["dataset"]["boxes"]
                .as_array()
                .is_some_and(|columns| !columns.is_empty()),
        };
        let compression = setting(folder, &manifest.plan, "shard", "compression")?;
        let shards: Vec<Vec<Row>> = manifest
            .shards
            .par_iter()
            .enumerate()
            .map(|(index, entry)| shard(folder, index, entry, &shape))
            .collect::<Result<_, Fault>>()?;
        let table = Self {
            release: folder.into(),
            plan: manifest.plan,
            plan_sha256: manifest.plan_sha256,
            tool: manifest.tool,
            shards: manifest.shards,
            shape,
            compression,
            rows: shards.into_iter().flatten().collect(),
        };
        table.assert_unique()?;
        Ok(table)
    }

    /// The rows of the release in `folder`; with `folds`, the roles are reassigned.
    ///
    /// # Errors
    /// Those of [`Self::read`] and [`Self::with_folds`].
    pub fn read_with(folder: &Path, folds: Option<&FoldsConfig>) -> Result<Self, Fault> {
        let table = Self::read(folder)?;
        match folds {
            Some(folds) => table.with_folds(folds),
            None => Ok(table),
        }
    }

    /// The same rows with roles reassigned from their columns. No shard is rewritten.
    ///
    /// Only images in the release count here. The release's own folds also count rejected and
    /// missing images, so a patient at the edge of a fold may move.
    ///
    /// # Errors
    /// [`FoldsError`](crate::dataset::folds::FoldsError) if the rows cannot satisfy the configuration.
    pub fn with_folds(mut self, config: &FoldsConfig) -> Result<Self, Fault> {
        let roles = folds::assign(self.rows.iter().map(|row| (&row.record).into()), config)?;
        for (row, role) in self.rows.iter_mut().zip(roles) {
            row.role = role;
        }
        Ok(self)
    }

    /// The folds that hold out at least one image, in order.
    pub fn folds(&self) -> Vec<u16> {
        let mut folds: Vec<u16> = self.rows.iter().filter_map(|row| row.fold()).collect();
        folds.sort_unstable();
        folds.dedup();
        folds
    }

    /// The path of a shard.
    ///
    /// # Errors
    /// [`ReleaseError::Shard`] if the manifest names no file for it.
    pub fn path(&self, shard: usize) -> Result<PathBuf, Fault> {
        let entry = &self.shards[shard];
        let file = entry.file.as_ref().ok_or_else(|| {
            damaged(&self.release, format!("the manifest names no file for shard {}", entry.shard))
        })?;
        Ok(self.release.join(file))
    }

    /// The size of an image in bytes.
    pub fn image_bytes(&self) -> usize {
        self.shape.height * self.shape.width * usize::from(self.shape.bits / 8)
    }

    fn assert_unique(&self) -> Result<(), Fault> {
        let mut seen = HashSet::with_capacity(self.rows.len());
        match self.rows.iter().find(|row| !seen.insert(row.record.image_id.as_str())) {
            None => Ok(()),
            Some(row) => {
                let reason = format!("has image {} a second time", row.record.image_id);
                Err(damaged(&self.path(row.shard)?, reason))
            }
        }
    }
}

impl Row {
    /// The fold that holds the image out, if there is one.
    pub fn fold(&self) -> Option<u16> {
        match self.role {
            Role::Fold(fold) => Some(fold),
            _ => None,
        }
    }
}

/// A value of the settings with which the release was made.
fn setting<T: DeserializeOwned>(
    folder: &Path,
    plan: &PlanFacts,
    section: &str,
    key: &str,
) -> Result<T, Fault> {
    let value = plan.settings.get(section).and_then(|section| section.get(key));
    serde_json::from_value(value.cloned().unwrap_or(Value::Null)).map_err(|error| {
        damaged(
            &ReleaseFolder::new(folder).manifest(),
            format!("settings.{section}.{key}: {error}"),
        )
    })
}

fn damaged(path: &Path, reason: String) -> Fault {
    ReleaseError::Shard { path: path.into(), reason }.into()
}

fn shard(folder: &Path, index: usize, entry: &Entry, shape: &Shape) -> Result<Vec<Row>, Fault> {
    let Some(file) = &entry.file else { return Ok(Vec::new()) };
    let path = folder.join(file);
    let schema = ShardReader::open(&path, None)?.schema();
    let columns: Vec<&str> =
        schema.fields().iter().map(|f| f.name().as_str()).filter(|name| *name != "image").collect();
    let mut rows = Vec::new();
    for batch in ShardReader::open(&path, Some(&columns))? {
        let batch: RecordBatch = batch?;
        for i in 0..batch.num_rows() {
            let (cells, place) = (Cells(&batch), (index, rows.len()));
            let row = row(&cells, i, place, shape).map_err(|column| {
                damaged(&path, format!("row {}: column {column} is absent or unreadable", place.1))
            })?;
            rows.push(row);
        }
    }
    if rows.len() != entry.rows {
        let reason = format!("has {} rows, the manifest says {}", rows.len(), entry.rows);
        return Err(damaged(&path, reason));
    }
    Ok(rows)
}

/// Row `i`, or the name of the required column that is absent.
fn row(
    cells: &Cells,
    i: usize,
    (shard, row): (usize, usize),
    shape: &Shape,
) -> Result<Row, &'static str> {
    let spacing = |name| cells.real(name, i).map(Millimetres);
    let millimetres = (spacing("spacing_row_mm"), spacing("spacing_column_mm"));
    let orientation = match cells.boolean("mirrored", i).ok_or("mirrored")? {
        true => Orientation::Mirrored,
        false => Orientation::Kept,
    };
    let (record, role) = records::record(cells, i, &shape.extra)?;
    Ok(Row {
        record,
        role,
        shard,
        row,
        checksum: cells.bits("checksum", i).ok_or("checksum")?,
        geometry: Geometry {
            crop: cells.rect("crop", i).ok_or("crop_*")?,
            content: cells.rect("content", i).ok_or("content_*")?,
            width: shape.width,
            height: shape.height,
            orientation,
        },
        breast: cells.rect("breast", i).ok_or("breast_*")?,
        source: (cells.size("columns", i).ok_or("columns")?, cells.size("rows", i).ok_or("rows")?),
        spacing: match millimetres {
            (Some(row), Some(column)) => Some(PixelSpacing { row, column }),
            _ => None,
        },
        roi_method: cells.text("roi_method", i).ok_or("roi_method")?,
        roi_confidence: cells.real("roi_confidence", i).ok_or("roi_confidence")? as f32,
        flags: Flag::ALL
            .into_iter()
            .filter(|flag| cells.boolean(&format!("quality_{}", flag.as_str()), i) == Some(true))
            .collect(),
        source_path: cells.text("source_path", i).ok_or("source_path")?,
        source_sha256: cells.text("source_sha256", i),
    })
}
