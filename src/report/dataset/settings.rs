//! What the release was made with, what pins it down, and what the words mean.

use serde_json::Value;

use super::{Html, Release};
use crate::number::count;
use crate::report::page::{Align, Section, Table, code, code_block, definitions, details};

/// The section.
pub fn section(release: &Release) -> Section {
    let plan = &release.plan;
    let mut table = Table::new(&[("What", Align::Left), ("Value", Align::Left)]);
    let mut row = |what: &str, value: Html| table.row(vec![Html::text(what), value]);
    row("mammo-pipe", code(release.tool.as_deref().unwrap_or("not finished")));
    row("Release format", code(plan.format_version));
    row("Version of the pixels", code(plan.pixel_version));
    row("Plan (SHA-256)", code(&release.plan_sha256));
    row("Tables (SHA-256)", code(&plan.table_sha256));
    row("File listing (SHA-256)", code(&plan.listing_sha256));
    row("Files with a row", Html::text(count(plan.images)));
    row("Shards finished", Html::text(count(release.shards.len())));
    let check = code(format!("mammo-pipe verify {}", release.folder.display()));
    row("To check every byte", check);
    let mut yaml = String::new();
    write_yaml(&plan.settings, 0, &mut yaml);
    let settings = details("Settings that decide what the data become", code_block(&yaml));
    Section {
        id: "settings",
        title: "Settings and hashes",
        intro: "The same tables, files, settings and version give the same shards, byte for byte, \
                on any machine."
            .into(),
        body: table.html().and(settings),
    }
}

/// A tree as YAML has it: a key a line, indented by level. Strings are quoted as in JSON, which
/// YAML reads too.
pub(in crate::report) fn write_yaml(value: &Value, depth: usize, out: &mut String) {
    let Value::Object(map) = value else {
        out.push_str(&format!(" {value}\n"));
        return;
    };
    if map.is_empty() {
        out.push_str(" {}\n");
        return;
    }
    if depth > 0 {
        out.push('\n');
    }
    for (key, value) in map {
        out.push_str(&"  ".repeat(depth));
        out.push_str(&format!("{key}:"));
        write_yaml(value, depth + 1, out);
    }
}

/// What the words mean, to readers of either field.
pub fn words() -> Section {
    let imaging = definitions(&[
        (
            "View",
            "The direction of the X-ray. CC (cranio-caudal) is from above, MLO (mediolateral \
             oblique) from the side at an angle, with the chest muscle as a bright wedge.",
        ),
        (
            "Chest wall",
            "The image's edge that the breast is joined to: at the left for a left breast, at the \
             right for a right one.",
        ),
        (
            "Window (VOI LUT)",
            "The rule by which measured values become grey. The file proposes it, so that the \
             image looks as the machine's maker meant it to.",
        ),
        (
            "Photometric interpretation",
            "Which end of the scale is white. MONOCHROME1 is a film negative; it is inverted here.",
        ),
        (
            "Transfer syntax",
            "How a DICOM file stores its pixels, most often compressed. Lossless ones give back \
             every value exactly.",
        ),
        (
            "Density",
            "How much of the breast is glandular tissue, which hides cancers: A is almost all \
             fat, D extremely dense.",
        ),
        ("Prevalence", "The share of images (or breasts, or patients) with cancer."),
    ]);
    let data = definitions(&[
        (
            "Shard",
            "One file of the release with some hundred images and all their columns, in Parquet or \
             Arrow, which pandas, polars, DuckDB and PyTorch read.",
        ),
        (
            "Fold",
            "A part of the patients that is held out in turn, so that a model is judged on \
             patients it never saw.",
        ),
        (
            "Region of interest (ROI), crop",
            "The box around the breast, and what was cut out: the box with a margin. Less air \
             means more detail at the same size.",
        ),
        (
            "Confidence",
            "0 to 1: how much the box looks as a breast should, by its size, its place at the \
             chest wall and its outline. It is no probability. 0 means that nothing was \
             convincing and the whole frame was kept.",
        ),
        (
            "Rejected, missing, unreached",
            "Rejected: there is a file, but no image could be made of it (or no row names it). \
             Missing: a row of the table has no file. Unreached: the run was stopped before it.",
        ),
        (
            "Leak",
            "Anything that tells a model the answer by another way than the image, such as the \
             same patient in training and test.",
        ),
        ("SHA-256", "A fingerprint of bytes: if it is the same, so are the bytes."),
    ]);
    let heading = |text: &'static str| Html::element("h3", "", Html::text(text));
    let left = Html::element("div", "", heading("If you know data, not mammograms").and(imaging));
    let right = Html::element("div", "", heading("If you know mammograms, not data").and(data));
    Section {
        id: "words",
        title: "How to read this page",
        intro: "Words of one field that a reader from the other may not know.".into(),
        body: Html::element("div", "columns", left.and(right)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_read_as_they_are_typed() {
        let mut yaml = String::new();
        let tree = json!({"roi": {"margin": 0.01, "flip_to": null}, "by": {"m": {}}, "n": [1, 2]});
        write_yaml(&tree, 0, &mut yaml);
        assert_eq!(yaml, "by:\n  m: {}\nn: [1,2]\nroi:\n  flip_to: null\n  margin: 0.01\n");
    }
}
