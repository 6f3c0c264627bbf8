//! Claims on work, for processes and machines that share a folder.
//!
//! In: a folder and the name of a task. Out: a [`Claim`] on it, or the process that holds one. A
//! claim is a file `<name>.<n>`. It names its holder, is locked by it, and grows by one byte per
//! heartbeat. Files are only added. To take over a dead claim, a process creates file number
//! `n + 1`; only one process can do that, so no process removes another one's claim.
//!
//! If the holder runs on the same system, it is dead when the lock is free, because the kernel
//! releases the locks of a process that ends. Not every network file system shows the locks of
//! another machine, so a claim of another machine is dead only if it also had no heartbeat for
//! [`DEAD_AFTER`]. Times come from the file system, whose clock may differ from this machine's.

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

/// A claim of another machine without a heartbeat for this time is dead. It is long, because
/// network file systems may show a file as it was a minute ago.
pub const DEAD_AFTER: Duration = Duration::from_secs(300);

/// Time between two heartbeats.
pub const HEARTBEAT: Duration = Duration::from_secs(20);

/// The last line of a released claim.
const RELEASED: &str = "released";

/// The process that holds a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Name of the machine.
    pub host: String,
    /// Id of the process.
    pub process: u32,
    /// Identifies the machine and its last boot, if known.
    pub boot: Option<String>,
    /// Time of the claim, in seconds since 1970.
    pub since: u64,
}

impl Holder {
    /// This process.
    fn this() -> Self {
        Self { host: host(), process: std::process::id(), boot: boot(), since: now() }
    }

    /// Whether both run on the same system, so that its kernel knows the locks of both.
    fn is_of_this_system(&self, this: &Self) -> bool {
        self.boot.is_some() && self.boot == this.boot
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {}", self.process, self.host)
    }
}

/// Name of the machine, for messages.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("HOSTNAME").ok());
    name.map_or("a machine".into(), |name| name.trim().to_owned())
}

/// The random id that the system drew at boot, if known.
fn boot() -> Option<String> {
    let id = if cfg!(target_os = "macos") {
        let output = Command::new("sysctl").args(["-n", "kern.bootsessionuuid"]).output().ok()?;
        String::from_utf8(output.stdout).ok()?
    } else {
        fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?
    };
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// The answer to a request for a claim.
#[derive(Debug)]
pub enum Requested {
    /// This process holds the claim now.
    Granted {
        /// Dropping it releases the claim.
        claim: Claim,
        /// The last holder, if it died without releasing its claim.
        dead: Option<Holder>,
    },
    /// Another process holds the claim.
    Held {
        /// The holder; `None` if it has not written its name yet.
        holder: Option<Holder>,
        /// Time since its last heartbeat.
        since_heartbeat: Duration,
    },
}

/// A claim; no other process takes the task while it lives.
#[derive(Debug)]
pub struct Claim {
    file: Arc<Mutex<File>>,
    lost: Arc<AtomicBool>,
    /// Dropping it ends the heartbeat thread.
    alive: Option<Sender<()>>,
    heartbeat: Option<JoinHandle<()>>,
}

impl Claim {
    /// Requests a claim on the task `name`. The claims are in `folder`, which must exist.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn request(folder: &Path, name: &str) -> Result<Requested, Fault> {
        let this = Holder::this();
        let last = last(folder, name)?;
        let mut dead = None;
        if let Some(number) = last {
            match inspect(&path(folder, name, number), &this)? {
                ClaimState::Released => {}
                ClaimState::Dead(holder) => dead = holder,
                ClaimState::Held { holder, since_heartbeat } => {
                    return Ok(Requested::Held { holder, since_heartbeat });
                }
            }
        }
        let number = last.unwrap_or(0) + 1;
        match Self::create(folder, name, number, &this)? {
            Some(claim) => Ok(Requested::Granted { claim, dead }),
            None => Ok(Requested::Held { holder: None, since_heartbeat: Duration::ZERO }),
        }
    }

    /// Whether another process took over this claim. This can happen to a machine that was
    /// suspended.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Creates claim number `number`; `None` if another process was faster.
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
        // If the file system has no locks, the heartbeat alone has to do. A process that inspects
        // the claim holds the lock for a moment.
        let _ = file.lock();
        let mut line = serde_json::to_string(this).expect("plain data becomes JSON");
        line.push('\n');
        file.write_all(line.as_bytes()).map_err(Fault::io(&path))?;
        let (file, lost) = (Arc::new(Mutex::new(file)), Arc::new(AtomicBool::new(false)));
        let (alive, ended) = mpsc::channel::<()>();
        let heartbeat = {
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
        Ok(Some(Self { file, lost, alive: Some(alive), heartbeat: Some(heartbeat) }))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.alive = None;
        if let Some(heartbeat) = self.heartbeat.take() {
            let _ = heartbeat.join();
        }
        write(&self.file, format!("\n{RELEASED}\n").as_bytes());
    }
}

/// The process that holds the claim on `name` now, if there is one.
///
/// # Errors
/// [`Fault::Io`].
pub fn holder(folder: &Path, name: &str) -> Result<Option<Holder>, Fault> {
    let Some(number) = last(folder, name)? else { return Ok(None) };
    Ok(match inspect(&path(folder, name, number), &Holder::this())? {
        ClaimState::Held { holder, .. } => holder,
        ClaimState::Released | ClaimState::Dead(_) => None,
    })
}

/// Ignores errors: a full disk must not end the heartbeat.
fn write(file: &Mutex<File>, bytes: &[u8]) {
    let mut file = file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let _ = file.write_all(bytes);
}

fn path(folder: &Path, name: &str, number: u64) -> PathBuf {
    folder.join(format!("{name}.{number}"))
}

/// The highest claim number of `name`.
fn last(folder: &Path, name: &str) -> Result<Option<u64>, Fault> {
    let mut last = None;
    for entry in fs::read_dir(folder).map_err(Fault::io(folder))? {
        let file = entry.map_err(Fault::io(folder))?.file_name();
        let number = file.to_str().and_then(|file| file.strip_prefix(name)?.strip_prefix('.'));
        last = last.max(number.and_then(|number| number.parse().ok()));
    }
    Ok(last)
}

/// The state of a claim.
enum ClaimState {
    Released,
    Dead(Option<Holder>),
    Held { holder: Option<Holder>, since_heartbeat: Duration },
}

fn inspect(path: &Path, this: &Holder) -> Result<ClaimState, Fault> {
    let io = || Fault::io(path);
    let file = File::open(path).map_err(io())?;
    let lock = file.try_lock_shared();
    let text = fs::read_to_string(path).map_err(io())?;
    let mut lines = text.lines();
    let holder: Option<Holder> = lines.next().and_then(|line| serde_json::from_str(line).ok());
    if lines.next_back() == Some(RELEASED) {
        return Ok(ClaimState::Released);
    }
    let beat = file.metadata().and_then(|data| data.modified()).map_err(io())?;
    let since_heartbeat = file_system_now(path)?.duration_since(beat).unwrap_or_default();
    Ok(match (lock, &holder) {
        (Err(TryLockError::WouldBlock), _) => ClaimState::Held { holder, since_heartbeat },
        (Ok(()), Some(them)) if them.is_of_this_system(this) => ClaimState::Dead(holder),
        _ if since_heartbeat > DEAD_AFTER => ClaimState::Dead(holder),
        _ => ClaimState::Held { holder, since_heartbeat },
    })
}

/// The current time by the clock of the file system of `path`.
fn file_system_now(path: &Path) -> Result<std::time::SystemTime, Fault> {
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
        match Claim::request(folder, "w-0.1").unwrap() {
            Requested::Granted { claim, dead } => (claim, dead),
            Requested::Held { holder, .. } => panic!("{holder:?} has it"),
        }
    }

    #[test]
    fn a_claim_is_held_once_and_free_again_after_its_release() {
        let folder = tempfile::tempdir().unwrap();
        let (claim, dead) = ours(folder.path());
        assert_eq!(dead, None);
        let Requested::Held { holder, .. } = Claim::request(folder.path(), "w-0.1").unwrap() else {
            panic!("claimed twice")
        };
        assert_eq!(holder.unwrap().process, std::process::id());
        // Another task, whose name has the same beginning, is free.
        assert!(matches!(Claim::request(folder.path(), "w-0").unwrap(), Requested::Granted { .. }));
        assert!(!claim.is_lost());
        drop(claim);
        assert_eq!(holder_of(folder.path()), None);
        assert_eq!(ours(folder.path()).1, None, "a released claim has no dead holder");
    }

    fn holder_of(folder: &Path) -> Option<Holder> {
        holder(folder, "w-0.1").unwrap()
    }

    /// A claim as a killed process leaves it.
    fn left_by(folder: &Path, holder: &Holder, since_heartbeat: Duration) {
        let path = path(folder, "w-0.1", 7);
        let text = format!("{}\n...", serde_json::to_string(holder).unwrap());
        fs::write(&path, text).unwrap();
        let beat = std::time::SystemTime::now() - since_heartbeat;
        File::options().append(true).open(&path).unwrap().set_modified(beat).unwrap();
    }

    #[test]
    fn a_dead_claim_is_taken_over_at_once_on_the_same_system_and_after_a_while_on_another() {
        let here = Holder { process: 1, ..Holder::this() };
        let elsewhere = Holder { boot: Some("another".into()), ..here.clone() };
        let untold = Holder { boot: None, ..here.clone() };
        let a_while = DEAD_AFTER + Duration::from_secs(60);
        for (holder, since_heartbeat, is_dead) in [
            (&here, Duration::ZERO, true),
            (&elsewhere, Duration::ZERO, false),
            (&elsewhere, a_while, true),
            (&untold, Duration::ZERO, false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            left_by(folder.path(), holder, since_heartbeat);
            assert_eq!(holder_of(folder.path()).is_none(), is_dead, "{holder:?}");
            match Claim::request(folder.path(), "w-0.1").unwrap() {
                Requested::Granted { dead, .. } => {
                    assert!(is_dead && dead.as_ref() == Some(holder))
                }
                Requested::Held { .. } => assert!(!is_dead, "{holder:?} after {since_heartbeat:?}"),
            }
        }
    }

    #[test]
    fn only_one_of_several_processes_takes_over_a_dead_claim() {
        for _ in 0..50 {
            let folder = tempfile::tempdir().unwrap();
            left_by(folder.path(), &Holder::this(), Duration::ZERO);
            let all: Vec<Requested> = std::thread::scope(|scope| {
                let request = |_| scope.spawn(|| Claim::request(folder.path(), "w-0.1").unwrap());
                let threads: Vec<_> = (0..4).map(request).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let ours = all
                .iter()
                .filter(|requested| matches!(requested, Requested::Granted { .. }))
                .count();
            assert_eq!(ours, 1);
        }
    }
}
