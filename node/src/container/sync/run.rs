//! The pass: every container of this node's that is to be sent.

use super::super::sync_to::SyncTargets;
use super::config::SyncConfig;
use super::container::{Database, Plan};
use crate::daemon::{Ctime, Daemon, Found, OwnAddress, Walk};
use crate::database::DatabaseStore;
use crate::internal_client::InternalClient;
use crate::serve::{DevicePools, PoolError};
use crate::web_client::WebClient;
use async_trait::async_trait;
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use swiftlet_ring::SharedRing;
use swiftlet_storage::db::{ContainerBroker, DbError};
use swiftlet_types::HashConf;
use swiftlet_types::conf::{OptionError, Options};
use thiserror::Error;

/// Links to the databases of containers that are sent, laid out as the databases are.
const SYNC_DATA_DIR: &str = "sync_containers";
/// How often it tells what it did.
const REPORT_INTERVAL: Duration = Duration::from_secs(3600);

/// Sends containers to other clusters.
pub struct ContainerSync {
    pub(super) config: SyncConfig,
    pub(super) local: Arc<Local>,
    pub(super) client: InternalClient,
    pub(super) web: WebClient,
    pools: DevicePools,
    ring: Arc<SharedRing>,
    since: Mutex<Since>,
    /// Whether each pass tells what it did, being the only one.
    once: bool,
}

/// The ways to our cluster, to the others, and to this node's disks.
pub struct Reach {
    /// To our cluster.
    pub client: InternalClient,
    /// To the others.
    pub web: WebClient,
    /// To the disks.
    pub pools: DevicePools,
}

/// What jobs on disks need.
pub(super) struct Local {
    pub(super) store: DatabaseStore,
    pub(super) hash: HashConf,
    pub(super) own: OwnAddress,
    pub(super) targets: SyncTargets,
}

/// What was done since it was told last.
struct Since {
    at: SystemTime,
    told: Instant,
    syncs: u64,
    puts: u64,
    deletes: u64,
    skips: u64,
    failures: u64,
}

impl Since {
    fn now() -> Self {
        let (at, told) = (SystemTime::now(), Instant::now());
        Self { at, told, syncs: 0, puts: 0, deletes: 0, skips: 0, failures: 0 }
    }
}

impl ContainerSync {
    /// Reads the options of `[container-sync]`.
    pub fn from_options(
        options: &Options,
        hash: HashConf,
        reach: Reach,
        once: bool,
    ) -> Result<Self, OptionError> {
        let local = Local {
            store: DatabaseStore::of_daemon(options, hash.clone())?,
            own: OwnAddress::from_options(options, 6201)?,
            targets: SyncTargets::from_options(options),
            hash,
        };
        let Reach { client, web, pools } = reach;
        Ok(Self {
            config: SyncConfig::from_options(options)?,
            local: Arc::new(local),
            ring: client.container_ring(),
            client,
            web,
            pools,
            since: Mutex::new(Since::now()),
            once,
        })
    }

    /// Runs `work` on a database, among the jobs of its device.
    pub(super) async fn on_disk<T: Send + 'static>(
        &self,
        database: &Database,
        work: impl FnOnce(&ContainerBroker) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, SyncError> {
        let (local, file) = (self.local.clone(), database.file.clone());
        let job = move || local.open(&file).and_then(|broker| work(&broker));
        Ok(self.pools.run(&database.device, job).await??)
    }

    /// Works on one container; what goes wrong is told, and the next one's turn.
    async fn sync(&self, database: Database, link: PathBuf) {
        let (local, ring) = (self.local.clone(), self.ring.get());
        let file = database.file.clone();
        let planned = self.pools.run(&database.device, move || {
            let planned = local.plan(&file, &ring);
            if let Err(DbError::Missing { .. }) = &planned {
                // what it led to is gone
                let _ = std::fs::remove_file(&link);
            }
            planned
        });
        let outcome = match planned.await.map_err(SyncError::from).and_then(|planned| Ok(planned?)) {
            Err(error) => Err(error),
            Ok(Plan::Leave) => return,
            Ok(Plan::Skip) => {
                self.since.lock().skips += 1;
                return;
            }
            Ok(Plan::Refused(why)) => {
                tracing::info!("ERROR {}: {why}", database.file.display());
                self.since.lock().failures += 1;
                return;
            }
            Ok(Plan::Send(work)) => self.send(&database, &work).await,
        };
        let mut since = self.since.lock();
        match outcome {
            Ok(tally) => {
                since.syncs += 1;
                since.puts += tally.puts;
                since.deletes += tally.deletes;
                since.failures += tally.failures;
            }
            Err(error) => {
                since.failures += 1;
                tracing::error!(%error, "ERROR Syncing {}", database.file.display());
            }
        }
    }

    /// The databases that the links in a folder lead to, each with its link.
    async fn linked(&self, found: Found) -> Vec<(Database, PathBuf)> {
        let dir = found.dir.clone();
        let listed = self.pools.run(&found.device, move || links(&dir)).await;
        let links = match listed {
            Ok(Ok(links)) => links,
            Ok(Err(error)) => {
                tracing::error!(%error, "cannot list {}", found.dir.display());
                return Vec::new();
            }
            Err(error) => {
                tracing::error!(%error);
                return Vec::new();
            }
        };
        let device = self.local.store.devices.path_of(&found.device);
        let (listed, real) = (device.join(SYNC_DATA_DIR), device.join(ContainerBroker::DATA_DIR));
        let lead = |link: PathBuf| {
            let file = real.join(link.strip_prefix(&listed).ok()?);
            Some((Database { device: found.device.clone(), file }, link))
        };
        links.into_iter().filter_map(lead).collect()
    }

    async fn walk(&self) -> Walk {
        let devices = self.local.store.devices.clone();
        let names = match self.pools.run("all devices", move || devices.list()).await {
            Ok(Ok(names)) => names,
            Ok(Err(error)) => {
                tracing::error!(%error, "devices cannot be listed");
                Vec::new()
            }
            Err(error) => {
                tracing::error!(%error);
                Vec::new()
            }
        };
        let devices = self.local.store.devices.clone();
        Walk::new(self.pools.clone(), devices, names, SYNC_DATA_DIR.to_owned(), None)
    }

    fn report(&self) {
        let mut since = self.since.lock();
        tracing::info!(
            "Since {}: {} synced [{} deletes, {} puts], {} skipped, {} failed",
            Ctime(since.at),
            since.syncs,
            since.deletes,
            since.puts,
            since.skips,
            since.failures
        );
        *since = Since::now();
    }
}

/// Why a container was not sent.
#[derive(Debug, Error)]
pub(super) enum SyncError {
    /// Its database cannot be used.
    #[error(transparent)]
    Database(#[from] DbError),
    /// Its disk does no work.
    #[error(transparent)]
    Disk(#[from] PoolError),
}

#[async_trait]
impl Daemon for ContainerSync {
    fn name(&self) -> &'static str {
        "container-sync"
    }

    fn interval(&self) -> Duration {
        self.config.interval
    }

    async fn pass(&self) {
        let mut walk = self.walk().await;
        while let Some(found) = walk.next().await {
            for (database, link) in self.linked(found).await {
                self.sync(database, link).await;
            }
            if self.since.lock().told.elapsed() >= REPORT_INTERVAL {
                self.report();
            }
        }
        if self.once {
            self.report();
        }
    }
}

/// The links to databases in a folder.
fn links(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let paths = std::fs::read_dir(dir)?.map(|entry| Ok(entry?.path()));
    let paths = paths.collect::<std::io::Result<Vec<PathBuf>>>()?;
    Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "db")).collect())
}
