//! When, by whom and how a run was started: what its page tells, and no byte of a result.
//!
//! A run may be started several times, once and then resumed. The file has one line for each.

use std::io::Write as _;
use std::path::Path;

use chrono::DateTime;
use serde::{Deserialize, Serialize};

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
    let short = |argument: &String| {
        let (flag, value) = match argument.split_once('=') {
            Some((flag, value)) => (format!("{flag}="), value),
            None => (String::new(), argument.as_str()),
        };
        let value = without_place(Path::new(value));
        let text = format!("{flag}{value}");
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,{}@+".contains(c);
        if !text.is_empty() && text.chars().all(is_plain) { text } else { format!("'{text}'") }
    };
    let arguments: Vec<String> = arguments.iter().map(short).collect();
    format!("mammo-pipe {}", arguments.join(" "))
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
