//! The options that `train` and `sweep` share.

use std::path::Path;

use clap::Args;

use super::settings::SettingsArgs;
use crate::config::TrainConfig;
use crate::model::Device;
use crate::train::setup::Setup;

#[derive(Debug, Args)]
pub(super) struct TrainingArgs {
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Device that trains: cpu, or cuda:0 for the first GPU.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: Device,
    /// Initial weights: a file (safetensors, pth or bin, with timm's or torchvision's names), or a
    /// name on the hub such as timm/efficientnet_b4.ra2_in1k. Not given: random weights.
    #[arg(long, value_name = "WEIGHTS")]
    pub init: Option<String>,
    /// Threads that compute on the CPU, or that load images for a GPU. Not given: one per core.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Estimate time, memory and disk space from a few steps, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Run in the background. Prints how to follow and stop the run.
    #[arg(long)]
    pub detach: bool,
    /// Show no progress.
    #[arg(long, short)]
    pub quiet: bool,
}

impl TrainingArgs {
    /// Sets the size of the thread pool that computes on the CPU.
    pub fn start_threads(&self) {
        if let Some(threads) = self.threads {
            // It fails only if there is a pool already, as in a test.
            let _ = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build_global();
        }
    }

    /// The setup of a run with these settings and initial weights.
    pub fn setup(&self, train: TrainConfig, init: Option<String>) -> Setup {
        let loader_threads = match self.device {
            // On a CPU the network needs the cores more than the loader does.
            Device::Cpu => 1,
            _ => self.threads.unwrap_or(0),
        };
        Setup { train, device: self.device, init, loader_threads }
    }
}

/// The last part of a release's path, for the name of a run or sweep.
pub(super) fn stem(release: &Path) -> String {
    let name = std::path::absolute(release).ok();
    let name = name.as_deref().and_then(Path::file_name);
    name.map_or("run".to_owned(), |name| name.to_string_lossy().into_owned())
}
