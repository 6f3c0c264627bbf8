//! `mammo-pipe render`: shows the steps of the pipeline for one file.

mod font;
mod picture;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::ending;
use super::failure::usage;
use super::progress::{print, say};
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

/// Show what the pipeline makes of DICOM files at each step.
///
/// The PNG shows, side by side: the stored values (from the smallest in black to the largest in
/// white), the windowed image, the breast's box (solid) with the crop (dashed), and the output.
///
///   mammo-pipe render image.dcm steps.png
///   mammo-pipe render image.dcm steps.png --set window.index=1 --set roi.margin=0.05
///   mammo-pipe render a.dcm b.dcm pictures/       # several files go to a folder
///   mammo-pipe render image.dcm - | display       # - is standard output
///   mammo-pipe render image.dcm --steps DIR --json
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, override_usage = "mammo-pipe render [OPTIONS] FILE... [PNG|DIR/]")]
pub struct RenderArgs {
    /// The DICOM files; and last, the PNG to write, or a folder (its name ends in /, or it is there)
    /// for NAME.png of each file. No PNG is needed with --steps or --json.
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Write each step as a 16-bit PNG into this folder: decoded.png (the stored values; two's
    /// complement if they are signed), windowed.png, cropped.png, output.png. For several files: into
    /// a folder of each file's name in it.
    #[arg(long, value_name = "DIR", value_parser = ending::folder)]
    steps: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Replace files that were not made by mammo-pipe.
    #[arg(long)]
    force: bool,
    /// Print the facts of each image as one line of JSON.
    #[arg(long)]
    json: bool,
}

const HELP: &str = "mammo-pipe render --help";

/// The files of `--steps`.
const STEPS: [&str; 4] = ["decoded.png", "windowed.png", "cropped.png", "output.png"];

/// One file to show, and what is written of it.
struct Rendering {
    file: PathBuf,
    png: Option<Target>,
    steps: Vec<Target>,
}

impl RenderArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`], also for a file that the pipeline rejects.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let config = self.settings.load()?;
        for Rendering { file, png, steps: targets } in self.renderings()? {
            let steps = run(&file, config.clone())?;
            if let Some(target) = &png {
                write(target, &picture::compose(&steps))?;
            }
            if let [decoded, windowed, cropped, output] = &targets[..] {
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
            } else if png.as_ref().is_some_and(Target::is_stdout) {
                say(&description(&steps.sample));
            } else {
                print(&description(&steps.sample));
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Every file with its outputs, which are all checked before the first is written.
    fn renderings(&self) -> Result<Vec<Rendering>, Fault> {
        let (files, last) = self.divide()?;
        if let Some(folder) = last.filter(|last| is_folder(last)) {
            std::fs::create_dir_all(folder).map_err(Fault::io(folder))?;
        }
        let target = |path: PathBuf| Target::new(path, self.force);
        let mut seen = HashSet::new();
        let mut renderings = Vec::new();
        for file in files {
            let stem = file.file_stem().unwrap_or(file.as_os_str());
            let png = match last {
                Some(last) if is_folder(last) => {
                    let mut name = stem.to_owned();
                    name.push(".png");
                    Some(last.join(name))
                }
                last => last.map(PathBuf::from),
            };
            if files.len() > 1 && !seen.insert(stem) && (png.is_some() || self.steps.is_some()) {
                return Err(wrong(
                    file,
                    "another file has the same name, so one would replace the other",
                ));
            }
            let steps = match &self.steps {
                Some(folder) => {
                    let folder = if files.len() > 1 { folder.join(stem) } else { folder.clone() };
                    std::fs::create_dir_all(&folder).map_err(Fault::io(&folder))?;
                    let targets = STEPS.map(|name| target(folder.join(name)));
                    targets.into_iter().collect::<Result<_, _>>()?
                }
                None => Vec::new(),
            };
            let png = png.map(target).transpose()?;
            if self.json && png.as_ref().is_some_and(Target::is_stdout) {
                return Err(ending::two_on_stdout("--json", HELP));
            }
            renderings.push(Rendering { file: file.clone(), png, steps });
        }
        Ok(renderings)
    }

    /// The files to read, and the PNG or folder to write.
    fn divide(&self) -> Result<(&[PathBuf], Option<&Path>), Fault> {
        let (last, before) = self.paths.split_last().expect("clap asks for one");
        let sources = if before.is_empty() { std::slice::from_ref(last) } else { before };
        for source in sources {
            check(source)?;
        }
        let is_png = ending::png(&last.to_string_lossy()).is_ok();
        if is_png && before.len() > 1 {
            let reason = "several files go to a folder, whose name ends in /; this is one PNG";
            return Err(wrong(last, reason));
        }
        if !before.is_empty() && (is_png || is_folder(last)) {
            return Ok((before, Some(last.as_path())));
        }
        if self.steps.is_none() && !self.json {
            let reason = if before.is_empty() {
                "give the PNG to write as well: mammo-pipe render FILE steps.png"
            } else {
                "the last argument is the PNG to write, whose name ends in .png, or a folder, whose \
                 name ends in /"
            };
            return Err(wrong(last, reason));
        }
        Ok((&self.paths, None))
    }
}

/// A file to read: neither a folder nor a name that is not there.
fn check(source: &Path) -> Result<(), Fault> {
    if source.is_dir() {
        let folder = source.display();
        let reason = format!(
            "is a folder; render shows single files: mammo-pipe render {folder}/FILE.dcm steps.png. \
             For a whole dataset: mammo-pipe inspect {folder}, or the page that preprocess writes"
        );
        return Err(usage(format!("{folder} {reason}"), HELP));
    }
    if !source.exists() {
        let reason = "does not exist; give the path of a DICOM file (source_path in a release, below \
                      the dataset's folder)";
        return Err(usage(format!("{} {reason}", source.display()), HELP));
    }
    Ok(())
}

/// Whether the user means a folder.
fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.to_string_lossy().ends_with(std::path::is_separator)
}

fn wrong(path: &Path, reason: &str) -> Fault {
    usage(format!("{}: {reason}", path.display()), HELP)
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
        name: file.display().to_string(),
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
    let flags = sample
        .quality
        .flags
        .iter()
        .map(|flag| format!("\nflag:   {}: {}", flag.as_str(), flag.about()));
    let notes = sample
        .facts
        .notes
        .iter()
        .map(|note| format!("\nnote:   {}: {}", note.as_str(), note.about()));
    format!(
        "{}: {}, {} x {} pixels of {} bits, {}\nwindow: {}\nbreast: {}, {}\ncrop:   {}, to {} x {}{}",
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
        flags.chain(notes).collect::<String>(),
    )
}
