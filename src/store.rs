//! Writes files atomically: first to a temporary file, which is then moved to its place in one
//! step.
//!
//! In: bytes and a path. Out: a complete file at that path, or none. If the program is killed at
//! any moment, only files under `.tmp` are left over, and the next run that locks the folder removes
//! them. Their names begin with the writer's, so no two processes write to one temporary file.

mod keyed;
mod sealed;
pub mod start;
mod target;
mod typed;

use std::fs::{self, File};
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::error::Fault;

pub use keyed::keyed_hash;
pub use sealed::{Damaged, is_sealed_page, read_sealed, sealed_json, sealed_page};
pub use target::{MAKER, MAKER_KEY, Target, marked_json, unless_foreign};
pub use typed::{arguments_at_home, at_home, quoted, shell_word};

/// A temporary file that is being written. Its SHA-256 is computed meanwhile. Dropped before it is
/// closed, it is removed.
#[derive(Debug)]
pub struct Aside {
    temporary: Temporary,
    file: io::BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

/// Removes the file at its path when dropped.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Temporary {
    /// The path of the file, which now stays.
    fn keep(mut self) -> PathBuf {
        std::mem::take(&mut self.0)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            // If it cannot be removed, the next run does.
            let _ = fs::remove_file(&self.0);
        }
    }
}

/// The name of this process in those of its temporary files: its number, which another machine may
/// have too, and a random one.
static WRITER: LazyLock<String> = LazyLock::new(|| {
    use std::hash::BuildHasher as _;
    let random = std::hash::RandomState::new().hash_one(std::time::SystemTime::now());
    format!("{}-{:08x}", std::process::id(), random as u32)
});

/// The name that the temporary file `name` gets in the end; any other name stays.
pub fn permanent_name(name: &str) -> &str {
    let digits = |text: &str, radix| !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
    let is_writer = |writer: &str| {
        writer.split_once('-').is_some_and(|(process, random)| {
            digits(process, 10) && random.len() == 8 && digits(random, 16)
        })
    };
    match name.split_once('.') {
        Some((writer, name)) if is_writer(writer) => name,
        _ => name,
    }
}

/// A temporary file that is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its temporary path.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
}

impl Aside {
    /// Creates a temporary file under `folder/.tmp` for what will be called `name`.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn create(folder: &Path, name: &str) -> Result<Self, Fault> {
        let path = aside_of(folder).join(format!("{}.{name}", *WRITER));
        let file = File::create(&path).map_err(Fault::io(&path))?;
        let file = io::BufWriter::with_capacity(1 << 20, file);
        Ok(Self { temporary: Temporary(path), file, hash: Sha256::new(), bytes: 0 })
    }

    /// The temporary path.
    pub fn path(&self) -> &Path {
        &self.temporary.0
    }

    /// Writes everything to the disk (`fsync`) and closes the file.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn close(self) -> Result<Written, Fault> {
        let Self { temporary, file, hash, bytes } = self;
        let synced = file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .and_then(|file| file.sync_all());
        synced.map_err(Fault::io(&temporary.0))?;
        Ok(Written { path: temporary.keep(), bytes, sha256: hex(&hash.finalize()) })
    }
}

impl Write for Aside {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.file.write(buffer)?;
        self.hash.update(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Written {
    /// Moves the file to `path`. An equal file from an earlier, killed run is replaced.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn place(&self, path: &Path) -> Result<(), Fault> {
        fs::rename(&self.path, path).map_err(Fault::io(path))?;
        sync_folder_of(path)
    }
}

/// Creates `path` with `content` in one step. Does nothing if it exists with the same content.
///
/// # Errors
/// [`Fault::Conflict`] if it exists with other content; [`Fault::Io`].
pub fn create(folder: &Path, path: &Path, content: &[u8]) -> Result<(), Fault> {
    let aside = write_aside(folder, path, content)?;
    let linked = fs::hard_link(&aside.path, path);
    match linked {
        Ok(()) => fs::remove_file(&aside.path).map_err(Fault::io(&aside.path))?,
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(&aside.path).map_err(Fault::io(&aside.path))?;
            if fs::read(path).map_err(Fault::io(path))? != content {
                return Err(Fault::Conflict { path: path.into() });
            }
        }
        // The file system has no hard links. The lock on the release keeps other processes out.
        Err(_) => fs::rename(&aside.path, path).map_err(Fault::io(path))?,
    }
    sync_folder_of(path)
}

/// Writes `content` to `path` in one step, and replaces what is there.
///
/// # Errors
/// [`Fault::Io`].
pub fn replace(folder: &Path, path: &Path, content: &[u8]) -> Result<(), Fault> {
    write_aside(folder, path, content)?.place(path)
}

/// Writes `content` to `path` in one step, and replaces what is there. For folders without `.tmp`:
/// the temporary file is a hidden file beside `path`.
///
/// # Errors
/// [`Fault::Io`].
pub fn put(path: &Path, content: &[u8]) -> Result<(), Fault> {
    let name = path.file_name().expect("a file's path ends in its name");
    let aside = path.with_file_name(format!(".{}.tmp", name.to_string_lossy()));
    let written = File::create(&aside).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.map_err(Fault::io(&aside))?;
    fs::rename(&aside, path).map_err(Fault::io(path))?;
    sync_folder_of(path)
}

/// Creates the folder for temporary files of `folder`.
///
/// # Errors
/// [`Fault::Io`].
pub fn make_aside(folder: &Path) -> Result<PathBuf, Fault> {
    let aside = aside_of(folder);
    fs::create_dir_all(&aside).map_err(Fault::io(&aside))?;
    Ok(aside)
}

/// The folder for temporary files of `folder`.
pub fn aside_of(folder: &Path) -> PathBuf {
    folder.join(ASIDE)
}

/// The name of the folder for temporary files.
pub const ASIDE: &str = ".tmp";

/// The name of the file that [`lock`] locks.
pub const LOCK: &str = ".lock";

/// `value` as indented JSON.
///
/// # Panics
/// If `value` is not plain data, for example a map whose keys are not text.
pub fn json<T: Serialize>(value: &T) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("plain data becomes JSON");
    text.push(b'\n');
    text
}

/// Reads a JSON file.
///
/// # Errors
/// [`Fault::Io`], [`Fault::Json`].
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Fault> {
    let text = fs::read(path).map_err(Fault::io(path))?;
    serde_json::from_slice(&text).map_err(Fault::json(path))
}

fn write_aside(folder: &Path, path: &Path, content: &[u8]) -> Result<Written, Fault> {
    let name = path.file_name().expect("a file's path ends in its name");
    let mut aside = Aside::create(folder, &name.to_string_lossy())?;
    let shown = aside.path().to_owned();
    aside.write_all(content).map_err(Fault::io(shown))?;
    aside.close()
}

/// The lock on a folder, held as long as it lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    is_exclusive: bool,
}

impl Lock {
    /// Whether no other process can hold it. On a network file system without locks, every process
    /// gets one.
    pub fn is_exclusive(&self) -> bool {
        self.is_exclusive
    }
}

/// Locks `folder`; `None` if another process holds the lock.
///
/// # Errors
/// [`Fault::Io`].
pub fn lock(folder: &Path) -> Result<Option<Lock>, Fault> {
    let path = folder.join(LOCK);
    let file = File::create(&path).map_err(Fault::io(&path))?;
    match file.try_lock() {
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Ok(()) => Ok(Some(Lock { _file: file, is_exclusive: true })),
        Err(fs::TryLockError::Error(_)) => Ok(Some(Lock { _file: file, is_exclusive: false })),
    }
}

/// Removes a file; one that is not there is no error.
///
/// # Errors
/// [`Fault::Io`].
pub fn remove(path: &Path) -> Result<(), Fault> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Fault::io(path)(error)),
        _ => Ok(()),
    }
}

/// Removes the temporary files of `folder` that killed processes left, if `lock`, which is the
/// folder's, says that no other process is at work.
///
/// # Errors
/// [`Fault::Io`].
pub fn sweep_aside(folder: &Path, lock: &Lock) -> Result<(), Fault> {
    let aside = aside_of(folder);
    if lock.is_exclusive() {
        for left in fs::read_dir(&aside).map_err(Fault::io(&aside))? {
            remove(&left.map_err(Fault::io(&aside))?.path())?;
        }
    }
    Ok(())
}

/// Makes the name of `path`, or its removal, survive a power failure, on systems where folders can be
/// synced.
///
/// # Errors
/// [`Fault::Io`].
pub fn sync_folder_of(path: &Path) -> Result<(), Fault> {
    let folder = path.parent().expect("a file lies in a folder");
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    match File::open(folder).and_then(|f| f.sync_all()) {
        Err(e) if e.kind() != io::ErrorKind::Unsupported && cfg!(unix) => Err(Fault::io(folder)(e)),
        _ => Ok(()),
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all that is written to it");
        text
    })
}

/// Opens a file for reading, unless it is a pipe or a device, which could be read for ever.
///
/// # Errors
/// If it cannot be opened, or is no regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
    }
    File::open(path)
}

/// Size and SHA-256 of a regular file, the latter in hexadecimal.
///
/// # Errors
/// If it cannot be read.
pub fn hash_file(path: &Path) -> io::Result<(u64, String)> {
    let mut file = open_regular(path)?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((bytes, hex(&hash.finalize()))),
            Ok(count) => {
                hash.update(&buffer[..count]);
                bytes += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// SHA-256 of `bytes`, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".tmp")).unwrap();
        folder
    }

    #[test]
    fn creating_twice_takes_the_same_content_and_refuses_another() {
        let folder = folder();
        let path = folder.path().join("entry.json");
        create(folder.path(), &path, b"one").unwrap();
        create(folder.path(), &path, b"one").unwrap();
        let refused = create(folder.path(), &path, b"two");
        assert!(matches!(refused, Err(Fault::Conflict { .. })), "{refused:?}");
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.path().join(".tmp")).unwrap().count(), 0);
    }

    #[test]
    fn what_is_put_takes_the_place_of_what_was_there_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answer.csv");
        put(&path, b"one").unwrap();
        put(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_temporary_file_has_its_writer_s_name_and_goes_with_who_does_not_close_it() {
        let folder = folder();
        let aside = Aside::create(folder.path(), "shard-00000.parquet").unwrap();
        let name = aside.path().file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.starts_with(&format!("{}-", std::process::id())), "{name}");
        assert_eq!(permanent_name(&name), "shard-00000.parquet");
        assert_eq!(aside.path().extension().unwrap(), "parquet");
        let path = aside.path().to_owned();
        assert!(path.exists());
        drop(aside);
        assert!(!path.exists());
        for other in ["run.json", "12.json", "12-3.json", "a-01234567.json", "12-0123456g.json"] {
            assert_eq!(permanent_name(other), other);
        }
    }

    #[test]
    fn the_hash_is_of_what_the_file_holds() {
        let folder = folder();
        let mut aside = Aside::create(folder.path(), "x").unwrap();
        aside.write_all(b"ab").unwrap();
        aside.write_all(b"c").unwrap();
        let written = aside.close().unwrap();
        assert_eq!(written.bytes, 3);
        assert_eq!(written.sha256, sha256(b"abc"));
        // FIPS 180-2, appendix B.1.
        assert!(written.sha256.starts_with("ba7816bf8f01cfea414140de5dae2223"));
    }
}
