//! Finding the partitions on this node's devices.

use super::pass::Pass;
use super::plan::Job;
use super::stats::peer_id;
use crate::object::replication::{Entry, Looked, OwnDevice, PolicyPass, look, own_devices};
use std::sync::Arc;
use swiftlet_ring::Device;

impl Pass<'_> {
    /// The partitions to be replicated, in no order.
    pub(super) async fn collect(&self) -> Vec<Job> {
        let mut jobs = Vec::new();
        for policy in &self.policies {
            if policy.ring.next_part_power().is_some() {
                // Objects are linked twice meanwhile, and would be sent twice.
                tracing::warn!("next_part_power set in policy '{}'. Skipping", policy.index);
                continue;
            }
            for device in own_devices(&self.shared.config.own, policy, self.devices.as_deref()).await {
                jobs.extend(self.collect_device(policy, device).await);
            }
        }
        jobs
    }

    async fn collect_device(&self, policy: &Arc<PolicyPass>, device: Device) -> Vec<Job> {
        let index = policy.index;
        let names = match look(&self.shared.store, &self.shared.pools, &device, index).await {
            Looked::Names(Ok(names)) => names,
            Looked::Names(Err(error)) => {
                tracing::error!("ERROR listing policy {index} of {}: {error}", device.device);
                return Vec::new();
            }
            Looked::Unusable(why) => {
                let everyone = policy.ring.devices().map(peer_id);
                self.tally.of(&device.device, |stats| stats.fail(everyone));
                tracing::warn!("{why}");
                return Vec::new();
            }
        };
        let dir = self.shared.store.config().devices.path_of(&device.device);
        let own = Arc::new(OwnDevice { device, dir });
        let mut jobs = Vec::new();
        for name in names {
            match Entry::of(&name, &policy.ring, own.device.id, &self.partitions) {
                Entry::Partition { partition, is_handoff } => {
                    jobs.push(Job { own: own.clone(), policy: policy.clone(), partition, is_handoff });
                }
                Entry::NotOurs => {}
                Entry::Unknown => {
                    let everyone = policy.ring.devices().map(peer_id);
                    self.tally.of(&own.device.device, |stats| stats.fail(everyone));
                }
                Entry::BeyondRing => tracing::error!(
                    "partition {name} of policy {index} on {} is not in the ring: left as it is",
                    own.device.device
                ),
            }
        }
        jobs
    }
}
