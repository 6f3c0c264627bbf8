//! Reads the images: from the shards of a release, or from DICOM files through the preprocess
//! graph.
//!
//! Both give the same [`Input`]s in the same order, and stop at the first fault of the caller's
//! function.

use super::Input;
use crate::error::{Fault, chain};
use crate::image::Pixels;
use crate::image::Plane;
use crate::preprocess::plan::Plan;
use crate::preprocess::{self, Control};
use crate::shard::ReleaseError;
use crate::shard::Shape;
use crate::shard::image::Rows;
use crate::shard::manifest::Quarantined;
use crate::shard::reader::ShardReader;
use crate::shard::table::Table;

/// Reads the images of `table` that are `wanted` (by their index), one after the other. Shards
/// without a wanted image are not opened.
///
/// # Errors
/// Those of `take`; [`ReleaseError::Shard`] for a shard that cannot be read, or for pixels that do
/// not match their checksum.
pub fn from_release(
    table: &Table,
    wanted: impl Fn(usize) -> bool,
    mut take: impl FnMut(usize, Input) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut first = 0;
    for rows in table.rows.chunk_by(|a, b| a.shard == b.shard) {
        let mut indices = first..first + rows.len();
        first = indices.end;
        if !indices.clone().any(&wanted) {
            continue;
        }
        let path = table.path(rows[0].shard)?;
        let damaged =
            |reason: String| Fault::from(ReleaseError::Shard { path: path.clone(), reason });
        for batch in ShardReader::open(&path, Some(&["image_id", "checksum", "image"]))? {
            let batch = batch?;
            let images = Rows::of(&batch).map_err(damaged)?;
            for i in 0..batch.num_rows() {
                let index =
                    indices.next().ok_or_else(|| damaged("has more rows than before".into()))?;
                if !wanted(index) {
                    continue;
                }
                let row = &table.rows[index];
                let id = row.record.image_id.as_str();
                if images.image_id(i) != id || !images.matches(i) {
                    let reason = format!("the pixels of image {id} do not match their checksum");
                    return Err(damaged(reason));
                }
                let pixels = pixels(&images.pixels(i), &table.shape)
                    .ok_or_else(|| damaged(format!("image {id} has another size")))?;
                take(index, Input { record: row.record.clone(), role: row.role, pixels })?;
            }
        }
    }
    Ok(())
}

/// Pixels from the bytes of a shard; `None` if their number does not match the shape.
pub fn pixels(bytes: &[u8], shape: &Shape) -> Option<Pixels> {
    let (width, height) = (shape.width, shape.height);
    if bytes.len() != width * height * usize::from(shape.bits) / 8 {
        return None;
    }
    Some(match shape.bits {
        8 => Pixels::U8(Plane::new(width, height, bytes.to_vec())),
        _ => {
            let words = bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
            Pixels::U16(Plane::new(width, height, words.collect()))
        }
    })
}

/// Sends the files of `plan` through all stages. Returns the quarantined files, including those
/// without a row and rows without a file.
///
/// # Errors
/// Those of `take`, and [`PreprocessError::TooLittleMemory`](crate::preprocess::PreprocessError::TooLittleMemory).
pub fn from_dicom(
    plan: &Plan,
    control: &Control,
    mut take: impl FnMut(Input) -> Result<(), Fault>,
) -> Result<Vec<Quarantined>, Fault> {
    let jobs: Vec<usize> = (0..plan.joined.jobs.len()).collect();
    let mut aside = Vec::new();
    preprocess::samples(plan, control, &jobs, |outcomes| {
        for (job, outcome) in plan.joined.jobs.iter().zip(outcomes) {
            (control.seen)(job.bytes, outcome.is_err());
            match outcome {
                Ok(sample) => take(Input {
                    record: sample.facts.job.record,
                    role: sample.facts.job.role,
                    pixels: sample.pixels,
                })?,
                Err(why) => aside.push(Quarantined {
                    split: Some(job.record.split),
                    line: Some(job.record.line),
                    patient_id: Some(job.record.patient_id.to_string()),
                    image_id: Some(job.record.image_id.to_string()),
                    path: job.name.clone(),
                    stage: why.stage.into(),
                    reason: chain(&why.reason),
                }),
            }
        }
        Ok(())
    })?;
    aside.extend(plan.not_joined());
    Ok(aside)
}
