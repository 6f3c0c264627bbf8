//! What is printed when a command fails, and the exit code.
//!
//! A wrong command line ends with 2 and a line that says where to read on, whether a flag is wrong
//! (clap finds that) or a setting ([`UsageError`]). Any other [`Fault`] ends with 1, and if what to
//! do is the same for every file of that kind of error, a tip says it.

use std::io::{self, Write};
use std::process::ExitCode;

use super::colour::{self, Stream};
use crate::error::{Fault, chain, faults};

/// A wrong setting, or arguments that do not fit together.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct UsageError {
    /// What is wrong.
    pub message: String,
    /// The command that explains it.
    pub help: String,
}
faults!(UsageError);

/// The error of a wrong command line; `help` is the command that explains it.
pub fn usage(message: impl Into<String>, help: impl Into<String>) -> Fault {
    UsageError { message: message.into(), help: help.into() }.into()
}

/// Prints the error with its causes, and what to do next. Returns the exit code.
pub fn report(fault: &Fault) -> ExitCode {
    let error = colour::paint(Stream::Error, colour::ERROR, "error:");
    let mut text = format!("{error} {}\n", chain(fault));
    let usage = fault.cause::<UsageError>();
    if let Some(UsageError { help, .. }) = usage {
        text += &format!("\nFor more information, try '{help}'.\n");
    } else if let Some(tip) = tip(fault) {
        let label = colour::paint(Stream::Error, colour::TIP, "tip:");
        text += &format!("\n  {label} {tip}\n");
    }
    let _ = io::stderr().write_all(text.as_bytes());
    ExitCode::from(if usage.is_some() { 2 } else { 1 })
}

/// What to do after an error of the file system.
fn tip(fault: &Fault) -> Option<String> {
    let Fault::Io { path, source } = fault else { return None };
    match source.kind() {
        io::ErrorKind::NotFound => {
            let from = std::env::current_dir().ok().filter(|_| path.is_relative());
            let from = from.map(|folder| format!("; it is looked for in {}", folder.display()));
            Some(format!("check the name{}", from.unwrap_or_default()))
        }
        io::ErrorKind::PermissionDenied => Some(format!(
            "ls -ld '{}' shows who may read and write it; choose another folder, or ask its owner",
            path.display()
        )),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(
            "free some space (df -h shows how much there is), then run the same command again"
                .into(),
        ),
        io::ErrorKind::IsADirectory => Some("this is a folder; give the name of a file".into()),
        io::ErrorKind::NotADirectory => Some("this is a file; give the name of a folder".into()),
        io::ErrorKind::ReadOnlyFilesystem => {
            Some("nothing can be written there; choose a folder on another disk".into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_file_system_says_what_to_do() {
        let of = |kind: io::ErrorKind| tip(&Fault::io("here")(kind.into()));
        assert!(of(io::ErrorKind::NotFound).unwrap().contains("looked for in"));
        assert!(of(io::ErrorKind::PermissionDenied).unwrap().contains("ls -ld 'here'"));
        assert!(of(io::ErrorKind::StorageFull).unwrap().contains("run the same command again"));
        assert_eq!(of(io::ErrorKind::Other), None);
    }
}
