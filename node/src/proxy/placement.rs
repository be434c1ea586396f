//! Where accounts, containers and objects lie: the nodes that the rings name for them.

use super::rings::{Node, Rings};
use std::sync::Arc;
use swiftlet_types::HashConf;

/// The rings, and the hash that finds a name's partition in them.
#[derive(Clone)]
pub struct Placement {
    rings: Arc<Rings>,
    hash: HashConf,
}

impl Placement {
    /// The placement of a cluster.
    pub fn new(rings: Arc<Rings>, hash: HashConf) -> Self {
        Self { rings, hash }
    }

    /// The partition and the primary nodes of an account.
    pub fn account(&self, account: &[u8]) -> (u32, Vec<Arc<Node>>) {
        let ring = self.rings.account();
        let partition = ring.partition(&self.hash.account(account));
        (partition, ring.primaries(partition))
    }

    /// The same of a container.
    pub fn container(&self, account: &[u8], container: &[u8]) -> (u32, Vec<Arc<Node>>) {
        let ring = self.rings.container();
        let partition = ring.partition(&self.hash.container(account, container));
        (partition, ring.primaries(partition))
    }

    /// The same of an object of that policy; `None` for a policy that is none.
    pub fn object(
        &self,
        policy_index: u32,
        account: &[u8],
        container: &[u8],
        object: &[u8],
    ) -> Option<(u32, Vec<Arc<Node>>)> {
        let ring = self.rings.object(policy_index)?;
        let partition = ring.partition(&self.hash.object(account, container, object));
        Some((partition, ring.primaries(partition)))
    }
}
