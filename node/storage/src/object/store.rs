//! What all objects of a node share: its devices, the cluster's hash secrets and the rules for its disks.

use super::changes::Changes;
use super::layout::Layouts;
use super::location::{Location, ObjectPath};
use crate::device::{DeviceError, Devices, Reserve};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;
use swiftlet_types::Policies;
use swiftlet_types::hash_path::HashConf;

/// A store's settings; the defaults are Swift's.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// `[swift-hash]` of swift.conf.
    pub hash: HashConf,
    /// `devices` and `mount_check`.
    pub devices: Devices,
    /// `fallocate_reserve`
    pub reserve: Reserve,
    /// Whether room is set aside before a body of known length is written; off with `disable_fallocate`.
    pub preallocate: bool,
    /// `mb_per_sync`, in bytes: so much of a long upload is written between two syncs.
    pub bytes_per_sync: u64,
    /// `keep_cache_size`, in bytes: larger objects do not stay in the page cache.
    pub keep_cache_bytes: u64,
    /// `reclaim_age`: how long tombstones are kept.
    pub reclaim_age: Duration,
    /// How the objects of each policy lie.
    pub layouts: Layouts,
}

impl StoreConfig {
    /// Swift's defaults for the devices and secrets given.
    pub fn new(hash: HashConf, devices: Devices) -> Self {
        Self {
            hash,
            devices,
            reserve: Reserve::default(),
            preallocate: true,
            bytes_per_sync: 512 << 20,
            keep_cache_bytes: 5 << 20,
            reclaim_age: Duration::from_secs(7 * 24 * 3600),
            layouts: Layouts::default(),
        }
    }

    /// The same where these are the cluster's policies.
    pub fn with_policies(mut self, policies: &Policies) -> Self {
        self.layouts.set_policies(policies);
        self
    }
}

/// The object files of a node.
#[derive(Debug)]
pub struct ObjectStore {
    config: StoreConfig,
    /// By file system (`st_dev`): whether its extended attributes hold all of Swift's layout.
    full_xattr_room: Mutex<HashMap<u64, bool>>,
    changes: Changes,
}

impl ObjectStore {
    /// A store with these settings.
    pub fn new(config: StoreConfig) -> Self {
        Self { config, full_xattr_room: Mutex::default(), changes: Changes::default() }
    }

    /// Its settings.
    pub fn config(&self) -> &StoreConfig {
        &self.config
    }

    /// The changes that are under way on its devices.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Where the object at `path` lies on `device`, if that may be used now.
    pub fn locate(
        &self,
        device: &str,
        partition: u64,
        policy: u32,
        path: &ObjectPath,
    ) -> Result<Location, DeviceError> {
        let device = self.config.devices.check(device)?;
        Ok(Location::new(device, policy, partition, path.hash(&self.config.hash), path.name()))
    }

    /// Whether extended attributes on the file system of `dir` hold all of Swift's layout; otherwise large
    /// metadata goes to side files (FORMAT.md). Servers ask at their start, to report it; later answers come from
    /// memory, since a file system does not change its format while it is mounted.
    pub fn has_full_xattr_room(&self, dir: &Path) -> bool {
        let Ok(stat) = std::fs::metadata(dir) else { return true };
        if let Some(known) = self.full_xattr_room.lock().get(&stat.dev()) {
            return *known;
        }
        match super::xattrs::has_full_room(dir) {
            // not to be told now: Swift's layout, and asked again
            None => true,
            Some(full) => {
                self.full_xattr_room.lock().insert(stat.dev(), full);
                full
            }
        }
    }
}
