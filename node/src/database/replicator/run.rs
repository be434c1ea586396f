//! The daemon: pass after pass over the node's databases.

use super::config::Config;
use super::kind::{PassContext, Replica};
use super::pass::{Pass, data_dir};
use super::stats::Stats;
use super::sweep::{Database, Filter, Sweep};
use crate::daemon::{Daemon, HowToRun, RateLimit, ReconCache, look_at_ring};
use crate::database::DatabaseStore;
use crate::http::Client;
use crate::serve::DevicePools;
use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_ring::{Device, Ring, SharedRing};
use swiftlet_storage::device::clear_tmp;
use swiftlet_types::SwiftConf;
use swiftlet_types::conf::{OptionError, Options};

/// Brings the replicas of every database of a kind in step with those of the node.
pub struct DatabaseReplicator<K: Replica> {
    pub(super) config: Config,
    pub(super) client: Client,
    pub(super) pools: DevicePools,
    pub(super) has_policies: bool,
    store: Arc<DatabaseStore>,
    swift: Arc<SwiftConf>,
    ring: Arc<SharedRing>,
    recon: ReconCache,
    how: HowToRun,
    kind: std::marker::PhantomData<fn() -> K>,
}

/// What a replicator works with beside its options.
pub struct Surroundings {
    /// The cluster's configuration.
    pub swift: Arc<SwiftConf>,
    /// The ring of the databases.
    pub ring: Arc<SharedRing>,
    /// Connections to peers.
    pub client: Client,
    /// The disks' threads.
    pub pools: DevicePools,
    /// What the command line asks for.
    pub how: HowToRun,
}

impl<K: Replica> DatabaseReplicator<K> {
    /// Reads the options of `[<server>-replicator]`.
    pub fn from_options(options: &Options, with: Surroundings) -> Result<Self, OptionError> {
        let has_policies = with.swift.policies.iter().nth(1).is_some();
        Ok(Self {
            config: Config::from_options(options, K::SERVER, K::DEFAULT_PORT)?,
            store: Arc::new(DatabaseStore::of_daemon(options, with.swift.hash.clone())?),
            recon: ReconCache::from_options(options, K::SERVER),
            has_policies,
            swift: with.swift,
            ring: with.ring,
            client: with.client,
            pools: with.pools,
            how: with.how,
            kind: std::marker::PhantomData,
        })
    }

    /// The ring as its file is now.
    async fn current_ring(&self) -> Arc<Ring> {
        look_at_ring(&self.ring).await;
        self.ring.get()
    }

    /// The node's devices that can be used, each with the folder of its databases.
    async fn usable_devices(&self, ring: &Arc<Ring>, stats: &mut Stats) -> Vec<(Device, PathBuf)> {
        let (own, of) = (self.config.own.clone(), Arc::clone(ring));
        let found = self.pools.run("all devices", move || (own.devices(&of), own.describe())).await;
        let (found, address) = found.unwrap_or_default();
        if found.is_empty() {
            tracing::error!("Can't find itself {address} in ring file, not replicating");
        }
        let mut usable = Vec::new();
        for device in found {
            let (devices, name, before) =
                (self.store.devices.clone(), device.device.clone(), self.config.reclaim_before());
            let look = move || {
                let path = devices.check(&name).map_err(|error| error.to_string())?;
                if let Err(error) = clear_tmp(&path, before) {
                    tracing::error!("ERROR Trying to list {}/tmp: {error}", path.display());
                }
                let dir = data_dir::<K>(&path);
                Ok::<_, String>(dir.is_dir().then_some(dir))
            };
            let looked = self.pools.run(&device.device, look).await;
            match looked.unwrap_or_else(|error| Err(error.to_string())) {
                Err(why) => {
                    stats.fail(ring.devices());
                    tracing::warn!("Skipping: {why}");
                }
                Ok(_) if !self.is_asked_for(&device.device) => {
                    tracing::debug!("Skipping device {} due to given arguments", device.device);
                }
                Ok(dir) => usable.extend(dir.map(|dir| (device, dir))),
            }
        }
        usable
    }

    fn is_asked_for(&self, device: &str) -> bool {
        self.how.devices.is_empty() || self.how.devices.iter().any(|name| name == device)
    }

    /// After how many successes a handoff goes; as many as there are replicas is no option.
    fn handoff_delete(&self, ring: &Ring) -> usize {
        let (count, replicas) = (self.config.handoff_delete, ring.replica_count());
        if count > 0 && count as f64 >= replicas {
            tracing::warn!(
                "handoff_delete={count} is too high to have an effect on a ring with replica count {replicas}. Disabling."
            );
            return 0;
        }
        count
    }

    /// Replicates the databases that `sweep` finds, several at once, so many a second.
    async fn replicate_all(&self, pass: &Pass<'_, K>, sweep: Sweep) {
        let rate = RateLimit::new(self.config.databases_per_second);
        let found = stream::unfold((sweep, rate), |(mut sweep, mut rate)| async move {
            let database = sweep.next().await?;
            rate.step().await;
            Some((database, (sweep, rate)))
        });
        found.for_each_concurrent(self.config.concurrency, |at| pass.replicate(at)).await;
    }

    /// Replicates what the pass itself wrote, and then removes what does not belong here.
    async fn finish(&self, pass: &Pass<'_, K>) {
        let written: Vec<Database> = pass.written();
        if !written.is_empty() {
            tracing::info!("Replicating {} reconciler containers", written.len());
        }
        let written = stream::iter(written);
        written.for_each_concurrent(self.config.concurrency, |at| pass.replicate(at)).await;
        pass.remove_last().await;
    }
}

#[async_trait]
impl<K: Replica> Daemon for DatabaseReplicator<K> {
    fn name(&self) -> &'static str {
        K::DAEMON
    }

    fn interval(&self) -> Duration {
        self.config.interval
    }

    async fn pass(&self) {
        // it begins before it looks at the ring: what is told of it must not claim a ring that came later
        let mut stats = Stats::new();
        let ring = self.current_ring().await;
        let handoff_delete = self.handoff_delete(&ring);
        let is_unusual = self.config.handoffs_only || handoff_delete > 0;
        if is_unusual {
            tracing::warn!(
                "Replication pass with handoffs_only and/or handoff_delete: these are for a full or drained node, \
                 and not for every day"
            );
        }
        let devices = self.usable_devices(&ring, &mut stats).await;
        let context = PassContext {
            ring: Arc::clone(&ring),
            own: devices.iter().map(|(device, _)| device.clone()).collect(),
            store: Arc::clone(&self.store),
            hash: self.swift.hash.clone(),
            per_diff: self.config.per_diff,
            queue: K::Queue::default(),
        };
        let pass = Pass::new(self, context, stats, handoff_delete);
        tracing::info!("Beginning replication run");
        let filter =
            Filter { partitions: self.how.partitions.clone(), handoffs_only: self.config.handoffs_only };
        let sweep = Sweep::new(self.pools.clone(), &ring, devices, &filter).await;
        self.replicate_all(&pass, sweep).await;
        self.finish(&pass).await;
        tracing::info!("Replication run OVER");
        let (stats, recon) = (pass.stats.into_inner(), self.recon.clone());
        if let Err(error) = self.pools.run("recon", move || stats.report(&recon)).await {
            tracing::error!(%error, "cannot leave figures for recon");
        }
    }
}
