//! Fragments that belong elsewhere: they are sent there, and then removed here.

use super::pass::{Pass, Place, PushError};
use super::plan::Target;
use crate::object::replication::node_name;
use crate::object::ssync::replication_lock::{ReplicationLockError, ToLock};
use crate::object::ssync::sender::{Fragments, Mode};
use std::collections::{HashSet, VecDeque};
use std::time::Duration;
use swiftlet_storage::lock::LockError;
use swiftlet_storage::object::purge::Purge;
use swiftlet_storage::object::summary::Summary;
use swiftlet_storage::object::{Layout, partition_dir};
use swiftlet_types::hash_path::PathHash;

/// How long a partition may be locked by someone who is just being sent it, or sending it here.
const LOCK_PATIENCE: Duration = Duration::from_millis(200);

/// Fragments of one index, of a partition.
pub(super) struct Revert<'a> {
    pub pass: &'a Pass,
    pub place: &'a Place,
    /// Without one, only tombstones are handed over.
    pub index: Option<u32>,
    /// Which fragments belong here, if any do.
    pub primary_index: Option<u32>,
    pub targets: &'a [Target],
}

impl Revert<'_> {
    /// Hands over what is in `suffixes`.
    pub async fn run(&self, suffixes: Vec<String>) {
        let is_done = match self.hand_over(suffixes).await {
            Ok(is_done) => is_done,
            Err(PushError::Lock(ReplicationLockError::Lock(LockError::Timeout { .. }))) => {
                let Place { partition, policy, own, .. } = self.place;
                tracing::info!(
                    "Unable to lock handoff partition {partition} for revert on device {} policy {}",
                    own.device.device,
                    policy.pass.index
                );
                false
            }
            Err(error) => {
                tracing::error!("Error reverting partition {}: {error}", self.place.partition);
                false
            }
        };
        if !is_done {
            self.pass.count(|stats| stats.handoffs_remaining += 1);
        }
    }

    /// Whether nothing was left that was to be handed over.
    async fn hand_over(&self, suffixes: Vec<String>) -> Result<bool, PushError> {
        let shared = &self.pass.shared;
        // An object server that is being sent the partition has this lock: two nodes must not send it to each other
        // and both remove it.
        let (device_dir, policy) = (self.place.own.dir.clone(), self.place.policy.pass.index);
        let to_lock = ToLock {
            device: self.place.own.device.device.clone(),
            partition_dir: partition_dir(&device_dir, policy, self.place.partition.into()),
            device_dir,
            per_device: 0,
        };
        let _lock = to_lock.lock(&shared.pools, LOCK_PATIENCE).await?;
        let (mut rest, most) = (VecDeque::from(suffixes), shared.config.max_objects_per_revert);
        let mut is_done = true;
        while !rest.is_empty() {
            let source = self.place.source(self.fragments(0));
            let batch = self.pass.next_batch(self.place, &source, &mut rest, most).await?;
            match self.send(&batch.objects).await {
                Some(keep) => self.purge(batch.objects, keep).await?,
                None => is_done = false,
            }
            if batch.is_cut {
                return Ok(false);
            }
        }
        Ok(is_done)
    }

    fn fragments(&self, wanted: u32) -> Fragments {
        Fragments { own: self.index, wanted, with_uncommitted: true, rebuild: None }
    }

    /// Sends `objects` to all nodes they belong on; those that are to be kept all the same. `None` where a node did not
    /// take them.
    async fn send(&self, objects: &[Summary]) -> Option<HashSet<PathHash>> {
        let (mut keep, mut is_everywhere) = (HashSet::new(), !self.targets.is_empty());
        if objects.is_empty() {
            return Some(keep);
        }
        for target in self.targets {
            let source = self.place.source(self.fragments(target.index));
            match self.pass.sender.sync(&source, &target.node, objects, Mode::Send).await {
                Ok(missing) => keep.extend(missing),
                Err(error) => {
                    tracing::error!("{}/{} {error}", node_name(&target.node), self.place.partition);
                    is_everywhere = false;
                }
            }
        }
        is_everywhere.then_some(keep)
    }

    async fn purge(&self, mut objects: Vec<Summary>, keep: HashSet<PathHash>) -> Result<(), PushError> {
        objects.retain(|object| !keep.contains(&object.hash));
        if objects.is_empty() {
            return Ok(());
        }
        let commit_window = match self.place.layout {
            Layout::Fragments(rules) => rules.commit_window,
            Layout::Whole => Duration::ZERO,
        };
        let purge = Purge {
            device: self.place.own.dir.clone(),
            policy: self.place.policy.pass.index,
            partition: self.place.partition.into(),
            index: self.index,
            is_primary: self.primary_index.is_some(),
            commit_window,
        };
        let device = &self.place.own.device.device;
        Ok(self.pass.shared.pools.run(device, move || purge.run(&objects)).await??)
    }
}
