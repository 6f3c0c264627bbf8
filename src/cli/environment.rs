//! `mammo-pipe environment`: the environment variables that the program reads.

use std::process::ExitCode;

use clap::Args;

use super::grid::Grid;
use super::progress::print;
use crate::error::Fault;

/// List the environment variables that mammo-pipe reads, with their values.
///
///   mammo-pipe environment
///   HF_HOME=/scratch/hub mammo-pipe environment
///
/// MAMMO_PIPE_CUDA_LIBS: folders with NVIDIA's libraries (NVRTC, cuBLAS), separated by `:`. Without
/// it, /usr/local/cuda/lib64 and the system's folders are searched.
///
/// CUDA_VISIBLE_DEVICES: the GPUs that the driver shows, for example 1. The first of them is then
/// cuda:0.
///
/// HF_HOME: folder for weights that --init downloads [default: ~/.cache/huggingface].
///
/// HF_HUB_CACHE: the same folder, if it is not `hub` in HF_HOME.
///
/// HF_TOKEN: the secret that lets you download weights that are not public. It is never shown.
///
/// HF_ENDPOINT: address of the hub for --init, for example a mirror [default:
/// https://huggingface.co].
///
/// XDG_CACHE_HOME: folder for compiled GPU kernels (in mammo-net/kernels) [default: ~/.cache].
///
/// HOSTNAME: name of this machine in the claims of a sweep, if the system does not give one.
///
/// RAYON_NUM_THREADS: threads that compute in train, evaluate and explain, if --threads is not
/// given [default: one per core].
///
/// TMPDIR: folder for temporary files of dry runs; results never go there [default: /tmp].
///
/// MAMMO_PIPE_PROGRESS_SECONDS: seconds between two lines of progress in a log [default: 10].
///
/// NO_COLOR: if set, no colour. CLICOLOR=0 does the same, CLICOLOR_FORCE=1 colours files and pipes
/// too. TERM=dumb: no colour and no moving progress bar.
///
/// COLUMNS: width of help, if the output is no terminal.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct EnvironmentArgs {}

/// The variables, as the help above explains them.
pub const VARIABLES: [&str; 16] = [
    "MAMMO_PIPE_CUDA_LIBS",
    "CUDA_VISIBLE_DEVICES",
    "HF_HOME",
    "HF_HUB_CACHE",
    SECRET,
    "HF_ENDPOINT",
    "XDG_CACHE_HOME",
    "HOSTNAME",
    "RAYON_NUM_THREADS",
    "TMPDIR",
    "MAMMO_PIPE_PROGRESS_SECONDS",
    "NO_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "TERM",
    "COLUMNS",
];

/// A variable whose value is not shown.
const SECRET: &str = "HF_TOKEN";

impl EnvironmentArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// None.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let mut grid = Grid::new("ll");
        for name in VARIABLES {
            let value = std::env::var_os(name);
            let value = match value {
                None => "(not set)".into(),
                Some(_) if name == SECRET => "(set)".into(),
                Some(value) => value.to_string_lossy().into_owned(),
            };
            grid.row([name.into(), value]);
        }
        print(grid.to_string().trim_end());
        print("what each does: mammo-pipe help environment");
        Ok(ExitCode::SUCCESS)
    }
}
