//! Whose a volume is. Each carries an identity file from the day it is first used; a node takes no volume that says
//! it belongs to another cluster, node or device, because serving from it would answer 404 for what exists and let
//! replication spread the mistake. A refused device is missing to the servers, which answer 507 for it.

use super::{PodError, PodOptions, link};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use swiftlet_types::SwiftConf;

/// The identity file, below the root of a volume.
const IDENTITY: &str = ".swiftlet/identity.json";
/// The account whose place is a hash path's fingerprint.
const FINGERPRINTED: &str = ".swiftlet-identity";
/// An identity is a few names; anything larger is not one.
const IDENTITY_BYTES_MAX: u64 = 4096;

/// What a volume says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// Namespace and name of the SwiftCluster.
    pub cluster: String,
    /// Tells two hash paths apart and reveals neither: where an account of a reserved name would lie, in hex.
    pub hash_path_fingerprint: String,
    /// Name of the node.
    pub node: String,
    /// Name of the device.
    pub device: String,
}

/// A device of this pod.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its name in the rings.
    pub name: String,
    /// Where its volume is mounted.
    pub path: PathBuf,
    /// Why the servers do not get it.
    pub refused: Option<String>,
}

/// Links every volume of the pod that is what it claims under `devices`.
///
/// # Errors
/// [`PodError`] where the folders themselves or `swift.conf` cannot be used.
pub fn link_all(options: &PodOptions) -> Result<Vec<Device>, PodError> {
    let (Some(volumes), Some(node)) = (&options.volumes, &options.node) else { return Ok(Vec::new()) };
    std::fs::create_dir_all(&options.devices).map_err(PodError::io("make", &options.devices))?;
    let swift_conf = SwiftConf::read(options.swift_dir.join("swift.conf"))?;
    let hash_path_fingerprint = swift_conf.hash.account(FINGERPRINTED).hex();
    let mut devices = Vec::new();
    for entry in std::fs::read_dir(volumes).map_err(PodError::io("read", volumes))? {
        let path = entry.map_err(PodError::io("read", volumes))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let wanted = Identity {
            cluster: options.cluster.clone(),
            hash_path_fingerprint: hash_path_fingerprint.clone(),
            node: node.clone(),
            device: name.clone(),
        };
        let refused = claim(&path, &wanted).err();
        match &refused {
            None => link(&path, &options.devices.join(&name))?,
            Some(reason) => tracing::error!(device = name, reason, "volume refused; the device answers 507"),
        }
        devices.push(Device { name, path, refused });
    }
    devices.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(devices)
}

/// Agrees with the volume's identity, or gives it one if it has none yet.
fn claim(volume: &Path, wanted: &Identity) -> Result<(), String> {
    let path = volume.join(IDENTITY);
    match read_identity(&path) {
        Ok(found) if found == *wanted => Ok(()),
        Ok(found) => Err(format!(
            "it is device {} of node {} in cluster {}{}, not device {} of node {} in cluster {}",
            found.device,
            found.node,
            found.cluster,
            if found.hash_path_fingerprint == wanted.hash_path_fingerprint {
                ""
            } else {
                " with another hash path"
            },
            wanted.device,
            wanted.node,
            wanted.cluster,
        )),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            write_identity(&path, wanted).map_err(|e| format!("write {}: {e}", path.display()))
        }
        Err(e) => Err(format!("read {}: {e}", path.display())),
    }
}

fn read_identity(path: &Path) -> std::io::Result<Identity> {
    let mut json = Vec::new();
    File::open(path)?.take(IDENTITY_BYTES_MAX).read_to_end(&mut json)?;
    serde_json::from_slice(&json).map_err(std::io::Error::other)
}

/// Synced with its folder: an identity that a power loss takes back would let any node claim the volume.
fn write_identity(path: &Path, identity: &Identity) -> std::io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(dir)?;
    let beside = dir.join(".identity.json.new");
    let mut file = File::create(&beside)?;
    file.write_all(&serde_json::to_vec(identity).map_err(std::io::Error::other)?)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    File::open(dir)?.sync_all()?;
    File::open(dir.parent().unwrap_or(dir))?.sync_all()
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
    fn a_volume_takes_the_first_identity_and_keeps_to_it() {
        let volume = tempfile::tempdir().unwrap();
        assert_eq!(claim(volume.path(), &identity("demo-rack1-0")), Ok(()));
        assert_eq!(claim(volume.path(), &identity("demo-rack1-0")), Ok(()));
        let refused = claim(volume.path(), &identity("demo-rack2-0")).unwrap_err();
        assert!(refused.contains("demo-rack1-0") && refused.contains("demo-rack2-0"), "{refused}");
    }

    #[test]
    fn another_hash_path_is_another_cluster() {
        let volume = tempfile::tempdir().unwrap();
        claim(volume.path(), &identity("n")).unwrap();
        let other = Identity { hash_path_fingerprint: "f1".into(), ..identity("n") };
        assert!(claim(volume.path(), &other).unwrap_err().contains("another hash path"));
    }

    #[test]
    fn a_damaged_identity_is_refused_not_replaced() {
        let volume = tempfile::tempdir().unwrap();
        claim(volume.path(), &identity("n")).unwrap();
        std::fs::write(volume.path().join(IDENTITY), b"{").unwrap();
        assert!(claim(volume.path(), &identity("n")).is_err());
        assert_eq!(std::fs::read(volume.path().join(IDENTITY)).unwrap(), b"{");
    }
}
