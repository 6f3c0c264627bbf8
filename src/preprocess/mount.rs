//! Where the file system of a path is mounted.
//!
//! The path itself is not touched: on a server that is gone, that would wait for ever.

use std::path::{Path, PathBuf};

/// The mount point over `path`, if Linux tells it.
pub fn point(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    deepest(&std::fs::read_to_string("/proc/self/mounts").ok()?, &path)
}

/// The deepest of the mount points in `mounts` (proc(5)) that `path` lies in.
fn deepest(mounts: &str, path: &Path) -> Option<PathBuf> {
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let points = points.map(|point| PathBuf::from(unescaped(point)));
    points.filter(|point| path.starts_with(point)).max_by_key(|point| point.components().count())
}

/// Spaces and the like are written as three octal digits.
fn unescaped(point: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(point.to_owned(), |text, (code, meant)| text.replace(code, meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_over_a_path_is_named() {
        let mounts = "/dev/sda1 / ext4 rw 0 0\n\
                      server:/x /mnt/two\\040words nfs4 rw 0 0\n\
                      tmpfs /mnt tmpfs rw 0 0\n";
        let of = |path: &str| deepest(mounts, Path::new(path)).unwrap();
        assert_eq!(of("/mnt/two words/data/1.dcm"), Path::new("/mnt/two words"));
        assert_eq!(of("/mnt/two/1.dcm"), Path::new("/mnt"));
        assert_eq!(of("/home/1.dcm"), Path::new("/"));
        assert_eq!(deepest("", Path::new("/")), None);
    }
}
