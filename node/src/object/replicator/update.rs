//! A partition that belongs here: the others that have it are asked for its hashes, and sent what they lack.

use super::ahead::Ahead;
use super::pass::Pass;
use super::plan::Job;
use super::push::{Batch, PushError, next_batch};
use super::stats::{PeerId, peer_id};
use crate::object::replication::{Hashes, PeerError, hash_again, hash_all, node_name};
use crate::object::ssync::sender::Mode;
use rand::seq::SliceRandom;
use std::collections::{BTreeSet, HashSet, VecDeque};
use swiftlet_ring::Device;
use swiftlet_storage::object::Layout;

/// How one node was dealt with.
enum Met {
    /// It has everything, or has it now.
    Fine,
    /// It has it now, and its region can bring it to others.
    Synced,
    /// Its device cannot be used: another one may stand in.
    Unmounted,
    Failed,
}

/// One partition under way.
pub(super) struct Update<'a> {
    pass: &'a Pass<'a>,
    jobs: &'a Ahead,
    /// The place of `job` among them.
    at: usize,
    job: &'a Job,
    hashes: Hashes,
    targets: BTreeSet<PeerId>,
    failed: BTreeSet<PeerId>,
}

impl<'a> Update<'a> {
    /// Replicates the partition of the job `at`.
    pub async fn run(pass: &'a Pass<'a>, jobs: &'a Ahead, at: usize) {
        let (job, hashes) = (jobs.job(at), Hashes::new());
        let (targets, failed) = (BTreeSet::new(), BTreeSet::new());
        let mut update = Self { pass, jobs, at, job, hashes, targets, failed };
        pass.tally.of(&job.own.device.device, |stats| stats.attempted += 1);
        match update.hash_all().await {
            Ok((hashed, hashes)) => {
                update.hashes = hashes;
                pass.tally.of(&job.own.device.device, |stats| stats.suffix_hash += hashed);
                update.meet_nodes().await;
                let suffixes = update.hashes.len() as u64;
                pass.tally.of(&job.own.device.device, |stats| stats.suffix_count += suffixes);
            }
            Err(error) => tracing::error!("Error syncing partition {}: {error}", job.partition),
        }
        let Self { targets, failed, .. } = update;
        pass.tally.of(&job.own.device.device, |stats| stats.end(&targets, failed));
    }

    async fn meet_nodes(&mut self) {
        let (ring, handoff_delete) = (self.job.policy.ring.clone(), self.pass.shared.config.handoff_delete);
        let mut nodes = self.job.nodes();
        nodes.shuffle(&mut rand::rng());
        let mut attempts_left = nodes.len();
        let mut nodes = nodes.into_iter().chain(ring.handoffs(self.job.partition).cloned());
        let mut synced_regions = HashSet::new();
        while attempts_left > 0 {
            let Some(node) = nodes.next() else {
                let (partition, policy) = (self.job.partition, self.job.policy.index);
                tracing::error!(
                    "Ran out of handoffs while replicating partition {partition} of policy {policy}"
                );
                return;
            };
            self.targets.insert(peer_id(&node));
            attempts_left -= 1;
            // Its own nodes bring it to one another.
            if synced_regions.contains(&node.region) {
                continue;
            }
            match self.meet(&node).await {
                Met::Fine => {}
                Met::Synced if node.region != self.job.own.device.region => {
                    synced_regions.insert(node.region);
                }
                Met::Synced => {}
                Met::Failed => drop(self.failed.insert(peer_id(&node))),
                Met::Unmounted => {
                    self.failed.insert(peer_id(&node));
                    // this one's copy, those that went well, and those that still may
                    let hoped = 1 + self.targets.difference(&self.failed).count() + attempts_left;
                    if handoff_delete == 0 || hoped < handoff_delete {
                        attempts_left += 1;
                    }
                }
            }
        }
    }

    async fn meet(&mut self, node: &Device) -> Met {
        let remote = match self.jobs.hashes(&self.pass.peers, self.at, node, &self.hashes).await {
            Ok(remote) => remote,
            Err(error @ PeerError::Unmounted) => {
                tracing::error!("{} {error}", node_name(node));
                return Met::Unmounted;
            }
            Err(PeerError::Status(status)) => {
                tracing::error!("Invalid response {status} from {}", node_name(node));
                return Met::Failed;
            }
            Err(error) => {
                tracing::error!("Error syncing with node: {}: {error}", node_name(node));
                return Met::Failed;
            }
        };
        let differing = |own: &Hashes| -> Vec<String> {
            let differs = |(suffix, hash): &(&String, &_)| remote.get(*suffix) != Some(*hash);
            own.iter().filter(differs).map(|(suffix, _)| suffix.clone()).collect()
        };
        let mut suffixes = differing(&self.hashes);
        if !suffixes.is_empty() {
            // Something may have changed since they were hashed.
            match self.hash_again(suffixes).await {
                Ok(hashes) => self.hashes = hashes,
                Err(error) => {
                    tracing::error!("Error syncing with node: {}: {error}", node_name(node));
                    return Met::Failed;
                }
            }
            suffixes = differing(&self.hashes);
        }
        if suffixes.is_empty() {
            self.count(|stats| stats.hashmatch += 1);
            return Met::Fine;
        }
        self.count(|stats| stats.rsync += 1);
        let number = suffixes.len() as u64;
        let pushed = {
            let _turn = self.pass.turns.acquire().await;
            self.push(node, suffixes).await
        };
        self.count(|stats| stats.suffix_sync += number);
        match pushed {
            Ok(()) => Met::Synced,
            Err(error) => {
                tracing::error!("{}/{} {error}", node_name(node), self.job.partition);
                Met::Failed
            }
        }
    }

    async fn push(&self, node: &Device, suffixes: Vec<String>) -> Result<(), PushError> {
        let pusher = &self.pass.pusher;
        if !pusher.needs_objects() {
            let batch = Batch { suffixes, objects: Vec::new() };
            return pusher.push(self.job, node, &batch, Mode::Send).await.map(drop);
        }
        let (mut rest, shared) = (VecDeque::from(suffixes), self.pass.shared);
        while !rest.is_empty() {
            let batch = next_batch(&shared.store, &shared.pools, self.job, &mut rest).await;
            let batch = batch.map_err(|error| {
                tracing::error!("partition {}: {error}", self.job.partition);
                PushError::NothingThere
            })?;
            pusher.push(self.job, node, &batch, Mode::Send).await?;
        }
        Ok(())
    }

    fn count(&self, count: impl FnOnce(&mut super::stats::Stats)) {
        self.pass.tally.of(&self.job.own.device.device, count);
    }

    /// The hashes of all suffixes, and how many were made. One pass of ten looks for suffixes that nobody noted.
    async fn hash_all(&self) -> Result<(u64, Hashes), String> {
        let lists = (u64::from(self.job.partition) + self.pass.cycle).is_multiple_of(10);
        let shared = self.pass.shared;
        hash_all(&shared.store, &shared.pools, self.job.id(), Layout::Whole, lists).await
    }

    async fn hash_again(&self, suffixes: Vec<String>) -> Result<Hashes, String> {
        let shared = self.pass.shared;
        hash_again(&shared.store, &shared.pools, self.job.id(), Layout::Whole, suffixes).await
    }
}
