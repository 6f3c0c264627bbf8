//! What to look at first: held-out images whose crop is least certain, and those that the network
//! judged by what lies outside the breast.
//!
//! In: the run, and its release if it can be reached. Out: pictures of the release's images with
//! their boxes, chosen as the release's own page chooses them.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::looks::percent;
use super::story::{Maps, Story};
use crate::error::Fault;
use crate::explain::energy::Share;
use crate::report::dataset::rows::{Row, each};
use crate::report::dataset::smallest::Smallest;
use crate::report::dataset::tally::uncertainty;
use crate::report::dataset::{self, crops};
use crate::report::page::{Html, Section};

/// Pictures of each kind at most.
const MOST: usize = 8;

/// The section. `input` is the dataset's folder, for the frames before cropping.
///
/// # Errors
/// A [`Fault`] if the release was there a moment ago and a shard cannot be read now.
pub fn section(story: &Story, input: Option<&Path>) -> Result<Section, Fault> {
    let body = match &story.release {
        Err(why) => Html::element(
            "p",
            "note",
            Html::text(format!("The images cannot be shown without the release: {why}.")),
        ),
        Ok(release) => pictures(story, &release.table.release, input)?,
    };
    Ok(Section {
        id: "crops",
        title: "Worst crops",
        intro:
            "Where to look first when a score surprises: a breast that was cut off, a box drawn \
                around something else, or a map beside the breast."
                .into(),
        body,
    })
}

fn pictures(story: &Story, folder: &Path, input: Option<&Path>) -> Result<Html, Fault> {
    let held_out: HashSet<&str> = match &story.judged {
        Some(judged) => judged.predictions.iter().map(|p| p.record.image_id.as_str()).collect(),
        None => HashSet::new(),
    };
    let outside = outside(story);
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
        Html::element("b", "", Html::text(format!("inside the breast {share}")))
    };
    let galleries = [
        ("The least certain boxes", crops::gallery_of(&release, &uncertain.take(), input, None)?),
        (
            "The most energy outside the breast",
            crops::gallery_of(&release, &beside.take(), input, Some(&share))?,
        ),
    ];
    let mut body = Html::paragraph(Html::fixed(crops::LEGEND));
    for (title, gallery) in galleries {
        let none = || Html::element("p", "note", none(title, &story.maps).into());
        let content = if gallery.is_empty() { none() } else { gallery };
        body = body.and(Html::element("h3", "", title.into())).and(content);
    }
    Ok(body)
}

fn none(title: &str, maps: &[Maps]) -> &'static str {
    match (title, maps.is_empty()) {
        ("The least certain boxes", _) => "No image was held out and judged yet.",
        (_, true) => "No maps were made yet: see Where it looks.",
        (_, false) => "No map has its energy measured.",
    }
}

/// The images with the least energy inside the breast, least first: of all that were held out if
/// all were looked at, else of those that `explain` chose.
fn outside(story: &Story) -> Vec<(String, f64)> {
    if let Ok(maps) = &story.energy {
        let worst = maps.worst.iter().take(MOST);
        return worst.map(|worst| (worst.image_id.clone(), worst.inside)).collect();
    }
    let all = story.maps.iter().flat_map(|maps| &maps.explanation.energy.worst);
    let share = |share: &Share| Some((share.image_id.clone(), share.inside?));
    let mut worst: Vec<(String, f64)> = all.filter_map(share).collect();
    worst.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
    worst.truncate(MOST);
    worst
}
