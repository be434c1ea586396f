//! Devices: where they are, whether they may be used, and how much room must stay free on them.

use rustix::fs::{FallocateFlags, StatVfs, fallocate, fstatvfs};
use rustix::io::Errno;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::SystemTime;
use thiserror::Error;

/// Why a device must not be used. Servers answer 507.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// The name could not be a directory below the root.
    #[error("{name:?} is not a valid drive name")]
    BadName {
        /// What was asked for.
        name: String,
    },
    /// `mount_check` is on and nothing is mounted there.
    #[error("{path} is not mounted")]
    NotMounted {
        /// Where it should be mounted.
        path: PathBuf,
    },
    /// There is no such directory.
    #[error("{path} is not a directory")]
    NotADirectory {
        /// Where it should be.
        path: PathBuf,
    },
}

/// The devices of a node: directories (mount points) below one root, `/srv/node` by default.
#[derive(Debug, Clone)]
pub struct Devices {
    root: PathBuf,
    mount_check: bool,
}

impl Devices {
    /// The devices below `root`; with `mount_check`, only mount points count.
    pub fn new(root: impl Into<PathBuf>, mount_check: bool) -> Self {
        Self { root: root.into(), mount_check }
    }

    /// The directory that holds the devices.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where `device` is, unchecked.
    pub fn path_of(&self, device: &str) -> PathBuf {
        self.root.join(device)
    }

    /// Where `device` is, if it may be used now. Costs one or two `stat`s, and is asked at each request: a disk
    /// that was unmounted must not be written to (the bytes would land on the root disk).
    pub fn check(&self, device: &str) -> Result<PathBuf, DeviceError> {
        if !is_drive_name(device) {
            return Err(DeviceError::BadName { name: device.to_owned() });
        }
        let path = self.path_of(device);
        if self.mount_check {
            if is_mount(&path) { Ok(path) } else { Err(DeviceError::NotMounted { path }) }
        } else if path.is_dir() {
            Ok(path)
        } else {
            Err(DeviceError::NotADirectory { path })
        }
    }

    /// The names of what lies below the root, sorted; whether they may be used is for [`check`](Self::check).
    pub fn list(&self) -> std::io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.root)? {
            names.extend(entry?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }
}

/// Swift's rule: whatever percent-encoding would leave alone.
fn is_drive_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-~".contains(&b);
    !name.is_empty() && name != "." && name != ".." && name.bytes().all(plain)
}

/// Whether `path` is a mount point, or carries the file `.ismount` that says so (for containers, where
/// device numbers tell nothing).
fn is_mount(path: &Path) -> bool {
    let Ok(own) = std::fs::symlink_metadata(path) else { return false };
    let marked = || path.join(".ismount").is_file();
    if own.file_type().is_symlink() {
        return marked();
    }
    let Ok(parent) = std::fs::symlink_metadata(path.join("..")) else { return false };
    own.dev() != parent.dev() || own.ino() == parent.ino() || marked()
}

/// Removes files of before `time` from the `tmp` of the device at `device`: nobody writes to them any more.
pub fn clear_tmp(device: &Path, time: SystemTime) -> std::io::Result<()> {
    crate::fs::remove_older(&device.join("tmp"), time, |_| true)
}

/// How much of a file system must stay free (`fallocate_reserve`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reserve {
    /// So many bytes.
    Bytes(u64),
    /// So many percent of its size.
    Percent(f64),
}

impl Default for Reserve {
    /// Swift's default, `1%`.
    fn default() -> Self {
        Self::Percent(1.0)
    }
}

impl FromStr for Reserve {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad =
            || format!("fallocate_reserve: {text:?} is neither a number of bytes nor a percentage below 100");
        match text.trim().strip_suffix('%') {
            None => text.trim().parse().map(Self::Bytes).map_err(|_| bad()),
            Some(number) => match number.trim().parse() {
                Ok(percent) if (0.0..100.0).contains(&percent) => Ok(Self::Percent(percent)),
                _ => Err(bad()),
            },
        }
    }
}

impl Reserve {
    /// Fails with `ENOSPC` where writing `size` more bytes to the file system of `file` would use the reserve.
    ///
    /// With a size this is the strict comparison of Swift's `fallocate`, without one that of its
    /// `fs_has_free_space`: exactly at the reserve an empty object may still be written.
    pub fn check(&self, file: impl AsFd, size: u64) -> rustix::io::Result<()> {
        let off = match self {
            Self::Bytes(bytes) => *bytes == 0,
            Self::Percent(percent) => *percent == 0.0,
        };
        if off || self.leaves_room(&fstatvfs(file)?, size) { Ok(()) } else { Err(Errno::NOSPC) }
    }

    fn leaves_room(&self, stat: &StatVfs, size: u64) -> bool {
        let free = (stat.f_frsize * stat.f_bavail) as f64 - size as f64;
        let (left, reserve) = match self {
            Self::Bytes(bytes) => (free, *bytes as f64),
            Self::Percent(percent) => (free / (stat.f_frsize * stat.f_blocks) as f64 * 100.0, *percent),
        };
        left > reserve || (size == 0 && left == reserve)
    }
}

/// Sets `size` bytes of room aside for `file` without changing its length; where the file system cannot, nothing
/// happens (as in Swift).
pub fn preallocate(file: impl AsFd, size: u64) -> rustix::io::Result<()> {
    match fallocate(file, FallocateFlags::KEEP_SIZE, 0, size) {
        Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_must_exist_and_be_mounted_if_asked() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("sda")).unwrap();
        let plain = Devices::new(root.path(), false);
        assert_eq!(plain.check("sda").unwrap(), root.path().join("sda"));
        assert!(matches!(plain.check("sdb"), Err(DeviceError::NotADirectory { .. })));
        for bad in ["", "..", "a/b", "a b", "a%20", "ä"] {
            assert!(matches!(plain.check(bad), Err(DeviceError::BadName { .. })), "{bad:?}");
        }
        let mounted = Devices::new(root.path(), true);
        assert!(matches!(mounted.check("sda"), Err(DeviceError::NotMounted { .. })));
        std::fs::write(root.path().join("sda/.ismount"), "").unwrap();
        assert!(mounted.check("sda").is_ok());
    }

    #[test]
    fn reserve_reads_bytes_and_percent() {
        assert_eq!("1%".parse(), Ok(Reserve::Percent(1.0)));
        assert_eq!("10737418240".parse(), Ok(Reserve::Bytes(10_737_418_240)));
        for bad in ["", "x", "-1", "100%", "-1%", "1.5"] {
            assert!(bad.parse::<Reserve>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_full_device_takes_nothing() {
        let file = tempfile::tempfile().unwrap();
        assert!(Reserve::Percent(0.0).check(&file, 1).is_ok());
        assert!(Reserve::Bytes(0).check(&file, 0).is_ok());
        assert_eq!(Reserve::Percent(99.999_999).check(&file, 0), Err(Errno::NOSPC));
        assert_eq!(Reserve::Bytes(u64::MAX).check(&file, 1), Err(Errno::NOSPC));
        assert_eq!(Reserve::Bytes(1).check(&file, 1 << 60), Err(Errno::NOSPC));
    }
}
