//! Policies, devices and partitions: what is on a device, and who works on it.

use crate::daemon::look_at_ring;
use std::path::PathBuf;
use std::sync::Arc;
use swiftlet_ring::{Device, Ring, SharedRing};

/// A device of this node's.
#[derive(Debug)]
pub(in crate::object) struct OwnDevice {
    /// As the ring has it.
    pub device: Device,
    /// Its folder.
    pub dir: PathBuf,
}

/// A policy and its ring.
#[derive(Debug, Clone)]
pub struct PolicyRing {
    /// The policy's index.
    pub index: u32,
    /// Its ring.
    pub ring: Arc<SharedRing>,
}

/// Policies with their rings as of now.
pub(in crate::object) async fn current_rings(policies: &[PolicyRing]) -> Vec<PolicyPass> {
    let mut current = Vec::new();
    for PolicyRing { index, ring } in policies {
        look_at_ring(ring).await;
        current.push(PolicyPass { index: *index, ring: ring.get(), shared: ring.clone() });
    }
    current
}

/// A policy during a pass.
#[derive(Debug)]
pub(in crate::object) struct PolicyPass {
    pub index: u32,
    /// The ring that the pass began with.
    pub ring: Arc<Ring>,
    /// Where a new one comes from.
    pub shared: Arc<SharedRing>,
}

/// What a name in a policy's folder is.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::object) enum Entry {
    /// A partition of the ring, and whether it belongs elsewhere.
    Partition { partition: u32, is_handoff: bool },
    /// Another program's, or none that was asked for.
    NotOurs,
    /// None that should be there.
    Unknown,
    /// A partition that the ring does not have: where it belongs cannot be told.
    BeyondRing,
}

impl Entry {
    /// Judges `name` on the device with this id, where `only` these partitions were asked for (empty: all).
    pub fn of(name: &str, ring: &Ring, own_id: u32, only: &[u32]) -> Self {
        if name.starts_with("auditor_status_") && name.ends_with(".json") {
            return Self::NotOurs;
        }
        let partition = name.bytes().all(|b| b.is_ascii_digit()).then(|| name.parse::<u32>().ok()).flatten();
        let Some(partition) = partition else { return Self::Unknown };
        if !only.is_empty() && !only.contains(&partition) {
            return Self::NotOurs;
        }
        let mut nodes = ring.nodes(partition).peekable();
        if nodes.peek().is_none() {
            return Self::BeyondRing;
        }
        Self::Partition { partition, is_handoff: nodes.all(|node| node.id != own_id) }
    }
}

/// Shares `items` among at most `workers`, as evenly as can be.
pub(in crate::object) fn distribute(items: Vec<String>, workers: usize) -> Vec<Vec<String>> {
    let workers = workers.clamp(1, items.len().max(1));
    let mut shares = vec![Vec::new(); workers];
    for (at, item) in items.into_iter().enumerate() {
        shares[at % workers].push(item);
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::replicator::tests::ring;

    #[test]
    fn names_tell_what_is_to_be_done() {
        let ring = ring(4, 2, 3, |_| 6200);
        let owners: Vec<u32> = ring.nodes(3).map(|node| node.id).collect();
        let other = (0..3).find(|id| !owners.contains(id)).unwrap();
        let of = |name: &str, id| Entry::of(name, &ring, id, &[]);
        assert_eq!(of("3", owners[0]), Entry::Partition { partition: 3, is_handoff: false });
        assert_eq!(of("3", other), Entry::Partition { partition: 3, is_handoff: true });
        assert_eq!(of("16", other), Entry::BeyondRing);
        assert_eq!(of("auditor_status_ALL.json", other), Entry::NotOurs);
        for name in ["x", "", "-1", "+1", "99999999999"] {
            assert_eq!(of(name, other), Entry::Unknown, "{name:?}");
        }
        assert_eq!(Entry::of("3", &ring, other, &[4]), Entry::NotOurs);
    }

    #[test]
    fn workers_share_devices_evenly() {
        let names = |text: &str| text.split_terminator(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(distribute(names("a b c d e"), 2), [names("a c e"), names("b d")]);
        assert_eq!(distribute(names("a"), 4), [names("a")]);
        assert_eq!(distribute(Vec::new(), 4).len(), 1);
    }
}
