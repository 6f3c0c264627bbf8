//! Parsers for the paths of output files: each checks that the name has the extension of the
//! format.

use std::path::PathBuf;

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

fn ends_in(text: &str, ending: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let found = path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending));
    let wrong = || format!("the name of this output file has to end in .{ending}");
    found.then_some(path).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_dicom_file_is_no_picture() {
        assert!(png("B.dcm").unwrap_err().ends_with(".png"));
        assert!(png("png").is_err());
        assert_eq!(png("a/B.PNG").unwrap(), PathBuf::from("a/B.PNG"));
    }
}
