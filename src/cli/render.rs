//! `mammo-pipe render`: shows the steps of the pipeline for one file.

mod font;
mod picture;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::ending;
use super::progress::print;
use super::settings::SettingsArgs;
use crate::config::Config;
use crate::dataset::{Job, Role};
use crate::error::Fault;
use crate::image::Pixels;
use crate::image::Rect;
use crate::image::picture::write;
use crate::preprocess::PreprocessError;
use crate::preprocess::memory::Memory;
use crate::preprocess::stages::Sample;
use crate::preprocess::steps::{Steps, steps};
use crate::preprocess::window::WindowUsed;
use crate::record::{Id, ImageRecord};
use crate::shard::flags::Flag;
use crate::shard::notes::Note;
use crate::store::{self, Target};

/// Show what the pipeline makes of one DICOM file at each step.
///
/// The PNG shows, side by side: the stored values (from the smallest in black to the largest in
/// white), the windowed image, the breast's box (solid) with the crop (dashed), and the output.
///
///   mammo-pipe render image.dcm steps.png
///   mammo-pipe render image.dcm steps.png --set window.index=1 --set roi.margin=0.05
///   mammo-pipe render image.dcm --steps DIR --json
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct RenderArgs {
    /// The DICOM file.
    file: PathBuf,
    /// The PNG file to write.
    #[arg(value_name = "PNG", required_unless_present_any = ["steps", "json"])]
    #[arg(value_parser = ending::png)]
    png: Option<PathBuf>,
    /// Write each step as a 16-bit PNG into this folder: decoded.png (the stored values; two's
    /// complement if they are signed), windowed.png, cropped.png, output.png.
    #[arg(long, value_name = "DIR")]
    steps: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Replace files that were not made by mammo-pipe.
    #[arg(long)]
    force: bool,
    /// Print the facts of the image as JSON.
    #[arg(long)]
    json: bool,
}

/// The files of `--steps`.
const STEPS: [&str; 4] = ["decoded.png", "windowed.png", "cropped.png", "output.png"];

impl RenderArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`], also for a file that the pipeline rejects.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let config = self.settings.load()?;
        let target = |path: PathBuf| Target::new(path, self.force);
        let png = self.png.clone().map(target).transpose()?;
        let files = match &self.steps {
            Some(folder) => {
                std::fs::create_dir_all(folder).map_err(Fault::io(folder))?;
                STEPS.map(|name| target(folder.join(name))).into_iter().collect::<Result<_, _>>()?
            }
            None => Vec::new(),
        };
        let steps = run(&self.file, config)?;
        if let Some(target) = &png {
            write(target, &picture::compose(&steps))?;
        }
        if let [decoded, windowed, cropped, output] = &files[..] {
            write(decoded, &steps.stored.pixels)?;
            write(windowed, &steps.windowed)?;
            write(cropped, &steps.cropped)?;
            match &steps.sample.pixels {
                Pixels::U8(plane) => write(output, plane)?,
                Pixels::U16(plane) => write(output, plane)?,
            }
        }
        if self.json {
            print(&facts(&steps.sample).to_string());
        } else {
            print(&description(&steps.sample));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn run(file: &Path, config: Config) -> Result<Steps, Fault> {
    let memory = Memory::divide(&config, 1, 1)?;
    let job = job(file)?;
    steps(job, &Arc::new(config), &memory)
        .map_err(|source| PreprocessError::Rejected { path: file.into(), source }.into())
}

/// A job for a file that is in no table.
fn job(file: &Path) -> Result<Job, Fault> {
    let bytes = std::fs::metadata(file).map_err(Fault::io(file))?.len();
    let id = || Id::new("render").expect("a plain word can be a file's name");
    Ok(Job {
        record: ImageRecord::unlabelled(id(), id()),
        role: Role::Test,
        relative: file.display().to_string(),
        path: file.into(),
        bytes,
    })
}

fn facts(sample: &Sample) -> Value {
    let header = &sample.facts.header;
    let layout = &header.layout;
    let WindowUsed { source, function, center, width, index } = sample.window;
    json!({
        "sha256": sample.facts.file.sha256.map(|sha256| store::hex(&sha256)),
        "bytes": sample.facts.file.bytes,
        "transfer_syntax": header.syntax.uid(),
        "rows": layout.rows,
        "columns": layout.columns,
        "bits_stored": layout.bits_stored,
        "signed": layout.signed,
        "photometric": layout.photometric.as_str(),
        "laterality": header.laterality,
        "view": header.view.as_ref().map(|view| view.as_str()),
        "presentation_intent": header.intent,
        "manufacturer": header.manufacturer,
        "model": header.model,
        "spacing_mm": sample.facts.spacing,
        "window": {
            "source": source.as_str(),
            "function": function.map(|function| function.as_str()),
            "center": center,
            "width": width,
            "index": index,
        },
        "breast": {
            "box": sample.found.breast,
            "method": sample.found.method,
            "confidence": sample.found.confidence,
            "chest_wall": sample.found.chest_wall,
        },
        "geometry": sample.geometry,
        "quality": sample.quality,
        "notes": sample.facts.notes.iter().map(Note::as_str).collect::<Vec<_>>(),
        "quality_flags": sample.quality.flags.iter().map(Flag::as_str).collect::<Vec<_>>(),
    })
}

fn description(sample: &Sample) -> String {
    let header = &sample.facts.header;
    let layout = &header.layout;
    let rect =
        |rect: Rect| format!("{} x {} at ({}, {})", rect.width, rect.height, rect.left, rect.top);
    format!(
        "{}: {}, {} x {} pixels of {} bits, {}\nwindow: {}\nbreast: {}, {}\ncrop:   {}, to {} x {}",
        sample.facts.job.relative,
        header.syntax.name(),
        layout.columns,
        layout.rows,
        layout.bits_stored,
        layout.photometric.as_str(),
        picture::window_caption(&sample.window),
        rect(sample.found.breast),
        picture::breast_caption(&sample.found),
        rect(sample.geometry.crop),
        sample.geometry.width,
        sample.geometry.height,
    )
}
