//! Which objects of a device changed since a time, by the times of modification of folders: what is looked at after
//! an unclean end.
//!
//! An object's folder changes with every file that is put into it or removed. Whole partitions are passed over by
//! the time of their `hashes.invalid`, to which every change appends before its file gets its name: file systems
//! write changes of metadata in order, so that time is on disk when the file is.

use super::location::{DirKind, Location, ObjectPath, partition_dir};
use super::metadata::{Metadata, NAME};
use super::store::ObjectStore;
use super::{FileName, hashes, xattrs};
use crate::fs;
use rustix::fs::{Mode, OFlags, open, openat};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Times of files are up to a tick of the kernel behind the clock.
const COARSE: Duration = Duration::from_secs(2);

/// The partitions of `device`, as policy and number, in which something may have changed since `since`.
pub fn changed_partitions(device: &Path, since: SystemTime) -> io::Result<Vec<(u32, u64)>> {
    let mut changed = Vec::new();
    for name in fs::list(device)? {
        let Some(policy) = DirKind::Objects.policy_of(&name) else { continue };
        for partition in fs::list(&device.join(name))?.iter().filter_map(|name| name.parse().ok()) {
            let dir = partition_dir(device, policy, partition);
            if [".", "hashes.invalid", "hashes.pkl"].iter().any(|name| is_recent(&dir.join(name), since)) {
                changed.push((policy, partition));
            }
        }
    }
    Ok(changed)
}

/// A suffix of a partition in which something changed, and the folders of the objects that did.
#[derive(Debug)]
pub struct ChangedSuffix {
    /// The suffix's folder.
    pub dir: PathBuf,
    /// Folders of objects.
    pub objects: Vec<PathBuf>,
}

/// The suffixes of a partition in which something changed since `since`.
pub fn changed_suffixes(
    device: &Path,
    policy: u32,
    partition: u64,
    since: SystemTime,
) -> io::Result<Vec<ChangedSuffix>> {
    let dir = partition_dir(device, policy, partition);
    let mut changed = Vec::new();
    for suffix in fs::list(&dir)?.into_iter().filter(|name| hashes::is_suffix(name)) {
        let dir = dir.join(suffix);
        let objects = fs::list(&dir)?.into_iter().map(|name| dir.join(name));
        let objects: Vec<PathBuf> = objects.filter(|object| is_recent(object, since)).collect();
        if !objects.is_empty() || is_recent(&dir, since) {
            changed.push(ChangedSuffix { dir, objects });
        }
    }
    Ok(changed)
}

/// Whether what is at `path` was modified since `since`; what is gone was not.
fn is_recent(path: &Path, since: SystemTime) -> bool {
    let modified = std::fs::symlink_metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|time| time + COARSE >= since)
}

impl ObjectStore {
    /// The object whose folder is `dir`, by the name that its files hold. `None` where none of them tells one that
    /// belongs there.
    pub fn locate_folder(&self, device: &Path, policy: u32, partition: u64, dir: &Path) -> Option<Location> {
        let mut files: Vec<FileName> =
            fs::list(dir).ok()?.iter().filter_map(|name| FileName::parse(name).ok()).collect();
        files.sort_by_key(|file| std::cmp::Reverse(file.timestamp));
        let name = files.iter().find_map(|file| name_in(dir, &file.text))?;
        let hash = ObjectPath::from_name(&name)?.hash(&self.config().hash);
        let at = Location::new(device.to_owned(), policy, partition, hash, name);
        (at.dir == dir).then_some(at)
    }
}

/// The object's name in the metadata of the file `name` in `dir`.
fn name_in(dir: &Path, name: &str) -> Option<String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let folder = open(dir, flags | OFlags::DIRECTORY, Mode::empty()).ok()?;
    let file = openat(&folder, name, flags, Mode::empty()).ok()?;
    let metadata: Metadata = xattrs::read(folder.as_fd(), file.as_fd(), name).ok()?;
    metadata.get_str(NAME).map(str::to_owned)
}
