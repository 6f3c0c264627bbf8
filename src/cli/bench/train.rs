//! `mammo-pipe bench train`

use std::process::ExitCode;

use clap::Args;

use crate::bench::train::{Report, Spec, measure};
use crate::cli::progress::print;
use crate::error::Fault;
use crate::model::{Device, GradientCheckpointing, ModelError, Options, Precision, Variant};

/// Time training steps of a network on random images, without a loader.
///
///   mammo-pipe bench train --batch 4 --height 256 --width 256 --threads 2
///   python3 benches/peers/train_torch.py --batch 4 --height 256 --width 256 --threads 2
///
/// A step is forward, backward and AdamW; with --forward-only, inference. Prints the median
/// step, images a second and the peak of memory, as the Python peer does.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct TrainArgs {
    /// efficientnet_b0 to efficientnet_b7.
    #[arg(long, default_value = "efficientnet_b4")]
    model: Variant,
    /// Where to compute: cpu, or cuda:0.
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// Numbers of the activations: f32, or bf16 on a GPU.
    #[arg(long, default_value = "f32")]
    precision: Precision,
    /// Images a step.
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
    /// Steps that are measured.
    #[arg(long, default_value_t = 10)]
    steps: usize,
    /// Steps before those.
    #[arg(long, default_value_t = 3)]
    warmup: usize,
    /// Threads; 0 for all of the machine.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Keep only what enters each stage, and compute the rest again: less memory, more time.
    #[arg(long)]
    checkpoint: bool,
    /// Inference instead of training.
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
    /// A [`Fault`] where the device is missing or refuses.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let gradient_checkpointing = match self.checkpoint {
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
        let threads = rayon::ThreadPoolBuilder::new().num_threads(self.threads).build();
        let threads = threads.map_err(|error| ModelError::Device(error.to_string()))?;
        let report = threads.install(|| measure(&spec))?;
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
        "{} {what}, batch {}, {}x{}, {} threads\n{:9.1} ms a step\n{:9.2} images/s",
        report.model,
        report.batch,
        report.height,
        report.width,
        report.threads,
        report.step_ms,
        report.images_per_s,
    );
    if let Some(peak) = report.peak_mib {
        text.push_str(&format!("\n{peak:9.0} MiB at most"));
    }
    text
}
