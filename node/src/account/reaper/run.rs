//! The daemon: pass after pass over the accounts on the node's devices.

use super::account::Account;
use super::plan::each_at_once;
use crate::daemon::{Daemon, Found, OwnAddress, Walk, look_at_ring};
use crate::database::DatabaseStore;
use crate::http::{Client, Timeouts};
use crate::serve::DevicePools;
use async_trait::async_trait;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use swiftlet_ring::{Device, Ring, SharedRing};
use swiftlet_storage::db::{AccountBroker, DbDir};
use swiftlet_types::HashConf;
use swiftlet_types::conf::{OptionError, Options};

/// Deletes what is left in deleted accounts.
pub struct AccountReaper {
    pub(super) store: DatabaseStore,
    pub(super) hash: HashConf,
    pub(super) container_ring: Arc<SharedRing>,
    /// By storage policy.
    pub(super) object_rings: HashMap<u32, Arc<SharedRing>>,
    pub(super) client: Client,
    pub(super) pools: DevicePools,
    pub(super) timeouts: Timeouts,
    /// Containers worked on at once, and objects of each.
    pub(super) each_at_once: usize,
    pub(super) delay_reaping: Duration,
    pub(super) reap_warn_after: Duration,
    account_ring: Arc<SharedRing>,
    own: OwnAddress,
    interval: Duration,
}

/// What a reaper works with beside its options.
pub struct Surroundings {
    /// The cluster's hash path.
    pub hash: HashConf,
    /// The accounts' ring.
    pub account_ring: Arc<SharedRing>,
    /// The containers'.
    pub container_ring: Arc<SharedRing>,
    /// The objects', by storage policy.
    pub object_rings: HashMap<u32, Arc<SharedRing>>,
    /// Connections to servers.
    pub client: Client,
    /// The disks' threads.
    pub pools: DevicePools,
}

impl AccountReaper {
    /// Reads the options of `[account-reaper]`.
    pub fn from_options(options: &Options, with: Surroundings) -> Result<Self, OptionError> {
        Ok(Self {
            store: DatabaseStore::of_daemon(options, with.hash.clone())?,
            timeouts: Timeouts {
                connect: options.seconds("conn_timeout", 0.5)?,
                node: options.seconds("node_timeout", 10.0)?,
            },
            each_at_once: each_at_once(options.int("concurrency", 25)?),
            delay_reaping: options.seconds("delay_reaping", 0.0)?,
            reap_warn_after: options.seconds("reap_warn_after", 2_592_000.0)?,
            own: OwnAddress::from_options(options, 6202)?,
            interval: options.seconds("interval", 3600.0)?,
            hash: with.hash,
            account_ring: with.account_ring,
            container_ring: with.container_ring,
            object_rings: with.object_rings,
            client: with.client,
            pools: with.pools,
        })
    }

    /// Takes up what changed of the rings' files.
    async fn reload_rings(&self) {
        let rings = [&self.account_ring, &self.container_ring].into_iter().chain(self.object_rings.values());
        for ring in rings {
            look_at_ring(ring).await;
        }
    }

    async fn walk(&self) -> Walk {
        let devices = self.store.devices.clone();
        let names = match self.pools.run("all devices", move || devices.list()).await {
            Ok(Ok(names)) => names,
            Ok(Err(error)) => {
                tracing::error!("Exception in top-level account reaper loop: {error}");
                Vec::new()
            }
            Err(error) => {
                tracing::error!("Exception in top-level account reaper loop: {error}");
                Vec::new()
            }
        };
        let devices = self.store.devices.clone();
        Walk::new(self.pools.clone(), devices, names, AccountBroker::DATA_DIR.to_owned(), None)
    }

    /// Reaps the account whose database lies in a folder, where this device is one of its primaries.
    async fn folder(&self, found: Found, ring: &Ring, own: &[Device]) {
        let Some((partition, share)) = share(&found, ring, own) else { return };
        let dir = found.dir.clone();
        let Ok(Some(file)) = self.pools.run(&found.device, move || database_file(&dir)).await else { return };
        let nodes = ring.nodes(partition).cloned().collect();
        let account = Account { device: found.device, file, partition, nodes, share };
        if let Err(error) = self.reap_account(&account).await {
            tracing::error!("ERROR reading db from {}: {error}", account.file.display());
        }
    }
}

/// The partition of a database's folder, and which of its primaries the device is that it lies on.
fn share(found: &Found, ring: &Ring, own: &[Device]) -> Option<(u32, usize)> {
    let partition: u32 = found.dir.ancestors().nth(2)?.file_name()?.to_str()?.parse().ok()?;
    let is_here =
        |node: &Device| node.device == found.device && own.iter().any(|device| device.id == node.id);
    Some((partition, ring.nodes(partition).position(is_here)?))
}

/// The database in a folder.
fn database_file(dir: &Path) -> Option<std::path::PathBuf> {
    let name = dir.file_name()?.to_str()?;
    let file = dir.join(format!("{name}.db"));
    (DbDir::of_file(&file).is_some() && file.is_file()).then_some(file)
}

#[async_trait]
impl Daemon for AccountReaper {
    fn name(&self) -> &'static str {
        "account-reaper"
    }

    fn interval(&self) -> Duration {
        self.interval
    }

    async fn pass(&self) {
        tracing::debug!("Begin devices pass: {}", self.store.devices.root().display());
        let begun = Instant::now();
        self.reload_rings().await;
        let ring = self.account_ring.get();
        let (address, of) = (self.own.clone(), Arc::clone(&ring));
        let own = self.pools.run("all devices", move || address.serving(&of)).await.unwrap_or_default();
        let mut walk = self.walk().await;
        while let Some(found) = walk.next().await {
            self.folder(found, &ring, &own).await;
        }
        tracing::info!("Devices pass completed: {:.2}s", begun.elapsed().as_secs_f64());
    }
}
