//! `mammo-pipe completions` and `mammo-pipe man`: files for shells and for `man`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use super::help;
use super::progress::print;
use crate::error::Fault;
use crate::store::Target;

/// Print completions for a shell, so that Tab completes commands and flags.
///
///   mammo-pipe completions bash > ~/.local/share/bash-completion/completions/mammo-pipe
///   mammo-pipe completions zsh > ~/.zfunc/_mammo-pipe      # with ~/.zfunc in fpath
///   mammo-pipe completions fish > ~/.config/fish/completions/mammo-pipe.fish
///
/// The folder of the file has to exist. New shells then complete; no other program is needed.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl CompletionsArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// None.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut help::command(80), "mammo-pipe", &mut text);
        print(String::from_utf8_lossy(&text).trim_end());
        Ok(ExitCode::SUCCESS)
    }
}

/// Print the manual page of a command, or write all pages to a folder.
///
///   mammo-pipe man train | man -l -
///   mammo-pipe man --output ~/.local/share/man/man1        # then: man mammo-pipe-train
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ManArgs {
    /// The command [default: mammo-pipe itself].
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Write one page per command to this folder.
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    output: Option<PathBuf>,
    /// Replace pages in --output that were not made by mammo-pipe.
    #[arg(long, requires = "output")]
    force: bool,
}

impl ManArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Fault::Io`] if a page cannot be written; [`Fault::Cause`] for an unknown command.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let mut top = help::command(80);
        top.build();
        if let Some(folder) = &self.output {
            std::fs::create_dir_all(folder).map_err(Fault::io(folder))?;
            let pages = pages(&top);
            for (name, page) in &pages {
                Target::new(folder.join(format!("{name}.1")), self.force)?.put(page)?;
            }
            print(&format!("{} pages in {}", pages.len(), folder.display()));
            return Ok(ExitCode::SUCCESS);
        }
        let mut command = &top;
        for name in &self.command {
            command = command.find_subcommand(name).ok_or_else(|| super::failure::UsageError {
                message: format!("man: there is no command {name}"),
                help: "mammo-pipe --help".into(),
            })?;
        }
        print(String::from_utf8_lossy(&page(command)).trim_end());
        Ok(ExitCode::SUCCESS)
    }
}

/// Every command's page with its name: mammo-pipe-train.
fn pages(command: &Command) -> Vec<(String, Vec<u8>)> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let mut pages = vec![(name, page(command))];
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        pages.extend(self::pages(below));
    }
    pages
}

fn page(command: &Command) -> Vec<u8> {
    let mut command = command.clone();
    // A manual page has no terminal codes.
    if let Some(after) = command.get_after_long_help().map(ToString::to_string) {
        command = command.after_long_help(after);
    }
    let mut page = Vec::new();
    Man::new(command).render(&mut page).expect("a vector takes any bytes");
    page
}
