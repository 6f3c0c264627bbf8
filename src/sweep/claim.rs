//! Who works on what, among processes and machines that share a folder.
//!
//! In: a folder and the name of a piece of work. Out: a [`Claim`] on it, or who has it. A claim
//! is a file `<name>.<n>` that says who holds it, is locked by its holder, and grows by a
//! heartbeat. Files are only ever added: whoever takes a dead claim over creates number `n + 1`,
//! which one process alone can do, so that nobody removes the claim of somebody else.
//!
//! A holder under the same kernel is dead when the lock is free, for a kernel drops the locks of
//! what it ends. Of another machine's lock not every network file system tells, so that its
//! claim has to be silent for [`SILENCE`] as well. Times are those of the file system, which may
//! not have the clock of this machine.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Fault;
use crate::train::run::now;

/// Without a heartbeat for so long, a claim of another machine is dead. Network file systems may
/// show a file as it was a minute ago.
pub const SILENCE: Duration = Duration::from_secs(300);

/// Time between two heartbeats.
pub const HEARTBEAT: Duration = Duration::from_secs(20);

/// The last line of a claim that was given back.
const RELEASED: &str = "released";

/// Who holds a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Name of the machine.
    pub host: String,
    /// Its process.
    pub process: u32,
    /// Which start of which system, where it tells.
    pub boot: Option<String>,
    /// Since when, in seconds since 1970.
    pub since: u64,
}

impl Holder {
    /// This process.
    fn this() -> Self {
        Self { host: host(), process: std::process::id(), boot: boot(), since: now() }
    }

    /// Whether one kernel serves both, so that it knows of their locks whatever the file system.
    fn is_of_this_system(&self, this: &Self) -> bool {
        self.boot.is_some() && self.boot == this.boot
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {}", self.process, self.host)
    }
}

/// Name of the machine, for people to read.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("HOSTNAME").ok());
    name.map_or("a machine".into(), |name| name.trim().to_owned())
}

/// What the running system drew when it started, where it tells.
fn boot() -> Option<String> {
    let id = if cfg!(target_os = "macos") {
        let output = Command::new("sysctl").args(["-n", "kern.bootsessionuuid"]).output().ok()?;
        String::from_utf8(output.stdout).ok()?
    } else {
        fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?
    };
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// What came of asking for a claim.
#[derive(Debug)]
pub enum Asked {
    /// It is ours; before that it was of somebody who died.
    Ours {
        /// Give it back by dropping it.
        claim: Claim,
        /// Whose it was, if they did not give it back.
        dead: Option<Holder>,
    },
    /// Somebody works on it, or did until a moment ago.
    Theirs {
        /// Who; `None` while they are writing their name.
        holder: Option<Holder>,
        /// Time since their last heartbeat.
        silent: Duration,
    },
}

/// A piece of work that nobody else takes while this lives.
#[derive(Debug)]
pub struct Claim {
    file: Arc<Mutex<File>>,
    lost: Arc<AtomicBool>,
    /// Ends the heart when it is dropped.
    alive: Option<Sender<()>>,
    heart: Option<JoinHandle<()>>,
}

impl Claim {
    /// Asks for the work `name`; the claims lie in `folder`, which must be there.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn ask(folder: &Path, name: &str) -> Result<Asked, Fault> {
        let this = Holder::this();
        let last = last(folder, name)?;
        let mut dead = None;
        if let Some(number) = last {
            match look(&path(folder, name, number), &this)? {
                Found::Released => {}
                Found::Dead(holder) => dead = holder,
                Found::Held { holder, silent } => return Ok(Asked::Theirs { holder, silent }),
            }
        }
        let number = last.unwrap_or(0) + 1;
        match Self::create(folder, name, number, &this)? {
            Some(claim) => Ok(Asked::Ours { claim, dead }),
            None => Ok(Asked::Theirs { holder: None, silent: Duration::ZERO }),
        }
    }

    /// Whether somebody took this for dead and has it now: a machine that slept finds out so.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Number `number`, unless somebody was faster.
    fn create(
        folder: &Path,
        name: &str,
        number: u64,
        this: &Holder,
    ) -> Result<Option<Self>, Fault> {
        let path = path(folder, name, number);
        let mut file = match File::options().append(true).create_new(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            opened => opened.map_err(Fault::io(&path))?,
        };
        // Where there are no locks, the heartbeat has to do. Whoever looks holds it for an
        // instant.
        let _ = file.lock();
        let mut line = serde_json::to_string(this).expect("plain data becomes JSON");
        line.push('\n');
        file.write_all(line.as_bytes()).map_err(Fault::io(&path))?;
        let (file, lost) = (Arc::new(Mutex::new(file)), Arc::new(AtomicBool::new(false)));
        let (alive, ended) = mpsc::channel::<()>();
        let heart = {
            let (file, lost) = (Arc::clone(&file), Arc::clone(&lost));
            let (folder, name) = (folder.to_owned(), name.to_owned());
            std::thread::spawn(move || {
                while ended.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                    write(&file, b".");
                    if last(&folder, &name).is_ok_and(|last| last != Some(number)) {
                        lost.store(true, Ordering::Relaxed);
                    }
                }
            })
        };
        Ok(Some(Self { file, lost, alive: Some(alive), heart: Some(heart) }))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.alive = None;
        if let Some(heart) = self.heart.take() {
            let _ = heart.join();
        }
        write(&self.file, format!("\n{RELEASED}\n").as_bytes());
    }
}

/// Who works on `name` now, if anybody does.
///
/// # Errors
/// [`Fault::Io`].
pub fn holder(folder: &Path, name: &str) -> Result<Option<Holder>, Fault> {
    let Some(number) = last(folder, name)? else { return Ok(None) };
    Ok(match look(&path(folder, name, number), &Holder::this())? {
        Found::Held { holder, .. } => holder,
        Found::Released | Found::Dead(_) => None,
    })
}

/// A heart that stops for a full disk would do no good to the work it guards.
fn write(file: &Mutex<File>, bytes: &[u8]) {
    let mut file = file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let _ = file.write_all(bytes);
}

fn path(folder: &Path, name: &str, number: u64) -> PathBuf {
    folder.join(format!("{name}.{number}"))
}

/// The highest number that `name` was claimed under.
fn last(folder: &Path, name: &str) -> Result<Option<u64>, Fault> {
    let mut last = None;
    for entry in fs::read_dir(folder).map_err(Fault::io(folder))? {
        let file = entry.map_err(Fault::io(folder))?.file_name();
        let number = file.to_str().and_then(|file| file.strip_prefix(name)?.strip_prefix('.'));
        last = last.max(number.and_then(|number| number.parse().ok()));
    }
    Ok(last)
}

/// What a claim looks like from outside.
enum Found {
    Released,
    Dead(Option<Holder>),
    Held { holder: Option<Holder>, silent: Duration },
}

fn look(path: &Path, this: &Holder) -> Result<Found, Fault> {
    let io = || Fault::io(path);
    let file = File::open(path).map_err(io())?;
    let lock = file.try_lock_shared();
    let text = fs::read_to_string(path).map_err(io())?;
    let mut lines = text.lines();
    let holder: Option<Holder> = lines.next().and_then(|line| serde_json::from_str(line).ok());
    if lines.next_back() == Some(RELEASED) {
        return Ok(Found::Released);
    }
    let beat = file.metadata().and_then(|data| data.modified()).map_err(io())?;
    let silent = now_there(path)?.duration_since(beat).unwrap_or_default();
    Ok(match (lock, &holder) {
        (Err(TryLockError::WouldBlock), _) => Found::Held { holder, silent },
        (Ok(()), Some(them)) if them.is_of_this_system(this) => Found::Dead(holder),
        _ if silent > SILENCE => Found::Dead(holder),
        _ => Found::Held { holder, silent },
    })
}

/// The time as the file system of `path` has it.
fn now_there(path: &Path) -> Result<std::time::SystemTime, Fault> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let probe =
        path.with_file_name(format!(".now-{}-{process}-{count}", boot().unwrap_or_default()));
    let written = || {
        fs::write(&probe, b".")?;
        let time = fs::metadata(&probe)?.modified();
        fs::remove_file(&probe)?;
        time
    };
    written().map_err(Fault::io(&probe))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(folder: &Path) -> (Claim, Option<Holder>) {
        match Claim::ask(folder, "w-0.1").unwrap() {
            Asked::Ours { claim, dead } => (claim, dead),
            Asked::Theirs { holder, .. } => panic!("{holder:?} has it"),
        }
    }

    #[test]
    fn what_is_claimed_is_not_had_twice_and_is_free_again_when_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let (claim, dead) = ours(folder.path());
        assert_eq!(dead, None);
        let Asked::Theirs { holder, .. } = Claim::ask(folder.path(), "w-0.1").unwrap() else {
            panic!("had twice")
        };
        assert_eq!(holder.unwrap().process, std::process::id());
        // Another piece of work, the name of which begins the same, is free.
        assert!(matches!(Claim::ask(folder.path(), "w-0").unwrap(), Asked::Ours { .. }));
        assert!(!claim.is_lost());
        drop(claim);
        assert_eq!(holder_of(folder.path()), None);
        assert_eq!(ours(folder.path()).1, None, "who gave it back did not die");
    }

    fn holder_of(folder: &Path) -> Option<Holder> {
        holder(folder, "w-0.1").unwrap()
    }

    /// A claim as a process leaves it that was killed.
    fn left_by(folder: &Path, holder: &Holder, silent: Duration) {
        let path = path(folder, "w-0.1", 7);
        let text = format!("{}\n...", serde_json::to_string(holder).unwrap());
        fs::write(&path, text).unwrap();
        let beat = std::time::SystemTime::now() - silent;
        File::options().append(true).open(&path).unwrap().set_modified(beat).unwrap();
    }

    #[test]
    fn the_dead_of_this_system_are_followed_at_once_and_those_of_another_after_a_silence() {
        let here = Holder { process: 1, ..Holder::this() };
        let elsewhere = Holder { boot: Some("another".into()), ..here.clone() };
        let untold = Holder { boot: None, ..here.clone() };
        let a_while = SILENCE + Duration::from_secs(60);
        for (holder, silent, is_dead) in [
            (&here, Duration::ZERO, true),
            (&elsewhere, Duration::ZERO, false),
            (&elsewhere, a_while, true),
            (&untold, Duration::ZERO, false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            left_by(folder.path(), holder, silent);
            assert_eq!(holder_of(folder.path()).is_none(), is_dead, "{holder:?}");
            match Claim::ask(folder.path(), "w-0.1").unwrap() {
                Asked::Ours { dead, .. } => assert!(is_dead && dead.as_ref() == Some(holder)),
                Asked::Theirs { .. } => assert!(!is_dead, "{holder:?} after {silent:?}"),
            }
        }
    }

    #[test]
    fn of_many_who_follow_the_dead_one_has_it() {
        for _ in 0..50 {
            let folder = tempfile::tempdir().unwrap();
            left_by(folder.path(), &Holder::this(), Duration::ZERO);
            let all: Vec<Asked> = std::thread::scope(|scope| {
                let ask = |_| scope.spawn(|| Claim::ask(folder.path(), "w-0.1").unwrap());
                let threads: Vec<_> = (0..4).map(ask).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let ours = all.iter().filter(|asked| matches!(asked, Asked::Ours { .. })).count();
            assert_eq!(ours, 1);
        }
    }
}
