//! The folder that a dev cluster is kept in.
//!
//! `etc/` is what `/etc/swift` is elsewhere: `swift.conf`, rings, builders, `proxy-server.conf`, and
//! `object-server/<zone>-<n>.conf` and the like for each node. `<zone>-<n>/<device>/` are the devices.

use super::DevError;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::{Path, PathBuf};
use swiftlet_ring::format::replace_file;

/// An open folder, which no other process has.
#[derive(Debug)]
pub(super) struct Home {
    root: PathBuf,
    /// Held as long as the cluster runs; the system lets go of it even after kill -9.
    _lock: File,
}

impl Home {
    /// Makes the folder where it is missing, and takes it.
    pub(super) fn open(root: &Path) -> Result<Self, DevError> {
        std::fs::create_dir_all(root).map_err(DevError::data(root, "make the folder"))?;
        let root = root.canonicalize().map_err(DevError::data(root, "use the folder"))?;
        let lock_path = root.join(".lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(DevError::data(&lock_path, "write"))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(DevError::InUse(root));
        }
        let etc = root.join("etc");
        std::fs::create_dir_all(&etc).map_err(DevError::data(&etc, "make the folder"))?;
        Ok(Self { root, _lock: lock })
    }

    /// The folder of configuration and rings.
    pub(super) fn etc(&self) -> PathBuf {
        self.root.join("etc")
    }

    /// The folder of a node's devices; `place` is `<zone>-<ordinal>`.
    pub(super) fn devices(&self, place: &str) -> PathBuf {
        self.root.join(place)
    }

    /// The folder of a node's recon caches.
    pub(super) fn recon_cache(&self, place: &str) -> PathBuf {
        self.root.join("cache").join(place)
    }

    /// A file of `etc`, where it exists.
    pub(super) fn read_etc(&self, name: &str) -> Result<Option<Vec<u8>>, DevError> {
        let path = self.etc().join(name);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(DevError::data(&path, "read")(error)),
        }
    }

    /// Puts a file of `etc` in place as a whole; `name` may name a folder below it.
    pub(super) fn write_etc(&self, name: &str, bytes: &[u8]) -> Result<(), DevError> {
        let path = self.etc().join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(DevError::data(folder, "make the folder"))?;
        }
        replace_file(&path, bytes).map_err(DevError::data(&path, "write"))
    }

    /// Makes a folder below the home where it is missing.
    pub(super) fn make_folder(&self, path: &Path) -> Result<(), DevError> {
        std::fs::create_dir_all(path).map_err(DevError::data(path, "make the folder"))
    }
}
