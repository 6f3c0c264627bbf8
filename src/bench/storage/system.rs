//! Where the data lie and what the process may use: file system, free space, memory and cores.
//!
//! In: a folder. Out: a [`System`], read from `/proc` and from the cgroups, versions 1 and 2. What
//! the machine does not tell is given as `unknown`, or as the whole machine's.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::error::StorageError;
use super::measurement::System;

/// File systems whose data lie on another machine.
const NETWORK: [&str; 27] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "lustre",
    "gpfs",
    "mmfs",
    "beegfs",
    "fhgfs",
    "ceph",
    "glusterfs",
    "9p",
    "virtiofs",
    "afs",
    "coda",
    "ncpfs",
    "panfs",
    "orangefs",
    "pvfs2",
    "wekafs",
    "vastnfs",
    "quobyte",
    "davfs",
    "s3fs",
    "pohmelfs",
    "daos",
];

/// FUSE file systems whose data lie on this machine.
const LOCAL_FUSE: [&str; 6] =
    ["fuseblk", "fuse.ntfs", "fuse.ntfs-3g", "fuse.mergerfs", "fuse.bindfs", "fuse.fuse-overlayfs"];

/// One mounted file system, from `/proc/self/mountinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// The folder in the file system that is mounted.
    root: PathBuf,
    /// Where it is mounted.
    pub(super) point: PathBuf,
    /// Its type.
    pub(super) file_system: String,
    source: String,
    options: String,
}

/// Reads everything about the folder `path`, which must exist.
///
/// # Errors
/// [`StorageError::Io`] if `path` cannot be resolved, or its free space is not known.
pub fn system(path: &Path) -> Result<System, StorageError> {
    let path = fs::canonicalize(path).map_err(StorageError::io(path))?;
    let mounts = mounts(&fs::read("/proc/self/mountinfo").unwrap_or_default());
    let mount = mount_of(&mounts, &path);
    let unknown = || "unknown".to_owned();
    let groups = Groups { mounts: &mounts, own: fs::read("/proc/self/cgroup").unwrap_or_default() };
    Ok(System {
        file_system: mount.map_or_else(unknown, |mount| mount.file_system.clone()),
        source: mount.map_or_else(unknown, |mount| mount.source.clone()),
        options: mount.map_or_else(unknown, |mount| mount.options.clone()),
        network: mount.is_some_and(|mount| is_network(&mount.file_system)),
        free_bytes: free_bytes(&path)?,
        memory_bytes: memory(&groups),
        cores: cores(&groups),
    })
}

/// Bytes that this user may still write in the file system of `path`.
///
/// # Errors
/// [`StorageError::Io`].
pub fn free_bytes(path: &Path) -> Result<u64, StorageError> {
    let found = rustix::fs::statvfs(path).map_err(|e| StorageError::io(path)(e.into()))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Whether a file system of this type keeps its data on another machine. FUSE file systems are
/// taken for remote unless they are known to be local.
pub fn is_network(file_system: &str) -> bool {
    NETWORK.contains(&file_system)
        || file_system.starts_with("fuse") && !LOCAL_FUSE.contains(&file_system)
}

/// The lines of `mountinfo` (proc(5)).
pub(super) fn mounts(text: &[u8]) -> Vec<Mount> {
    let mount = |line: &[u8]| {
        let mut fields = line.split(|&byte| byte == b' ').filter(|field| !field.is_empty());
        let (root, point) = (unescape(fields.nth(3)?), unescape(fields.next()?));
        let options = lossy(fields.next()?);
        let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
        let (file_system, source) = (lossy(fields.next()?), unescape(fields.next()?));
        let more = fields.next().map(lossy).unwrap_or_default();
        let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
        Some(Mount {
            root: path(&root),
            point: path(&point),
            file_system,
            source: lossy(&source),
            options: join_options(&options, &more),
        })
    };
    text.split(|&byte| byte == b'\n').filter_map(mount).collect()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Options of the mount, then those of the file system that are not among them.
fn join_options(mount: &str, file_system: &str) -> String {
    let known: Vec<&str> = mount.split(',').collect();
    let more =
        file_system.split(',').filter(|option| !option.is_empty() && !known.contains(option));
    known.iter().copied().chain(more).collect::<Vec<_>>().join(",")
}

/// `\040` and the like, which stand for space, tab, newline and backslash.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let octal = tail.get(..3).filter(|digits| *first == b'\\' && digits.is_ascii());
        let code = octal.and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &tail[3..];
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

/// The mount that `path` lies in: the deepest one, and of several at one place the last.
pub(super) fn mount_of<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    let over = mounts.iter().filter(|mount| path.starts_with(&mount.point));
    over.max_by_key(|mount| mount.point.components().count())
}

/// The cgroups of this process.
struct Groups<'a> {
    mounts: &'a [Mount],
    /// The content of `/proc/self/cgroup`.
    own: Vec<u8>,
}

impl Groups<'_> {
    /// The process's folders for a controller, from its own group up to the mounted one. In a
    /// container the upper groups are often not mounted; a limit there is then the mounted one's.
    fn folders(&self, controller: &str) -> Vec<PathBuf> {
        let own = String::from_utf8_lossy(&self.own);
        let mut folders = Vec::new();
        for line in own.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
            let second = controllers.is_empty();
            if !second && !controllers.split(',').any(|name| name == controller) {
                continue;
            }
            let mount = self.mounts.iter().find(|mount| match second {
                true => mount.file_system == "cgroup2",
                false => {
                    let has = mount.options.split(',').any(|option| option == controller);
                    mount.file_system == "cgroup" && has
                }
            });
            let Some(mount) = mount else { continue };
            let below = Path::new(path).strip_prefix(&mount.root).unwrap_or(Path::new(""));
            let own = mount.point.join(below.strip_prefix("/").unwrap_or(below));
            let up = own.ancestors().take_while(|folder| folder.starts_with(&mount.point));
            folders.extend(up.map(Path::to_owned));
        }
        folders
    }
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Memory of the machine in bytes, or the lowest limit of a cgroup.
fn memory(groups: &Groups) -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = total.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    let machine = kibibytes.map_or(u64::MAX, |kibibytes: u64| kibibytes << 10);
    let limits = groups.folders("memory").into_iter().flat_map(|folder| {
        // `max`, and in version 1 a number near 2^63, mean that there is no limit.
        [number(&folder.join("memory.max")), number(&folder.join("memory.limit_in_bytes"))]
    });
    limits.flatten().fold(machine, u64::min)
}

/// Cores by affinity, or the lowest quota of a cgroup.
fn cores(groups: &Groups) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let allowed = list
        .and_then(cpus)
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let quotas = groups.folders("cpu").into_iter().filter_map(|folder| {
        let (quota, period) = match fs::read_to_string(folder.join("cpu.max")) {
            Ok(text) => {
                let (quota, period) = text.trim().split_once(' ')?;
                (quota.parse::<f64>().ok()?, period.parse::<f64>().ok()?)
            }
            Err(_) => (
                number(&folder.join("cpu.cfs_quota_us"))? as f64,
                number(&folder.join("cpu.cfs_period_us"))? as f64,
            ),
        };
        (quota > 0.0 && period > 0.0).then(|| quota / period)
    });
    quotas.fold(allowed as f64, f64::min)
}

/// The number of CPUs in a list such as `0-3,8`.
fn cpus(list: &str) -> Option<usize> {
    let count = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        Some((last + 1).saturating_sub(first))
    };
    list.trim().split(',').map(count).sum::<Option<usize>>().filter(|&cores| cores > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
40 27 0:40 / /data rw,nosuid - nfs4 server:/lab rw,vers=4.2,rsize=1048576
41 40 0:41 / /data/two\\040words ro - fuse.sshfs host:/x ro
42 27 0:42 /box /cg/memory rw - cgroup cgroup rw,memory
";

    #[test]
    fn the_deepest_mount_counts_and_its_name_may_contain_a_space() {
        let mounts = mounts(MOUNTS.as_bytes());
        let found = |path| mount_of(&mounts, Path::new(path)).unwrap();
        assert_eq!(found("/database/x").file_system, "ext4");
        assert_eq!(found("/data/x").options, "rw,nosuid,vers=4.2,rsize=1048576");
        assert_eq!(found("/data/two words/x").source, "host:/x");
        assert!(is_network("nfs4") && is_network("fuse.sshfs") && !is_network("ext4"));
        assert!(!is_network("fuseblk"));
    }

    #[test]
    fn the_limit_of_a_cgroup_is_that_of_the_group_or_of_one_above() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("job/step");
        fs::create_dir_all(&own).unwrap();
        fs::write(folder.path().join("job/memory.limit_in_bytes"), "1048576\n").unwrap();
        fs::write(own.join("memory.limit_in_bytes"), "9223372036854771712\n").unwrap();
        let mut mounts = mounts(MOUNTS.as_bytes());
        mounts[3].point = folder.path().to_owned();
        let groups = Groups { mounts: &mounts, own: b"4:memory:/box/job/step\n0::/\n".to_vec() };
        assert_eq!(memory(&groups), 1 << 20);
    }

    #[test]
    fn a_quota_of_one_and_a_half_cores_is_not_rounded() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cpu.max"), "15000 10000\n").unwrap();
        let text = b"1 1 0:1 / /cg rw - cgroup2 cgroup2 rw\n";
        let mut mounts = mounts(text);
        mounts[0].point = folder.path().to_owned();
        let groups = Groups { mounts: &mounts, own: b"0::/\n".to_vec() };
        let cores = cores(&groups);
        assert!(cores == 1.5 || cores == 1.0, "{cores}");
        assert_eq!([cpus("0-3,8"), cpus("5"), cpus("x")], [Some(5), Some(1), None]);
    }

    #[test]
    fn this_machine_has_memory_cores_and_a_file_system() {
        let found = system(Path::new("/proc")).unwrap();
        assert_eq!((found.file_system.as_str(), found.network), ("proc", false));
        assert!(found.memory_bytes > 1 << 20 && found.cores > 0.0);
    }
}
