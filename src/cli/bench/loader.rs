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
use crate::loader::LoaderConfig;
use crate::number::size;
use crate::shard::table::Table;

/// Measure how fast training images are read, checked and augmented.
///
///   mammo-pipe bench loader
///   mammo-pipe bench loader RELEASE --step-ms 50 --batch 16
///
/// Without --step-ms: images a second by threads and augmentation; without a release also by
/// format, on generated images. "a core" divides by the cores' time and not by the clock, so it
/// hardly changes while other programs run.
///
/// With --step-ms: takes a batch, sleeps for the length of a training step, takes the next, as
/// MLPerf Storage does in place of a GPU, and prints AU, the share of the run that the device
/// would have computed. A training run that waits for data has an AU below 99 %: give it more
/// threads, keep shards in lz4 or tensors, or augment less.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct LoaderArgs {
    /// The folder that preprocess wrote; generated images if absent.
    release: Option<PathBuf>,
    /// Length of a training step that is emulated by a sleep, in milliseconds.
    #[arg(long, value_name = "MS")]
    step_ms: Option<f64>,
    /// Images in a batch.
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// Steps of the emulation.
    #[arg(long, default_value_t = 400)]
    steps: usize,
    /// Loader threads of the emulation; 0 for one a core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// What is done to the images of the emulation.
    #[arg(long, value_enum, default_value_t = Augment::All)]
    augment: Augment,
    /// Images to take for each line of the table.
    #[arg(long, default_value_t = 4096)]
    images: usize,
    /// Memory that the loader may take, in MiB.
    #[arg(long, default_value_t = 256)]
    memory_mb: usize,
    /// Generated images: how many.
    #[arg(long, default_value_t = 512)]
    generate: usize,
    /// Generated images: rows.
    #[arg(long, default_value_t = 1024)]
    height: usize,
    /// Generated images: columns.
    #[arg(long, default_value_t = 512)]
    width: usize,
    /// Generated images: bits, 8 or 16.
    #[arg(long, default_value_t = 8)]
    bits: u8,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// What is done to images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Augment {
    /// Nothing.
    None,
    /// As training does by default.
    Default,
    /// Everything, on every image.
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
    bytes_an_image: u64,
    augment: Augment,
    #[serde(flatten)]
    speed: Speed,
}

#[derive(Debug, Serialize)]
struct UtilisationLine {
    storage: String,
    bytes_an_image: u64,
    augment: Augment,
    threads: usize,
    #[serde(flatten)]
    utilisation: Utilisation,
}

/// A folder for generated releases, removed when the run ends.
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
    /// A [`Fault`] if the release cannot be read, or not with this memory.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let stop = Stop::default();
        signals::handle(&stop).map_err(Fault::io("signals"))?;
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
        let interrupted = ExitCode::from(signals::INTERRUPTED);
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
        let bytes_an_image = bytes / table.rows.len().max(1) as u64;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let config = |threads, augment: Augment| LoaderConfig {
            batch: self.batch,
            threads,
            memory_mb: self.memory_mb,
            augment: augment.config(),
            ..LoaderConfig::default()
        };
        if let Some(step_ms) = self.step_ms {
            let threads = if self.threads == 0 { cores } else { self.threads };
            say(&format!("{storage}: {} steps of {step_ms} ms", self.steps));
            let step = Duration::from_secs_f64(step_ms.clamp(0.0, 1e6) / 1e3);
            let config = config(threads, self.augment);
            let utilisation = utilise(&table, &config, step, self.steps, stop)?;
            let augment = self.augment;
            let line = UtilisationLine { storage, bytes_an_image, augment, threads, utilisation };
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
                speeds.push(SpeedLine { storage, bytes_an_image, augment, speed });
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
            "{:<14} {:>9} {:>7}  {:<12} {:>8.0} {core:>7} {:>11} {:>9}",
            line.storage,
            size(line.bytes_an_image),
            speed.threads,
            line.augment.as_str(),
            speed.images_per_second,
            format!("{}/s", size(speed.bytes_per_second as u64)),
            speed.memory_bytes.map(size).unwrap_or_default(),
        )
    };
    let head = format!(
        "{:<14} {:>9} {:>7}  {:<12} {:>8} {:>7} {:>11} {:>9}",
        "storage", "an image", "threads", "augmentation", "images/s", "a core", "pixels", "memory"
    );
    std::iter::once(head).chain(lines.iter().map(row)).collect::<Vec<_>>().join("\n")
}

fn utilisation_table(lines: &[UtilisationLine]) -> String {
    let row = |line: &UtilisationLine| {
        let found = &line.utilisation;
        let cpu = found.cpu_ms_a_step.map_or("".into(), |ms| format!("{ms:.1}"));
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
