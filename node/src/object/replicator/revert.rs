//! A partition that belongs elsewhere: it is sent there, and then removed here.

use super::pass::Pass;
use super::plan::Job;
use super::push::{Batch, BatchError, next_batch};
use super::stats::{PeerId, peer_id};
use crate::object::replication::node_name;
use crate::object::ssync::replication_lock::{ReplicationLockError, ToLock};
use crate::object::ssync::sender::Mode;
use crate::serve::PoolError;
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::io;
use std::time::Duration;
use swiftlet_ring::Device;
use swiftlet_storage::lock::LockError;
use swiftlet_storage::object::hashes::{self, HashesError};
use swiftlet_storage::object::{partition_dir, summary};
use swiftlet_types::hash_path::PathHash;
use thiserror::Error;

/// How long a partition may be locked by someone who is just being sent it, or sending it here.
const LOCK_PATIENCE: Duration = Duration::from_millis(200);

/// Why a partition was given up.
#[derive(Debug, Error)]
enum RevertError {
    #[error(transparent)]
    Lock(#[from] ReplicationLockError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error(transparent)]
    Hashes(#[from] HashesError),
    #[error(transparent)]
    Batch(#[from] BatchError),
}

/// One partition under way.
pub(super) struct Revert<'a> {
    pass: &'a Pass<'a>,
    job: &'a Job,
    nodes: Vec<Device>,
    failed: BTreeSet<PeerId>,
    has_removed: bool,
}

impl<'a> Revert<'a> {
    /// Hands over `job`; whether nothing of it is left here.
    pub async fn run(pass: &'a Pass<'a>, job: &'a Job) -> bool {
        let mut revert = Self { pass, job, nodes: job.nodes(), failed: BTreeSet::new(), has_removed: false };
        let device = &job.own.device.device;
        pass.tally.of(device, |stats| stats.attempted += 1);
        let is_gone = match revert.hand_over().await {
            Ok(is_gone) => is_gone,
            Err(RevertError::Lock(ReplicationLockError::Lock(LockError::Timeout { .. }))) => {
                let (partition, policy) = (job.partition, job.policy.index);
                tracing::info!(
                    "Unable to lock handoff partition {partition} for replication on device {device} policy {policy}"
                );
                false
            }
            Err(error) => {
                tracing::error!("Error syncing handoff partition {}: {error}", job.partition);
                false
            }
        };
        let targets = revert.nodes.iter().map(peer_id).collect();
        pass.tally.of(device, |stats| {
            stats.remove += u64::from(revert.has_removed);
            stats.end(&targets, revert.failed);
        });
        is_gone
    }

    async fn hand_over(&mut self) -> Result<bool, RevertError> {
        // An object server that is being sent the partition has this lock: two nodes must not send it to each other
        // and both remove it.
        let (device_dir, policy, partition) =
            (self.job.own.dir.clone(), self.job.policy.index, self.job.partition);
        let to_lock = ToLock {
            device: self.job.own.device.device.clone(),
            partition_dir: partition_dir(&device_dir, policy, partition.into()),
            device_dir,
            per_device: 0,
        };
        let shown = to_lock.partition_dir.display().to_string();
        let _lock = to_lock.lock(&self.pass.shared.pools, LOCK_PATIENCE).await?;
        let suffixes = self.on_disk(|job| {
            summary::suffixes(&job.own.dir, job.policy.index, job.partition.into()).map_err(RevertError::from)
        });
        let mut suffixes = VecDeque::from(suffixes.await?);
        if !suffixes.is_empty() {
            let nodes = self.nodes.len() as u64;
            self.pass.tally.of(&self.job.own.device.device, |stats| stats.rsync += nodes);
        }
        while !suffixes.is_empty() {
            let shared = self.pass.shared;
            let batch = next_batch(&shared.store, &shared.pools, self.job, &mut suffixes).await?;
            if let Some(not_there) = self.send(&batch).await {
                self.remove(batch, not_there).await?;
                self.has_removed = true;
            }
        }
        let is_gone = self
            .on_disk(|job| Ok(summary::remove_empty(&job.own.dir, job.policy.index, job.partition.into())?));
        let is_gone = is_gone.await?;
        if is_gone {
            tracing::info!("Removing partition: {shown}");
        }
        Ok(is_gone)
    }

    /// Sends `batch` to where it belongs. Where it is on enough nodes now, the objects of it that are to be kept all
    /// the same; `None` where it is not.
    async fn send(&mut self, batch: &Batch) -> Option<HashSet<PathHash>> {
        let pusher = &self.pass.pusher;
        let (mut successes, mut not_there, mut synced_regions) = (0, HashSet::new(), HashSet::new());
        for node in &self.nodes {
            // Another region is sent it once; its other nodes are asked whether they have it by now.
            let is_check = pusher.can_check() && synced_regions.contains(&node.region);
            let mode = if is_check { Mode::CheckOnly } else { Mode::Send };
            match pusher.push(self.job, node, batch, mode).await {
                Ok(missing) => {
                    successes += 1;
                    not_there.extend(missing);
                    if node.region != self.job.own.device.region {
                        synced_regions.insert(node.region);
                    }
                }
                Err(error) => {
                    tracing::error!("{}/{} {error}", node_name(node), self.job.partition);
                    self.failed.insert(peer_id(node));
                }
            }
        }
        let wanted = match self.pass.shared.config.handoff_delete {
            0 => self.nodes.len(),
            enough => enough.min(self.nodes.len()),
        };
        (successes >= wanted && wanted > 0).then_some(not_there)
    }

    /// Removes the objects of `batch` that did not change since, but for those in `keep`.
    async fn remove(&self, batch: Batch, keep: HashSet<PathHash>) -> Result<(), RevertError> {
        let Batch { suffixes, objects } = batch;
        self.on_disk(move |job| {
            let (dir, policy, partition) = (&job.own.dir, job.policy.index, job.partition.into());
            hashes::invalidate_suffixes(dir, policy, partition, suffixes.iter().map(String::as_str))?;
            for object in objects.iter().filter(|object| !keep.contains(&object.hash)) {
                summary::remove(dir, policy, partition, object)?;
            }
            Ok(())
        })
        .await
    }

    /// Does `work` on a thread of the device.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Job) -> Result<T, RevertError> + Send + 'static,
    ) -> Result<T, RevertError> {
        let job = self.job.clone();
        self.pass.shared.pools.run(&self.job.own.device.device, move || work(&job)).await?
    }
}
