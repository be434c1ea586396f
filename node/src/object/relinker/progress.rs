//! What `relinker.recon` tells of a run: figures by device and policy, and the workers.

use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use swiftlet_storage::object::RelinkCounts;
use swiftlet_types::Timestamp;

/// Sums of what was done, and of what stood in the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Stats {
    pub hash_dirs: u64,
    pub files: u64,
    pub linked: u64,
    pub removed: u64,
    pub errors: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub unmounted: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub unlistable_partitions: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Stats {
    /// Adds what was done to one folder.
    pub fn count(&mut self, counts: RelinkCounts) {
        self.hash_dirs += counts.hash_dirs;
        self.files += counts.files;
        self.linked += counts.linked;
        self.removed += counts.removed;
        self.errors += counts.errors;
    }

    /// Adds the figures of another device or policy.
    pub fn add(&mut self, other: &Self) {
        self.hash_dirs += other.hash_dirs;
        self.files += other.files;
        self.linked += other.linked;
        self.removed += other.removed;
        self.errors += other.errors;
        self.unmounted += other.unmounted;
        self.unlistable_partitions += other.unlistable_partitions;
    }

    /// What makes a run one that has failed.
    pub fn failures(&self) -> u64 {
        self.errors + self.unmounted + self.unlistable_partitions
    }
}

/// One policy on one device. Times are in seconds.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct PolicyProgress {
    pub start_time: f64,
    pub timestamp: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_time: Option<f64>,
    pub step: &'static str,
    pub part_power: u32,
    pub next_part_power: u32,
    pub parts_done: usize,
    pub total_parts: usize,
    pub stats: Stats,
}

/// One device, by index of the policy.
pub(super) type DeviceProgress = BTreeMap<u32, PolicyProgress>;

/// A device's figures with the sums over its policies, as recon has them.
pub(super) fn device_figures(policies: &DeviceProgress) -> Value {
    let mut stats = Stats::default();
    policies.values().for_each(|policy| stats.add(&policy.stats));
    let latest = |time: fn(&PolicyProgress) -> f64| policies.values().map(time).fold(0.0, f64::max);
    json!({
        "parts_done": policies.values().map(|policy| policy.parts_done).sum::<usize>(),
        "total_parts": policies.values().map(|policy| policy.total_parts).sum::<usize>(),
        "start_time": policies.values().map(|policy| policy.start_time).fold(f64::MAX, f64::min),
        "timestamp": latest(|policy| policy.timestamp),
        "total_time": latest(|policy| policy.total_time.unwrap_or_default()),
        "stats": stats,
        "policies": policies,
    })
}

/// The workers' part of the file.
pub(super) struct Workers;

impl Workers {
    /// What the file holds when a run begins.
    pub fn nobody() -> [(&'static str, Value); 2] {
        [("devices", json!({})), ("workers", json!({}))]
    }

    /// The figures of one of them, by the number the kernel knows it by.
    pub fn one(devices: &[String], code: Option<u8>) -> (&'static str, Value) {
        let number = rustix::thread::gettid().as_raw_nonzero().to_string();
        let figures =
            json!({ "devices": devices, "timestamp": Timestamp::now().as_secs_f64(), "return_code": code });
        ("workers", json!({ number: figures }))
    }
}
