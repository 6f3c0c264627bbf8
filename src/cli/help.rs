//! How the help of every command is laid out.
//!
//! In: the doc comments of the commands, in which an indented paragraph is a list of examples. Out:
//! paragraphs that fit the terminal, and the examples at the end, under a heading: a comment above
//! its command, and a command that is too long broken with a backslash, so that it can be pasted.

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::builder::StyledStr;
use clap::{Command, CommandFactory, FromArgMatches};

use super::{Cli, colour, signals};
use crate::error::Fault;
use crate::store::arguments_at_home;

/// Widest text, as clap has it.
const WIDEST: usize = 100;

/// Parses the command line, in which `~` is the home folder, and runs the command. A wrong command
/// line is printed with exit code 2, help and version with 0.
///
/// # Errors
/// The [`Fault`] of the command; help or a version that cannot be printed. A closed pipe is no
/// error.
pub fn run() -> Result<ExitCode, Fault> {
    signals::from_the_start()?;
    let arguments = arguments_at_home(std::env::args_os());
    let matches = command(width()).try_get_matches_from(arguments);
    let usage = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => return cli.run(),
        Err(usage) => usage,
    };
    match usage.print() {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Fault::io("standard output")(error))
        }
        _ => Ok(ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2))),
    }
}

/// The program's command line, its help laid out for this width.
pub fn command(width: usize) -> Command {
    lay_out(Cli::command().styles(colour::styles()), width)
}

/// Columns of the terminal, or of `COLUMNS`, up to 100.
fn width() -> usize {
    let terminal = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    let given = || std::env::var("COLUMNS").ok()?.parse().ok();
    terminal.or_else(given).filter(|width| *width > 20).unwrap_or(WIDEST).min(WIDEST)
}

fn lay_out(command: Command, width: usize) -> Command {
    let about = command.get_about().map(StyledStr::to_string);
    let long = command.get_long_about().map(StyledStr::to_string);
    let mut command = command.mut_subcommands(|below| lay_out(below, width));
    if let Some(about) = about {
        command = command.about(joined(about.trim_end_matches('.')));
    }
    let Some(long) = long else { return command };
    let (examples, text): (Vec<&str>, Vec<&str>) =
        long.split("\n\n").partition(|paragraph| paragraph.starts_with("  "));
    let text: Vec<String> = text.into_iter().map(joined).collect();
    command = command.long_about(text.join("\n\n"));
    if examples.is_empty() {
        return command;
    }
    let heading = colour::HEADING;
    let examples: Vec<String> = examples.into_iter().map(|e| laid_out(e, width)).collect();
    command.after_long_help(format!("{heading}Examples:{heading:#}\n{}", examples.join("\n\n")))
}

/// A paragraph as one line, which clap wraps; a list keeps its lines.
fn joined(paragraph: &str) -> String {
    let is_list = paragraph.lines().skip(1).any(|line| line.starts_with("- "));
    let lines: Vec<&str> = paragraph.lines().map(str::trim_end).collect();
    lines.join(if is_list { "\n" } else { " " })
}

/// Examples for a terminal of this width.
fn laid_out(examples: &str, width: usize) -> String {
    let fits = examples.lines().all(|line| line.chars().count() <= width);
    if fits {
        return examples.to_owned();
    }
    let mut lines: Vec<String> = Vec::new();
    for line in examples.lines().map(str::trim) {
        let (command, comment) = match line.split_once(" # ") {
            Some((command, comment)) => (command.trim_end(), Some(comment.trim())),
            None => (line, None),
        };
        lines.extend(comment.map(|comment| wrapped(comment, width, "  # ", "  # ", "")));
        lines.push(wrapped(command, width, "  ", "      ", " \\"));
    }
    lines.join("\n")
}

/// `text` in lines of at most `width`, with `end` at the end of all but the last.
fn wrapped(text: &str, width: usize, first: &str, other: &str, end: &str) -> String {
    let (mut lines, mut line) = (Vec::new(), first.to_owned());
    let mut is_empty = true;
    for word in text.split(' ') {
        let space = usize::from(!is_empty);
        let length = line.chars().count() + space + word.chars().count() + end.len();
        if length > width && !is_empty {
            lines.push(line + end);
            line = other.to_owned();
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    lines.push(line);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(command: &Command, name: &str, check: &mut dyn FnMut(&str, &Command)) {
        check(name, command);
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            every(below, &format!("{name} {}", below.get_name()), check);
        }
    }

    #[test]
    fn every_command_has_an_example_of_itself() {
        every(&command(100), "mammo-pipe", &mut |name, command| {
            let after = command.get_after_long_help().map(StyledStr::to_string);
            let after = after.unwrap_or_default();
            let shows = after.lines().any(|line| {
                let line = line.trim_start().trim_start_matches("watch ");
                line.starts_with(name) || line.contains(&format!("$({name}"))
            });
            assert!(shows, "{name}: its examples are {after:?}");
        });
    }

    #[test]
    fn help_fits_a_terminal_of_60_80_and_100_columns() {
        for width in [60, 80, 100] {
            let mut top = command(width).term_width(width);
            top.build();
            every(&top, "mammo-pipe", &mut |name, command| {
                let help = command.clone().term_width(width).render_long_help().to_string();
                for line in help.lines() {
                    let is_one_word = line.split_whitespace().count() <= 1;
                    // clap itself does not break usage lines, nor the list of possible values.
                    let is_clap_s = line.starts_with("Usage:") || line.contains("[possible values");
                    let length = line.chars().count();
                    assert!(
                        length <= width || is_one_word || is_clap_s,
                        "{name}: {length}: {line}"
                    );
                }
            });
        }
    }

    #[test]
    fn a_long_example_is_broken_so_that_it_can_be_pasted() {
        let example =
            "  mammo-pipe train release --fold all --device cuda:0 --detach  # in the back";
        assert_eq!(laid_out(example, 100), example);
        assert_eq!(
            laid_out(example, 50),
            "  # in the back\n  mammo-pipe train release --fold all --device \\\n      cuda:0 --detach"
        );
    }

    #[test]
    fn every_example_is_a_command_line_that_the_program_accepts() {
        let top = command(1000);
        let mut commands = Vec::new();
        every(&top, "mammo-pipe", &mut |_, command| {
            let after = command.get_after_long_help().map(StyledStr::to_string);
            commands.extend(after.unwrap_or_default().lines().map(str::to_owned));
        });
        for line in commands {
            let line = line.split(" # ").next().unwrap_or_default().trim();
            let line = line.trim_start_matches("watch ");
            let line = line.split(" > ").next().unwrap_or_default();
            let line = line.split(" | ").next().unwrap_or_default();
            if !line.starts_with("mammo-pipe") {
                continue;
            }
            let parsed = command(1000).try_get_matches_from(line.split_whitespace());
            let shown = |kind| {
                use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
                matches!(kind, DisplayHelp | DisplayVersion)
            };
            if let Err(error) = parsed {
                assert!(shown(error.kind()), "{line}: {error}");
            }
        }
    }
}
