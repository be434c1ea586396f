//! The updater's I/O: folders of update files, and requests to container servers.

use super::super::container_update::{Outcome, Target, Update, Updates};
use super::plan::{FolderPlan, Verdict, plan_folder, settle};
use crate::daemon::{Daemon, RateLimit};
use crate::http::{Client, Headers, Method, Timeouts};
use crate::serve::DevicePools;
use async_trait::async_trait;
use futures_util::future::join_all;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use swiftlet_ring::SharedRing;
use swiftlet_storage::object::async_pending::{AsyncPending, AsyncPendingError};
use swiftlet_storage::object::{DirKind, ObjectStore};
use swiftlet_types::conf::{OptionError, Options};
use tokio::sync::{Mutex, Semaphore};

/// The options of `[object-updater]`.
#[derive(Debug, Clone)]
pub struct UpdaterConfig {
    /// From the beginning of one pass to that of the next.
    pub interval: Duration,
    /// Updates under way at once.
    pub concurrency: usize,
    /// Updates begun a second, on each device.
    pub objects_per_second: f64,
    /// How long a connection to a container server may take to be made.
    pub conn_timeout: Duration,
    /// How long a container server may take to answer.
    pub node_timeout: Duration,
}

impl UpdaterConfig {
    /// Reads them.
    pub fn from_options(o: &Options) -> Result<Self, OptionError> {
        Ok(Self {
            interval: o.seconds("interval", 300.0)?,
            concurrency: o.int("concurrency", 8)?,
            objects_per_second: o.float("objects_per_second", 50.0)?,
            conn_timeout: o.seconds("conn_timeout", 0.5)?,
            node_timeout: o.seconds("node_timeout", 10.0)?,
        })
    }
}

/// Sends the updates that wait on this node's devices.
pub struct ObjectUpdater {
    config: UpdaterConfig,
    store: Arc<ObjectStore>,
    container_ring: Arc<SharedRing>,
    updates: Updates,
    under_way: Semaphore,
}

impl ObjectUpdater {
    /// An updater of the devices of `store`.
    pub fn new(
        config: UpdaterConfig,
        store: Arc<ObjectStore>,
        pools: DevicePools,
        container_ring: Arc<SharedRing>,
        client: Client,
    ) -> Self {
        let timeouts = Timeouts { connect: config.conn_timeout, node: config.node_timeout };
        let updates = Updates { client, timeouts, pools, store: store.clone() };
        let under_way = Semaphore::new(config.concurrency.max(1));
        Self { config, store, container_ring, updates, under_way }
    }

    async fn sweep_device(&self, device: String) {
        let folders = {
            let store = self.store.clone();
            let name = device.clone();
            self.updates.pools.run(&device, move || match store.config().devices.check(&name) {
                Err(error) => {
                    tracing::warn!("Skipping: {error}");
                    Ok(Vec::new())
                }
                Ok(path) => async_folders(&path),
            })
        };
        let folders = match folders.await {
            Ok(Ok(folders)) => folders,
            Ok(Err(error)) => return tracing::error!(%device, %error, "cannot list async pendings"),
            Err(error) => return tracing::error!(%error, "cannot list async pendings"),
        };
        let rate = Mutex::new(RateLimit::new(self.config.objects_per_second));
        for (policy, folder) in folders {
            self.sweep_folder(&device, policy, folder, &rate).await;
        }
    }

    /// One suffix folder.
    async fn sweep_folder(&self, device: &str, policy: u32, folder: PathBuf, rate: &Mutex<RateLimit>) {
        let listed = {
            let folder = folder.clone();
            self.updates.pools.run(device, move || tidy(&folder)).await
        };
        let plan = match listed {
            Ok(Ok(plan)) => plan,
            Ok(Err(error)) => {
                return tracing::error!(folder = %folder.display(), %error, "cannot list async pendings");
            }
            Err(error) => return tracing::error!(%error, "cannot list async pendings"),
        };
        for name in &plan.unexpected {
            tracing::error!("ERROR async pending file with unexpected name {}", folder.join(name).display());
        }
        let sending = plan.send.into_iter().map(|name| {
            let file = UpdateFile { path: folder.join(name), device: device.to_owned(), policy };
            async move {
                // the semaphore is never closed
                let _permit = self.under_way.acquire().await;
                rate.lock().await.step().await;
                self.process(file).await;
            }
        });
        join_all(sending).await;
    }

    async fn process(&self, file: UpdateFile) {
        let Some(mut update) = self.load(&file).await else { return };
        let mut changed = false;
        // once more, at once, where it was redirected
        for _ in 0..2 {
            let answers = self.send(&update, &file).await;
            match settle(&mut update, answers) {
                Verdict::Done => return self.on_disk(&file, UpdateFile::remove).await,
                Verdict::Redirected => changed = true,
                Verdict::Failed { changed: remember } => {
                    changed |= remember;
                    break;
                }
            }
        }
        if changed {
            let store = self.store.clone();
            self.on_disk(&file, move |file| {
                let device = store.config().devices.path_of(&file.device);
                update.save_at(&file.path, &device, file.policy)
            })
            .await;
        }
    }

    /// Reads the update; one that is none is quarantined.
    async fn load(&self, file: &UpdateFile) -> Option<AsyncPending> {
        let (of, store) = (file.clone(), self.store.clone());
        let read = move || match AsyncPending::read(&of.path) {
            Err(error) => {
                of.quarantine(&store.config().devices.path_of(&of.device), &error);
                None
            }
            Ok(update) => update,
        };
        self.updates.pools.run(&file.device, read).await.unwrap_or_else(|error| {
            tracing::error!(%error);
            None
        })
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
        match self.store.config().devices.list() {
            Err(error) => tracing::error!(%error, "cannot list devices"),
            Ok(devices) => {
                join_all(devices.into_iter().map(|device| self.sweep_device(device))).await;
            }
        }
    }
}

/// An update's file.
#[derive(Debug, Clone)]
struct UpdateFile {
    path: PathBuf,
    device: String,
    policy: u32,
}

impl UpdateFile {
    fn remove(&self) -> io::Result<()> {
        std::fs::remove_file(&self.path)?;
        if let Some(folder) = self.path.parent() {
            // only the last update's folder is empty
            let _ = std::fs::remove_dir(folder);
        }
        Ok(())
    }

    fn quarantine(&self, device: &Path, error: &AsyncPendingError) {
        let folder = device.join("quarantined").join(DirKind::Objects.name(0));
        let moved = std::fs::create_dir_all(&folder).and_then(|()| {
            std::fs::rename(&self.path, folder.join(self.path.file_name().unwrap_or_default()))
        });
        tracing::error!(%error, moved = moved.is_ok(), "ERROR Pickle problem, quarantining {}", self.path.display());
    }
}

/// The suffix folders of every policy's `async_pending` on a device.
fn async_folders(device: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(device)? {
        let entry = entry?;
        let Some(policy) = entry.file_name().to_str().and_then(|name| DirKind::AsyncPending.policy_of(name))
        else {
            continue;
        };
        for suffix in std::fs::read_dir(entry.path())? {
            let suffix = suffix?;
            if suffix.file_type()?.is_dir() {
                folders.push((policy, suffix.path()));
            }
        }
    }
    Ok(folders)
}

/// Plans for a folder, and removes what is useless in it.
fn tidy(folder: &Path) -> io::Result<FolderPlan> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string());
    }
    let plan = plan_folder(names);
    for name in &plan.remove {
        // gone already is as good
        let _ = std::fs::remove_file(folder.join(name));
    }
    Ok(plan)
}

fn to_request(update: &AsyncPending, file: &UpdateFile) -> Update {
    let mut headers: Headers = update.headers.iter().cloned().collect();
    headers.set("User-Agent", format!("object-updater {}", std::process::id()));
    for (name, value) in [
        ("X-Backend-Storage-Policy-Index", file.policy.to_string()),
        ("X-Backend-Accept-Redirect", "true".to_owned()),
        ("X-Backend-Accept-Quoted-Location", "true".to_owned()),
    ] {
        if !headers.contains(name) {
            headers.set(name, value);
        }
    }
    Update {
        op: Method::from_name(&update.op),
        path: update.path.clone(),
        container_path: update.container_path.clone(),
        headers,
        db_state: update.db_state.clone(),
        device: file.device.clone(),
        policy: file.policy,
    }
}
