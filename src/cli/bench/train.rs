//! `mammo-pipe bench train`

use std::process::ExitCode;

use clap::Args;

use crate::bench::train::{Report, Spec, measure};
use crate::cli::progress::print;
use crate::error::Fault;
use crate::flow::threads;
use crate::model::{Device, GradientCheckpointing, Options, Precision, Variant};

/// Time training steps of a network on random images, without a loader.
///
///   mammo-pipe bench train --batch 4 --height 256 --width 256 --threads 2
///   python3 benches/peers/train_torch.py --batch 4 --height 256 --width 256 --threads 2
///
/// A step is a forward pass, a backward pass and an AdamW update; with --forward-only, inference.
/// Prints the median time of a step, images per second and peak memory, as the Python peer does.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct TrainArgs {
    /// Network: efficientnet_b0 to efficientnet_b7.
    #[arg(long, default_value = "efficientnet_b4")]
    model: Variant,
    /// Device: cpu, or cuda:0 for the first GPU.
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// Type of the activations: f32, or bf16 on a GPU.
    #[arg(long, default_value = "f32")]
    precision: Precision,
    /// Images per step.
    #[arg(long, default_value_t = 4)]
    batch: usize,
    /// Input channels, 1 or 3.
    #[arg(long, default_value_t = 1)]
    channels: usize,
    /// Rows of an image.
    #[arg(long, default_value_t = 256)]
    height: usize,
    /// Columns of an image.
    #[arg(long, default_value_t = 128)]
    width: usize,
    /// Measured steps.
    #[arg(long, default_value_t = 10)]
    steps: usize,
    /// Unmeasured steps before those.
    #[arg(long, default_value_t = 3)]
    warmup: usize,
    /// Threads that compute on the CPU. Not given: one per core.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Store only the input of each stage, and compute the rest again in the backward pass: takes
    /// less memory and more time.
    #[arg(long)]
    gradient_checkpointing: bool,
    /// Measure inference instead of training.
    #[arg(long)]
    forward_only: bool,
    /// Print the result as one line of JSON.
    #[arg(long)]
    json: bool,
}

impl TrainArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`] if the device is missing or fails.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let gradient_checkpointing = match self.gradient_checkpointing {
            true => GradientCheckpointing::Stages,
            false => GradientCheckpointing::Off,
        };
        let (device, precision) = (self.device, self.precision);
        let spec = Spec {
            variant: self.model,
            channels: self.channels,
            options: Options { device, precision, gradient_checkpointing, ..Options::default() },
            batch: self.batch,
            height: self.height,
            width: self.width,
            steps: self.steps.max(1),
            warmup: self.warmup,
            forward_only: self.forward_only,
        };
        let pool = threads::pool(threads::count(self.threads))?;
        let report = pool.install(|| measure(&spec))?;
        if self.json {
            print(&serde_json::to_string(&report).expect("plain data becomes JSON"));
        } else {
            print(&text(&report));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn text(report: &Report) -> String {
    let what = if report.forward_only { "inference" } else { "training" };
    let mut text = format!(
        "{} {what}, batch {}, {}x{}, {} threads\n{:9.1} ms per step\n{:9.2} images/s",
        report.model,
        report.batch,
        report.height,
        report.width,
        report.threads,
        report.step_ms,
        report.images_per_s,
    );
    if let Some(peak) = report.peak_mib {
        text.push_str(&format!("\n{peak:9.0} MiB peak memory"));
    }
    text
}
