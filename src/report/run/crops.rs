//! Crops of held-out images: those with the least certain box, and those whose map has the most
//! energy outside the breast.
//!
//! In: the run, and its release if it is available. Out: pictures of the release's images with their
//! boxes, in the same order as on the release's own page.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::attention_maps::{self, percent};
use super::run_data::{FoldMaps, RunData};
use crate::error::Fault;
use crate::explain::energy::Share;
use crate::report::dataset::rows::{Row, each};
use crate::report::dataset::smallest::Smallest;
use crate::report::dataset::tally::uncertainty;
use crate::report::dataset::{self, crops};
use crate::report::page::{Html, Section};

/// The largest number of pictures of each kind.
const MOST: usize = 8;

/// The section. `input` is the dataset's folder, for the frames before cropping.
///
/// # Errors
/// A [`Fault`] if a shard of the release cannot be read.
pub fn section(data: &RunData, input: Option<&Path>) -> Result<Section, Fault> {
    let body = match &data.release {
        Err(why) => Html::element(
            "p",
            "note",
            Html::text(format!("The images cannot be shown without the release: {why}.")),
        ),
        Ok(release) => pictures(data, &release.table.release, input)?,
    };
    Ok(Section {
        id: "crops",
        title: "Crops",
        intro: "Possible causes of an unexpected score: a breast that was cut off, a box around \
                something else, or a map outside the breast."
            .into(),
        body,
    })
}

fn pictures(data: &RunData, folder: &Path, input: Option<&Path>) -> Result<Html, Fault> {
    let held_out: HashSet<&str> = match &data.evaluated {
        Some(evaluated) => {
            evaluated.predictions.iter().map(|p| p.record.image_id.as_str()).collect()
        }
        None => HashSet::new(),
    };
    let outside = outside(data);
    let place: HashMap<&str, usize> =
        outside.iter().enumerate().map(|(place, (id, _))| (id.as_str(), place)).collect();
    let release = dataset::Release::read(folder)?;
    let (mut uncertain, mut beside) = (Smallest::new(MOST), Smallest::new(MOST));
    each(&release, |row| {
        let id = row.image_id.as_str();
        if held_out.contains(id) {
            uncertain.offer(uncertainty(&row), &row);
        }
        if let Some(place) = place.get(id) {
            beside.offer(*place, &row);
        }
    })?;
    let share = |row: &Row| {
        let share = place.get(row.image_id.as_str()).map(|place| Some(outside[*place].1));
        let share = share.map_or("–".into(), percent);
        let head = Html::element("b", "", Html::text(format!("inside the breast {share}")));
        match attention_maps::picture_of(&data.maps, &row.image_id) {
            Some(map) => Html::element("div", "pictures", map.html()).and(head),
            None => head.and_text(" (explain made no picture of its map)"),
        }
    };
    let galleries = [
        ("Least certain boxes", crops::gallery_of(&release, &uncertain.take(), input, None)?),
        (
            "Most energy outside the breast",
            crops::gallery_of(&release, &beside.take(), input, Some(&share))?,
        ),
    ];
    let absence = crops::absence(&release, input, &data.folder);
    let mut body = absence.and(Html::paragraph(Html::fixed(crops::LEGEND)));
    for (title, gallery) in galleries {
        let none = || Html::element("p", "note", none(title, &data.maps).into());
        let content = if gallery.is_empty() { none() } else { gallery };
        body = body.and(Html::element("h3", "", title.into())).and(content);
    }
    Ok(body)
}

fn none(title: &str, maps: &[FoldMaps]) -> &'static str {
    match (title, maps.is_empty()) {
        ("Least certain boxes", _) => "No held-out image was evaluated yet.",
        (_, true) => "No maps were made yet: see Attention maps.",
        (_, false) => "The energy of no map was measured.",
    }
}

/// The images with the least energy inside the breast, lowest first: of all held-out images if all
/// have maps, else of those that `explain` selected.
fn outside(data: &RunData) -> Vec<(String, f64)> {
    if let Ok(maps) = &data.energy {
        let worst = maps.worst.iter().take(MOST);
        return worst.map(|worst| (worst.image_id.clone(), worst.inside)).collect();
    }
    let all = data.maps.iter().flat_map(|maps| &maps.explanation.energy.worst);
    let share = |share: &Share| Some((share.image_id.clone(), share.inside?));
    let mut worst: Vec<(String, f64)> = all.filter_map(share).collect();
    worst.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
    worst.truncate(MOST);
    worst
}
