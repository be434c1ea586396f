//! Which partitions the rings give to a node's devices.

use super::StorageNode;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use swiftlet_ring::{DeviceId, LoadError, Ring};
use swiftlet_storage::object::DirKind;
use swiftlet_types::policy::{index_of_path_name, path_name};
use thiserror::Error;

/// How the files of rings end.
const RING_FILE: &str = ".ring.gz";

/// The partitions of a node, by ring and device. No ring is kept for it: of millions of partitions a device has
/// thousands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assignments(BTreeMap<String, HashMap<String, HashSet<u32>>>);

/// Why they cannot be told.
#[derive(Debug, Error)]
pub enum AssignmentsError {
    /// The folder of rings cannot be read.
    #[error("cannot read {path}: {error}", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
    /// A ring cannot be used.
    #[error(transparent)]
    Ring(#[from] LoadError),
}

impl Assignments {
    /// From every ring of accounts, containers and objects in the node's `swift_dir`.
    pub(super) fn load(node: &StorageNode) -> Result<Self, AssignmentsError> {
        let dir = &node.swift_dir;
        let failed = |error| AssignmentsError::Folder { path: dir.clone(), error };
        let mut assignments = Self::default();
        for entry in std::fs::read_dir(dir).map_err(failed)? {
            let file = entry.map_err(failed)?.file_name();
            let Some(name) = file.to_str().and_then(|file| file.strip_suffix(RING_FILE)) else { continue };
            if datadir_of(name).is_some() {
                let of_ring = of_ring(&Ring::load(dir.join(&file))?, node, name);
                assignments.0.insert(name.to_owned(), of_ring);
            }
        }
        Ok(assignments)
    }

    /// The rings' names.
    pub(super) fn rings(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether the ring called `ring` gives partition `part` to the node's device `device`.
    pub(super) fn has(&self, ring: &str, device: &str, part: u32) -> bool {
        self.0.get(ring).and_then(|devices| devices.get(device)).is_some_and(|parts| parts.contains(&part))
    }
}

fn of_ring(ring: &Ring, node: &StorageNode, name: &str) -> HashMap<String, HashSet<u32>> {
    let own = node.address_in(name).devices(ring);
    let mut of_ring: HashMap<DeviceId, HashSet<u32>> =
        own.iter().map(|device| (device.id, HashSet::new())).collect();
    for row in ring.data().assignments.iter().filter(|_| !own.is_empty()) {
        for (part, id) in (0u32..).zip(row.iter()) {
            if let Some(parts) = of_ring.get_mut(&id) {
                parts.insert(part);
            }
        }
    }
    own.into_iter().map(|device| (device.device, of_ring.remove(&device.id).unwrap_or_default())).collect()
}

/// The folder with the partitions of the ring called `ring` (`object-1`: `objects-1`).
fn datadir_of(ring: &str) -> Option<String> {
    match ring {
        "account" => Some("accounts".to_owned()),
        "container" => Some("containers".to_owned()),
        _ => index_of_path_name("object", ring).map(|index| DirKind::Objects.name(index)),
    }
}

/// The ring whose partitions lie in the folder called `datadir`, whether it exists or not.
pub(super) fn ring_of(datadir: &str) -> Option<String> {
    match datadir {
        "accounts" => Some("account".to_owned()),
        "containers" => Some("container".to_owned()),
        _ => DirKind::Objects.policy_of(datadir).map(|index| path_name("object", index)),
    }
}
