//! Which scans run when.

use super::config::AuditorConfig;
use super::plan::Scan;
use super::scan::{Running, Shared};
use super::watcher::Watchers;
use crate::daemon::{Daemon, HowToRun, ReconCache};
use crate::serve::DevicePools;
use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream;
use rand::seq::SliceRandom;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_storage::object::ObjectStore;
use swiftlet_types::Policies;
use tokio_util::sync::CancellationToken;

/// Checks everything that is stored on this node's devices.
pub struct ObjectAuditor {
    shared: Shared,
    how: HowToRun,
}

impl ObjectAuditor {
    /// An auditor of the devices of `store`, which does what it is told, and shows objects to `watchers`.
    pub fn new(
        config: AuditorConfig,
        store: Arc<ObjectStore>,
        policies: &Policies,
        pools: DevicePools,
        recon: ReconCache,
        watchers: Watchers,
        how: HowToRun,
    ) -> Self {
        let policies = policies.iter().map(|policy| policy.index).collect();
        let mode = if how.once { "once" } else { "forever" };
        Self { shared: Shared { config, store, pools, policies, recon, watchers, mode }, how }
    }

    async fn scan(&self, scan: Scan, devices: Option<Vec<String>>, files_per_second: f64) {
        Running::new(&self.shared, scan, devices, files_per_second).run().await;
    }

    /// The devices that were asked for and are there; `None`: all, as in Swift also where none of them is there.
    fn devices(&self, there: &[String]) -> Option<Vec<String>> {
        let wanted = self.how.devices.iter().filter(|name| there.contains(name));
        let mut wanted: Vec<String> = wanted.cloned().collect();
        wanted.sort_unstable();
        wanted.dedup();
        (!wanted.is_empty()).then_some(wanted)
    }

    /// All bytes of all objects, on so many devices at once as is configured.
    async fn scan_all(&self, devices: Option<Vec<String>>, there: Vec<String>) {
        let config = &self.shared.config;
        if config.concurrency <= 1 {
            return self.scan(Scan::All, devices, config.files_per_second).await;
        }
        let mut each = devices.unwrap_or(there);
        each.shuffle(&mut rand::rng());
        stream::iter(each)
            .for_each_concurrent(config.concurrency, |device| {
                self.scan(Scan::All, Some(vec![device]), config.files_per_second)
            })
            .await;
    }

    /// Sizes alone, over and over until `all_done`; once where one pass is wanted.
    async fn scan_sizes(&self, devices: Option<Vec<String>>, all_done: CancellationToken) {
        let config = &self.shared.config;
        if config.zero_byte_files_per_second == 0.0 {
            return;
        }
        loop {
            self.scan(Scan::ZeroByte, devices.clone(), config.zero_byte_files_per_second).await;
            if self.how.once {
                return;
            }
            tokio::select! {
                () = all_done.cancelled() => return,
                () = tokio::time::sleep(config.interval) => {}
            }
        }
    }

    async fn clear_recon(&self) {
        let recon = self.shared.recon.clone();
        let clear = move || recon.dump(Scan::BOTH.map(|scan| (scan.recon_key(), json!({}))));
        if let Err(error) = self.shared.pools.run("recon", clear).await {
            tracing::error!(%error, "cannot clear the figures for recon");
        }
    }
}

#[async_trait]
impl Daemon for ObjectAuditor {
    fn name(&self) -> &'static str {
        "object-auditor"
    }

    fn interval(&self) -> Duration {
        self.shared.config.interval
    }

    fn begins_at_once(&self) -> bool {
        true
    }

    /// However long the pass took: the disks are to have a rest.
    fn pause_after(&self, _: Duration) -> Duration {
        self.interval()
    }

    async fn pass(&self) {
        self.clear_recon().await;
        let there = self.shared.device_names().await;
        let devices = self.devices(&there);
        if let Some(files_per_second) = self.how.zero_byte_fps {
            return self.scan(Scan::ZeroByte, devices, files_per_second).await;
        }
        let all_done = CancellationToken::new();
        let all = async {
            self.scan_all(devices.clone(), there).await;
            all_done.cancel();
        };
        tokio::join!(all, self.scan_sizes(devices.clone(), all_done.clone()));
    }
}
