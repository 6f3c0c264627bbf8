//! Where the network looks: what `explain` wrote, as a gallery.
//!
//! In: the maps of the folds. Out: a few pictures of each kind, the most telling first, small and
//! in number and bytes bounded, whatever `explain` was asked for.

use std::path::Path;

use super::story::{Maps, Story};
use crate::explain::select::Kind;
use crate::explain::{Explained, Explanation, ThresholdFrom};
use crate::number::{count, of};
use crate::report::gallery::{Item, Picture, Thumbnail, gallery};
use crate::report::page::{Align, Html, Section, Table, code, code_block};

/// Pictures of a kind at most.
const MOST_OF_A_KIND: usize = 6;

/// Bytes of all pictures in the page at most; what is beyond is named only.
const MOST_BYTES: usize = 4 << 20;

/// The section.
pub fn section(story: &Story) -> Section {
    let run = story.folder.display();
    let body = if story.maps.is_empty() {
        let about = "No maps of this run were made yet. This makes them, from the release that it \
                     was trained on; then ask for this page again:";
        Html::paragraph(about.into())
            .and(code_block(&format!("mammo-pipe explain {run}\nmammo-pipe report {run}")))
    } else {
        all(story).and(energy(&story.maps)).and(pictures(&story.maps))
    };
    Section {
        id: "looks",
        title: "Where it looks",
        intro: "Class activation maps of images that the network was not trained on: what moved \
                its score for cancer, from dark (little) to bright (most). In each pair the image \
                as the network sees it, and the same under its map; the dashed line is the \
                breast's box. A map is no finding, and a bright place is no lesion."
            .into(),
        body,
    }
}

/// How much of the maps lies inside the breast.
fn energy(maps: &[Maps]) -> Html {
    let mut table = Table::new(&[
        ("Fold", Align::Left),
        ("Map", Align::Left),
        ("Threshold", Align::Left),
        ("Looked at", Align::Right),
        ("With a map", Align::Right),
        ("Inside, mean", Align::Right),
        ("Inside, median", Align::Right),
        ("Mostly outside", Align::Right),
    ]);
    for Maps { explanation, .. } in maps {
        let energy = &explanation.energy;
        let share = |share: Option<f64>| percent(share).into();
        let which = if explanation.energy_of_all { "all held out" } else { "the chosen" };
        table.row(vec![
            Html::text(explanation.fold),
            Html::text(format!("{}, {}", explanation.layer, explanation.method.as_str())),
            Html::text(format!("{:.3}, {}", explanation.threshold, chosen(explanation))),
            Html::text(format!("{} ({which})", count(energy.images))),
            Html::text(count(energy.with_map)),
            share(energy.mean),
            share(energy.median),
            share(energy.mostly_outside),
        ]);
    }
    table.html()
}

/// The figure of all held-out images, or how to come by it.
fn all(story: &Story) -> Html {
    let text = match &story.energy {
        Ok(maps) => format!(
            "Of {} held out, {} have a map ({}, {}); {:.3} of a map's energy lies inside the breast \
             on the mean, and a share of {:.3} of the maps lies mostly outside.",
            of(maps.energy.images, "image"),
            count(maps.energy.with_map),
            maps.layer,
            maps.method.as_str(),
            maps.energy.inside,
            maps.energy.mostly_outside
        ),
        Err(why) => format!(
            "How much of all maps lies inside the breast is not known: {why}. To look at every image \
             held out: mammo-pipe evaluate {} --maps",
            story.folder.display()
        ),
    };
    Html::paragraph(text.into())
}

/// Who chose the threshold.
fn chosen(explanation: &Explanation) -> &'static str {
    match explanation.threshold_from {
        ThresholdFrom::OtherFolds => "chosen on the other folds",
        ThresholdFrom::ThisFold => "chosen on this very fold for want of others",
        ThresholdFrom::Given => "as given",
    }
}

fn pictures(maps: &[Maps]) -> Html {
    let mut bytes = 0;
    let mut body = Html::default();
    for kind in Kind::ALL {
        let mut chosen: Vec<(&Maps, &Explained)> = maps
            .iter()
            .flat_map(|maps| maps.explanation.images.iter().map(move |image| (maps, image)))
            .filter(|(_, image)| image.kind == kind)
            .collect();
        chosen.sort_by(|(_, a), (_, b)| match kind {
            Kind::FalseNegative => a.probability.total_cmp(&b.probability),
            _ => b.probability.total_cmp(&a.probability),
        });
        let (title, about) = words(kind);
        body = body.and(Html::element("h3", "", title.into()));
        if chosen.is_empty() {
            body = body.and(Html::element("p", "note", "None among the images held out.".into()));
            continue;
        }
        let more = chosen.len().saturating_sub(MOST_OF_A_KIND);
        chosen.truncate(MOST_OF_A_KIND);
        let items: Vec<Item> =
            chosen.iter().map(|(maps, image)| item(maps, image, &mut bytes)).collect();
        let more =
            if more > 0 { format!(" {more} more are in the run's folder.") } else { "".into() };
        body = body
            .and(Html::element("p", "note", Html::text(format!("{about}{more}"))))
            .and(gallery(&items));
    }
    body
}

fn words(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::TruePositive => ("Cancers found", "True positives, the most certain first."),
        Kind::FalseNegative => ("Cancers missed", "False negatives, the least suspected first."),
        Kind::FalsePositive => {
            ("False alarms", "False positives, the most certain first, difficult cases aside.")
        }
        Kind::HardNegative => (
            "Difficult negatives",
            "Cases that the table calls hard to tell from cancer, the most suspected first, called \
             or not.",
        ),
    }
}

fn label(kind: Kind) -> &'static str {
    match kind {
        Kind::TruePositive => "A cancer found: the image, and under its map",
        Kind::FalseNegative => "A cancer missed: the image, and under its map",
        Kind::FalsePositive => "A false alarm: the image, and under its map",
        Kind::HardNegative => "A difficult negative: the image, and under its map",
    }
}

fn item(maps: &Maps, image: &Explained, bytes: &mut usize) -> Item {
    let (picture, why) = match read(&maps.folder.join(&image.crop)) {
        Ok((size, thumbnail)) if *bytes + thumbnail.bytes() <= MOST_BYTES => {
            *bytes += thumbnail.bytes();
            let content = Some(thumbnail);
            (Some(Picture { label: label(image.kind), size, content, marks: Vec::new() }), "")
        }
        Ok(_) => (None, "The page is full; the picture is in the run's folder."),
        Err(_) => (None, "The picture is no longer in the run's folder."),
    };
    let probability = Html::element("b", "", Html::text(format!("p {:.3}", image.probability)));
    let explanation = &maps.explanation;
    let inside = match image.energy_inside {
        Some(_) => format!("inside the breast {}", percent(image.energy_inside)),
        None => "nothing speaks for cancer, so no map".into(),
    };
    let facts = format!(
        " · {inside} · {} {} · fold {}",
        image.laterality.as_deref().unwrap_or("?"),
        image.view.as_deref().unwrap_or("?"),
        explanation.fold,
    );
    let ids = Html::text("patient ")
        .and(code(&image.patient_id))
        .and_text(" image ")
        .and(code(&image.image_id));
    let caption = Html::element("div", "", probability.and_text(facts))
        .and(Html::element("div", "ids", ids))
        .and_text(why);
    Item { pictures: picture.into_iter().collect(), caption }
}

fn read(path: &Path) -> Result<((usize, usize), Thumbnail), crate::error::Fault> {
    let plane = crate::image::picture::read(path)?;
    Ok(((plane.width(), plane.height()), Thumbnail::coloured(&plane)))
}

/// A share in percent; `no map` without one.
pub fn percent(share: Option<f64>) -> String {
    share.map_or("no map".into(), |share| format!("{:.0} %", 100.0 * share))
}
