//! The volumes of a pod as devices of its servers. A volume that belongs elsewhere ([`swiftlet_storage::identity`]) is
//! refused: it is missing to the servers, which answer 507 for it.

use super::{PodError, PodOptions, link};
use std::path::PathBuf;
use swiftlet_storage::identity::{Identity, fingerprint};
use swiftlet_types::SwiftConf;

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
    let hash_path_fingerprint = fingerprint(&swift_conf.hash);
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
        let refused = wanted.claim(&path).err().map(|error| error.to_string());
        match &refused {
            None => link(&path, &options.devices.join(&name))?,
            Some(reason) => tracing::error!(device = name, reason, "volume refused; the device answers 507"),
        }
        devices.push(Device { name, path, refused });
    }
    devices.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(devices)
}
