//! Notes: what was unusual about files that were read all the same.

use super::{Html, Release};
use crate::number::{count, percent};
use crate::report::page::{Align, Section, Table};
use crate::shard::notes::Note;

/// The section; `None` if no file has a note.
pub fn section(release: &Release) -> Option<Section> {
    let of = |note: Note| {
        let shards = release.shards.iter().filter_map(|entry| entry.notes.get(note.as_str()));
        shards.sum::<usize>()
    };
    let mut noted: Vec<(usize, Note)> =
        Note::ALL.into_iter().map(|note| (of(note), note)).filter(|(n, _)| *n > 0).collect();
    if noted.is_empty() {
        return None;
    }
    noted.sort_by_key(|(images, note)| (std::cmp::Reverse(*images), *note));
    let mut table = Table::new(&[
        ("Note", Align::Left),
        ("Meaning", Align::Left),
        ("Images", Align::Right),
        ("Share", Align::Right),
    ]);
    for (images, note) in noted {
        table.row(vec![
            Html::text(note.as_str()),
            Html::text(note.about()),
            Html::text(count(images)),
            Html::text(percent(images, release.counts.written)),
        ]);
    }
    Some(Section {
        id: "notes",
        title: "Notes",
        intro:
            "These files differ from the DICOM standard, or lack an attribute that only describes \
                the image. Their pixels were read all the same. The column notes of the shards has \
                the codes."
                .into(),
        body: table.html(),
    })
}
