//! Settings and provenance of a release, and the glossary.

use serde_json::Value;

use super::{Html, Release, Run};
use crate::number::{count, duration};
use crate::report::page::{Align, Section, Table, code, code_block, definitions, details};
use crate::store::quoted;
use crate::store::start::without_place;

/// The section.
pub fn section(release: &Release, run: Option<&Run>) -> Section {
    let plan = &release.plan;
    let mut table = Table::new(&[("What", Align::Left), ("Value", Align::Left)]);
    let mut row = |what: &str, value: Html| table.row(vec![Html::text(what), value]);
    row("mammo-pipe", code(release.tool.as_deref().unwrap_or("not finished")));
    row("Release format", code(plan.format_version));
    row("Pixel version", code(plan.pixel_version));
    row("Plan (SHA-256)", code(&release.plan_sha256));
    row("Tables (SHA-256)", code(&plan.table_sha256));
    row("File listing (SHA-256)", code(&plan.listing_sha256));
    row("Files with a row", Html::text(count(plan.images)));
    row("Shards finished", Html::text(count(release.shards.len())));
    let check = code(format!("mammo-pipe verify {}", quoted(without_place(&release.folder))));
    row("Verification of every byte", check);
    if let Some((run, start)) = run.and_then(|run| Some((run, run.start.as_ref()?))) {
        row("Started", Html::text(start.date()));
        row("Duration of the last run", Html::text(duration(run.seconds)));
        row("Command", code(&start.command));
        row("Program", code(&start.program));
    }
    let mut yaml = String::new();
    write_yaml(&plan.settings, 0, &mut yaml);
    let settings = details("Settings that determine the data", code_block(&yaml));
    Section {
        id: "settings",
        title: "Settings and provenance",
        intro: "The same tables, files, settings and version give byte-identical shards on any \
                machine."
            .into(),
        body: table.html().and(settings),
    }
}

/// Writes a tree as YAML: one key per line, indented by level. Strings are quoted as in JSON, which
/// is valid YAML.
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

/// The glossary, for readers of either field.
pub fn glossary() -> Section {
    let imaging = definitions(&[
        (
            "View",
            "The direction of the X-ray beam. CC (craniocaudal) is from above, MLO (mediolateral \
             oblique) at an angle from the side, with the pectoral muscle as a bright wedge.",
        ),
        (
            "Chest wall",
            "The edge of the image at which the breast is attached to the body: on the left for a \
             left breast, on the right for a right breast.",
        ),
        (
            "Window (VOI LUT)",
            "The rule that maps stored values to grey levels. The file contains it, so that the \
             image looks as the manufacturer intended.",
        ),
        (
            "Photometric interpretation",
            "Whether high values are white or black. In MONOCHROME1 they are black; such images are \
             inverted here.",
        ),
        (
            "Transfer syntax",
            "How a DICOM file stores its pixels, usually compressed. Lossless compression preserves \
             every value exactly.",
        ),
        (
            "Density",
            "The amount of fibroglandular tissue, which can hide cancers: A is almost entirely \
             fatty, D extremely dense.",
        ),
        ("Prevalence", "The share of images (or breasts, or patients) with cancer."),
    ]);
    let data = definitions(&[
        (
            "Shard",
            "One file of the release with several hundred images and all their columns, in Parquet \
             or Arrow, readable by pandas, polars, DuckDB and PyTorch.",
        ),
        (
            "Fold",
            "One of several groups of patients. Each is held out in turn, so that a model is \
             evaluated on patients that it was not trained on.",
        ),
        (
            "Region of interest (ROI), crop",
            "The region of interest is the box around the breast; the crop is the box with a margin. \
             Less air means more detail at the same output size.",
        ),
        (
            "Confidence",
            "0 to 1: how plausible the box is as a breast, by its size, its position at the chest \
             wall and its outline. It is not a probability. 0 means that no box was plausible and \
             the whole frame was kept.",
        ),
        (
            "Rejected, missing, unreached",
            "Rejected: there is a file, but it could not be processed, or it has no row in the \
             table. Missing: a row of the table has no file. Unreached: processing was stopped \
             before it, or a disk or server did not deliver a file of its shard.",
        ),
        (
            "Leakage",
            "Information about the label that a model gets other than from the image, for example if \
             the same patient is in the training and the test set.",
        ),
        ("SHA-256", "A cryptographic hash of a file: equal hashes mean equal bytes."),
    ]);
    let heading = |text: &'static str| Html::element("h3", "", Html::text(text));
    let left =
        Html::element("div", "", heading("For readers who know machine learning").and(imaging));
    let right = Html::element("div", "", heading("For readers who know mammography").and(data));
    Section {
        id: "glossary",
        title: "Glossary",
        intro: "Terms of one field that readers from the other may not know.".into(),
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
