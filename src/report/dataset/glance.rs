//! The head of the page: how many images there are, what became of them, whether that is all.

use super::tally::Tally;
use super::{Html, Release};
use crate::number::size;
use crate::number::{count, of, percent};
use crate::report::page::{Card, Section, cards, figure, figures};
use crate::report::svg::{Stack, stacked};

/// The section.
pub fn section(release: &Release, tally: &Tally) -> Section {
    let counts = release.counts;
    let parts = [counts.written, counts.rejected, counts.missing, counts.unreached];
    let balance = Stack {
        label: format!("{} listed", count(counts.listed)),
        text: format!("{} written", percent(counts.written, counts.listed)),
        parts: parts.map(|n| n as f64).to_vec(),
    };
    let names = ["written", "rejected", "missing", "unreached"].map(str::to_owned);
    let balance = figure(
        "Where every image went",
        stacked(&[balance], &names),
        "Every image listed, from the table or the folder, ends in exactly one of these four.",
    );
    Section {
        id: "glance",
        title: "At a glance",
        intro: Html::default(),
        body: verdict(release)
            .and(equation(release))
            .and(numbers(release, tally))
            .and(figures([balance])),
    }
}

fn verdict(release: &Release) -> Html {
    let counts = release.counts;
    if !release.is_complete() {
        let text = format!(
            "Not complete: {} of {} are still to be processed. Run preprocess again to go on.",
            count(counts.unreached),
            of(counts.listed, "image")
        );
        return Html::element("p", "verdict bad", Html::text(text));
    }
    if counts.rejected + counts.missing == 0 {
        return Html::element("p", "verdict good", "Complete: every image listed is in it.".into());
    }
    let text = format!(
        "Complete: every image listed was reached. {} set aside as unreadable or unlisted, \
         {} without a file.",
        count(counts.rejected),
        of(counts.missing, "row")
    );
    Html::element("p", "verdict fair", Html::text(text))
}

/// `listed = written + rejected + missing + unreached`, as a sum to read.
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
            note: format!("{} of {} with a label", count(all.cancer), count(all.labelled)),
        },
        Card {
            value: size(bytes),
            label: "of shards",
            note: format!("{}, from {} of DICOM", of(shards, "file"), size(release.plan.bytes)),
        },
    ])
}
