//! What a pass does for one database: reclaims what is old, brings its peers in step, and removes it where it does not
//! belong and all have it.

use super::config::Config;
use super::kind::{PassContext, Replica};
use super::peer::Peer;
use super::plan::{Route, may_go};
use super::push::{Push, PushError, Pushed, Replicated};
use super::run::DatabaseReplicator;
use super::stats::Stats;
use super::sweep::Database;
use crate::database::replicate::replication_info;
use crate::http::Timeouts;
use crate::serve::DevicePools;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use swiftlet_ring::Device;
use swiftlet_storage::db::{Broker, DbDir, DbError, Removal};
use swiftlet_types::Timestamp;

/// One pass.
pub(super) struct Pass<'a, K: Replica> {
    pub replicator: &'a DatabaseReplicator<K>,
    pub context: Arc<PassContext<K>>,
    pub stats: Mutex<Stats>,
    /// See [`Config::handoff_delete`], as far as this ring goes.
    pub handoff_delete: usize,
    /// Databases that go at the end of the pass, with the highest row that everybody has.
    going: Mutex<Vec<(Database, i64)>>,
}

/// What a database is when the pass comes to it.
enum Found {
    /// It was deleted long ago, and is gone now.
    Reclaimed,
    /// It was, and somebody must be told of it yet.
    Waiting,
    /// It is to be replicated.
    Live(Box<Replicated>),
}

impl<'a, K: Replica> Pass<'a, K> {
    pub fn new(
        replicator: &'a DatabaseReplicator<K>,
        context: PassContext<K>,
        stats: Stats,
        handoff_delete: usize,
    ) -> Self {
        let context = Arc::new(context);
        Self { replicator, context, stats: Mutex::new(stats), handoff_delete, going: Mutex::default() }
    }

    pub fn config(&self) -> &Config {
        &self.replicator.config
    }

    pub fn pools(&self) -> &DevicePools {
        &self.replicator.pools
    }

    /// Runs `job` with a database on its disk.
    pub async fn on_disk<T: Send + 'static>(
        &self,
        at: &Database,
        job: impl FnOnce(&Broker<K>) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, PushError> {
        let (file, connections) = (at.file.clone(), Arc::clone(self.context.store.connections()));
        let done =
            self.pools().run(&at.device, move || job(&Broker::<K>::of_existing(&file, connections)?)).await?;
        Ok(done?)
    }

    /// Does for a database what is to be done.
    pub async fn replicate(&self, at: Database) {
        tracing::debug!("Replicating db {}", at.file.display());
        self.stats.lock().attempted += 1;
        let database = match self.look_at(&at).await {
            Ok(Found::Live(database)) => *database,
            Ok(Found::Reclaimed) => {
                self.stats.lock().remove += 1;
                return;
            }
            Ok(Found::Waiting) => return,
            Err(error) => return self.unreadable(&at, error).await,
        };
        let route = Route::new(&self.context.ring, database.partition, at.device_id);
        let is_misfiled = database.partition != at.partition;
        if is_misfiled {
            let partition = database.partition;
            tracing::error!(
                "Found db that should be on partition {partition}; will replicate out and remove, {}",
                database.describe()
            );
        }
        let (tried, outcomes) = self.push(&database, &route).await;
        self.after_pushes(&database, &outcomes).await;
        let mut failed: Vec<&Device> =
            tried.iter().zip(&outcomes).filter(|(_, success)| !**success).map(|(peer, _)| peer).collect();
        if (is_misfiled || !route.belongs_here) && !self.clean_up(database, &outcomes).await {
            failed = tried.iter().collect();
        }
        let mut stats = self.stats.lock();
        stats.success += (tried.len() - failed.len()) as u64;
        stats.fail(failed);
    }

    /// Reclaims what is old in the database, and the whole of it if it may go.
    async fn look_at(&self, at: &Database) -> Result<Found, PushError> {
        let age = self.config().reclaim_before();
        let sync_age = age.checked_sub(self.config().reclaim_age).unwrap_or(UNIX_EPOCH);
        let (context, has_policies, place) =
            (Arc::clone(&self.context), self.replicator.has_policies, at.clone());
        self.on_disk(at, move |broker| {
            broker.remove_unfinished(age)?;
            broker.reclaim(Timestamp::from(age), Timestamp::from(sync_age))?;
            let info = replication_info(broker)?;
            if K::is_reclaimable(broker, Timestamp::from(age))? {
                if !K::is_reported(&info) {
                    return Ok(Found::Waiting);
                }
                K::before_removal(broker)?;
                return broker.remove(None).map(|_| Found::Reclaimed);
            }
            let partition = context.ring.partition(&K::path_hash(&info, &context.hash));
            let mut call = vec![json!("sync")];
            let told =
                ["max_row", "hash", "id", "created_at", "put_timestamp", "delete_timestamp", "metadata"];
            call.extend(told.iter().map(|name| info.get(*name).cloned().unwrap_or(Value::Null)));
            if has_policies {
                call.extend(K::policy_arguments(&info));
            }
            let sync = Value::from(call).to_string().into();
            Ok(Found::Live(Box::new(Replicated { at: place, info: Arc::new(info), partition, sync })))
        })
        .await
    }

    /// Says that a database cannot be read; one that is none of its kind is set aside, and a peer's takes its place.
    async fn unreadable(&self, at: &Database, error: PushError) {
        let file = at.file.display();
        match &error {
            PushError::Db(error) if error.is_no_such_table() => {
                tracing::error!("Quarantining DB {file}: {error}");
                let (path, connections) = (at.file.clone(), Arc::clone(self.context.store.connections()));
                let why = error.to_string();
                let set_aside = move || {
                    DbDir::of_file(&path).map(|dir| Broker::<K>::unnamed(dir, connections).quarantine(&why))
                };
                // Where it went, or why not, is logged there.
                drop(self.pools().run(&at.device, set_aside).await);
            }
            error => tracing::error!("ERROR reading db from {file}: {error}"),
        }
        self.stats.lock().fail(self.context.ring.nodes(at.partition));
    }

    /// Brings all peers in step: who was tried, and who has everything now. For each whose disk is not there a handoff
    /// is tried too.
    async fn push(&self, database: &Replicated, route: &Route) -> (Vec<Device>, Vec<bool>) {
        let Config { node_timeout, conn_timeout, .. } = *self.config();
        let timeouts = Timeouts { connect: conn_timeout, node: node_timeout };
        let ring = &self.context.ring;
        let (hash, mut handoffs) = (database.hash(), ring.handoffs(database.partition));
        let (mut peers, mut outcomes) = (route.peers.clone(), Vec::new());
        while let Some(device) = peers.get(outcomes.len()).cloned() {
            let is_other_region = route.region.is_some_and(|region| region != device.region);
            let peer = Peer::new(&device, database.partition, &hash, &self.replicator.client, timeouts);
            let pushed = Push { pass: self, database, peer, is_other_region }.run().await;
            let pushed = pushed.unwrap_or_else(|error| {
                tracing::error!("ERROR syncing with {device}: {error}, {}", database.describe());
                Pushed::Failed
            });
            if pushed == Pushed::NoDisk {
                tracing::error!("ERROR Remote drive not mounted {device}, {}", database.describe());
                match handoffs.next() {
                    Some(handoff) => peers.push(handoff.clone()),
                    None => tracing::error!(
                        "ERROR There are not enough handoff nodes to reach replica count for partition {}, {}",
                        database.partition,
                        database.describe()
                    ),
                }
            }
            outcomes.push(pushed == Pushed::InStep);
        }
        (peers, outcomes)
    }

    async fn after_pushes(&self, database: &Replicated, outcomes: &[bool]) {
        let (context, info, outcomes) =
            (Arc::clone(&self.context), Arc::clone(&database.info), outcomes.to_vec());
        let done = self
            .on_disk(&database.at, move |broker| K::after_pushes(&context, broker, &info, &outcomes))
            .await;
        if let Err(error) = done {
            tracing::error!("ERROR in post replicate hook: {error}, {}", database.describe());
        }
    }

    /// Removes a database that does not belong here once enough peers have it; false only where that failed.
    async fn clean_up(&self, database: Replicated, outcomes: &[bool]) -> bool {
        if !may_go(outcomes, self.handoff_delete) {
            let successes = outcomes.iter().filter(|success| **success).count();
            let (of, database) = (outcomes.len(), database.describe());
            tracing::debug!("Not deleting db ({successes}/{of} success), {database}");
            return true;
        }
        let seen = database.number("max_row");
        match K::is_removed_last(&database.info) {
            true => {
                let mut going = self.going.lock();
                going.retain(|(at, _)| at.file != database.at.file);
                going.push((database.at, seen));
                true
            }
            false => self.remove(&database.at, seen).await,
        }
    }

    async fn remove(&self, at: &Database, seen: i64) -> bool {
        let removed = self.on_disk(at, move |broker| {
            if let Some(why) = K::why_it_stays(broker)? {
                return Ok(Err(why));
            }
            K::before_removal(broker)?;
            match broker.remove(Some(seen))? {
                Removal::Removed => Ok(Ok(())),
                Removal::Changed { last_row } => Ok(Err(format!("{} new rows", last_row - seen))),
            }
        });
        let file = at.file.display();
        match removed.await {
            Ok(Ok(())) => {
                self.stats.lock().remove += 1;
                tracing::debug!("Successfully deleted db {file}");
                true
            }
            Ok(Err(why)) => {
                tracing::debug!("Not deleting db ({why}), db: {file}");
                true
            }
            Err(error) => {
                tracing::error!("ERROR while trying to clean up {file}: {error}");
                false
            }
        }
    }

    /// Removes what was left to the end of the pass.
    pub async fn remove_last(&self) {
        let going = std::mem::take(&mut *self.going.lock());
        for (at, seen) in going {
            self.remove(&at, seen).await;
        }
    }

    /// Databases that the pass itself wrote to.
    pub fn written(&self) -> Vec<Database> {
        K::written(&self.context.queue)
    }
}

/// Where the databases of a device lie.
pub(super) fn data_dir<K: Replica>(device: &std::path::Path) -> PathBuf {
    device.join(K::DATA_DIR)
}
