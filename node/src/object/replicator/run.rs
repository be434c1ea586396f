//! When passes are made, over which devices, and what recon is told of them.

use super::config::ReplicatorConfig;
use super::pass::{Pass, Shared};
use super::stats::Stats;
use crate::daemon::{Daemon, HowToRun, ReconCache};
use crate::http::Client;
use crate::object::replication::{PolicyPass, PolicyRing, current_rings, shares};
use crate::serve::DevicePools;
use async_trait::async_trait;
use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use swiftlet_storage::object::ObjectStore;

/// The figure of recon that holds those of each device, where workers share them.
const PER_DISK: &str = "object_replication_per_disk";

/// Replicates the partitions on this node's devices.
pub struct ObjectReplicator {
    shared: Shared,
    recon: ReconCache,
    how: HowToRun,
    passes: AtomicU64,
}

impl ObjectReplicator {
    /// A replicator of the devices of `store`, which does what it is told.
    pub fn new(
        mut config: ReplicatorConfig,
        store: Arc<ObjectStore>,
        policies: Vec<PolicyRing>,
        pools: DevicePools,
        client: Client,
        recon: ReconCache,
        how: HowToRun,
    ) -> Self {
        config.settle(policies.iter().map(|policy| policy.ring.get().replica_count()));
        let shared = Shared { config, store, policies, pools, client };
        // Not all nodes of a cluster list their partitions in the same pass.
        Self { shared, recon, how, passes: AtomicU64::new(rand::random_range(0..10)) }
    }

    /// The policies that are to be replicated, with their rings as of now.
    async fn policies(&self) -> Vec<Arc<PolicyPass>> {
        let is_wanted = |index: &u32| self.how.policies.is_empty() || self.how.policies.contains(index);
        let mut wanted = self.shared.policies.clone();
        wanted.retain(|policy| is_wanted(&policy.index));
        current_rings(&wanted).await.into_iter().map(Arc::new).collect()
    }

    async fn replicate(&self) {
        let begun = SystemTime::now();
        let policies = self.policies().await;
        let config = &self.shared.config;
        let rings = policies.iter().map(|policy| policy.ring.clone()).collect();
        let (own, shares) = shares(&config.own, rings, &self.how.devices, config.workers).await;
        let cycle = self.passes.fetch_add(1, Ordering::Relaxed) + 1;
        let workers = shares.len();
        let passes = shares.into_iter().enumerate().map(|(at, devices)| {
            let title = match self.shared.config.workers {
                0 => String::new(),
                _ => format!("[worker {}/{workers} pid={}] ", at + 1, std::process::id()),
            };
            let (policies, partitions) = (policies.clone(), self.how.partitions.clone());
            let pass = Pass::new(&self.shared, policies, devices.clone(), partitions, cycle, title);
            async move { self.tell_recon_of_worker(devices, pass.run().await, begun).await }
        });
        let mut total = Stats::default();
        for stats in join_all(passes).await.iter().flat_map(BTreeMap::values) {
            total.add(stats);
        }
        let mut figures = figures(&total, begun);
        if self.shared.config.workers > 0 {
            let gone = self.recon.part_names(PER_DISK).into_iter().filter(|name| !own.contains(name));
            let gone: Map<String, Value> = gone.map(|name| (name, json!({}))).collect();
            if !gone.is_empty() {
                figures.push((PER_DISK, Value::Object(gone)));
            }
        }
        self.dump(figures).await;
        let minutes = begun.elapsed().unwrap_or_default().as_secs_f64() / 60.0;
        match self.how.once {
            true => tracing::info!("Object replication complete (once). ({minutes:.2} minutes)"),
            false => tracing::info!("Object replication complete. ({minutes:.2} minutes)"),
        }
    }

    /// The figures of each of a worker's devices.
    async fn tell_recon_of_worker(
        &self,
        devices: Option<Vec<String>>,
        stats: BTreeMap<String, Stats>,
        begun: SystemTime,
    ) -> BTreeMap<String, Stats> {
        if self.shared.config.workers > 0 {
            let of = |device: String| {
                let figures = figures(&stats.get(&device).cloned().unwrap_or_default(), begun);
                (device, figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            };
            let disks = devices.unwrap_or_default().into_iter().map(of);
            self.dump(vec![(PER_DISK, Value::Object(disks.collect()))]).await;
        }
        stats
    }

    /// Tells recon, unless the pass was over a part of everything only.
    async fn dump(&self, figures: Vec<(&'static str, Value)>) {
        let HowToRun { devices, partitions, policies, .. } = &self.how;
        if !(devices.is_empty() && partitions.is_empty() && policies.is_empty()) {
            return;
        }
        let recon = self.recon.clone();
        if let Err(error) = self.shared.pools.run("recon", move || recon.dump(figures)).await {
            tracing::error!(%error, "cannot tell recon");
        }
    }
}

/// What recon is told of a pass that ends now. Times are minutes.
fn figures(stats: &Stats, begun: SystemTime) -> Vec<(&'static str, Value)> {
    let minutes = begun.elapsed().unwrap_or_default().as_secs_f64() / 60.0;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    vec![
        ("replication_stats", stats.recon()),
        ("replication_time", json!(minutes)),
        ("replication_last", json!(now)),
        ("object_replication_time", json!(minutes)),
        ("object_replication_last", json!(now)),
    ]
}

#[async_trait]
impl Daemon for ObjectReplicator {
    fn name(&self) -> &'static str {
        "object-replicator"
    }

    fn interval(&self) -> Duration {
        self.shared.config.interval
    }

    fn begins_at_once(&self) -> bool {
        true
    }

    /// However long the pass took: other nodes' disks are to have a rest.
    fn pause_after(&self, _: Duration) -> Duration {
        self.interval()
    }

    async fn pass(&self) {
        match self.how.once {
            true => tracing::info!("Running object replicator in script mode."),
            false => tracing::info!("Starting object replication pass."),
        }
        self.replicate().await;
    }
}
