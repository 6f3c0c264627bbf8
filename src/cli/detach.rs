//! Starts the same command in the background.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::Fault;

/// Starts this program with the same arguments except `--detach`, plus `more`. Its output goes to
/// `log`. Returns the process id.
///
/// # Errors
/// [`Fault::Io`].
pub fn detach(log: &Path, more: &[&str]) -> Result<u32, Fault> {
    let program = std::env::current_exe().map_err(Fault::io(PathBuf::from("this program")))?;
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder).map_err(Fault::io(folder))?;
    }
    let output = File::options().create(true).append(true).open(log).map_err(Fault::io(log))?;
    let errors = output.try_clone().map_err(Fault::io(log))?;
    let mut command = Command::new(&program);
    command
        .args(std::env::args_os().skip(1).filter(|a| a != "--detach"))
        .args(more)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let child = command.spawn().map_err(Fault::io(program))?;
    Ok(child.id())
}
