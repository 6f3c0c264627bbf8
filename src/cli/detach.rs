//! Starts the same command in the background.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Fault;

/// How long a process in the background is watched: a start that fails is told at once.
const WATCHED: Duration = Duration::from_secs(1);

/// Starts this program with the same arguments except `--detach`, plus `more`. Its output goes to
/// `log`. Returns the process id. Check all that can be checked before.
///
/// # Errors
/// [`Fault::Io`], also if the process ends with an error at once; its message is the reason.
pub fn detach(log: &Path, more: &[&str]) -> Result<u32, Fault> {
    let program = std::env::current_exe().map_err(Fault::io(PathBuf::from("this program")))?;
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder).map_err(Fault::io(folder))?;
    }
    let output = File::options().create(true).append(true).open(log).map_err(Fault::io(log))?;
    // The log may hold the output of an earlier process.
    let before = output.metadata().map_err(Fault::io(log))?.len();
    let errors = output.try_clone().map_err(Fault::io(log))?;
    let mut command = Command::new(&program);
    command
        .args(std::env::args_os().skip(1).filter(|a| a != "--detach"))
        .args(more)
        // The log is plain text, whatever the terminal shows.
        .env("NO_COLOR", "1")
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let child = command.spawn().map_err(Fault::io(program))?;
    let process = child.id();
    watch(child, log, before)?;
    Ok(process)
}

fn watch(mut child: Child, log: &Path, before: u64) -> Result<(), Fault> {
    let start = Instant::now();
    while start.elapsed() < WATCHED {
        if let Some(status) = child.try_wait().map_err(Fault::io(log))? {
            // 3 is a release without some of its images: the work is done.
            if status.success() || status.code() == Some(3) {
                return Ok(());
            }
            let text = std::fs::read(log).unwrap_or_default();
            let text = text.get(usize::try_from(before).unwrap_or(usize::MAX)..).unwrap_or(&[]);
            let reason = reason(&String::from_utf8_lossy(text)).to_owned();
            let reason = format!("the process in the background ended at once: {reason}");
            return Err(Fault::io(log)(io::Error::other(reason)));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Why a process ended, from its output: its last error, else its last line.
fn reason(output: &str) -> &str {
    let error = output.lines().rev().find_map(|line| line.strip_prefix("error: "));
    let last = || output.lines().rev().find(|line| !line.trim().is_empty());
    error.or_else(last).unwrap_or("it says nothing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_error_and_not_the_tip_below_it() {
        let output = "reading release\nerror: x.yaml: no such file\n\n  tip: check the name\n\n";
        assert_eq!(reason(output), "x.yaml: no such file");
        assert_eq!(reason("error: one\nerror: two\n"), "two");
        assert_eq!(reason("killed by the system\n \n\n"), "killed by the system");
        assert_eq!(reason("\n"), "it says nothing");
    }
}
