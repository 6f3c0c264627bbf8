//! Dataset characteristics: where and how the images were acquired and stored.

use super::Html;
use super::counter::{Counter, Share};
use super::tally::{Machine, Tally};
use crate::number::{count, of, percent, short};
use crate::report::page::{Align, Section, Table, figure, figures};
use crate::report::svg::{Bar, MOST_BARS, bars};

/// The section.
pub fn section(tally: &Tally) -> Section {
    let body = if tally.all.images == 0 {
        Html::paragraph("No image was written.".into())
    } else {
        figures(charts(tally)).and(machines(tally))
    };
    Section {
        id: "contents",
        title: "Dataset characteristics",
        intro: "The images written, by columns of the table (site, machine, view, laterality, \
                density, age) and by attributes of their files (compression, photometric \
                interpretation, frame size, bits)."
            .into(),
        body,
    }
}

fn charts(tally: &Tally) -> Vec<Html> {
    let chart = |title, counter: &Counter, caption: &'static str| {
        figure(title, images(counter, tally.all.images), caption)
    };
    let mut all = vec![
        chart("Site", &tally.sites, "The hospital or screening site."),
        chart("Machine", &tally.machine, "The mammography unit."),
        chart(
            "View",
            &tally.views,
            "CC: from above. MLO: oblique, with the pectoral muscle. Others are additional views.",
        ),
        chart("Laterality", &tally.sides, "The patient's left (L) or right (R) breast."),
        chart(
            "Transfer syntax",
            &tally.syntaxes,
            "How the file stores its pixels; it determines the decoding time.",
        ),
        chart(
            "Photometric interpretation",
            &tally.photometric,
            "MONOCHROME1 stores black as the highest value. It is inverted, so that in the release \
             every breast is bright on a dark background.",
        ),
        chart("Frame size", &tally.sizes, "Columns × rows of the source image."),
        chart("Bits stored", &tally.bits, "Bits per pixel in the source."),
        chart(
            "Grey scale",
            &tally.windows,
            "The rule from stored values to grey levels (DICOM's VOI LUT).",
        ),
        figure(
            "Density",
            images_of(&tally.densities.natural(), tally.all.images),
            "ACR density, from A (almost entirely fatty) to D (extremely dense).",
        ),
        chart("Implant", &tally.implants, "From the table."),
    ];
    if let Some((mean, _)) = tally.age.mean_and_least() {
        let unknown = match tally.all.images - tally.age.total() {
            0 => String::new(),
            n => format!(" Not given for {}.", of(n, "image")),
        };
        all.push(figure(
            "Age",
            tally.age.chart("s0", "years"),
            format!("Mean {} years.{unknown}", short(mean)),
        ));
    }
    all
}

/// Bars of the most frequent values, and one of all others.
pub fn images(counter: &Counter, total: usize) -> Html {
    let all = counter.by_frequency();
    images_of(&all, total)
}

fn images_of(all: &[(&str, Share)], total: usize) -> Html {
    let bar = |label: String, n: usize| Bar {
        label,
        value: n as f64,
        text: format!("{} · {}", count(n), percent(n, total)),
    };
    let shown = if all.len() > MOST_BARS { MOST_BARS - 1 } else { all.len() };
    let mut list: Vec<Bar> =
        all[..shown].iter().map(|(value, share)| bar((*value).to_owned(), share.images)).collect();
    if shown < all.len() {
        let rest = all[shown..].iter().map(|(_, share)| share.images).sum();
        list.push(bar(format!("{} others", count(all.len() - shown)), rest));
    }
    bars(&list, "s0", Some(total as f64))
}

fn machines(tally: &Tally) -> Html {
    let mut table = Table::new(&[
        ("Machine", Align::Left),
        ("Site", Align::Left),
        ("Patients", Align::Right),
        ("Images", Align::Right),
        ("With cancer", Align::Right),
        ("Frame size", Align::Left),
        ("Transfer syntax", Align::Left),
        ("Photometric", Align::Left),
        ("Bits", Align::Left),
        ("Grey scale", Align::Left),
        ("Confidence", Align::Right),
    ]);
    let mut machines: Vec<_> = tally.machines.iter().collect();
    machines.sort_by_key(|(_, machine)| std::cmp::Reverse(machine.share.images));
    for (id, machine) in machines {
        let Share { images, labelled, cancer } = machine.share;
        let Machine { sites, sizes, syntaxes, photometric, bits, windows, .. } = machine;
        table.row(vec![
            Html::text(id.map_or("not given".into(), |id| id.to_string())),
            values(sites),
            Html::text(count(machine.patients.len())),
            Html::text(count(images)),
            Html::text(percent(cancer, labelled)),
            values(sizes),
            values(syntaxes),
            values(photometric),
            values(bits),
            values(windows),
            Html::text(format!("{:.2}", machine.confidence / images as f64)),
        ]);
    }
    let about = "Confidence is the mean confidence of the breast's boxes. Of several values the most \
                 frequent come first.";
    Html::element("h3", "", "By machine".into()).and(table.html()).and(Html::element(
        "p",
        "note",
        about.into(),
    ))
}

/// The most frequent values in a cell.
fn values(counter: &Counter) -> Html {
    let all = counter.by_frequency();
    let mut names: Vec<String> = all.iter().take(3).map(|(value, _)| (*value).to_owned()).collect();
    if all.len() > 3 {
        names.push(format!("{} more", all.len() - 3));
    }
    Html::text(names.join(", "))
}
