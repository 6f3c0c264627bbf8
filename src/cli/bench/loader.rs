//! `mammo-pipe bench loader`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::bench::loader::generate::{Pictures, Spec};
use crate::bench::loader::{Speed, Utilisation, speed, utilise};
use crate::cli::progress::{print, say};
use crate::cli::signals;
use crate::config::AugmentConfig;
use crate::config::{Compression, ShardFormat};
use crate::error::Fault;
use crate::flow::Stop;
use crate::flow::threads;
use crate::loader::LoaderConfig;
use crate::number::size;
use crate::shard::table::Table;

/// Measure how fast training images are read, checked and augmented.
///
///   mammo-pipe bench loader
///   mammo-pipe bench loader RELEASE --step-ms 50 --batch 16
///
/// Without --step-ms: prints images per second for different threads and augmentations; without a
/// release, also for different formats, on generated images. The column "per core" divides by CPU
/// time instead of wall time, so other running programs hardly change it.
///
/// With --step-ms: takes a batch, sleeps for the length of a training step, takes the next one, and
/// so on. MLPerf Storage emulates a GPU in the same way. Prints the accelerator utilisation (AU):
/// the share of the time in which the device would have computed. If AU is below 99 %, training
/// would wait for data: use more threads, store shards in lz4 or as tensors, or augment less.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct LoaderArgs {
    /// Folder of a release. Not given: generated images.
    release: Option<PathBuf>,
    /// Length of the emulated training step, in milliseconds.
    #[arg(long, value_name = "MS")]
    step_ms: Option<f64>,
    /// Images per batch.
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// Number of emulated steps.
    #[arg(long, default_value_t = 400)]
    steps: usize,
    /// Threads that load images in the emulation. Not given: one per core.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Augmentation in the emulation.
    #[arg(long, value_enum, default_value_t = Augment::All)]
    augment: Augment,
    /// Images to load for each line of the table.
    #[arg(long, default_value_t = 4096)]
    images: usize,
    /// Memory limit of the loader, in MiB.
    #[arg(long, default_value_t = 256)]
    memory_mb: usize,
    /// Number of generated images.
    #[arg(long, default_value_t = 512)]
    generate: usize,
    /// Rows of a generated image.
    #[arg(long, default_value_t = 1024)]
    height: usize,
    /// Columns of a generated image.
    #[arg(long, default_value_t = 512)]
    width: usize,
    /// Bits per pixel of generated images: 8 or 16.
    #[arg(long, default_value_t = 8)]
    bits: u8,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// Augmentation of the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Augment {
    /// No augmentation.
    None,
    /// The default of training.
    Default,
    /// Every kind, on every image.
    All,
}

impl Augment {
    fn config(self) -> Option<AugmentConfig> {
        match self {
            Self::None => None,
            Self::Default => Some(AugmentConfig::default()),
            Self::All => Some(AugmentConfig::all()),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Default => "default",
            Self::All => "all",
        }
    }
}

#[derive(Debug, Serialize)]
struct SpeedLine {
    storage: String,
    bytes_per_image: u64,
    augment: Augment,
    #[serde(flatten)]
    speed: Speed,
}

#[derive(Debug, Serialize)]
struct UtilisationLine {
    storage: String,
    bytes_per_image: u64,
    augment: Augment,
    threads: usize,
    #[serde(flatten)]
    utilisation: Utilisation,
}

/// A temporary folder for generated releases, removed at the end.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            say(&format!("{} could not be removed: {error}", self.0.display()));
        }
    }
}

impl LoaderArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`] if the release cannot be read, or the memory limit is too low.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let stop = Stop::default();
        let next = "ending this measurement and printing what there is";
        let _handled = signals::handle(&stop, next).map_err(Fault::io("signal handlers"))?;
        let (mut speeds, mut utilisations) = (Vec::new(), Vec::new());
        match &self.release {
            Some(release) => {
                self.measure(
                    Arc::new(Table::read(release)?),
                    &stop,
                    &mut speeds,
                    &mut utilisations,
                )?;
            }
            None => {
                let folder =
                    std::env::temp_dir().join(format!("mammo-pipe-{}", std::process::id()));
                let scratch = Scratch(folder);
                say(&format!("drawing {} x {} phantoms", self.width, self.height));
                let pictures = Pictures::new(self.height, self.width);
                for (format, compression) in self.storages() {
                    let release =
                        scratch.0.join(storage(*format, Some(*compression)).replace(' ', "-"));
                    let table = self.generated(&pictures, &release, *format, *compression)?;
                    self.measure(table, &stop, &mut speeds, &mut utilisations)?;
                    if stop.is_raised() {
                        break;
                    }
                }
            }
        }
        if self.json {
            let both = serde_json::json!({ "speed": speeds, "utilisation": utilisations });
            print(&both.to_string());
        } else if self.step_ms.is_some() {
            print(&utilisation_table(&utilisations));
        } else {
            print(&speed_table(&speeds));
        }
        let interrupted = signals::interrupted();
        Ok(if stop.is_raised() { interrupted } else { ExitCode::SUCCESS })
    }

    fn storages(&self) -> &'static [(ShardFormat, Compression)] {
        use {Compression::*, ShardFormat::*};
        match self.step_ms {
            Some(_) => &[(Parquet, Zstd), (Tensor, None)],
            Option::None => {
                &[(Parquet, Zstd), (Parquet, Lz4), (Parquet, None), (Tensor, Lz4), (Tensor, None)]
            }
        }
    }

    fn generated(
        &self,
        pictures: &Pictures,
        release: &Path,
        format: ShardFormat,
        compression: Compression,
    ) -> Result<Arc<Table>, Fault> {
        let spec = Spec {
            images: self.generate,
            height: self.height,
            width: self.width,
            bits: self.bits,
            format,
            compression: Some(compression),
            ..Spec::default()
        };
        pictures.write(release, &spec)?;
        Ok(Arc::new(Table::read(release)?))
    }

    fn measure(
        &self,
        table: Arc<Table>,
        stop: &Stop,
        speeds: &mut Vec<SpeedLine>,
        utilisations: &mut Vec<UtilisationLine>,
    ) -> Result<(), Fault> {
        let storage = storage(table.shape.format, table.compression);
        let bytes: u64 = table.shards.iter().map(|shard| shard.bytes).sum();
        let bytes_per_image = bytes / table.rows.len().max(1) as u64;
        let cores = threads::count(None);
        let config = |threads, augment: Augment| LoaderConfig {
            batch: self.batch,
            threads,
            memory_mb: self.memory_mb,
            augment: augment.config(),
            ..LoaderConfig::default()
        };
        if let Some(step_ms) = self.step_ms {
            let threads = self.threads.unwrap_or(cores).max(1);
            say(&format!("{storage}: {} steps of {step_ms} ms", self.steps));
            let step = Duration::from_secs_f64(step_ms.clamp(0.0, 1e6) / 1e3);
            let config = config(threads, self.augment);
            let utilisation = utilise(&table, &config, step, self.steps, stop)?;
            let augment = self.augment;
            let line = UtilisationLine { storage, bytes_per_image, augment, threads, utilisation };
            utilisations.push(line);
            return Ok(());
        }
        let threads = if cores > 1 { vec![1, cores] } else { vec![1] };
        for threads in threads {
            for augment in [Augment::None, Augment::Default, Augment::All] {
                if stop.is_raised() {
                    return Ok(());
                }
                say(&format!("{storage}, {threads} threads, augmentation {}", augment.as_str()));
                let speed = speed(&table, &config(threads, augment), self.images, stop)?;
                let storage = storage.clone();
                speeds.push(SpeedLine { storage, bytes_per_image, augment, speed });
            }
        }
        Ok(())
    }
}

fn storage(format: ShardFormat, compression: Option<Compression>) -> String {
    let format_name = match format {
        ShardFormat::Parquet => "parquet",
        ShardFormat::Tensor => "tensor",
    };
    let default = match format {
        ShardFormat::Parquet => Compression::Zstd,
        ShardFormat::Tensor => Compression::None,
    };
    let compression = match compression.unwrap_or(default) {
        Compression::None => "none",
        Compression::Lz4 => "lz4",
        Compression::Zstd => "zstd",
    };
    format!("{format_name} {compression}")
}

fn speed_table(lines: &[SpeedLine]) -> String {
    let row = |line: &SpeedLine| {
        let speed = &line.speed;
        let core = speed.images_per_cpu_second.map_or("".into(), |rate| format!("{rate:.0}"));
        format!(
            "{:<14} {:>9} {:>7}  {:<12} {:>8.0} {core:>8} {:>11} {:>9}",
            line.storage,
            size(line.bytes_per_image),
            speed.threads,
            line.augment.as_str(),
            speed.images_per_second,
            format!("{}/s", size(speed.bytes_per_second as u64)),
            speed.memory_bytes.map(size).unwrap_or_default(),
        )
    };
    let head = format!(
        "{:<14} {:>9} {:>7}  {:<12} {:>8} {:>8} {:>11} {:>9}",
        "storage",
        "per image",
        "threads",
        "augmentation",
        "images/s",
        "per core",
        "pixels",
        "memory"
    );
    std::iter::once(head).chain(lines.iter().map(row)).collect::<Vec<_>>().join("\n")
}

fn utilisation_table(lines: &[UtilisationLine]) -> String {
    let row = |line: &UtilisationLine| {
        let found = &line.utilisation;
        let cpu = found.cpu_ms_per_step.map_or("".into(), |ms| format!("{ms:.1}"));
        format!(
            "{:<14} {:>7}  {:<12} {:>6.2} {:>10.1} {:>12.1} {cpu:>11} {:>9} {:>9}",
            line.storage,
            line.threads,
            line.augment.as_str(),
            100.0 * found.utilisation,
            1e3 * found.first_wait_s,
            1e3 * found.longest_wait_s,
            found.memory_bytes.map(size).unwrap_or_default(),
            size(found.memory_limit_bytes),
        )
    };
    let head = format!(
        "{:<14} {:>7}  {:<12} {:>6} {:>10} {:>12} {:>11} {:>9} {:>9}",
        "storage",
        "threads",
        "augmentation",
        "AU %",
        "first, ms",
        "longest, ms",
        "CPU ms/step",
        "memory",
        "limit"
    );
    std::iter::once(head).chain(lines.iter().map(row)).collect::<Vec<_>>().join("\n")
}
