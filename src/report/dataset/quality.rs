//! Image quality: images that were decoded without an error but look damaged.

use std::collections::HashMap;

use super::Html;
use super::tally::{Quality, Tally};
use crate::number::{count, of, percent, short};
use crate::report::page::{Align, Section, Table};

/// The section; `about` describes each column. `None` if the release has no such columns.
pub fn section(tally: &Tally, about: &HashMap<String, String>) -> Option<Section> {
    if tally.quality.is_empty() {
        return None;
    }
    let mut flags = Table::new(&[
        ("Flag", Align::Left),
        ("Meaning", Align::Left),
        ("Images", Align::Right),
        ("Share", Align::Right),
    ]);
    let mut measures = Table::new(&[
        ("Measure", Align::Left),
        ("Meaning", Align::Left),
        ("Minimum", Align::Right),
        ("Mean", Align::Right),
        ("Maximum", Align::Right),
    ]);
    let (mut any_flag, mut any_measure) = (false, false);
    for (name, Quality { words, measured }) in &tally.quality {
        let what = about.get(name).map(String::as_str).unwrap_or_default();
        let name = name.replace('_', " ");
        for (word, share) in words.by_frequency().iter().filter(|(word, _)| *word != "false") {
            any_flag = true;
            let name = if *word == "true" { name.clone() } else { format!("{name}: {word}") };
            flags.row(vec![
                Html::text(name),
                Html::text(what),
                Html::text(count(share.images)),
                Html::text(percent(share.images, tally.all.images)),
            ]);
        }
        if let Some((sum, least, most, n)) = measured {
            any_measure = true;
            let cells = [*least, sum / *n as f64, *most].map(|value| Html::text(short(value)));
            measures.row([Html::text(&name), Html::text(what)].into_iter().chain(cells).collect());
        }
    }
    let mut body = Html::paragraph(Html::text(format!(
        "{} of {} have a quality flag.",
        of(tally.flagged, "image"),
        count(tally.all.images)
    )));
    if any_flag {
        body = body.and(flags.html()).and(pictures(tally));
    }
    if any_measure {
        body = body.and(measures.html());
    }
    Some(Section {
        id: "quality",
        title: "Image quality",
        intro: "A damaged file can be decoded without an error. These checks examine the decoded \
                image: the share of air, the number of grey levels, the share of saturated pixels, \
                and horizontal seams. A flagged image should be inspected; it stays in the release."
            .into(),
        body,
    })
}

/// Links to the galleries with the flagged pictures.
fn pictures(tally: &Tally) -> Html {
    let text = Html::text("Their pictures are under ")
        .and(Html::link("#crops", "Crops"))
        .and_text(": those with an uncertain box among the ")
        .and(Html::link("#least-certain", "least certain boxes"))
        .and_text(", some of the others under ");
    let text = text
        .and(Html::link("#flagged", "other images with a quality flag"))
        .and_text(". Each flag stands below its picture, with the image's id.");
    let burned_in = tally.quality.get("burned_in").map(|quality| quality.words.natural());
    let has_text = burned_in.is_some_and(|words| words.iter().any(|(word, _)| *word == "true"));
    let text = match has_text {
        true => text.and_text(" Images with burned in text are shown nowhere."),
        false => text,
    };
    Html::paragraph(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::dataset::rows::{Finding, Row};

    fn row(torn: bool, seam: f64) -> Row {
        let quality = vec![
            ("torn_<seam>".into(), Finding::Flag(torn)),
            ("seam".into(), Finding::Measure(seam)),
        ];
        Row { quality, ..Row::default() }
    }

    #[test]
    fn raised_flags_are_counted_and_measures_have_their_range() {
        let mut tally = Tally::default();
        for row in [row(false, 1.0), row(true, 6.0), row(false, 2.0)] {
            tally.add(row);
        }
        let about = HashMap::from([("seam".to_owned(), "torn & bent".to_owned())]);
        let html = section(&tally, &about).unwrap().body;
        for expected in [
            "1 image of 3",
            "torn &amp; bent",
            "torn &lt;seam&gt;",
            ">33.3 %<",
            ">1.00<",
            ">3.00<",
            ">6.00<",
        ] {
            assert!(html.as_str().contains(expected), "{expected} in {html:?}");
        }
        assert_eq!(tally.odd.take().len(), 1);
    }

    #[test]
    fn a_release_without_such_columns_has_no_such_section() {
        let mut tally = Tally::default();
        tally.add(Row::default());
        assert!(section(&tally, &HashMap::new()).is_none());
    }
}
