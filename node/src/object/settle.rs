//! What devices owe after an unclean end: suffixes to be hashed again, containers to be told.
//!
//! Beside a server, for as long as it serves: marks of runs that were cut off are looked for and what changed since
//! is settled, as are changes of this run that nobody came to settle; marks of this run are moved on, and removed
//! at the end. All of it in the background, one folder of a device at a time, and to be cut off anywhere: a mark
//! goes only when all is settled, and settling twice does no harm.

use super::container_row::container_row;
use super::container_update::{Update, UpdateContext};
use super::placement::Placement;
use super::server::ObjectServer;
use crate::http::{Headers, Method};
use crate::serve::PoolError;
use futures_util::future::join_all;
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use swiftlet_storage::object::hashes::{self, HashesError};
use swiftlet_storage::object::recent::{changed_partitions, changed_suffixes};
use swiftlet_storage::object::{Location, ObjectPath, OpenError, OpenOptions};
use swiftlet_storage::run_mark::{RunMark, RunMarkError};
use swiftlet_types::Timestamp;
use thiserror::Error;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often marks are moved on, and new devices looked at.
const INTERVAL: Duration = Duration::from_secs(60);
/// How long the end waits for updates that are under way; longer ones are found by the next start.
const LAST_PATIENCE: Duration = Duration::from_secs(4);

/// Why a device could not be settled. It is tried again.
#[derive(Debug, Error)]
pub(super) enum SettleError {
    #[error(transparent)]
    Mark(#[from] RunMarkError),
    #[error(transparent)]
    Hashes(#[from] HashesError),
    #[error("cannot look for changes, or save an update: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Pool(#[from] PoolError),
}

impl ObjectServer {
    /// Looks after the devices until the server has `ended`, and then ends this run cleanly.
    pub async fn look_after_devices(self: Arc<Self>, ended: CancellationToken) {
        let mut busy: HashMap<String, JoinHandle<()>> = HashMap::new();
        loop {
            busy.retain(|_, work| !work.is_finished());
            for device in self.usable_devices() {
                let work = || tokio::spawn(self.clone().look_after(device.clone()));
                busy.entry(device.clone()).or_insert_with(work);
            }
            if ended.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_none() {
                break;
            }
        }
        busy.values().for_each(JoinHandle::abort);
        let finish = self.usable_devices().into_iter().map(|device| {
            let finishing = self.clone().finish(device.clone());
            async move {
                match tokio::time::timeout(LAST_PATIENCE, finishing).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(%device, %error, "not ended cleanly"),
                    Err(_) => tracing::warn!(%device, "not ended cleanly: something is still under way"),
                }
            }
        });
        join_all(finish).await;
    }

    fn usable_devices(&self) -> Vec<String> {
        let devices = &self.store.config().devices;
        // Servers say at their start what cannot be used.
        let names = devices.list().unwrap_or_default();
        names.into_iter().filter(|name| devices.check(name).is_ok()).collect()
    }

    async fn look_after(self: Arc<Self>, device: String) {
        let outcome = match self.settle_abandoned(&device).await {
            Ok(()) => self.move_mark(&device).await,
            failed => failed,
        };
        if let Err(error) = outcome {
            tracing::error!(%device, %error, "cannot settle what the device owes");
        }
    }

    /// Settles what runs that were cut off have left.
    pub(super) async fn settle_abandoned(self: &Arc<Self>, device: &str) -> Result<(), SettleError> {
        let root = self.store.config().devices.path_of(device);
        let find = |_: &Self, root: &Path| {
            let marks = RunMark::abandoned(root)?;
            let times = marks.iter().map(RunMark::settled_until).collect::<Result<Vec<_>, _>>()?;
            Ok((marks, times.into_iter().min()))
        };
        let (marks, since) = self.on(device, &root, find).await?;
        let Some(since) = since else { return Ok(()) };
        let partitions = self.on(device, &root, move |_, root| Ok(changed_partitions(root, since)?)).await?;
        tracing::info!(device, partitions = partitions.len(), "not ended cleanly: settling what changed");
        let mut objects = 0;
        for (policy, partition) in partitions {
            let name = device.to_owned();
            let settle = move |server: &Self, root: &Path| {
                server.settle_partition(&name, root, policy, partition, since)
            };
            objects += self.on(device, &root, settle).await?;
        }
        self.on(device, &root, move |_, root| Ok(RunMark::finish(marks, root)?)).await?;
        tracing::info!(device, objects, "settled");
        Ok(())
    }

    /// Settles what was left in this run, and moves its mark on.
    async fn move_mark(self: &Arc<Self>, device: &str) -> Result<(), SettleError> {
        let root = self.store.config().devices.path_of(device);
        let name = device.to_owned();
        let work = move |server: &Self, root: &Path| {
            server.settle_owed(&name, root)?;
            Ok(server.store.changes().checkpoint(root)?)
        };
        self.on(device, &root, work).await
    }

    /// Removes this run's mark once nothing is under way.
    pub(super) async fn finish(self: Arc<Self>, device: String) -> Result<(), SettleError> {
        let root = self.store.config().devices.path_of(&device);
        loop {
            let name = device.clone();
            let work = move |server: &Self, root: &Path| {
                server.settle_owed(&name, root)?;
                Ok(server.store.changes().finish(root)?)
            };
            if self.on(&device, &root, work).await? {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Does `work` on a thread of the device.
    async fn on<T: Send + 'static>(
        self: &Arc<Self>,
        device: &str,
        root: &Path,
        work: impl FnOnce(&Self, &Path) -> Result<T, SettleError> + Send + 'static,
    ) -> Result<T, SettleError> {
        let (server, root) = (self.clone(), root.to_owned());
        self.pools.run(device, move || work(&server, &root)).await?
    }

    fn settle_owed(&self, device: &str, root: &Path) -> Result<(), SettleError> {
        for change in self.store.changes().owed(root) {
            hashes::invalidate(&change.location().suffix_dir())?;
            self.save_updates(device, change.location())?;
            change.settle();
        }
        Ok(())
    }

    /// Settles what changed in a partition since `since`; how many objects did.
    fn settle_partition(
        &self,
        device: &str,
        root: &Path,
        policy: u32,
        partition: u64,
        since: SystemTime,
    ) -> Result<usize, SettleError> {
        let mut objects = 0;
        for suffix in changed_suffixes(root, policy, partition, since)? {
            hashes::invalidate(&suffix.dir)?;
            for folder in &suffix.objects {
                if let Some(at) = self.store.locate_folder(root, policy, partition, folder) {
                    self.save_updates(device, &at)?;
                    objects += 1;
                }
            }
        }
        Ok(objects)
    }

    /// Leaves, for the updater, what is to be told of the object at `at`: just what its change would have told.
    fn save_updates(&self, device: &str, at: &Location) -> io::Result<()> {
        let Some(path) = ObjectPath::from_name(&at.name) else { return Ok(()) };
        let placement =
            Placement { device: device.to_owned(), partition: at.partition, path, policy: at.policy };
        match self.store.open(at, OpenOptions { now: Timestamp::now(), open_expired: true }) {
            Ok(opened) => {
                let state = opened.state;
                let content_type = state.metadata.get("Content-Type").cloned().unwrap_or_default();
                let set_at = state.content_type_timestamp;
                let row = container_row(&state, state.timestamp.internal(), &content_type, set_at);
                own_update(Method::Put, &placement, row).save_anew(&self.store)?;
                self.entry_of(&placement, &state).map_or(Ok(()), |entry| entry.save_anew(&self.store))
            }
            Err(OpenError::Deleted { timestamp }) => {
                let row = [("X-Timestamp", timestamp.internal())].into_iter().collect();
                own_update(Method::Delete, &placement, row).save_anew(&self.store)
            }
            // Gone, or of another name; or just quarantined: nothing is there to be told of.
            Err(error) => {
                tracing::debug!(dir = %at.dir.display(), %error, "nothing to tell of");
                Ok(())
            }
        }
    }
}

/// An update on nobody's behalf.
fn own_update(op: Method, placement: &Placement, row: Headers) -> Update {
    let mut headers = row;
    for (name, value) in UpdateContext::own().common_headers(placement.policy).iter() {
        headers.set(name.clone(), value.clone());
    }
    Update {
        op,
        path: placement.path.clone(),
        container_path: None,
        headers,
        db_state: None,
        device: placement.device.clone(),
        policy: placement.policy,
    }
}
