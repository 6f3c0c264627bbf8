//! `mammo-pipe bench roi`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::bench::labels;
use crate::bench::roi::{Agreement, Report, measure};
use crate::cli::progress::print;
use crate::cli::settings::SettingsArgs;
use crate::error::Fault;

/// Compare the breast's box with labelled boxes: the share of each label that it keeps, and the
/// IoU.
///
///   mammo-pipe bench roi --labels roi_labels rsna
///   mammo-pipe bench roi --labels OUT/truth.csv OUT
///
/// A label is a file PATIENT@IMAGE.txt with `class x y width height` (centre and size, in
/// shares of the frame), or a row of the truth.csv that synth writes. Exit code 3 if a label
/// has no image or its image is rejected.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct RoiArgs {
    /// Folder of the dataset, with train.csv or test.csv and the images.
    dataset: PathBuf,
    /// Folder of label files, or a truth.csv.
    #[arg(long, value_name = "PATH")]
    labels: PathBuf,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

impl RoiArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`] if settings, labels or tables cannot be used.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let config = self.settings.load()?;
        let labels = labels::read(&self.labels)?;
        let report = measure(&self.dataset, &labels, config)?;
        if self.json {
            print(&serde_json::to_string(&report).expect("plain data becomes JSON"));
        } else {
            print(&table(&report));
        }
        let complete = report.without_image.is_empty() && report.rejected.is_empty();
        Ok(if complete { ExitCode::SUCCESS } else { ExitCode::from(3) })
    }
}

fn table(report: &Report) -> String {
    let pair = |a: Agreement| format!("{:6.4} {:6.4}", a.iou, a.kept);
    let mut lines =
        vec![format!("{:<24} {:<5} {:>7}  {:<13}  {:<13}  method", "", "", "", "breast", "crop")];
    lines.push(format!(
        "{:<24} {:<5} {:>7}  {:<6} {:<6}  {:<6} {:<6}  and confidence",
        "image", "view", "machine", "IoU", "kept", "IoU", "kept"
    ));
    for image in &report.images {
        lines.push(format!(
            "{:<24} {:<5} {:>7}  {}  {}  {} {:.2}",
            format!("{}@{}", image.patient_id, image.image_id),
            image.view.as_deref().unwrap_or(""),
            image.machine_id.map(|id| id.to_string()).unwrap_or_default(),
            pair(image.breast),
            pair(image.crop),
            image.method.as_str(),
            image.confidence,
        ));
    }
    for group in &report.groups {
        let row = |what, breast, crop| {
            let name = format!("{} of {} {}", what, group.images, group.name);
            format!("{name:<39} {}  {}", pair(breast), pair(crop))
        };
        lines.push(row("mean", group.breast_mean, group.crop_mean));
        lines.push(row("worst", group.breast_worst, group.crop_worst));
        lines.push(format!(
            "{} of {} {} crops lose more than 3 % of their label, {} of them without the flag \
             doubtful_box",
            group.cut, group.images, group.name, group.cut_unflagged,
        ));
    }
    let missing = report.without_image.iter().map(|name| format!("no image for label {name}"));
    let rejected = report.rejected.iter().map(|reason| format!("rejected: {reason}"));
    lines.extend(missing.chain(rejected));
    lines.join("\n")
}
