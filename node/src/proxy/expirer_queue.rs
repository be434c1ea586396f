//! Where the expirer's queue holds what is to be deleted, and when.

use super::config::{EXPIRER_CONTAINERS_PER_SPAN, ProxyConfig};
use super::entity::Entity;
use swiftlet_types::{HashConf, Timestamp};

/// The queue's account and how it is divided.
#[derive(Debug, Clone, Default)]
pub struct ExpirerQueue {
    hash: HashConf,
    account: String,
    /// One span of time, in seconds.
    divisor: u64,
}

impl ExpirerQueue {
    /// The queue of a cluster.
    pub fn new(config: &ProxyConfig, hash: HashConf) -> Self {
        let divisor = config.expiring_objects_container_divisor;
        Self { hash, account: config.expiring_objects_account.clone(), divisor }
    }

    /// The container of the queue where an object is entered that expires at `second`.
    pub fn container(&self, second: u64, entity: &Entity) -> Entity {
        let (container, object) =
            (entity.container().unwrap_or_default(), entity.object().unwrap_or_default());
        let hash = u128::from_be_bytes(self.hash.object(entity.account(), container, object).0);
        // hashes spread the queue of one span of time over so many containers, named by the seconds before it
        let shard = (hash % u128::from(EXPIRER_CONTAINERS_PER_SPAN)) as u64;
        let name = (second / self.divisor.max(1) * self.divisor).saturating_sub(shard);
        Entity::container_of(&self.account, &format!("{name:010}"))
    }
}

/// The name of the entry that has an object deleted at `timestamp`, no sooner and no later.
pub fn entry_name(timestamp: Timestamp, account: &str, container_and_object: &str) -> String {
    format!("{}-{account}/{container_and_object}", timestamp.normal())
}
