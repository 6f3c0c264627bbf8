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
    /// Device that trains: cpu, or cuda:0 for the first GPU [default: cpu, or the preset's].
    #[arg(long, value_name = "DEVICE")]
    device: Option<Device>,
    /// Initial weights: a file (safetensors, pth or bin, with timm's or torchvision's names), a
    /// name on the hub such as timm/efficientnet_b4.ra2_in1k, or random [default: random, or the
    /// preset's].
    #[arg(long, value_name = "WEIGHTS")]
    init: Option<String>,
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

    /// The device: the flag's, the preset's, or the CPU.
    pub fn device(&self) -> Device {
        let preset = || self.settings.preset()?.device.parse().ok();
        self.device.or_else(preset).unwrap_or(Device::Cpu)
    }

    /// Whether `--device` was given.
    pub fn device_is_given(&self) -> bool {
        self.device.is_some()
    }

    /// Whether `--init` was given.
    pub fn init_is_given(&self) -> bool {
        self.init.is_some()
    }

    /// The initial weights: the flag's or the preset's; `None` for random ones.
    pub fn init(&self) -> Option<String> {
        let preset = || self.settings.preset().map(|preset| preset.init.to_owned());
        self.init.clone().or_else(preset).filter(|init| init != "random")
    }

    /// The setup of a run with these settings and initial weights.
    pub fn setup(&self, train: TrainConfig, init: Option<String>) -> Setup {
        let loader_threads = match self.device() {
            // On a CPU the network needs the cores more than the loader does.
            Device::Cpu => 1,
            _ => self.threads.unwrap_or(0),
        };
        Setup { train, device: self.device(), init, loader_threads }
    }
}

/// The last part of a release's path, for the name of a run or sweep.
pub(super) fn stem(release: &Path) -> String {
    let name = std::path::absolute(release).ok();
    let name = name.as_deref().and_then(Path::file_name);
    name.map_or("run".to_owned(), |name| name.to_string_lossy().into_owned())
}
