//! Whose a device is. Each carries an identity file from the day it is first used; a node takes no device that says
//! it belongs to another cluster, node or place in it, because serving from it would answer 404 for what exists and
//! let replication spread the mistake.

use crate::fs::sync_dir;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use swiftlet_types::HashConf;
use thiserror::Error;

/// The identity file, below the root of a device.
const FILE: &str = ".swiftlet/identity.json";
/// The account whose place is a hash path's fingerprint.
const FINGERPRINTED: &str = ".swiftlet-identity";
/// An identity is a few names; anything larger is not one.
const BYTES_MAX: u64 = 4096;

/// What a device says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The SwiftCluster: its name, in Kubernetes behind its namespace and `/`.
    pub cluster: String,
    /// See [`fingerprint`].
    pub hash_path_fingerprint: String,
    /// Name of the node.
    pub node: String,
    /// Name of the device.
    pub device: String,
}

/// Why a device is not taken.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// It is somebody else's.
    #[error(
        "{device}: it is device {} of node {} in cluster {}{}, not device {} of node {} in cluster {}",
        found.device, found.node, found.cluster, found.other_hash_path(wanted),
        wanted.device, wanted.node, wanted.cluster, device = device.display()
    )]
    Other {
        /// Its root.
        device: PathBuf,
        /// Whose it is.
        found: Box<Identity>,
        /// Whose it should be.
        wanted: Box<Identity>,
    },
    /// Its identity file cannot be read or written.
    #[error("{path}: cannot {doing}: {error}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// The system's words, or what is wrong with the contents.
        error: std::io::Error,
    },
}

/// Tells two hash paths apart and reveals neither: where an account of a reserved name would lie, in hex.
pub fn fingerprint(hash: &HashConf) -> String {
    hash.account(FINGERPRINTED).hex()
}

impl Identity {
    /// Agrees with the device at `root`, or gives it this identity if it has none yet.
    pub fn claim(&self, root: &Path) -> Result<(), IdentityError> {
        if self.is_on(root)? {
            return Ok(());
        }
        let path = root.join(FILE);
        self.write(&path).map_err(|error| IdentityError::File { path, doing: "write", error })
    }

    /// Whether the device at `root` has this identity; `false` where it has none.
    pub fn is_on(&self, root: &Path) -> Result<bool, IdentityError> {
        match Self::read(root)? {
            Some(found) if found == *self => Ok(true),
            Some(found) => Err(IdentityError::Other {
                device: root.to_owned(),
                found: Box::new(found),
                wanted: Box::new(self.clone()),
            }),
            None => Ok(false),
        }
    }

    /// That of the device at `root`, if it has one.
    pub fn read(root: &Path) -> Result<Option<Self>, IdentityError> {
        let path = root.join(FILE);
        match read(&path) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(IdentityError::File { path, doing: "read", error }),
        }
    }

    /// Synced with its folder: an identity that a power loss takes back would let any node claim the device.
    fn write(&self, path: &Path) -> std::io::Result<()> {
        let dir = path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(dir)?;
        let beside = dir.join(".identity.json.new");
        let mut file = File::create(&beside)?;
        file.write_all(&serde_json::to_vec(self).map_err(std::io::Error::other)?)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        sync_dir(dir)?;
        sync_dir(dir.parent().unwrap_or(dir))
    }

    fn other_hash_path(&self, wanted: &Self) -> &'static str {
        if self.hash_path_fingerprint == wanted.hash_path_fingerprint {
            ""
        } else {
            " with another hash path"
        }
    }
}

fn read(path: &Path) -> std::io::Result<Identity> {
    let mut json = Vec::new();
    File::open(path)?.take(BYTES_MAX).read_to_end(&mut json)?;
    serde_json::from_slice(&json).map_err(std::io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(node: &str) -> Identity {
        let text = |s: &str| s.to_string();
        Identity {
            cluster: text("ns/demo"),
            hash_path_fingerprint: text("f0"),
            node: text(node),
            device: text("d1"),
        }
    }

    #[test]
    fn a_device_takes_the_first_identity_and_keeps_to_it() {
        let device = tempfile::tempdir().unwrap();
        assert!(!identity("demo-rack1-0").is_on(device.path()).unwrap());
        for _ in 0..2 {
            identity("demo-rack1-0").claim(device.path()).unwrap();
        }
        let refused = identity("demo-rack2-0").claim(device.path()).unwrap_err().to_string();
        assert!(refused.contains("demo-rack1-0") && refused.contains("demo-rack2-0"), "{refused}");
    }

    #[test]
    fn another_hash_path_is_another_cluster() {
        let device = tempfile::tempdir().unwrap();
        identity("n").claim(device.path()).unwrap();
        let other = Identity { hash_path_fingerprint: "f1".into(), ..identity("n") };
        assert!(other.claim(device.path()).unwrap_err().to_string().contains("another hash path"));
    }

    #[test]
    fn a_damaged_identity_is_refused_not_replaced() {
        let device = tempfile::tempdir().unwrap();
        identity("n").claim(device.path()).unwrap();
        std::fs::write(device.path().join(FILE), b"{").unwrap();
        assert!(identity("n").claim(device.path()).is_err());
        assert_eq!(std::fs::read(device.path().join(FILE)).unwrap(), b"{");
    }
}
