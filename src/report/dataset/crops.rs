//! The crops: charts of the breast's boxes, and galleries to check them by eye.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::before::Sources;
use super::contents::images;
use super::rows::Row;
use super::tally::{TYPICAL, Tally};
use super::{Html, Release};
use crate::error::Fault;
use crate::image::Plane;
use crate::number::short;
use crate::report::gallery::{Item, Mark, Picture, Thumbnail, gallery};
use crate::report::page::{Section, code, figure, figures};
use crate::report::svg::Histogram;
use crate::shard::ReleaseError;
use crate::shard::image::Rows;
use crate::shard::reader::ShardReader;
use crate::shard::sources::Places;

/// Boxes of this confidence are written as 1.00.
const CERTAIN: f64 = 0.995;

/// The section; `None` without rows. Takes the rows of the galleries out of `tally`.
///
/// # Errors
/// A [`Fault`] if a shard cannot be read.
pub fn section(
    release: &Release,
    tally: &mut Tally,
    input: Option<&Path>,
) -> Result<Option<Section>, Fault> {
    if tally.all.images == 0 {
        return Ok(None);
    }
    let mut shown = HashSet::new();
    let least_certain = tally.least_certain.take();
    // Of equal confidence, the first of them are a random draw.
    let all_certain = least_certain.iter().all(|row| row.confidence >= Some(CERTAIN));
    let mut galleries = vec![
        ("least-certain", "Least certain boxes first", least_certain),
        ("flagged", "Other images with a quality flag", tally.odd.take()),
        ("sample", "Random sample", tally.typical.take()),
    ];
    for (.., rows) in &mut galleries {
        rows.retain(|row| shown.insert(row.place));
    }
    galleries[2].2.truncate(TYPICAL);

    let mut outputs = outputs(release, galleries.iter().flat_map(|(.., rows)| rows))?;
    let (mut sources, absence) = match Sources::new(
        input,
        &release.plan.settings,
        Places::of(&release.folder),
        &release.folder,
    ) {
        Ok(sources) => (Some(sources), Html::default()),
        Err(why) => (None, Html::element("p", "note", Html::text(why))),
    };
    let mut body = figures(charts(tally)).and(absence).and(Html::paragraph(Html::fixed(LEGEND)));
    for (id, title, rows) in galleries.iter().filter(|(.., rows)| !rows.is_empty()) {
        let items: Vec<Item> = rows
            .iter()
            .map(|row| item(row, sources.as_mut(), outputs.remove(&row.place)))
            .collect();
        body = body.and(Html::heading(id, title));
        if *id == "least-certain" && all_certain {
            let note = "Every box has the confidence 1.00, the highest: none is doubtful, and these \
                        images are a random draw.";
            body = body.and(Html::element("p", "note", note.into()));
        }
        body = body.and(gallery(&items));
    }
    Ok(Some(Section {
        id: "crops",
        title: "Crops",
        intro: "Most of a frame is air. The breast is located on a reduced image, and the image is \
                cropped to its box, so that it fills the output. Look for breasts that were cut off \
                and for boxes around something else."
            .into(),
        body,
    }))
}

/// Pictures of `rows`, each with `head` before its caption; empty without rows.
///
/// # Errors
/// A [`Fault`] if a shard cannot be read.
pub(in crate::report) fn gallery_of(
    release: &Release,
    rows: &[Row],
    input: Option<&Path>,
    head: Option<&dyn Fn(&Row) -> Html>,
) -> Result<Html, Fault> {
    if rows.is_empty() {
        return Ok(Html::default());
    }
    let mut outputs = outputs(release, rows.iter())?;
    let mut sources =
        Sources::new(input, &release.plan.settings, Places::of(&release.folder), &release.folder)
            .ok();
    let items = rows.iter().map(|row| {
        let Item { pictures, caption } = item(row, sources.as_mut(), outputs.remove(&row.place));
        Item { pictures, caption: head.map_or(Html::default(), |head| head(row)).and(caption) }
    });
    Ok(gallery(&items.collect::<Vec<_>>()))
}

/// A note that says why the frames of the galleries are empty and which command fills them; nothing
/// if the dataset is there. `folder` is the run whose page is written.
pub(in crate::report) fn absence(release: &Release, input: Option<&Path>, folder: &Path) -> Html {
    match Sources::new(input, &release.plan.settings, Places::of(&release.folder), folder) {
        Ok(_) => Html::default(),
        Err(why) => Html::element("p", "note", Html::text(why)),
    }
}

/// The legend of the galleries.
pub(in crate::report) const LEGEND: &str = "In each pair, on the left the source frame with \
    <span class=\"key breast\">the breast's box</span> and \
    <span class=\"key crop\">the crop</span>, and, where the table has it, \
    <span class=\"key lesion\">the lesion's box</span>; on the right the image in the release. \
    The caption gives confidence and method of the box, laterality, view and machine.";

fn charts(tally: &Tally) -> Vec<Html> {
    let about = |histogram: &Histogram| match histogram.mean_and_least() {
        Some((mean, least)) => format!("Mean {}, minimum {}.", short(mean), short(least)),
        None => "Not known.".into(),
    };
    vec![
        figure(
            "Confidence",
            tally.confidence.chart("s0", "confidence of the box"),
            format!("Number of images by confidence (1 is best). {}", about(&tally.confidence)),
        ),
        figure(
            "Size of the breast's box",
            tally.box_share.chart("s0", "share of the frame"),
            format!(
                "Number of images by the share of the frame that the box covers. {}",
                about(&tally.box_share)
            ),
        ),
        figure(
            "Method",
            images(&tally.methods, tally.all.images),
            "How the breast was told from its surroundings. air: it is brighter than the darkest \
             common grey level, as in most mammograms. second_air: the darkest level was only a \
             border, so a brighter one counts as air. inverted: the breast is darker than its \
             surroundings, so the header's polarity is probably wrong. whole_frame: no box was \
             plausible, and the whole frame was kept.",
        ),
    ]
}

fn item(row: &Row, sources: Option<&mut Sources>, output: Option<Output>) -> Item {
    let (before, why) = match sources.map(|sources| sources.frame(row)) {
        None => (None, String::new()),
        Some(Ok(thumbnail)) => (Some(thumbnail), String::new()),
        Some(Err(why)) => (None, format!("No picture of the source: {why}.")),
    };
    let name = format!(
        "image {} ({} {})",
        row.image_id,
        row.laterality.as_deref().unwrap_or("?"),
        row.view.as_deref().unwrap_or("?")
    );
    let frame = match before {
        Some(_) => "source frame",
        None => "outline of the source frame",
    };
    let lesions = row.lesions.iter().map(|rect| Mark { class: "lesion", rect: *rect });
    let mut pictures = vec![Picture {
        label: format!("{frame} of {name}, with the breast's box and the crop"),
        size: row.size,
        content: before,
        marks: vec![
            Mark { class: "crop", rect: row.crop },
            Mark { class: "breast", rect: row.breast },
        ]
        .into_iter()
        .chain(lesions)
        .collect(),
    }];
    pictures.extend(output.map(|Output { size, thumbnail }| Picture {
        label: format!("{name} in the release"),
        size,
        content: Some(thumbnail),
        marks: Vec::new(),
    }));
    Item { pictures, caption: caption(row).and_text(why) }
}

fn caption(row: &Row) -> Html {
    let confidence = row.confidence.map_or("–".into(), |c| format!("{c:.2}"));
    let method = row.method.as_deref().unwrap_or("no method").replace('_', " ");
    let head = Html::element("b", "", Html::text(confidence)).and_text(format!(" {method}"));
    let number = |n: Option<i64>| n.map_or("not given".into(), |n| n.to_string());
    let mut facts = vec![
        [row.laterality.as_deref().unwrap_or("?"), row.view.as_deref().unwrap_or("?")].join(" "),
        format!("machine {}", number(row.machine)),
    ];
    facts.extend((row.cancer == Some(true)).then(|| "cancer".to_owned()));
    facts.extend(row.mirrored.then(|| "mirrored".to_owned()));
    facts.extend(row.flags().map(|flag| format!("⚑ {}", flag.replace('_', " "))));
    let ids = Html::text("patient ")
        .and(code(&row.patient_id))
        .and_text(" image ")
        .and(code(&row.image_id));
    Html::element("div", "", head.and_text(format!(" · {}", facts.join(" · "))))
        .and(Html::element("div", "ids", ids))
}

/// An image in the release.
struct Output {
    size: (usize, usize),
    thumbnail: Thumbnail,
}

/// The images of `rows`, by their place in the release.
fn outputs<'a>(
    release: &Release,
    rows: impl Iterator<Item = &'a Row>,
) -> Result<HashMap<(usize, usize), Output>, Fault> {
    let mut wanted: BTreeMap<usize, HashSet<usize>> = BTreeMap::new();
    rows.for_each(|row| {
        wanted.entry(row.place.0).or_default().insert(row.place.1);
    });
    let mut outputs = HashMap::new();
    for (shard, mut wanted) in wanted {
        let file = release.shards[shard].file.as_ref().expect("a row came out of it");
        let path = release.folder.join(file);
        let damaged =
            |reason: String| Fault::from(ReleaseError::Shard { path: path.clone(), reason });
        let reader = ShardReader::open(&path, Some(&["image_id", "checksum", "image"]))?;
        let layout = Layout::of(&reader).map_err(damaged)?;
        let mut first = 0;
        for batch in reader {
            let batch = batch?;
            let rows = Rows::of(&batch).map_err(damaged)?;
            for i in (0..batch.num_rows()).filter(|i| wanted.remove(&(first + i))) {
                let grey = layout.grey(&rows.pixels(i)).map_err(damaged)?;
                let size = (layout.width, layout.height);
                let thumbnail = Thumbnail::new(&grey);
                outputs.insert((shard, first + i), Output { size, thumbnail });
            }
            if wanted.is_empty() {
                break;
            }
            first += batch.num_rows();
        }
    }
    Ok(outputs)
}

/// The layout of an image's bytes.
struct Layout {
    width: usize,
    height: usize,
    is_u16: bool,
}

impl Layout {
    fn of(reader: &ShardReader) -> Result<Self, String> {
        let schema = reader.schema();
        let about = schema.field_with_name("image").map_err(|e| e.to_string())?.metadata();
        let number = |key: &str| about.get(key).and_then(|text| text.parse().ok());
        let (width, height) = number("width").zip(number("height")).ok_or("image has no size")?;
        let is_u16 = about.get("dtype").is_some_and(|dtype| dtype == "uint16");
        Ok(Self { width, height, is_u16 })
    }

    /// The pixels over the full range of 16 bits.
    fn grey(&self, bytes: &[u8]) -> Result<Plane<u16>, String> {
        let pixels: Vec<u16> = match self.is_u16 {
            true => bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect(),
            false => bytes.iter().map(|&v| u16::from(v) * 257).collect(),
        };
        let need = self.width * self.height;
        if pixels.len() != need || need == 0 {
            return Err(format!("an image has {} pixels, its size needs {need}", pixels.len()));
        }
        Ok(Plane::new(self.width, self.height, pixels))
    }
}
