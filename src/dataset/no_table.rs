//! A dataset without a table: one record per file, from its path and its header.
//!
//! The patient is a part of the path (`dataset.patient_from: path`) or a keyed hash of the header's
//! Patient ID (`header`). Nothing has a label. Of two files with one `image_id`, neither is taken.

use rayon::prelude::*;

use super::FileFacts;
use super::join::{Placed, Reasons, take_out_same_ids};
use super::listing::File;
use super::table::cell;
use super::template::{Field, Template};
use crate::config::{DatasetConfig, PatientFrom};
use crate::error::Fault;
use crate::flow::threads;
use crate::record::{Id, ImageRecord, Split};

/// Files whose headers are read at once.
const THREADS: usize = 16;

/// One record per file that has a patient and an id of its own. The others have none; files with the
/// id of another are returned with their reason.
///
/// # Errors
/// A [`Fault`] if no threads can be started.
pub(super) fn place(
    files: &[File],
    template: &Template,
    config: &DatasetConfig,
    facts: &(dyn Fn(&File) -> Option<FileFacts> + Sync),
) -> Result<(Vec<Placed>, Reasons), Fault> {
    let record = |(at, file): (usize, &File)| {
        let record = record(file, template, config.patient_from, facts(file).unwrap_or_default())?;
        Some(Placed { record, cells: Vec::new(), file: Some(at), several: false })
    };
    let found = || files.par_iter().enumerate().filter_map(record).collect();
    let mut placed = threads::pool(THREADS)?.install(found);
    let reasons = take_out_same_ids(&mut placed, files);
    Ok((placed, reasons))
}

fn record(
    file: &File,
    template: &Template,
    from: PatientFrom,
    facts: FileFacts,
) -> Option<ImageRecord> {
    let texts = template.matches(&file.relative)?;
    let text = |wanted: Field| {
        template.fields().zip(&texts).find(|(field, _)| **field == wanted).map(|(_, text)| *text)
    };
    let stem = file.relative.rsplit_once('.').map_or(file.relative.as_str(), |(stem, _)| stem);
    let (patient, image) = match from {
        PatientFrom::Path => {
            let image = text(Field::ImageId).map_or_else(|| stem.replace('/', "_"), str::to_owned);
            (text(Field::PatientId)?.to_owned(), image)
        }
        PatientFrom::Header => (facts.patient?, facts.instance?),
    };
    let mut record = ImageRecord::unlabelled(Id::new(&patient).ok()?, Id::new(&image).ok()?);
    record.split = Split::Train;
    let side = text(Field::Laterality).and_then(|text| cell::laterality(text).ok());
    record.laterality = side.or(facts.laterality);
    let view = text(Field::View).and_then(|text| cell::view(text).ok());
    record.view = view.or(facts.view);
    Some(record)
}
