//! The hashes of a partition's suffixes.

use crate::serve::DevicePools;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use swiftlet_storage::object::hashes::{self, HashesError};
use swiftlet_storage::object::{Layout, ObjectStore, SuffixHash, summary};

/// The hash of each suffix; `None` where it could not be made.
pub(in crate::object) type Hashes = BTreeMap<String, Option<SuffixHash>>;

/// A partition on a device of this node.
#[derive(Debug, Clone)]
pub(in crate::object) struct PartitionId {
    /// The device's name.
    pub device: String,
    /// The device's folder.
    pub dir: PathBuf,
    /// The policy.
    pub policy: u32,
    /// The partition.
    pub partition: u32,
}

impl PartitionId {
    fn hashes(
        &self,
        layout: Layout,
        suffixes: &[&str],
        store: &ObjectStore,
    ) -> Result<(usize, Hashes), HashesError> {
        let age = store.config().reclaim_age;
        hashes::get_hashes_as(layout, &self.dir, self.policy, self.partition.into(), suffixes, age)
    }
}

/// The hashes of all suffixes, and how many were made. Where `lists`, also of those that nobody noted.
pub(in crate::object) async fn hash_all(
    store: &Arc<ObjectStore>,
    pools: &DevicePools,
    of: PartitionId,
    layout: Layout,
    lists: bool,
) -> Result<(u64, Hashes), String> {
    let (store, device) = (store.clone(), of.device.clone());
    let hash = move || {
        let (hashed, hashes) = of.hashes(layout, &[], &store)?;
        let there = match lists {
            true => summary::suffixes(&of.dir, of.policy, of.partition.into()).unwrap_or_default(),
            false => vec![],
        };
        let missing: Vec<&str> =
            there.iter().filter(|suffix| !hashes.contains_key(*suffix)).map(String::as_str).collect();
        if missing.is_empty() {
            return Ok((hashed as u64, hashes));
        }
        let (more, hashes) = of.hashes(layout, &missing, &store)?;
        Ok::<_, HashesError>(((hashed + more) as u64, hashes))
    };
    pools.run(&device, hash).await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

/// The hashes of all suffixes, these made anew.
pub(in crate::object) async fn hash_again(
    store: &Arc<ObjectStore>,
    pools: &DevicePools,
    of: PartitionId,
    layout: Layout,
    suffixes: Vec<String>,
) -> Result<Hashes, String> {
    let (store, device) = (store.clone(), of.device.clone());
    let hash = move || {
        let suffixes: Vec<&str> = suffixes.iter().map(String::as_str).collect();
        of.hashes(layout, &suffixes, &store).map(|(_, hashes)| hashes)
    };
    pools.run(&device, hash).await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}
