//! Fragments that belong here: each partner is asked what it has of the same objects, and sent what it lacks, which is
//! made on the way.

use super::pass::{Pass, Place};
use super::plan::{Target, differing};
use super::rebuild::Rebuilder;
use crate::object::replication::{Hashes, PeerError, hash_again, node_name};
use crate::object::ssync::sender::{Fragments, Mode};
use std::collections::VecDeque;
use std::sync::Arc;

/// The objects of a partition that belong here.
pub(super) struct Sync<'a> {
    pub pass: &'a Pass,
    pub place: &'a Place,
    /// The index of the fragments here.
    pub index: u32,
    pub hashes: &'a Hashes,
}

impl Sync<'_> {
    /// Brings a partner, or a handoff in its place, up to date.
    pub async fn run(&self, partner: &Target) {
        let Some((target, suffixes)) = self.compare(partner).await else { return };
        if suffixes.is_empty() {
            return;
        }
        let count = suffixes.len() as u64;
        self.pass.count(|stats| stats.suffix_count += count);
        if let Err(error) = self.push(&target, suffixes).await {
            tracing::error!("{}/{} {error}", node_name(&target.node), self.place.partition);
        }
        self.pass.count(|stats| stats.suffix_sync += count);
    }

    /// Who stands for `partner`, and the suffixes in which it has not what it should. Who cannot be asked is told.
    async fn compare(&self, partner: &Target) -> Option<(Target, Vec<String>)> {
        let (policy, partition) = (self.place.policy.pass.index, self.place.partition);
        let (mut candidates, mut has_handoffs) = (VecDeque::from([partner.clone()]), false);
        while let Some(target) = candidates.pop_front() {
            match self.pass.peers.hashes(&target.node, policy, partition).await {
                Ok(theirs) => {
                    let suffixes = self.differing(&target, &theirs).await?;
                    return Some((target, suffixes));
                }
                // its device cannot be used: another one may stand in
                Err(error @ PeerError::Unmounted) => {
                    tracing::error!("{} {error}", node_name(&target.node));
                    if !std::mem::replace(&mut has_handoffs, true) {
                        candidates = self.handoffs(partner.index);
                    }
                }
                Err(error) => {
                    let node = node_name(&target.node);
                    tracing::error!("Unable to get remote suffix hashes from {node}/{partition}: {error}");
                    return None;
                }
            }
        }
        None
    }

    /// The handoffs that may stand in for the node of this index: each stands for one index alone, so that fragments
    /// do not get into each other's way.
    fn handoffs(&self, index: u32) -> VecDeque<Target> {
        let scheme = &self.place.policy.scheme;
        let limit = self.pass.shared.config.rebuild_handoff_node_count.unwrap_or(usize::MAX);
        let handoffs = self.place.policy.pass.ring.handoffs(self.place.partition).enumerate();
        let of_index = handoffs.filter(|(at, _)| scheme.index_at(*at) == index);
        of_index.take(limit).map(|(_, node)| Target { node: node.clone(), index }).collect()
    }

    async fn differing(&self, target: &Target, theirs: &Hashes) -> Option<Vec<String>> {
        let suffixes = differing(self.hashes, self.index, theirs, target.index);
        if suffixes.is_empty() {
            return Some(suffixes);
        }
        // Something may have changed since they were hashed.
        let shared = &self.pass.shared;
        let again =
            hash_again(&shared.store, &shared.pools, self.place.id(), self.place.layout, suffixes).await;
        match again {
            Ok(hashes) => Some(differing(&hashes, self.index, theirs, target.index)),
            Err(error) => {
                tracing::error!("Error hashing partition {}: {error}", self.place.partition);
                None
            }
        }
    }

    async fn push(&self, target: &Target, suffixes: Vec<String>) -> Result<(), super::pass::PushError> {
        let rebuilder = Rebuilder {
            shared: self.pass.shared.clone(),
            policy: self.place.policy.clone(),
            partition: self.place.partition,
            target: target.node.clone(),
            wanted: target.index,
        };
        let source = self.place.source(Fragments {
            own: Some(self.index),
            wanted: target.index,
            with_uncommitted: false,
            rebuild: Some(Arc::new(rebuilder)),
        });
        let mut rest = VecDeque::from(suffixes);
        while !rest.is_empty() {
            let batch = self.pass.next_batch(self.place, &source, &mut rest, 0).await?;
            self.pass.sender.sync(&source, &target.node, &batch.objects, Mode::Send).await?;
        }
        Ok(())
    }
}
