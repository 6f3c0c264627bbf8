//! Output files whose path the user typed. A file that this program did not make is never replaced
//! without `--force`.
//!
//! Every file that we write carries a mark: a PNG in its text, a page and a JSON file in their
//! first lines, a Parquet file in its footer, a secondary capture in its manufacturer. A
//! submission, which is plain CSV, has no place for one: it is recognised by the Parquet file
//! beside it, which holds the submission's SHA-256.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{json, put, quoted, sha256};
use crate::error::Fault;

/// The mark of a file made by this program, in the place that its format has for it.
pub const MAKER: &str = "mammo-pipe";

/// The key in the footer of a Parquet file of predictions. Its value is [`MAKER`].
pub const MAKER_KEY: &str = "made_by";

/// The path that stands for standard output.
const STDOUT: &str = "-";

/// The path of one output file, checked; `-` is standard output.
#[derive(Debug, Clone)]
pub struct Target {
    path: PathBuf,
    force: bool,
}

impl Target {
    /// Accepts `path` if there is no file, or one that this program made; with `force`, any file.
    /// Call it before the work begins.
    ///
    /// # Errors
    /// [`Fault::Foreign`] for a file that this program did not make; [`Fault::Io`] if `path` is a
    /// folder, or its parent folder does not exist.
    pub fn new(path: impl Into<PathBuf>, force: bool) -> Result<Self, Fault> {
        let target = Self { path: path.into(), force };
        target.check()?;
        Ok(target)
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is standard output, so that nothing else may be printed there.
    pub fn is_stdout(&self) -> bool {
        self.path.as_os_str() == STDOUT
    }

    /// Writes `content` in one step, unless a foreign file has appeared there meanwhile. On standard
    /// output, a reader that has left early is no error.
    ///
    /// # Errors
    /// As [`Target::new`].
    pub fn put(&self, content: &[u8]) -> Result<(), Fault> {
        self.check()?;
        if !self.is_stdout() {
            return put(&self.path, content);
        }
        let mut stdout = io::stdout().lock();
        match stdout.write_all(content).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Fault::io("standard output")(error))
            }
            _ => Ok(()),
        }
    }

    fn check(&self) -> Result<(), Fault> {
        let path = &self.path;
        if self.is_stdout() {
            return Ok(());
        }
        let found = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                return match folder.map(fs::metadata) {
                    Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                        let folder = folder.unwrap_or(path);
                        let hint = format!("there is no such folder; mkdir -p {}", quoted(folder));
                        Err(Fault::io(folder)(io::Error::new(error.kind(), hint)))
                    }
                    Some(Err(error)) => Err(Fault::io(path)(error)),
                    _ => Ok(()),
                };
            }
            found => found.map_err(Fault::io(path))?,
        };
        if found.is_dir() {
            let hint = "this is a folder; give the name of a file in it";
            return Err(Fault::io(path)(io::Error::new(io::ErrorKind::IsADirectory, hint)));
        }
        if self.force || is_ours(path).map_err(Fault::io(path))? {
            return Ok(());
        }
        Err(Fault::Foreign { path: path.clone() })
    }
}

/// Accepts a folder to work in: one that is not there, that holds nothing but the names in `ours`,
/// or that `is_ours`. Call it before the first file is written.
///
/// # Errors
/// [`Fault::ForeignFolder`] with one of the names found; [`Fault::Io`].
pub fn unless_foreign(folder: &Path, is_ours: bool, ours: &[&str]) -> Result<(), Fault> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(Fault::io(folder))?,
    };
    for entry in entries {
        let name = entry.map_err(Fault::io(folder))?.file_name();
        let name = name.to_string_lossy().into_owned();
        if !is_ours && !ours.contains(&name.as_str()) {
            return Err(Fault::ForeignFolder { path: folder.into(), name });
        }
    }
    Ok(())
}

/// `value` as indented JSON whose first line says that this program made it.
///
/// # Panics
/// If `value` is not plain data, for example a map whose keys are not text.
pub fn marked_json(value: &impl Serialize) -> Vec<u8> {
    #[derive(Serialize)]
    struct Marked<'a, T> {
        made_by: &'static str,
        #[serde(flatten)]
        value: &'a T,
    }
    json(&Marked { made_by: MAKER, value })
}

/// Whether this program made the file.
fn is_ours(path: &Path) -> io::Result<bool> {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let mark = match ending.as_str() {
        "png" => format!("Software\0{MAKER}"),
        "html" => format!("name=\"generator\" content=\"{MAKER}\""),
        "json" => format!("\"{MAKER_KEY}\": \"{MAKER}\""),
        // A manual page begins with its title.
        "1" => format!(".TH {MAKER}"),
        "parquet" => return is_our_parquet(path),
        "csv" => {
            let beside = path.with_extension("parquet");
            let known = beside.exists() && is_our_parquet(&beside)?;
            return Ok(known && contains_mark(&beside, sha256(&fs::read(path)?).as_bytes())?);
        }
        "dcm" => {
            return Ok(
                contains_mark(path, b"MAMMO-PIPE")? && contains_mark(path, MAKER.as_bytes())?
            );
        }
        _ => return Ok(false),
    };
    contains_mark(path, mark.as_bytes())
}

fn is_our_parquet(path: &Path) -> io::Result<bool> {
    Ok(contains_mark(path, MAKER_KEY.as_bytes())? && contains_mark(path, MAKER.as_bytes())?)
}

/// Whether `mark` occurs in the file's first 4 KiB or last 64 KiB.
fn contains_mark(path: &Path, mark: &[u8]) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut part = |from: u64, most: u64| {
        let mut part = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        (&mut file).take(most).read_to_end(&mut part)?;
        Ok::<bool, io::Error>(part.windows(mark.len()).any(|window| window == mark))
    };
    Ok(part(0, 4 << 10)? || part(bytes.saturating_sub(64 << 10), 64 << 10)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &Path) -> bool {
        matches!(Target::new(path, false), Err(Fault::Foreign { .. }))
    }

    #[test]
    fn a_file_of_somebody_else_s_is_refused_and_stays_and_force_replaces_it() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.png", "a.html", "a.json", "a.parquet", "a.csv", "a.dcm", "a"] {
            let path = folder.path().join(name);
            fs::write(&path, "mammo-pipe is mentioned here").unwrap();
            assert!(refused(&path), "{name}");
            Target::new(&path, true).unwrap().put(b"new").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"new");
        }
    }

    #[test]
    fn what_says_that_it_was_made_here_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answer.json");
        fs::write(&path, marked_json(&serde_json::json!({ "sum": 3 }))).unwrap();
        Target::new(&path, false).unwrap().put(b"{}").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"{}");
        let path = folder.path().join("picture.png");
        let plane = crate::image::Plane::new(2, 1, vec![1_u8, 2]);
        fs::write(&path, crate::image::picture::encode(&plane).unwrap()).unwrap();
        assert!(!refused(&path));
    }

    #[test]
    fn a_submission_is_ours_only_as_long_as_nobody_changed_it() {
        let folder = tempfile::tempdir().unwrap();
        let csv = folder.path().join("answer.csv");
        fs::write(&csv, "prediction_id,cancer\n1_L,0.5\n").unwrap();
        let hash = sha256(&fs::read(&csv).unwrap());
        fs::write(csv.with_extension("parquet"), format!("{MAKER_KEY} {MAKER} {hash}")).unwrap();
        assert!(!refused(&csv));
        fs::write(&csv, "prediction_id,cancer\n1_L,1\n").unwrap();
        assert!(refused(&csv));
    }

    #[test]
    fn a_file_that_comes_while_the_work_is_done_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.html");
        let target = Target::new(&path, false).unwrap();
        fs::write(&path, "my notes").unwrap();
        assert!(matches!(target.put(b"page"), Err(Fault::Foreign { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"my notes");
    }

    #[test]
    fn a_folder_of_somebody_else_s_is_refused_and_an_empty_one_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("work");
        let check = |is_ours| unless_foreign(&folder, is_ours, &["run.log"]);
        check(false).unwrap();
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("run.log"), "").unwrap();
        check(false).unwrap();
        fs::write(folder.join("thesis.tex"), "").unwrap();
        let fault = check(false).unwrap_err().to_string();
        assert!(fault.contains("thesis.tex"), "{fault}");
        check(true).unwrap();
    }

    #[test]
    fn a_folder_and_a_path_in_no_folder_are_refused_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        let fault = Target::new(folder.path(), true).unwrap_err();
        assert!(matches!(fault, Fault::Io { .. }), "{fault:?}");
        let fault = Target::new(folder.path().join("no/such.csv"), true).unwrap_err();
        assert!(matches!(fault, Fault::Io { .. }), "{fault:?}");
    }
}
