//! The updater's work: walks the databases of every device, and sends reports.

use super::plan::{Need, Suppressions, Verdict, need, verdict};
use crate::container::account_update::report_headers;
use crate::daemon::{Daemon, RateLimit, ReconCache, look_at_ring};
use crate::database::{DatabaseStore, Jobs};
use crate::http::{Client, Method, Request, Timeouts};
use async_trait::async_trait;
use futures_util::future::join_all;
use parking_lot::Mutex;
use rand::seq::SliceRandom;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use swiftlet_ring::{Device, SharedRing};
use swiftlet_storage::db::{ContainerBroker, ContainerInfo, DbError};
use swiftlet_types::HashConf;
use swiftlet_types::conf::{OptionError, Options};

/// Tells accounts what their containers hold.
pub struct ContainerUpdater {
    store: Arc<DatabaseStore>,
    account_ring: Arc<SharedRing>,
    hash: HashConf,
    client: Client,
    jobs: Jobs,
    timeouts: Timeouts,
    interval: Duration,
    containers_per_second: f64,
    account_suppression_time: Duration,
    suppressions: Mutex<Suppressions>,
    counts: Counts,
    recon: ReconCache,
}

/// How many containers of a pass came to what.
#[derive(Debug, Default)]
struct Counts {
    successes: AtomicU64,
    failures: AtomicU64,
    no_changes: AtomicU64,
}

impl ContainerUpdater {
    /// Reads the options of `[container-updater]`.
    pub fn from_options(
        options: &Options,
        hash: HashConf,
        account_ring: Arc<SharedRing>,
        client: Client,
        jobs: Jobs,
    ) -> Result<Self, OptionError> {
        // An option of old: a pause after each container, in seconds.
        let per_second = match options.str("slowdown") {
            Some(_) => 1.0 / (options.float("slowdown", 0.01)? + 0.01),
            None => 50.0,
        };
        Ok(Self {
            store: Arc::new(DatabaseStore::of_daemon(options, hash.clone())?),
            account_ring,
            hash,
            client,
            jobs,
            timeouts: Timeouts {
                connect: options.seconds("conn_timeout", 0.5)?,
                node: options.seconds("node_timeout", 3.0)?,
            },
            interval: options.seconds("interval", 300.0)?,
            containers_per_second: options.float("containers_per_second", per_second)?,
            account_suppression_time: options.seconds("account_suppression_time", 60.0)?,
            suppressions: Mutex::default(),
            counts: Counts::default(),
            recon: ReconCache::from_options(options, "container"),
        })
    }

    /// Walks one partition's databases.
    async fn sweep(&self, device: &str, partition: PathBuf, rate: &mut RateLimit) {
        let files = self.jobs.run(device, move || database_files(&partition)).await.unwrap_or_default();
        for file in files {
            rate.step().await;
            self.process(device, file).await;
        }
    }

    /// Looks at one container and tells its account where there is news.
    async fn process(&self, device: &str, file: PathBuf) {
        let store = Arc::clone(&self.store);
        let path = file.clone();
        let Ok(facts) = self.jobs.run(device, move || facts(&store, &path)).await else { return };
        let info = match facts {
            Ok(info) => info,
            Err(error) if error.is_lock_timeout() => {
                tracing::info!(%error, "container skipped");
                return;
            }
            Err(error) => {
                tracing::error!(%error, "container not processed");
                return;
            }
        };
        let is_suppressed = self.suppressions.lock().holds(&info.account, Instant::now());
        match need(&info, is_suppressed) {
            Need::Skip => {}
            Need::Nothing => count(&self.counts.no_changes),
            Need::Report => self.report(device, file, info).await,
        }
    }

    async fn report(&self, device: &str, file: PathBuf, info: ContainerInfo) {
        let ring = self.account_ring.get();
        let partition = ring.partition(&self.hash.account(&info.account));
        let answers = join_all(ring.nodes(partition).map(|node| self.tell(node, partition, &info))).await;
        let verdict = verdict(&answers);
        match verdict {
            Verdict::Reported => count(&self.counts.successes),
            Verdict::NoAccount => count(&self.counts.failures),
            Verdict::Failed => {
                count(&self.counts.failures);
                let (now, time) = (Instant::now(), self.account_suppression_time);
                self.suppressions.lock().add(&info.account, now, time);
                return;
            }
        }
        let store = Arc::clone(&self.store);
        let settled = self.jobs.run(device, move || settle(&store, &file, &info, verdict)).await;
        if let Ok(Err(error)) = settled {
            tracing::error!(%error, "a report was sent but could not be noted");
        }
    }

    /// Tells one account server; its answer's status.
    async fn tell(&self, node: &Device, partition: u32, info: &ContainerInfo) -> Option<u16> {
        let path = format!("/{}/{partition}/{}/{}", node.device, info.account, info.container);
        let mut request = Request::new(Method::Put, path);
        request.headers = report_headers(info);
        request.headers.set("X-Account-Override-Deleted", "yes");
        request.headers.set("User-Agent", format!("container-updater {}", std::process::id()));
        let (host, port) = (&node.replication_ip, node.replication_port);
        match self.client.request(host, port, request, &self.timeouts).await {
            Ok(answer) => Some(answer.status),
            Err(error) => {
                tracing::error!(host, port, device = node.device, %error, "account update failed, will be retried");
                None
            }
        }
    }
}

#[async_trait]
impl Daemon for ContainerUpdater {
    fn name(&self) -> &'static str {
        "container-updater"
    }

    fn interval(&self) -> Duration {
        self.interval
    }

    async fn pass(&self) {
        for counter in [&self.counts.successes, &self.counts.failures, &self.counts.no_changes] {
            counter.store(0, Ordering::Relaxed);
        }
        look_at_ring(&self.account_ring).await;
        let begun = Instant::now();
        self.suppressions.lock().expire(begun);
        let store = Arc::clone(&self.store);
        let partitions = self.jobs.run("all devices", move || partitions(&store)).await.unwrap_or_default();
        let mut rate = RateLimit::new(self.containers_per_second);
        for (device, partition) in partitions {
            self.sweep(&device, partition, &mut rate).await;
        }
        let figure = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        tracing::info!(
            successes = figure(&self.counts.successes),
            failures = figure(&self.counts.failures),
            no_changes = figure(&self.counts.no_changes),
            "container update sweep completed"
        );
        let (recon, elapsed) = (self.recon.clone(), begun.elapsed().as_secs_f64());
        let dump = move || recon.dump([("container_updater_sweep", elapsed.into())]);
        // a panic there was told already
        let _ = tokio::task::spawn_blocking(dump).await;
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Every partition of container databases on the devices that can be used, in random order: a pass that does not
/// come to its end must not always leave out the same ones.
fn partitions(store: &DatabaseStore) -> Vec<(String, PathBuf)> {
    let devices = store.devices.list().unwrap_or_else(|error| {
        tracing::error!(%error, "devices cannot be listed");
        Vec::new()
    });
    let mut partitions = Vec::new();
    for device in devices {
        match store.devices.check(&device) {
            Err(error) => tracing::warn!(%error, "device skipped"),
            Ok(path) => {
                let found = folders(&path.join(ContainerBroker::DATA_DIR));
                partitions.extend(found.into_iter().map(|partition| (device.clone(), partition)));
            }
        }
    }
    partitions.shuffle(&mut rand::rng());
    partitions
}

/// The databases in a partition's folder, one file each.
fn database_files(partition: &Path) -> Vec<PathBuf> {
    let hashes = folders(partition).into_iter().flat_map(|suffix| folders(&suffix));
    hashes
        .filter_map(|hash| {
            folders(&hash).into_iter().filter(|path| path.extension().is_some_and(|e| e == "db")).max()
        })
        .collect()
}

/// What lies in a folder; nothing where it is none.
fn folders(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default()
}

/// A container's facts as its account is to hear them.
fn facts(store: &DatabaseStore, file: &Path) -> Result<ContainerInfo, DbError> {
    let broker = ContainerBroker::of_existing(file, Arc::clone(store.connections()))?;
    let mut info = broker.info()?;
    if !broker.is_root_container()? {
        // A shard's objects are counted in its root, which tells the account of them.
        (info.object_count, info.bytes_used) = (0, 0);
    }
    Ok(info)
}

/// Notes what came of a report.
fn settle(store: &DatabaseStore, file: &Path, info: &ContainerInfo, verdict: Verdict) -> Result<(), DbError> {
    let broker = ContainerBroker::of_existing(file, Arc::clone(store.connections()))?;
    match verdict {
        Verdict::Reported => broker.set_reported(info),
        // Nobody can reach a container whose account is nowhere; its files are kept for whoever wonders.
        Verdict::NoAccount => Err(broker.quarantine("no account replicas exist")),
        Verdict::Failed => Ok(()),
    }
}
