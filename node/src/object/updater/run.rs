//! The updater's I/O: folders of update files, and requests to container servers.

use super::super::container_update::{Outcome, Target, Updates};
use super::config::UpdaterConfig;
use super::container_rates::{Admission, ContainerRates};
use super::file::{UpdateFile, async_folders, tidy, to_request};
use super::plan::{Verdict, settle};
use super::stats::{OldestFailures, SweepStats, of_all_devices};
use crate::daemon::{Daemon, RateLimit, ReconCache, look_at_ring};
use crate::http::{Client, Timeouts};
use crate::serve::DevicePools;
use async_trait::async_trait;
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use swiftlet_ring::SharedRing;
use swiftlet_storage::object::ObjectStore;
use swiftlet_storage::object::async_pending::{AsyncPending, AsyncPendingError};
use swiftlet_types::Timestamp;
use tokio::sync::Semaphore;

/// Sends the updates that wait on this node's devices.
pub struct ObjectUpdater {
    config: UpdaterConfig,
    store: Arc<ObjectStore>,
    container_ring: Arc<SharedRing>,
    updates: Updates,
    under_way: Semaphore,
    recon: ReconCache,
}

/// A sweep over one device.
struct Sweep {
    device: String,
    begun: Instant,
    stats: Mutex<SweepStats>,
    oldest: Mutex<OldestFailures>,
    rates: Mutex<ContainerRates<UpdateFile>>,
    told: Mutex<Instant>,
}

impl Sweep {
    fn new(device: String, config: &UpdaterConfig) -> Self {
        let begun = Instant::now();
        let rates = ContainerRates::new(
            config.per_container_ratelimit_buckets,
            config.max_objects_per_container_per_second,
            config.max_deferred_updates,
            begun,
        );
        Self {
            device,
            begun,
            stats: Mutex::default(),
            oldest: Mutex::new(OldestFailures::new(config.async_tracker_max_entries)),
            rates: Mutex::new(rates),
            told: Mutex::new(begun),
        }
    }

    fn count(&self, change: impl FnOnce(&mut SweepStats)) {
        change(&mut self.stats.lock());
    }

    /// Tells that something on the device cannot be used, and stands in for what it would have given.
    fn failed<T: Default>(&self, error: &dyn std::error::Error) -> T {
        self.count(|stats| stats.errors += 1);
        tracing::error!(device = self.device, %error, "cannot read async pendings");
        T::default()
    }

    fn tell_progress(&self, interval: Duration) {
        let mut told = self.told.lock();
        if told.elapsed() >= interval {
            *told = Instant::now();
            self.tell("Object update sweep progress on");
        }
    }

    fn tell(&self, what: &str) {
        let (elapsed, stats) = (self.begun.elapsed().as_secs_f64(), *self.stats.lock());
        tracing::info!("{what} {}: {elapsed:.2}s, {stats}", self.device);
    }
}

impl ObjectUpdater {
    /// An updater of the devices of `store`.
    pub fn new(
        config: UpdaterConfig,
        store: Arc<ObjectStore>,
        pools: DevicePools,
        container_ring: Arc<SharedRing>,
        client: Client,
        recon: ReconCache,
    ) -> Self {
        let timeouts = Timeouts { connect: config.conn_timeout, node: config.node_timeout };
        let updates = Updates { client, timeouts, pools, store: store.clone() };
        let under_way = Semaphore::new(config.concurrency);
        Self { config, store, container_ring, updates, under_way, recon }
    }

    /// Works through one device; its name, what recon is to show of it, and how many updates wait on.
    async fn sweep_device(&self, device: String) -> (String, Value, u64) {
        let sweep = Sweep::new(device, &self.config);
        let mut rate = RateLimit::new(self.config.objects_per_second);
        for (policy, folder) in self.folders(&sweep).await {
            self.sweep_folder(&sweep, policy, folder, &mut rate).await;
        }
        self.drain(&sweep).await;
        sweep.tell("Object update sweep completed on");
        let shown = sweep.oldest.lock().to_json(self.config.async_tracker_dump_count, Timestamp::now());
        let left = sweep.stats.lock().left();
        (sweep.device, shown, left)
    }

    async fn folders(&self, sweep: &Sweep) -> Vec<(u32, PathBuf)> {
        let (store, name) = (self.store.clone(), sweep.device.clone());
        let listing =
            self.updates.pools.run(&sweep.device, move || match store.config().devices.check(&name) {
                Err(error) => {
                    tracing::warn!("Skipping: {error}");
                    Ok(Vec::new())
                }
                Ok(path) => async_folders(&path),
            });
        match listing.await {
            Ok(Ok(folders)) => folders,
            Ok(Err(error)) => sweep.failed(&error),
            Err(error) => sweep.failed(&error),
        }
    }

    /// One suffix folder.
    async fn sweep_folder(&self, sweep: &Sweep, policy: u32, folder: PathBuf, rate: &mut RateLimit) {
        let listed = {
            let folder = folder.clone();
            self.updates.pools.run(&sweep.device, move || tidy(&folder)).await
        };
        let plan = match listed {
            Ok(Ok(plan)) => plan,
            Ok(Err(error)) => return sweep.failed(&error),
            Err(error) => return sweep.failed(&error),
        };
        for name in &plan.unexpected {
            tracing::error!("ERROR async pending file with unexpected name {}", folder.join(name).display());
        }
        sweep.count(|stats| {
            stats.outdated_unlinks += plan.remove.len() as u64;
            stats.errors += plan.unexpected.len() as u64;
        });
        let paced = stream::unfold((plan.send.into_iter(), rate), |(mut names, rate)| async move {
            let name = names.next()?;
            rate.step().await;
            Some((name, (names, rate)))
        });
        let sending = paced.for_each_concurrent(self.config.concurrency, |name| {
            let file = UpdateFile { path: folder.join(name), device: sweep.device.clone(), policy };
            async move {
                // the semaphore is never closed
                let _permit = self.under_way.acquire().await;
                self.process(sweep, file).await;
                sweep.tell_progress(self.config.report_interval);
            }
        });
        sending.await;
    }

    /// Sends an update, unless its container has had its share: then it waits, or is left for the next pass.
    async fn process(&self, sweep: &Sweep, file: UpdateFile) {
        let Some(update) = self.load(sweep, &file).await else { return };
        let admission = {
            let (account, container) = update.target();
            sweep.rates.lock().admit(account, container, file, Instant::now())
        };
        match admission {
            Admission::Now(file) => self.deliver(sweep, &file, update).await,
            Admission::Deferred { skipped } => sweep.count(|stats| {
                stats.deferrals += 1;
                stats.skips += u64::from(skipped);
            }),
        }
    }

    /// Sends what waited for its container's turn, until the next pass would begin.
    async fn drain(&self, sweep: &Sweep) {
        let until = sweep.begun + self.config.interval;
        let waiting = stream::unfold((), |()| async move {
            let (ready, file) = sweep.rates.lock().next_deferred(Instant::now(), until)?;
            tokio::time::sleep_until(ready.into()).await;
            Some((file, ()))
        });
        let sending = waiting.for_each_concurrent(self.config.concurrency, |file| async move {
            // the semaphore is never closed
            let _permit = self.under_way.acquire().await;
            sweep.count(|stats| stats.drains += 1);
            if let Some(update) = self.load(sweep, &file).await {
                self.deliver(sweep, &file, update).await;
            }
        });
        sending.await;
        let left = sweep.rates.lock().deferred();
        sweep.count(|stats| stats.skips += left);
    }

    /// Sends an update to those who do not have it yet, and notes on disk who has it then.
    async fn deliver(&self, sweep: &Sweep, file: &UpdateFile, mut update: AsyncPending) {
        let mut changed = false;
        // once more, at once, where it was redirected
        for _ in 0..2 {
            let answers = self.send(&update, file).await;
            match settle(&mut update, answers) {
                Verdict::Done => {
                    sweep.count(|stats| {
                        stats.successes += 1;
                        stats.unlinks += 1;
                    });
                    return self.on_disk(file, UpdateFile::remove).await;
                }
                Verdict::Redirected => {
                    sweep.count(|stats| stats.redirects += 1);
                    changed = true;
                }
                Verdict::Failed { changed: remember } => {
                    sweep.count(|stats| stats.failures += 1);
                    let (account, container) = update.target();
                    sweep.oldest.lock().add(account, container, file.timestamp());
                    changed |= remember;
                    break;
                }
            }
        }
        if changed {
            let store = self.store.clone();
            self.on_disk(file, move |file| {
                let device = store.config().devices.path_of(&file.device);
                update.save_at(&file.path, &device, file.policy)
            })
            .await;
        }
    }

    /// Reads the update; one that is none is set aside.
    async fn load(&self, sweep: &Sweep, file: &UpdateFile) -> Option<AsyncPending> {
        let (of, store) = (file.clone(), self.store.clone());
        let read = move || {
            let read = AsyncPending::read(&of.path);
            if let Err(error) = &read {
                of.set_aside(&store.config().devices.path_of(&of.device), error);
            }
            read
        };
        match self.updates.pools.run(&file.device, read).await {
            Ok(Ok(update)) => update,
            Ok(Err(error)) => {
                sweep.count(|stats| match error {
                    AsyncPendingError::Io { .. } => stats.errors += 1,
                    _ => stats.quarantines += 1,
                });
                None
            }
            Err(error) => sweep.failed(&error),
        }
    }

    /// Asks every replica of the container that has not taken the update yet.
    async fn send(&self, update: &AsyncPending, file: &UpdateFile) -> Vec<(i64, Outcome)> {
        let ring = self.container_ring.get();
        let (account, container) = update.target();
        let partition = ring.partition(&self.store.config().hash.container(account, container));
        let request = to_request(update, file);
        let asking = ring
            .nodes(partition)
            .filter(|node| !update.successes.contains(&i64::from(node.id)))
            .map(|node| {
                let target = Target {
                    host: node.replication_ip.clone(),
                    port: node.replication_port,
                    partition: partition.to_string(),
                    device: node.device.clone(),
                };
                let (id, request) = (i64::from(node.id), &request);
                async move { (id, self.updates.send(&target, request).await) }
            });
        join_all(asking).await
    }

    async fn on_disk(
        &self,
        file: &UpdateFile,
        work: impl FnOnce(&UpdateFile) -> io::Result<()> + Send + 'static,
    ) {
        let of = file.clone();
        match self.updates.pools.run(&file.device, move || work(&of)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(path = %file.path.display(), %error, "cannot change an async pending")
            }
            Err(error) => tracing::error!(%error),
        }
    }
}

#[async_trait]
impl Daemon for ObjectUpdater {
    fn name(&self) -> &'static str {
        "object-updater"
    }

    fn interval(&self) -> Duration {
        self.config.interval
    }

    async fn pass(&self) {
        look_at_ring(&self.container_ring).await;
        let begun = Instant::now();
        let store = self.store.clone();
        let devices = match self.updates.pools.run("all devices", move || store.config().devices.list()).await
        {
            Ok(Ok(devices)) => devices,
            Ok(Err(error)) => return tracing::error!(%error, "cannot list devices"),
            Err(error) => return tracing::error!(%error, "cannot list devices"),
        };
        let shown = join_all(devices.into_iter().map(|device| self.sweep_device(device))).await;
        let elapsed = begun.elapsed().as_secs_f64();
        tracing::info!("Object update sweep of all devices completed: {elapsed:.2}s");
        let each: Vec<Value> = shown.iter().map(|(_, figures, _)| figures.clone()).collect();
        let left: u64 = shown.iter().map(|(.., left)| left).sum();
        let shown = shown.into_iter().map(|(device, figures, _)| (device, figures));
        let now = json!(Timestamp::now().as_secs_f64());
        let figures = [
            // for who has no swift-recon-cron to count all there are
            ("async_pending", json!(left)),
            ("async_pending_last", now.clone()),
            // devices that are gone are forgotten
            ("object_updater_per_device", json!({})),
            ("object_updater_per_device", Value::Object(Map::from_iter(shown))),
            ("object_updater_stats", of_all_devices(&each, self.config.async_tracker_dump_count)),
            ("object_updater_sweep", json!(elapsed)),
            ("object_updater_last", now),
        ];
        let recon = self.recon.clone();
        // a panic there was told already
        let _ = tokio::task::spawn_blocking(move || recon.dump(figures)).await;
    }
}
