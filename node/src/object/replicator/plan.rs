//! What is to be done with a partition. Pure.

use crate::object::replication::{OwnDevice, PartitionId, PolicyPass};
use std::sync::Arc;
use swiftlet_ring::Device;

/// One partition to be replicated.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub own: Arc<OwnDevice>,
    pub policy: Arc<PolicyPass>,
    pub partition: u32,
    /// Whether it belongs on other devices only.
    pub is_handoff: bool,
}

impl Job {
    /// The partition.
    pub fn id(&self) -> PartitionId {
        PartitionId {
            device: self.own.device.device.clone(),
            dir: self.own.dir.clone(),
            policy: self.policy.index,
            partition: self.partition,
        }
    }

    /// The devices that it belongs on, but for this one.
    pub fn nodes(&self) -> Vec<Device> {
        let others = |node: &&Device| node.id != self.own.device.id;
        self.policy.ring.nodes(self.partition).filter(others).cloned().collect()
    }
}
