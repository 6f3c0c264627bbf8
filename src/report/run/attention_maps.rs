//! Attention maps: the maps made by `explain`, as a gallery.
//!
//! In: the maps of the folds. Out: a few pictures of each kind, the most extreme scores first. Their
//! number and size are limited, however many maps `explain` made.

use std::path::Path;

use super::run_data::{FoldMaps, RunData};
use crate::explain::colour::inferno;
use crate::explain::select::Kind;
use crate::explain::{Explained, Explanation, ThresholdFrom};
use crate::number::{count, of, whole_percent};
use crate::report::gallery::{Item, Picture, Thumbnail, gallery};
use crate::report::page::{Align, Html, Section, Table, code, code_block, figure};
use crate::report::svg;
use crate::store::quoted;
use crate::store::start::without_place;

/// The largest number of pictures of one kind.
const MOST_OF_A_KIND: usize = 6;

/// The largest size of all pictures in the page; pictures beyond it are named only.
const MOST_BYTES: usize = 4 << 20;

/// The section.
pub fn section(data: &RunData) -> Section {
    let run = quoted(without_place(&data.folder));
    let body = if data.maps.is_empty() {
        let about = "No maps of this run were made yet. These commands make them, from the release \
                     that the run was trained on, and write this page again:";
        Html::paragraph(about.into())
            .and(code_block(&format!("mammo-pipe explain {run}\nmammo-pipe report {run}")))
    } else {
        let scale = figure(
            "Colour scale of the maps",
            svg::scale(&|value| inferno(value as f32), "no effect", "largest effect"),
            "The map of each image is scaled from 0 to 1 by itself, so colours of two images cannot \
             be compared. Where the map is 0, the image is as it is.",
        );
        all(data).and(scale).and(energy(&data.maps)).and(pictures(&data.maps))
    };
    Section {
        id: "maps",
        title: "Attention maps",
        intro: "Class activation maps of images that the network was not trained on. They show which \
                places raised the score for cancer, from dark (little) to bright (most). Each pair \
                shows the input of the network, and the same image under its map; the dashed line is \
                the breast's box. A map is not a diagnostic finding, and a bright place need not be a \
                lesion."
            .into(),
        body,
    }
}

/// The table of the energy inside the breast.
fn energy(maps: &[FoldMaps]) -> Html {
    let mut table = Table::new(&[
        ("Fold", Align::Left),
        ("Map", Align::Left),
        ("Threshold", Align::Left),
        ("Images", Align::Right),
        ("With a map", Align::Right),
        ("Energy inside the breast, mean", Align::Right),
        ("Energy inside the breast, median", Align::Right),
        ("Mostly outside the breast", Align::Right),
    ]);
    for FoldMaps { explanation, .. } in maps {
        let energy = &explanation.energy;
        let share = |share: Option<f64>| percent(share).into();
        let which = if explanation.energy_of_all { "all held out" } else { "selected" };
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

/// The energy inside the breast over all held-out images, or how to measure it.
fn all(data: &RunData) -> Html {
    let text = match &data.energy {
        Ok(maps) => format!(
            "Of {}, {} have a map ({}, {}). The mean share of a map's energy inside the breast is \
             {:.3}; the share of maps that lie mostly outside is {:.3}.",
            of(maps.energy.images, "held-out image"),
            count(maps.energy.with_map),
            maps.layer,
            maps.method.as_str(),
            maps.energy.inside,
            maps.energy.mostly_outside
        ),
        Err(why) => format!(
            "The share of the maps' energy inside the breast is not known: {why}. To measure it on \
             all held-out images: mammo-pipe evaluate {} --maps",
            quoted(without_place(&data.folder))
        ),
    };
    Html::paragraph(text.into())
}

/// The data that the threshold was chosen on.
fn chosen(explanation: &Explanation) -> &'static str {
    match explanation.threshold_from {
        ThresholdFrom::OtherFolds => "chosen on the other folds",
        ThresholdFrom::ThisFold => "chosen on this fold, because there are no others",
        ThresholdFrom::Given => "as given",
    }
}

fn pictures(maps: &[FoldMaps]) -> Html {
    let mut bytes = 0;
    let mut body = Html::default();
    for kind in Kind::ALL {
        let mut chosen: Vec<(&FoldMaps, &Explained)> = maps
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
            body = body.and(Html::element("p", "note", "None among the held-out images.".into()));
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
        Kind::TruePositive => ("Detected cancers (true positives)", "The highest scores first."),
        Kind::FalseNegative => ("Missed cancers (false negatives)", "The lowest scores first."),
        Kind::FalsePositive => {
            ("False positives", "The highest scores first, without difficult negatives.")
        }
        Kind::HardNegative => (
            "Difficult negatives",
            "Cases without cancer that the table marks as difficult, the highest scores first, \
             predicted positive or negative.",
        ),
    }
}

fn label(kind: Kind) -> &'static str {
    match kind {
        Kind::TruePositive => "True positive: the crop, and the crop under its attention map,",
        Kind::FalseNegative => "False negative: the crop, and the crop under its attention map,",
        Kind::FalsePositive => "False positive: the crop, and the crop under its attention map,",
        Kind::HardNegative => "Difficult negative: the crop, and the crop under its attention map,",
    }
}

/// The picture of an image's crop and its map, if `explain` made one.
pub fn picture_of(maps: &[FoldMaps], image_id: &str) -> Option<Picture> {
    let mut all = maps.iter().flat_map(|of| of.explanation.images.iter().map(move |i| (of, i)));
    let (of, image) = all.find(|(_, image)| image.image_id == image_id)?;
    let (size, thumbnail) = read(&of.folder.join(&image.crop)).ok()?;
    let label = format!("the crop, and the crop under its attention map, of image {image_id}");
    Some(Picture { label, size, content: Some(thumbnail), marks: Vec::new() })
}

fn item(maps: &FoldMaps, image: &Explained, bytes: &mut usize) -> Item {
    let (picture, why) = match read(&maps.folder.join(&image.crop)) {
        Ok((size, thumbnail)) if *bytes + thumbnail.bytes() <= MOST_BYTES => {
            *bytes += thumbnail.bytes();
            let content = Some(thumbnail);
            let label = format!(
                "{} of image {} ({} {}, probability {:.3})",
                label(image.kind),
                image.image_id,
                image.laterality.as_deref().unwrap_or("?"),
                image.view.as_deref().unwrap_or("?"),
                image.probability
            );
            (Some(Picture { label, size, content, marks: Vec::new() }), "")
        }
        Ok(_) => (None, "The page has reached its size limit; the picture is in the run's folder."),
        Err(_) => (None, "The picture is no longer in the run's folder."),
    };
    let probability = Html::element("b", "", Html::text(format!("score {:.3}", image.probability)));
    let explanation = &maps.explanation;
    let inside = match image.energy_inside {
        Some(_) => format!("inside the breast {}", percent(image.energy_inside)),
        None => "empty map: no place raised the score".into(),
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

/// A share in percent; `no map` if there is none.
pub fn percent(share: Option<f64>) -> String {
    share.map_or("no map".into(), whole_percent)
}
