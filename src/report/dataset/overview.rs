//! Overview: the number of images by outcome, and whether the release is complete.

use super::tally::Tally;
use super::{Html, Release};
use crate::number::size;
use crate::number::{count, of, percent};
use crate::report::page::{Card, Section, cards, figure, figures};
use crate::report::svg::{Stack, stacked_in};
use crate::shard::ReleaseFolder;
use crate::shard::flagged::Flagged;
use crate::shard::release::read_unreached;

/// Colours of the outcomes: blue, amber, vermilion, grey. None is green, which would say that all
/// is well.
const COLOURS: [usize; 4] = [0, 4, 1, 7];

/// The section.
pub fn section(release: &Release, tally: &Tally) -> Section {
    let (counts, quality) = (release.counts, tally.flagged());
    let parts = [counts.written, counts.rejected, counts.missing, counts.unreached];
    let balance = Stack {
        label: format!("{} listed", count(counts.listed)),
        text: format!("{} written", percent(counts.written, counts.listed)),
        parts: parts.map(|n| n as f64).to_vec(),
    };
    let names = ["written", "rejected", "missing", "unreached"].map(str::to_owned);
    let balance = figure(
        "Images by outcome",
        stacked_in(&[balance], &names, &COLOURS),
        "Every listed image, from the table or the folder, has exactly one of these four outcomes.",
    );
    Section {
        id: "overview",
        title: "Overview",
        intro: Html::default(),
        body: verdict(release, &quality)
            .and(warning(&quality))
            .and(equation(release))
            .and(numbers(release, tally))
            .and(figures([balance])),
    }
}

/// Which flags touch many images, why, and what to try.
fn warning(quality: &Flagged) -> Html {
    match quality.warning() {
        None => Html::default(),
        Some(text) => Html::element("p", "verdict fair", Html::text(text))
            .and(Html::paragraph(Html::link("#quality", "The flagged images and what they mean"))),
    }
}

fn verdict(release: &Release, quality: &Flagged) -> Html {
    let counts = release.counts;
    if !release.is_complete() {
        let text = format!(
            "Not complete: {} of {} are not processed yet. Run preprocess again to continue.",
            count(counts.unreached),
            of(counts.listed, "image")
        );
        let verdict = Html::element("p", "verdict bad", Html::text(text));
        return verdict.and(unreached(release));
    }
    if counts.written == 0 {
        let text = format!("None of {} was written.", of(counts.listed, "listed image"));
        return Html::element("p", "verdict bad", Html::text(text));
    }
    if counts.rejected + counts.missing == 0 && quality.are_many() {
        let text = "Every listed image was written, but many have a quality flag.";
        return Html::element("p", "verdict fair", text.into());
    }
    if counts.rejected + counts.missing == 0 {
        return Html::element(
            "p",
            "verdict good",
            "Complete: every listed image was written.".into(),
        );
    }
    let rejected = format!("{} rejected as unreadable or without a row", count(counts.rejected));
    let text = if counts.missing > 0 {
        format!(
            "Images are missing: {} of the table without a file; {rejected}. If a disk was not \
             mounted, run preprocess again once it is.",
            of(counts.missing, "row")
        )
    } else {
        format!("Every image that the table lists was processed; {rejected}.")
    };
    let class = if counts.missing > 0 { "verdict bad" } else { "verdict fair" };
    Html::element("p", class, Html::text(text))
}

/// The files that the last run could not read, which is why the release is not complete.
fn unreached(release: &Release) -> Html {
    let rows = read_unreached(&ReleaseFolder::new(&release.folder));
    let Some(first) = rows.first() else { return Html::default() };
    let text = format!(
        "{} could not be read by the last run, because of a disk, a server or a permission; \
         unreached.csv names each. The first: {}: {}.",
        of(rows.len(), "file"),
        first.path,
        first.reason
    );
    Html::element("p", "verdict bad", Html::text(text))
}

/// `listed = written + rejected + missing + unreached`, as an equation.
fn equation(release: &Release) -> Html {
    let counts = release.counts;
    let term = |n: usize, name: &'static str| {
        let value = Html::element("b", "", Html::text(count(n)));
        Html::element("span", "term", value.and(Html::element("small", "", name.into())))
    };
    let sign = |sign: &'static str| Html::element("span", "sign", sign.into());
    let sum = term(counts.listed, "listed")
        .and(sign("="))
        .and(term(counts.written, "written"))
        .and(sign("+"))
        .and(term(counts.rejected, "rejected"))
        .and(sign("+"))
        .and(term(counts.missing, "missing"))
        .and(sign("+"))
        .and(term(counts.unreached, "unreached"));
    Html::element("div", "equation", sum)
}

fn numbers(release: &Release, tally: &Tally) -> Html {
    let settings = &release.plan.settings;
    let (width, height) = (&settings["resize"]["width"], &settings["resize"]["height"]);
    let bytes = release.shards.iter().map(|shard| shard.bytes).sum();
    let shards = release.shards.iter().filter(|shard| shard.file.is_some()).count();
    let all = tally.all;
    cards(&[
        Card {
            value: count(tally.all.images),
            label: "images written",
            note: format!("{width} × {height} pixels of {} bits", settings["window"]["bits"]),
        },
        Card {
            value: count(tally.patients()),
            label: "patients",
            note: format!("on {}", of(tally.machines.len(), "machine")),
        },
        Card {
            value: percent(all.cancer, all.labelled),
            label: "of images with cancer",
            note: match settings["dataset"]["label"].as_str() {
                None => format!("{} of {} with a label", count(all.cancer), count(all.labelled)),
                Some(condition) => format!(
                    "{} of {} with a label, which is a proxy: {condition}",
                    count(all.cancer),
                    count(all.labelled)
                ),
            },
        },
        Card {
            value: size(bytes),
            label: "of shards",
            note: format!("{}, from {} of DICOM", of(shards, "file"), size(release.plan.bytes)),
        },
    ])
}
