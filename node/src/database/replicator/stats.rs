//! What a pass did, for logs and recon.

use crate::daemon::ReconCache;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use swiftlet_ring::Device;

/// Counts of a pass, under Swift's names.
#[derive(Debug, Clone)]
pub(super) struct Stats {
    start: SystemTime,
    begun: Instant,
    pub attempted: u64,
    pub success: u64,
    failure: u64,
    pub no_change: u64,
    pub hashmatch: u64,
    pub rsync: u64,
    pub diff: u64,
    pub remove: u64,
    pub remote_merge: u64,
    pub diff_capped: u64,
    pub deferred: u64,
    /// By replication address and device.
    failure_nodes: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Stats {
    pub fn new() -> Self {
        Self {
            start: SystemTime::now(),
            begun: Instant::now(),
            attempted: 0,
            success: 0,
            failure: 0,
            no_change: 0,
            hashmatch: 0,
            rsync: 0,
            diff: 0,
            remove: 0,
            remote_merge: 0,
            diff_capped: 0,
            deferred: 0,
            failure_nodes: BTreeMap::new(),
        }
    }

    /// Notes that these devices could not be brought in step.
    pub fn fail<'a>(&mut self, devices: impl IntoIterator<Item = &'a Device>) {
        for device in devices {
            self.failure += 1;
            let of_node = self.failure_nodes.entry(device.replication_ip.clone()).or_default();
            *of_node.entry(device.device.clone()).or_default() += 1;
        }
    }

    /// Logs the figures, and leaves them for recon. Waits for the disk.
    pub fn report(&self, recon: &ReconCache) {
        let elapsed_s = self.begun.elapsed().as_secs_f64();
        let Self { attempted, success, failure, remove, .. } = self;
        let rate = *attempted as f64 / (elapsed_s + 0.000_000_1);
        tracing::info!("Attempted to replicate {attempted} dbs in {elapsed_s:.5} seconds ({rate:.5}/s)");
        tracing::info!("Removed {remove} dbs");
        tracing::info!("{success} successes, {failure} failures");
        recon.dump([
            ("replication_stats", self.to_json()),
            ("replication_time", json!(elapsed_s)),
            ("replication_last", json!(seconds(SystemTime::now()))),
        ]);
        let Self { diff, diff_capped, hashmatch, no_change, remote_merge, rsync, .. } = self;
        tracing::info!(
            "diff:{diff} diff_capped:{diff_capped} empty:0 hashmatch:{hashmatch} no_change:{no_change} \
             remote_merge:{remote_merge} rsync:{rsync} ts_repl:0"
        );
    }

    fn to_json(&self) -> Value {
        json!({
            "attempted": self.attempted, "success": self.success, "failure": self.failure,
            // what Swift has counted once
            "ts_repl": 0, "empty": 0,
            "no_change": self.no_change, "hashmatch": self.hashmatch, "rsync": self.rsync, "diff": self.diff,
            "remove": self.remove, "remote_merge": self.remote_merge, "start": seconds(self.start),
            "diff_capped": self.diff_capped, "deferred": self.deferred, "failure_nodes": self.failure_nodes,
        })
    }
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
