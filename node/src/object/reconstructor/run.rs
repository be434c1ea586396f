//! When passes are made, over which devices, and what recon is told of them.

use super::config::ReconstructorConfig;
use super::pass::Pass;
use super::scheme::Scheme;
use crate::daemon::{Daemon, HowToRun, ReconCache};
use crate::http::Client;
use crate::object::replication::{PolicyPass, PolicyRing, current_rings, shares};
use crate::serve::DevicePools;
use async_trait::async_trait;
use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use swiftlet_storage::object::ObjectStore;

/// The figure of recon that holds those of each device, where workers share them.
const PER_DISK: &str = "object_reconstruction_per_disk";

/// A policy whose objects lie in fragments.
#[derive(Debug, Clone)]
pub struct EcPolicy {
    /// Its ring.
    pub ring: PolicyRing,
    /// How its objects are coded.
    pub scheme: Arc<Scheme>,
}

/// One during a pass.
#[derive(Debug)]
pub(super) struct EcPass {
    pub pass: PolicyPass,
    pub scheme: Arc<Scheme>,
}

/// What passes share.
pub(super) struct Shared {
    pub config: ReconstructorConfig,
    pub store: Arc<ObjectStore>,
    pub pools: DevicePools,
    pub client: Client,
}

/// Reconstructs the objects on this node's devices.
pub struct ObjectReconstructor {
    shared: Arc<Shared>,
    policies: Vec<EcPolicy>,
    recon: ReconCache,
    how: HowToRun,
}

impl ObjectReconstructor {
    /// A reconstructor of the devices of `store`, which does what it is told.
    pub fn new(
        config: ReconstructorConfig,
        store: Arc<ObjectStore>,
        policies: Vec<EcPolicy>,
        pools: DevicePools,
        client: Client,
        recon: ReconCache,
        how: HowToRun,
    ) -> Self {
        let shared = Arc::new(Shared { config, store, pools, client });
        Self { shared, policies, recon, how }
    }

    async fn reconstruct(&self) {
        let begun = SystemTime::now();
        let rings: Vec<PolicyRing> = self.policies.iter().map(|policy| policy.ring.clone()).collect();
        let rings = current_rings(&rings).await;
        let of = |(pass, policy): (PolicyPass, &EcPolicy)| {
            Arc::new(EcPass { pass, scheme: policy.scheme.clone() })
        };
        let policies: Vec<Arc<EcPass>> = rings.into_iter().zip(&self.policies).map(of).collect();
        let config = &self.shared.config;
        let rings = policies.iter().map(|policy| policy.pass.ring.clone()).collect();
        let (own, shares) = shares(&config.own, rings, &self.how.devices, config.workers).await;
        let workers = shares.len();
        let passes = shares.into_iter().enumerate().map(|(at, devices)| {
            let title = match config.workers {
                0 => String::new(),
                _ => format!("[worker {}/{workers} pid={}] ", at + 1, std::process::id()),
            };
            let (policies, partitions) = (policies.clone(), self.how.partitions.clone());
            let pass = Pass::new(self.shared.clone(), policies, devices.clone(), partitions, title);
            async move {
                let stats = pass.run().await;
                self.tell_recon_of_worker(devices, begun).await;
                stats.handoffs_remaining
            }
        });
        let remaining: u64 = join_all(passes).await.into_iter().sum();
        self.tell_of_handoffs(remaining);
        self.tell_recon(begun, &own).await;
        let minutes = begun.elapsed().unwrap_or_default().as_secs_f64() / 60.0;
        match self.how.once {
            true => tracing::info!("Object reconstruction complete (once). ({minutes:.2} minutes)"),
            false => tracing::info!("Object reconstruction complete. ({minutes:.2} minutes)"),
        }
    }

    fn tell_of_handoffs(&self, remaining: u64) {
        match (self.shared.config.handoffs_only, remaining) {
            (false, _) => {}
            (true, 0) => tracing::warn!(
                "Handoffs only mode found no handoffs remaining. You should disable handoffs_only once all nodes are \
                 reporting no handoffs remaining."
            ),
            (true, _) => tracing::info!(
                "Handoffs only mode still has handoffs remaining. Next pass will continue to revert handoffs."
            ),
        }
    }

    /// The figures of each of a worker's devices.
    async fn tell_recon_of_worker(&self, devices: Option<Vec<String>>, begun: SystemTime) {
        if self.shared.config.workers == 0 {
            return;
        }
        let of = |device: String| {
            let mut figures: Map<String, Value> =
                figures(begun).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            figures.insert("pid".to_owned(), json!(std::process::id()));
            (device, Value::Object(figures))
        };
        let disks = devices.unwrap_or_default().into_iter().map(of);
        self.dump(vec![(PER_DISK, Value::Object(disks.collect()))]).await;
    }

    /// The figures of the whole pass; those of devices that are this node's no longer go.
    async fn tell_recon(&self, begun: SystemTime, own: &[String]) {
        let mut figures = figures(begun);
        let is_kept = |name: &String| self.shared.config.workers > 0 && own.contains(name);
        let gone = self.recon.part_names(PER_DISK).into_iter().filter(|name| !is_kept(name));
        let gone: Map<String, Value> = gone.map(|name| (name, json!({}))).collect();
        if !gone.is_empty() {
            figures.push((PER_DISK, Value::Object(gone)));
        }
        self.dump(figures).await;
    }

    /// Tells recon, unless the pass was over a part of everything only.
    async fn dump(&self, figures: Vec<(&'static str, Value)>) {
        let HowToRun { devices, partitions, .. } = &self.how;
        let is_whole = devices.is_empty() || self.shared.config.workers > 0;
        if !partitions.is_empty() || !is_whole {
            return;
        }
        let recon = self.recon.clone();
        if let Err(error) = self.shared.pools.run("recon", move || recon.dump(figures)).await {
            tracing::error!(%error, "cannot tell recon");
        }
    }
}

/// What recon is told of a pass that ends now.
fn figures(begun: SystemTime) -> Vec<(&'static str, Value)> {
    let minutes = begun.elapsed().unwrap_or_default().as_secs_f64() / 60.0;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    vec![("object_reconstruction_time", json!(minutes)), ("object_reconstruction_last", json!(now))]
}

#[async_trait]
impl Daemon for ObjectReconstructor {
    fn name(&self) -> &'static str {
        "object-reconstructor"
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
        if self.policies.is_empty() {
            return;
        }
        match self.how.once {
            true => tracing::info!("Running object reconstructor in script mode."),
            false => tracing::info!("Starting object reconstruction pass."),
        }
        self.reconstruct().await;
    }
}
