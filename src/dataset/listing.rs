//! Lists the image files of a dataset.
//!
//! In: folders below the input folder. Out: every regular file in them, at any depth, with the
//! extension of the images, with its size and its time of modification, sorted by path.
//!
//! Each folder is read once, and only the size of each file is asked for. On a network file system
//! most of the time is latency, so many requests are made at once. Links to files and folders are
//! followed, except into a folder that the path went through already. An entry that cannot be read
//! is a [`Fault`], because a partly mounted disk must not look like a small dataset.
//!
//! What copying, unpacking and downloading leave behind ([`is_junk`]) is counted and not listed.

use std::fs::{self, DirEntry, FileType, Metadata};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rayon::prelude::*;

use crate::error::Fault;
use crate::flow::threads;

/// The number of parallel requests. It exceeds the number of cores, because a request waits for a
/// disk or a server.
const THREADS: usize = 16;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct File {
    /// The path below the input folder, with `/` between components. A name that is not UTF-8
    /// contains replacement characters, and no row can match it.
    pub relative: String,
    /// The size in bytes.
    pub bytes: u64,
    /// The time of modification in nanoseconds since 1970; `None` if the system does not tell it.
    pub modified: Option<i64>,
}

/// The files of some folders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The files, sorted by path.
    pub files: Vec<File>,
    /// The number of files that [`is_junk`] leaves out.
    pub ignored: usize,
}

/// Lists the files in `folders` below `input` whose name ends in `.extension`, or all files if that
/// is `None`. A folder that does not exist holds no files; `input` itself has to exist.
///
/// # Errors
/// [`Fault::Io`] for a folder or file whose properties cannot be read.
pub fn list(input: &Path, folders: &[String], extension: Option<&str>) -> Result<Listing, Fault> {
    fs::metadata(input).map_err(Fault::io(input))?;
    let pool = threads::pool(THREADS)?;
    let mut listing = pool.install(|| {
        let walk = |folder: &String| {
            let path = if folder.is_empty() { input.to_owned() } else { input.join(folder) };
            let (relative, via) = (folder.clone(), Vec::new());
            match path.try_exists() {
                Ok(false) => Ok(Listing::default()),
                _ => walk(&Folder { path, relative, via, junk: false }, extension),
            }
        };
        folders.par_iter().map(walk).try_reduce(Listing::default, concatenate)
    })?;
    listing.files.par_sort_unstable();
    Ok(listing)
}

/// Whether a name is one that copying, unpacking or downloading leaves behind, and no image:
/// AppleDouble files (`._*`) and `__MACOSX`, Finder's and Explorer's own files, files of NFS that
/// were deleted while open, and downloads that are not finished.
pub fn is_junk(name: &str) -> bool {
    const NAMES: [&str; 5] = ["__MACOSX", ".DS_Store", "Thumbs.db", "ehthumbs.db", "desktop.ini"];
    const UNFINISHED: [&str; 6] =
        ["part", "partial", "crdownload", "download", "aria2", "filepart"];
    name.starts_with("._")
        || name.starts_with(".nfs")
        || NAMES.iter().any(|junk| name.eq_ignore_ascii_case(junk))
        || UNFINISHED.iter().any(|end| has_extension(name, Some(end)))
}

/// A folder that is to be listed.
struct Folder {
    path: PathBuf,
    relative: String,
    /// The real paths of the folders with links that were followed on the way.
    via: Vec<PathBuf>,
    /// Whether nothing in it can be an image, as in `__MACOSX`.
    junk: bool,
}

impl Folder {
    fn child(&self, name: &str) -> String {
        if self.relative.is_empty() { name.to_owned() } else { format!("{}/{name}", self.relative) }
    }
}

fn walk(folder: &Folder, extension: Option<&str>) -> Result<Listing, Fault> {
    let mut entries = Vec::new();
    let mut below = Vec::new();
    let mut ignored = 0;
    for entry in fs::read_dir(&folder.path).map_err(Fault::io(&folder.path))? {
        let entry = entry.map_err(Fault::io(&folder.path))?;
        let kind = entry.file_type().map_err(Fault::io(entry.path()))?;
        let name = entry.file_name();
        let junk = folder.junk || is_junk(&name.to_string_lossy());
        if kind.is_dir() {
            let relative = folder.child(&name.to_string_lossy());
            below.push(Folder { path: entry.path(), relative, via: folder.via.clone(), junk });
        } else if junk {
            ignored += 1;
        } else if kind.is_symlink() && leads_to_folder(&entry.path())? {
            below.extend(follow(folder, &entry)?);
        } else if has_extension(&entry.file_name().to_string_lossy(), extension) {
            entries.push((entry, kind));
        }
    }
    let size = |(entry, kind): (DirEntry, FileType)| size(folder, &entry, kind).transpose();
    let files: Vec<File> =
        entries.into_par_iter().with_min_len(32).filter_map(size).collect::<Result<_, Fault>>()?;
    let deeper = below
        .par_iter()
        .map(|folder| walk(folder, extension))
        .try_reduce(Listing::default, concatenate)?;
    concatenate(Listing { files, ignored }, deeper)
}

/// Whether a link leads to a folder; one to nothing does not.
fn leads_to_folder(link: &Path) -> Result<bool, Fault> {
    match fs::metadata(link) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Fault::io(link)(error)),
        found => Ok(found.is_ok_and(|to| to.is_dir())),
    }
}

/// The folder that a link leads to, unless the path went through it already.
fn follow(folder: &Folder, link: &DirEntry) -> Result<Option<Folder>, Fault> {
    let here = folder.path.canonicalize().map_err(Fault::io(&folder.path))?;
    let there = link.path().canonicalize().map_err(Fault::io(link.path()))?;
    let mut via = folder.via.clone();
    via.push(here);
    if via.iter().any(|passed| passed.starts_with(&there)) {
        return Ok(None);
    }
    let relative = folder.child(&link.file_name().to_string_lossy());
    Ok(Some(Folder { path: link.path(), relative, via, junk: folder.junk }))
}

/// `None` for an entry that is not a regular file, and for a link to nothing. A file that is gone
/// since its folder was read is an error: a server may have lost it for a moment.
fn size(folder: &Folder, entry: &DirEntry, kind: FileType) -> Result<Option<File>, Fault> {
    let metadata = if kind.is_symlink() { fs::metadata(entry.path()) } else { entry.metadata() };
    let metadata = match metadata {
        Err(e) if e.kind() == ErrorKind::NotFound && kind.is_symlink() => return Ok(None),
        other => other.map_err(Fault::io(entry.path()))?,
    };
    let relative = folder.child(&entry.file_name().to_string_lossy());
    let (bytes, modified) = (metadata.len(), modified(&metadata));
    Ok(metadata.is_file().then_some(File { relative, bytes, modified }))
}

fn modified(metadata: &Metadata) -> Option<i64> {
    let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_nanos()).ok()
}

pub(crate) fn has_extension(name: &str, extension: Option<&str>) -> bool {
    extension.is_none_or(|wanted| {
        name.rsplit_once('.').is_some_and(|(_, has)| has.eq_ignore_ascii_case(wanted))
    })
}

fn concatenate(mut a: Listing, mut b: Listing) -> Result<Listing, Fault> {
    if a.files.len() < b.files.len() {
        std::mem::swap(&mut a, &mut b);
    }
    a.files.append(&mut b.files);
    a.ignored += b.ignored;
    Ok(a)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file.as_bytes()).unwrap();
        }
        root
    }

    fn names(root: &Path, folder: &str) -> Vec<String> {
        let listing = list(root, &[folder.to_owned()], Some("dcm")).unwrap();
        listing.files.into_iter().map(|file| file.relative).collect()
    }

    #[test]
    fn files_are_found_at_any_depth_with_their_size() {
        let root = tree(&["train/b/2.dcm", "train/1.DCM", "train/b/c/d/3.dcm", "train/b/x.txt"]);
        let listing = list(root.path(), &["train".to_owned()], Some("dcm")).unwrap();
        let found: Vec<_> = listing.files.iter().map(|f| (f.relative.as_str(), f.bytes)).collect();
        let expected = [("train/1.DCM", 11), ("train/b/2.dcm", 13), ("train/b/c/d/3.dcm", 17)];
        assert_eq!(found, expected);
    }

    #[test]
    fn only_the_folders_asked_for_are_listed() {
        let root = tree(&["train/1.dcm", "test/2.dcm", "3.dcm"]);
        assert_eq!(names(root.path(), "train"), ["train/1.dcm"]);
        assert_eq!(names(root.path(), ""), ["3.dcm", "test/2.dcm", "train/1.dcm"]);
        assert_eq!(names(root.path(), "absent"), [""; 0]);
    }

    #[test]
    fn what_copying_leaves_behind_is_counted_and_not_listed() {
        let root = tree(&[
            "a/1.dcm",
            "a/._1.dcm",
            "a/.nfs0000000000c0ffee00000001",
            "a/.DS_Store",
            "a/Thumbs.db",
            "a/Desktop.ini",
            "a/2.dcm.part",
            "__MACOSX/a/1.dcm",
            "__MACOSX/a/._1.dcm",
        ]);
        let listing = list(root.path(), &[String::new()], Some("dcm")).unwrap();
        assert_eq!((listing.files.len(), listing.ignored), (1, 8));
        assert_eq!(names(root.path(), ""), ["a/1.dcm"]);
    }

    #[test]
    fn an_input_folder_that_is_not_there_is_a_fault() {
        let root = tree(&[]);
        let fault = list(&root.path().join("unmounted"), &[String::new()], None).unwrap_err();
        assert!(fault.to_string().contains("unmounted"), "{fault}");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_never_round_in_circles() {
        use std::os::unix::fs::symlink;
        let root = tree(&["in/a/1.dcm", "in/b/2.dcm", "elsewhere/3.dcm"]);
        let at = |path: &str| root.path().join(path);
        symlink(at("elsewhere"), at("in/linked")).unwrap();
        symlink(at("elsewhere/3.dcm"), at("in/4.dcm")).unwrap();
        symlink(at("nowhere"), at("in/5.dcm")).unwrap();
        symlink(at("in"), at("in/a/up")).unwrap();
        symlink(at("in/a"), at("in/b/across")).unwrap();
        symlink(at("in/b"), at("in/a/across")).unwrap();
        let found = names(&at("in"), "");
        let expected =
            ["4.dcm", "a/1.dcm", "a/across/2.dcm", "b/2.dcm", "b/across/1.dcm", "linked/3.dcm"];
        assert_eq!(found, expected);
    }
}
