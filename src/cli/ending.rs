//! Parsers for the paths of outputs: each checks that the name fits the format. `-` is standard
//! output.

use std::path::PathBuf;

use super::failure::usage;
use crate::error::Fault;

/// Endings of files. A folder with such a name is almost certainly a mistake.
const OF_FILES: [&str; 10] =
    ["csv", "dcm", "htm", "html", "json", "md", "parquet", "png", "yaml", "yml"];

/// A PNG image.
pub fn png(text: &str) -> Result<PathBuf, String> {
    ends_in(text, "png")
}

/// An HTML page.
pub fn html(text: &str) -> Result<PathBuf, String> {
    ends_in(text, "html")
}

/// A CSV file.
pub fn csv(text: &str) -> Result<PathBuf, String> {
    ends_in(text, "csv")
}

/// A Parquet file.
pub fn parquet(text: &str) -> Result<PathBuf, String> {
    ends_in(text, "parquet")
}

/// A folder to write to: not a file, and not named like one.
pub fn folder(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    match ending {
        _ if text.is_empty() => Err("needs the name of a folder".into()),
        _ if path.is_dir() => Ok(path),
        _ if path.exists() => Err("this is a file; the output is a folder".into()),
        Some(ending) if OF_FILES.contains(&ending.as_str()) => {
            Err(format!("the output is a folder, and .{ending} is the ending of a file"))
        }
        _ => Ok(path),
    }
}

/// The error for two outputs on standard output, of which one is `flag`'s; `help` is the command that
/// explains both.
pub fn two_on_stdout(flag: &str, help: &str) -> Fault {
    let reason = "cannot take both the file and what";
    usage(format!("standard output {reason} {flag} prints; name a file"), help)
}

fn ends_in(text: &str, ending: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let found = path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending));
    let wrong = || {
        format!("the name of this output file has to end in .{ending}, or be - (standard output)")
    };
    (found || text == "-").then_some(path).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_dicom_file_is_no_picture() {
        assert!(png("B.dcm").unwrap_err().contains(".png"));
        assert!(png("png").is_err());
        assert_eq!(png("a/B.PNG").unwrap(), PathBuf::from("a/B.PNG"));
        assert_eq!(png("-").unwrap(), PathBuf::from("-"));
    }

    #[test]
    fn a_folder_is_not_named_like_a_file_unless_it_is_there() {
        let parent = tempfile::tempdir().unwrap();
        let path = |name: &str| parent.path().join(name).to_string_lossy().into_owned();
        assert!(folder(&path("result.json")).unwrap_err().contains(".json"));
        assert!(folder(&path("v1.2")).is_ok());
        std::fs::create_dir(path("odd.csv")).unwrap();
        assert!(folder(&path("odd.csv")).is_ok());
        std::fs::write(path("notes"), "").unwrap();
        assert!(folder(&path("notes")).unwrap_err().contains("a file"));
        assert!(folder("").is_err());
    }
}
