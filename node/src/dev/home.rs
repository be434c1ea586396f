//! The folder that a dev cluster is kept in.
//!
//! `etc/` is what `/etc/swift` is elsewhere: `swift.conf`, rings, builders, `proxy-server.conf`,
//! `proxy-server/<pool>.conf` for each other pool, and `object-server/<zone>-<n>.conf` and the like for each node.
//! `<zone>-<n>/<device>/` are the devices, `discarded/` is what of them is being deleted.

use super::DevError;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What is in `etc` has keys in it, or is no use without: nobody else may read it.
const PRIVATE: u32 = 0o600;

/// The folder with what is being deleted.
const DISCARDED: &str = "discarded";

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
    pub(super) fn write_etc(&self, name: impl AsRef<Path>, bytes: &[u8]) -> Result<(), DevError> {
        let path = self.etc().join(name);
        if let Some(folder) = path.parent() {
            self.make_folder(folder)?;
        }
        let mut unfinished = path.clone().into_os_string();
        unfinished.push(".new");
        let open = OpenOptions::new().write(true).create(true).truncate(true).mode(PRIVATE).open(&unfinished);
        let written = open.and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&unfinished, &path)
        });
        written.map_err(DevError::data(&path, "write"))
    }

    /// Lets `name` in `etc` stand for `target`, a path from its folder.
    pub(super) fn link_etc(&self, name: &Path, target: &Path) -> Result<(), DevError> {
        let path = self.etc().join(name);
        match std::os::unix::fs::symlink(target, &path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(DevError::data(&path, "make the link")(error))
            }
            _ => Ok(()),
        }
    }

    /// Deletes a folder of devices: it is gone at once, and its contents a while after. What an earlier end left of such
    /// contents goes with them.
    pub(super) async fn discard(&self, path: &Path) -> Result<(), DevError> {
        let discarded = self.root.join(DISCARDED);
        self.make_folder(&discarded)?;
        let name = path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().replace('/', "-");
        remove_folder(discarded.clone()).await?;
        self.make_folder(&discarded)?;
        match std::fs::rename(path, discarded.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(DevError::data(path, "move aside")(error));
            }
            _ => {}
        }
        remove_folder(discarded).await
    }

    /// Deletes files of `etc`, where they exist.
    pub(super) fn remove_etc(&self, names: impl IntoIterator<Item = String>) -> Result<(), DevError> {
        for name in names {
            let path = self.etc().join(name);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(DevError::data(&path, "remove")(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes a folder below the home where it is missing.
    pub(super) fn make_folder(&self, path: &Path) -> Result<(), DevError> {
        std::fs::create_dir_all(path).map_err(DevError::data(path, "make the folder"))
    }
}

/// Deletes a folder, which may hold very many files, beside the async workers.
async fn remove_folder(path: PathBuf) -> Result<(), DevError> {
    let folder = path.clone();
    let removed = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(folder)).await;
    removed.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(DevError::data(path, "remove"))
}
