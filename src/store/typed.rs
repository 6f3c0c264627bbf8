//! Paths as people type them: `~` for the home folder, and quotes in commands that we print.
//!
//! A shell replaces `~` only at the start of a word. In a settings file, and in `--output=~/x` under
//! most shells, it reaches the program; without this module a folder named `~` would be made.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// `path` with a leading `~` replaced by the home folder. A folder that is really named `~` is
/// reached as `./~`. Without a home folder, the path stays as it is.
pub fn at_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(below), Some(home)) if below.as_os_str().is_empty() => home,
        (Ok(below), Some(home)) => home.join(below),
        _ => path.to_owned(),
    }
}

/// The arguments of a command line, where `~/x` and `--flag=~/x` are in the home folder. The first
/// argument is the program's name.
pub fn arguments_at_home(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let expanded = |argument: OsString| {
        let Some(text) = argument.to_str() else { return argument };
        match text.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") && value.starts_with('~') => {
                let mut whole = OsString::from(format!("{flag}="));
                whole.push(at_home(Path::new(value)));
                whole
            }
            _ if text.starts_with('~') => at_home(Path::new(text)).into(),
            _ => argument,
        }
    };
    arguments.into_iter().map(expanded).collect()
}

/// A path as it can be pasted into a shell: with quotes where it needs them, and `./` before one that
/// would be taken for a flag.
pub fn quoted(path: impl AsRef<OsStr>) -> String {
    let path = path.as_ref().to_string_lossy();
    if path.starts_with('-') { shell_word(&format!("./{path}")) } else { shell_word(&path) }
}

/// Any word of a command as it can be pasted into a shell: with quotes where it needs them.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else if cfg!(windows) {
        format!("\"{word}\"")
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_at_the_start_is_the_home_folder_and_elsewhere_a_name() {
        let home = std::env::home_dir().unwrap();
        assert_eq!(at_home(Path::new("~/a/b")), home.join("a/b"));
        assert_eq!(at_home(Path::new("~")), home);
        for name in ["./~", "a/~/b", "~other/b", "~x", ""] {
            assert_eq!(at_home(Path::new(name)), Path::new(name), "{name}");
        }
        let typed = ["mammo-pipe", "~/a", "--output=~/b", "--set", "x=~/c", "roi=~"];
        let arguments = arguments_at_home(typed.map(OsString::from));
        assert_eq!(arguments[1], home.join("a").into_os_string());
        let output: &Path = arguments[2].as_ref();
        assert!(output.ends_with("b") && !output.to_string_lossy().contains('~'), "{output:?}");
        assert_eq!(arguments[4..], ["x=~/c", "roi=~"], "settings are expanded as paths, later");
    }

    #[cfg(unix)]
    #[test]
    fn a_printed_path_can_be_pasted() {
        assert_eq!(quoted("runs/b4-1"), "runs/b4-1");
        assert_eq!(quoted("my data"), "'my data'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("$HOME;rm"), "'$HOME;rm'");
        assert_eq!(quoted("-rf"), "./-rf");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("Brüste/日本"), "Brüste/日本");
        assert_eq!(shell_word("--set"), "--set");
        // A shell would make two words of it.
        assert_eq!(shell_word("a={b: 1,c: 2}"), "'a={b: 1,c: 2}'");
        assert_eq!(shell_word("{a,b}"), "'{a,b}'");
    }
}
