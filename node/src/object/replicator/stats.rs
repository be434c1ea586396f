//! What a replicator counts and says. Pure.

use crate::object::replication::{remaining, suffix_lines};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use swiftlet_ring::Device;

/// A device that something failed with: its replication address and name.
pub(super) type PeerId = (String, String);

/// That of `device`.
pub(super) fn peer_id(device: &Device) -> PeerId {
    (device.replication_ip.clone(), device.device.clone())
}

/// What was done on a device.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Stats {
    pub attempted: u64,
    pub failure: u64,
    pub hashmatch: u64,
    pub remove: u64,
    pub rsync: u64,
    pub success: u64,
    pub suffix_count: u64,
    pub suffix_hash: u64,
    pub suffix_sync: u64,
    failure_nodes: BTreeMap<PeerId, u64>,
}

impl Stats {
    /// Counts a failure for each of these.
    pub fn fail(&mut self, peers: impl IntoIterator<Item = PeerId>) {
        for peer in peers {
            self.failure += 1;
            *self.failure_nodes.entry(peer).or_default() += 1;
        }
    }

    /// Counts how a partition went with `targets`, of which `failed` failed.
    pub fn end(&mut self, targets: &BTreeSet<PeerId>, failed: BTreeSet<PeerId>) {
        self.success += targets.difference(&failed).count() as u64;
        self.fail(failed);
    }

    /// Adds those of `other`.
    pub fn add(&mut self, other: &Self) {
        for (own, other) in [
            (&mut self.attempted, other.attempted),
            (&mut self.failure, other.failure),
            (&mut self.hashmatch, other.hashmatch),
            (&mut self.remove, other.remove),
            (&mut self.rsync, other.rsync),
            (&mut self.success, other.success),
            (&mut self.suffix_count, other.suffix_count),
            (&mut self.suffix_hash, other.suffix_hash),
            (&mut self.suffix_sync, other.suffix_sync),
        ] {
            *own += other;
        }
        for (peer, failures) in &other.failure_nodes {
            *self.failure_nodes.entry(peer.clone()).or_default() += failures;
        }
    }

    /// As recon has them.
    pub fn recon(&self) -> Value {
        let mut nodes: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
        for ((ip, device), failures) in &self.failure_nodes {
            nodes.entry(ip).or_default().insert(device.clone(), json!(failures));
        }
        json!({
            "attempted": self.attempted,
            "failure": self.failure,
            "hashmatch": self.hashmatch,
            "remove": self.remove,
            "rsync": self.rsync,
            "success": self.success,
            "suffix_count": self.suffix_count,
            "suffix_hash": self.suffix_hash,
            "suffix_sync": self.suffix_sync,
            "failure_nodes": nodes,
        })
    }
}

/// How a pass stands.
#[derive(Debug)]
pub(super) struct Standing<'a> {
    pub total: &'a Stats,
    /// Partitions that there are.
    pub jobs: usize,
    pub elapsed: Duration,
    /// How long each partition took, in seconds, sorted.
    pub times: &'a [f32],
}

impl Standing<'_> {
    /// The log lines of now and then.
    pub fn lines(&self) -> Vec<String> {
        let Self { total, jobs, elapsed, times } = self;
        let elapsed = elapsed.as_secs_f64().max(1e-6);
        let done = total.attempted as f64 / (*jobs).max(1) as f64;
        let remaining = remaining(elapsed, done);
        let mut lines = vec![
            format!(
                "{}/{jobs} ({:.2}%) partitions replicated in {elapsed:.2}s ({:.2}/sec, {remaining} remaining)",
                total.attempted,
                100.0 * done,
                total.attempted as f64 / elapsed,
            ),
            format!("{} successes, {} failures", total.success, total.failure),
        ];
        if total.suffix_count > 0 {
            lines.extend(suffix_lines(total.suffix_count, total.suffix_hash, total.suffix_sync, times));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(device: &str) -> PeerId {
        ("10.0.0.1".into(), device.into())
    }

    #[test]
    fn failures_are_counted_by_node() {
        let mut stats = Stats { attempted: 1, ..Stats::default() };
        let targets = BTreeSet::from([peer("sda"), peer("sdb"), peer("sdc")]);
        stats.end(&targets, BTreeSet::from([peer("sda"), peer("sdb")]));
        let mut total = stats.clone();
        total.add(&stats);
        assert_eq!((total.attempted, total.success, total.failure), (2, 2, 4));
        assert_eq!(total.recon()["failure_nodes"], json!({"10.0.0.1": {"sda": 2, "sdb": 2}}));
        let names = total.recon();
        assert_eq!(names.as_object().unwrap().len(), 10);
    }

    #[test]
    fn lines_are_swifts() {
        let total = Stats {
            attempted: 50,
            success: 90,
            failure: 10,
            suffix_count: 200,
            suffix_hash: 20,
            suffix_sync: 10,
            ..Stats::default()
        };
        let times = [0.5, 1.0, 2.0];
        let standing =
            Standing { total: &total, jobs: 100, elapsed: Duration::from_secs(600), times: &times };
        assert_eq!(
            standing.lines(),
            [
                "50/100 (50.00%) partitions replicated in 600.00s (0.08/sec, 10m remaining)",
                "90 successes, 10 failures",
                "200 suffixes checked - 10.00% hashed, 5.00% synced",
                "Partition times: max 2.0000s, min 0.5000s, med 1.0000s",
            ]
        );
    }
}
