//! The way to a file: a synced file is lost all the same if a folder above it was never synced.
//!
//! Whoever makes a folder syncs the one above it, but someone else may already be using the new folder by then, and
//! the maker may have died before. So nobody relies on a folder that merely exists: the way up is synced as far as
//! it is not known to be on disk. What is known is remembered by inode and time of birth, so that a folder that was
//! removed and made again is not mistaken for the one before.

use crate::fs::sync_dir;
use lru::LruCache;
use parking_lot::Mutex;
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::LazyLock;

/// Folders remembered: those of busy partitions, and of objects that are soon changed again. Others cost a sync
/// more, of a folder that has nothing left to write.
const MAX_KNOWN: NonZeroUsize = NonZeroUsize::new(32_768).expect("not zero");

/// Folders that are on disk, and so is the way to them.
static KNOWN: LazyLock<Mutex<LruCache<Identity, ()>>> =
    LazyLock::new(|| Mutex::new(LruCache::new(MAX_KNOWN)));

/// One folder, ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Identity {
    device: (u32, u32),
    inode: u64,
    born: (i64, u32),
}

impl Identity {
    /// `None` where the file system does not tell when the folder was made.
    fn of(dir: &Path) -> io::Result<Option<Self>> {
        let found = statx(CWD, dir, AtFlags::empty(), StatxFlags::INO | StatxFlags::BTIME)?;
        let told = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::INO | StatxFlags::BTIME);
        Ok(told.then_some(Self {
            device: (found.stx_dev_major, found.stx_dev_minor),
            inode: found.stx_ino,
            born: (found.stx_btime.tv_sec, found.stx_btime.tv_nsec),
        }))
    }
}

/// Syncs the entries of `dir`, and the way to it. How many folders were synced.
pub fn sync_path(dir: &Path, root: &Path) -> io::Result<usize> {
    sync_dir(dir)?;
    Ok(1 + sync_way(dir, root)?)
}

/// Syncs the entries of each folder above `dir`, up to `root`, in which the way to `dir` is not known to be on disk.
/// How many folders were synced.
pub fn sync_way(dir: &Path, root: &Path) -> io::Result<usize> {
    let mut synced = 0;
    let mut proven = Vec::new();
    for (below, above) in dir.ancestors().zip(dir.ancestors().skip(1)) {
        if below == root {
            break;
        }
        let identity = Identity::of(below)?;
        if identity.is_some_and(|identity| KNOWN.lock().get(&identity).is_some()) {
            break;
        }
        sync_dir(above)?;
        synced += 1;
        proven.extend(identity);
    }
    if !proven.is_empty() {
        let mut known = KNOWN.lock();
        for identity in proven {
            known.put(identity, ());
        }
    }
    Ok(synced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_is_synced_until_it_is_known_whoever_made_it() {
        let root = tempfile::tempdir().unwrap();
        let sync = |dir: &str| sync_path(&root.path().join(dir), root.path()).unwrap();
        std::fs::create_dir_all(root.path().join("objects/7/abc/one")).unwrap();
        assert_eq!(sync("objects/7/abc/one"), 5);
        assert_eq!(sync("objects/7/abc/one"), 1);
        std::fs::create_dir(root.path().join("objects/7/abc/two")).unwrap();
        assert_eq!(sync("objects/7/abc/two"), 2);
        assert_eq!(sync(""), 1);
    }

    #[test]
    fn a_folder_made_again_is_another_folder() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("suffix");
        std::fs::create_dir(&dir).unwrap();
        sync_path(&dir, root.path()).unwrap();
        std::fs::remove_dir(&dir).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        std::fs::create_dir(&dir).unwrap();
        assert_eq!(sync_path(&dir, root.path()).unwrap(), 2);
    }
}
