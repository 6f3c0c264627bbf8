//! When, by whom and how a run was started: what its page tells, and no byte of a result.
//!
//! A run may be started several times, once and then resumed. The file has one line for each.

use std::io::Write as _;
use std::path::Path;

use chrono::DateTime;
use serde::{Deserialize, Serialize};

use super::shell_word;
use crate::error::Fault;

/// One start of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The time, in seconds since 1970.
    pub began: u64,
    /// The command line. Of an absolute path only the last part is kept, because it may name a
    /// person or a hospital.
    pub command: String,
    /// The program with its version.
    pub program: String,
    /// The device that computed: cpu, cuda:0.
    pub device: String,
}

impl Start {
    /// A start of this process now.
    pub fn now(program: &str, device: impl ToString) -> Self {
        let began = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let arguments = std::env::args_os().skip(1);
        let arguments: Vec<String> =
            arguments.map(|argument| argument.to_string_lossy().into_owned()).collect();
        Self {
            began: began.unwrap_or_default().as_secs(),
            command: command_line(&arguments),
            program: program.to_owned(),
            device: device.to_string(),
        }
    }

    /// The time in words: `2026-11-30 20:05 UTC`.
    pub fn date(&self) -> String {
        utc(self.began)
    }

    /// Adds this start to the file.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn append_to(&self, path: &Path) -> Result<(), Fault> {
        let mut file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(path)
            .map_err(Fault::io(path))?;
        let line = serde_json::to_string(self).map_err(Fault::json(path))? + "\n";
        file.write_all(line.as_bytes()).map_err(Fault::io(path))
    }

    /// The starts in the file, the first first; none if there is no file. A line that was cut off
    /// by a power cut is left out.
    pub fn read_all(path: &Path) -> Vec<Self> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

/// A time in seconds since 1970 as `2026-11-30 20:05 UTC`.
pub fn utc(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    time.map_or("unknown".into(), |time| time.format("%Y-%m-%d %H:%M UTC").to_string())
}

/// A path for a page: an absolute one only by its last part.
pub fn without_place(path: &Path) -> String {
    let name = path.file_name().filter(|_| path.is_absolute());
    name.map_or(path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn command_line(arguments: &[String]) -> String {
    let words: Vec<String> =
        arguments.iter().map(|argument| shell_word(&without_places(argument))).collect();
    format!("mammo-pipe {}", words.join(" "))
}

/// An argument with only the last part of every absolute path in it: the whole argument, a flag's
/// value, or one of the paths in a value that is YAML. Where it is not certain that a path has ended,
/// more is left out rather than less.
fn without_places(argument: &str) -> String {
    let is_separator = std::path::is_separator;
    let mut kept = String::new();
    let mut rest = argument;
    while let Some(at) = rest.find(is_separator) {
        let before = &rest[..at];
        kept += before;
        rest = &rest[at..];
        // `-c/etc/x` has a path after its letter.
        let letters = kept.strip_prefix('-').is_some_and(|flag| {
            !flag.is_empty() && flag.chars().all(|letter| letter.is_ascii_alphabetic())
        });
        let opening = kept.chars().next_back();
        let is_absolute =
            letters || opening.is_none_or(|c| c.is_whitespace() || "=:,;[{(\"'".contains(c));
        if !is_absolute {
            // The rest of a relative path.
            let end = rest.find(|c| !is_separator(c)).unwrap_or(rest.len());
            kept += &rest[..end];
            rest = &rest[end..];
            continue;
        }
        let path = &rest[..end_of_path(rest, opening)];
        rest = &rest[path.len()..];
        let name = path.trim_end_matches(is_separator);
        let name = name.rfind(is_separator).map_or(path, |last| &name[last + 1..]);
        kept += name;
    }
    kept + rest
}

/// The length of the absolute path at the start of `text`, which stands after `opening`.
fn end_of_path(text: &str, opening: Option<char>) -> usize {
    match opening {
        // The whole argument, or a flag's value.
        None | Some('=') => text.len(),
        Some(quote @ ('"' | '\'')) => text.find(quote).unwrap_or(text.len()),
        Some(c) if c.is_alphabetic() => text.len(),
        // Inside YAML. A comma ends a path only if something new follows.
        _ => {
            let ends = |(at, c): (usize, char)| match c {
                ']' | '}' | ')' | '"' | '\'' | '\n' => true,
                ',' => text[at + 1..].starts_with([' ', '/']),
                _ => false,
            };
            text.char_indices().find(|&found| ends(found)).map_or(text.len(), |(at, _)| at)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_kept_without_absolute_paths() {
        let of = |line: &str| command_line(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(
            of("train /home/smith/release --fold all --set output=/data/x runs/a"),
            "mammo-pipe train release --fold all --set output=x runs/a"
        );
        assert_eq!(command_line(&["a b".into()]), "mammo-pipe 'a b'");
        assert_eq!(command_line(&["it's".into()]), r"mammo-pipe 'it'\''s'");
    }

    #[test]
    fn no_absolute_path_is_kept_wherever_it_stands_in_an_argument() {
        for (given, kept) in [
            ("--set=dataset.input=/abs/secret/p", "--set=dataset.input=p"),
            ("/home/John Smith/data/", "data"),
            ("/data/site=Mayo/release", "release"),
            ("--output=/data/Smith, John/x", "--output=x"),
            ("dataset.x=[/abs/secret/a.csv, /abs/secret/b.csv]", "dataset.x=[a.csv, b.csv]"),
            ("dataset.x=[/abs/secret/a,/abs/secret/b]", "dataset.x=[a,b]"),
            (
                "dataset={input: /abs/secret/p, path: a/{id}.dcm}",
                "dataset={input: p, path: a/{id}.dcm}",
            ),
            (
                "dataset={input: \"/abs/Smith, John/p\", split: train}",
                "dataset={input: \"p\", split: train}",
            ),
            ("dataset={a: '/abs/secret/p'}", "dataset={a: 'p'}"),
            ("-c/abs/secret/p.yaml", "-cp.yaml"),
            ("file:///abs/secret/p", "file:p"),
            ("/abs//secret//p", "p"),
            // Relative ones tell nothing.
            ("runs/a", "runs/a"),
            ("../runs/a/", "../runs/a/"),
            ("--init=timm/efficientnet_b4", "--init=timm/efficientnet_b4"),
            (
                "dataset.path={patient_id}/{image_id}.dcm",
                "dataset.path={patient_id}/{image_id}.dcm",
            ),
        ] {
            assert_eq!(without_places(given), kept);
        }
    }

    #[test]
    fn a_time_is_written_in_utc() {
        assert_eq!(utc(1_796_069_100), "2026-11-30 20:05 UTC");
    }

    #[test]
    fn starts_are_read_in_order_and_a_cut_line_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("starts.jsonl");
        assert!(Start::read_all(&path).is_empty());
        let start = Start::now("0.1.0", "cpu");
        start.append_to(&path).unwrap();
        Start { device: "cuda:0".into(), ..start.clone() }.append_to(&path).unwrap();
        std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + "{\"began\": 1").unwrap();
        let devices: Vec<String> = Start::read_all(&path).into_iter().map(|s| s.device).collect();
        assert_eq!(devices, ["cpu", "cuda:0"]);
    }
}
