//! This node's devices, and what is on them of a policy.

use super::hashing::PartitionId;
use super::partitions::{PolicyPass, distribute};
use crate::daemon::OwnAddress;
use crate::serve::DevicePools;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use swiftlet_ring::{Device, Ring};
use swiftlet_storage::object::{DirKind, ObjectStore, partition_dir};

/// What is in a policy's folder of a device.
pub(in crate::object) enum Looked {
    /// The device cannot be used, and why.
    Unusable(String),
    /// The names in it.
    Names(io::Result<Vec<String>>),
}

/// This node's devices in a policy's ring; of them only those in `only`, where it says so.
pub(in crate::object) async fn own_devices(
    own: &OwnAddress,
    policy: &PolicyPass,
    only: Option<&[String]>,
) -> Vec<Device> {
    let (own, ring) = (own.clone(), policy.ring.clone());
    // Names may have to be looked up.
    let found = tokio::task::spawn_blocking(move || (own.devices(&ring), own.describe())).await;
    let Ok((mut devices, address)) = found else { return Vec::new() };
    if devices.is_empty() {
        let index = policy.index;
        tracing::error!(
            "Can't find itself in policy with index {index} with ips {address} in ring file, not replicating"
        );
    }
    devices.retain(|device| only.is_none_or(|only| only.contains(&device.device)));
    devices
}

/// The names of this node's devices in any of these rings, and the devices of each of `workers`; `None`: all.
/// Without workers one does it all. Where devices were `asked` for, of those alone.
pub(in crate::object) async fn shares(
    own: &OwnAddress,
    rings: Vec<Arc<Ring>>,
    asked: &[String],
    workers: usize,
) -> (Vec<String>, Vec<Option<Vec<String>>>) {
    let own = own.clone();
    let names = move || -> BTreeSet<String> {
        rings.iter().flat_map(|ring| own.devices(ring)).map(|device| device.device).collect()
    };
    let names = tokio::task::spawn_blocking(names).await.unwrap_or_default();
    let names: Vec<String> = names.into_iter().collect();
    if workers == 0 {
        return (names, vec![(!asked.is_empty()).then(|| asked.to_vec())]);
    }
    let mut devices = names.clone();
    devices.retain(|device| asked.is_empty() || asked.contains(device));
    (names, distribute(devices, workers).into_iter().map(Some).collect())
}

/// Looks what is in the policy's folder of `device`; unfinished files that nobody works on any more are removed.
pub(in crate::object) async fn look(
    store: &Arc<ObjectStore>,
    pools: &DevicePools,
    device: &Device,
    policy: u32,
) -> Looked {
    let (store, name) = (store.clone(), device.device.clone());
    let look = move || match store.config().devices.check(&name) {
        Err(error) => Looked::Unusable(error.to_string()),
        Ok(dir) => Looked::Names(tidy_and_list(&dir, policy, store.config().reclaim_age)),
    };
    let looked = pools.run(&device.device, look).await;
    looked.unwrap_or_else(|error| Looked::Names(Err(io::Error::other(error))))
}

/// Whether the partition's device can be used, and the partition is a folder; a file in its place is removed.
pub(in crate::object) async fn check_partition(
    store: &Arc<ObjectStore>,
    pools: &DevicePools,
    of: PartitionId,
) -> Result<bool, String> {
    let (store, name) = (store.clone(), of.device.clone());
    let look = move || {
        let device = store.config().devices.check(&of.device).map_err(|error| error.to_string())?;
        let path = partition_dir(&device, of.policy, of.partition.into());
        let is_file = std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
        if is_file {
            tracing::warn!("Removing partition directory which was a file: {}", path.display());
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::error!(path = %path.display(), %error, "cannot remove");
            }
        }
        Ok(!is_file)
    };
    pools.run(&name, look).await.map_err(|error| error.to_string())?
}

/// Removes unfinished files that are older than anything under way, makes the policy's folder, and lists it.
fn tidy_and_list(device: &Path, policy: u32, reclaim_age: Duration) -> io::Result<Vec<String>> {
    let tmp = device.join(DirKind::Tmp.name(policy));
    for entry in std::fs::read_dir(tmp).into_iter().flatten().flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let age = modified.ok().and_then(|time| SystemTime::now().duration_since(time).ok());
        if age.is_some_and(|age| age > reclaim_age) {
            // A folder, or gone: as good.
            let _ = std::fs::remove_file(entry.path());
        }
    }
    let objects = device.join(DirKind::Objects.name(policy));
    std::fs::create_dir_all(&objects)?;
    std::fs::read_dir(objects)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}
