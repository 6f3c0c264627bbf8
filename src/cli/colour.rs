//! Colour, where it helps: errors, verdicts, headings.
//!
//! A terminal gets colour, a file or a pipe none. `NO_COLOR` and `CLICOLOR=0` switch it off,
//! `CLICOLOR_FORCE=1` switches it on; a dumb terminal has none. clap's messages follow the same
//! rules, so all of the program looks alike.

use anstream::{AutoStream, ColorChoice};
use clap::builder::Styles;
use clap::builder::styling::{AnsiColor, Style};

/// Something is wrong.
pub const ERROR: Style = AnsiColor::Red.on_default().bold();
/// Something to look at.
pub const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// All is well.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What to do next.
pub const TIP: Style = AnsiColor::Green.on_default();
/// A heading.
pub const HEADING: Style = Style::new().bold().underline();
/// Text of less interest.
pub const DIM: Style = Style::new().dimmed();
/// What was changed.
pub const CHANGED: Style = AnsiColor::Cyan.on_default().bold();

/// Where a text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Error,
}

/// `text` in this style if its stream shows colour; else as it is.
pub fn paint(stream: Stream, style: Style, text: &str) -> String {
    let choice = match stream {
        Stream::Out => AutoStream::choice(&std::io::stdout()),
        Stream::Error => AutoStream::choice(&std::io::stderr()),
    };
    match choice {
        ColorChoice::Never => text.to_owned(),
        _ => format!("{style}{text}{style:#}"),
    }
}

/// The styles of help and of clap's errors.
pub fn styles() -> Styles {
    Styles::styled()
        .header(HEADING)
        .usage(HEADING)
        .literal(Style::new().bold())
        .error(ERROR)
        .valid(TIP)
        .invalid(WARNING)
}
