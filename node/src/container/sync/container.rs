//! One container: which of its rows are to be sent, and how far it came.

use super::row::{RowError, Sender, Sent};
use super::run::{ContainerSync, Local, SyncError};
use crate::container::sync_to::SyncTarget;
use futures_util::{StreamExt, stream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use swiftlet_ring::Ring;
use swiftlet_storage::db::{ContainerBroker, ContainerInfo, DbError, ObjectRecord};

const SYNC_TO: &str = "X-Container-Sync-To";
const SYNC_KEY: &str = "X-Container-Sync-Key";
const VERSIONS_CONTAINER: &str = "X-Container-Sysmeta-Versions-Container";
/// Rows that are looked at for whose they are before the next are read.
const BATCH_ROWS: usize = 256;

/// A container's database.
#[derive(Clone)]
pub(super) struct Database {
    pub device: String,
    pub file: PathBuf,
}

/// What is to be done with a container.
pub(super) enum Plan {
    /// Nothing: it is none of ours, or gone.
    Leave,
    /// Nothing: it is not to be sent.
    Skip,
    /// To send it.
    Send(Box<Work>),
    /// Where it should go it may not.
    Refused(String),
}

/// A container that is to be sent.
pub(super) struct Work {
    info: ContainerInfo,
    target: SyncTarget,
    user_key: String,
    /// Which of the container's replicas this is, from 0, and of how many.
    ordinal: u64,
    replicas: u64,
}

/// What was sent of a container.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    pub puts: u64,
    pub deletes: u64,
    pub bytes: u64,
    pub failures: u64,
}

/// Rows, by the number of each.
type Rows = Vec<(i64, ObjectRecord)>;

impl Local {
    /// Looks what is to be done with the container in `file`. Reads the realms, and looks up addresses: for a disk's
    /// threads.
    pub(super) fn plan(&self, file: &Path, ring: &Ring) -> Result<Plan, DbError> {
        let broker = self.open(file)?;
        let info = broker.info()?;
        let partition = ring.partition(&self.hash.container(&info.account, &info.container));
        let replicas = ring.nodes(partition).count() as u64;
        let own = self.own.serving(ring);
        let own = ring.nodes(partition).position(|node| own.iter().any(|device| device.id == node.id));
        let Some(ordinal) = own else { return Ok(Plan::Leave) };
        let metadata = broker.metadata()?;
        let value = |key| metadata.get(key).filter(|value| !value.is_empty());
        if value(VERSIONS_CONTAINER).is_some() {
            tracing::warn!(
                "Skipping container {}/{} with object versioning configured",
                info.account,
                info.container
            );
            return Ok(Plan::Skip);
        }
        if broker.is_deleted()? {
            return Ok(Plan::Leave);
        }
        let (Some(sync_to), Some(user_key)) = (value(SYNC_TO), value(SYNC_KEY)) else {
            return Ok(Plan::Skip);
        };
        Ok(match self.targets.resolve(sync_to) {
            Err(why) => Plan::Refused(why),
            Ok(None) => Plan::Skip,
            Ok(Some(target)) => Plan::Send(Box::new(Work {
                user_key: user_key.to_owned(),
                info,
                target,
                ordinal: ordinal as u64,
                replicas,
            })),
        })
    }

    pub(super) fn open(&self, file: &Path) -> Result<ContainerBroker, DbError> {
        ContainerBroker::of_existing(file, Arc::clone(self.store.connections()))
    }
}

impl ContainerSync {
    /// Sends what is new in a container, for as long as it may take.
    pub(super) async fn send(&self, database: &Database, work: &Work) -> Result<Tally, SyncError> {
        let begun = Instant::now();
        let mut tally = Tally::default();
        let (mut point1, mut point2) = (work.info.x_container_sync_point1, work.info.x_container_sync_point2);
        let is_time_left = || begun.elapsed() < self.config.container_time;
        // behind both points everything was sent; between them, by whichever node had to
        let mut failed_after = None;
        while point2 < point1 && is_time_left() {
            let rows = self.rows(database, point2, self.config.sync_row_concurrency).await?;
            let rows: Rows = rows.into_iter().filter(|(number, _)| *number <= point1).collect();
            let Some((last, _)) = rows.last() else { break };
            let last = *last;
            let failed = self.send_rows(work, rows, &mut tally).await;
            // it begins again with the first that failed
            failed_after = failed_after.or(failed.map(|first| first - 1));
            point2 = last;
            self.set_points(database, None, Some(failed_after.unwrap_or(point2))).await?;
        }
        // what is newer is divided among the nodes
        while is_time_left() {
            let rows = self.rows(database, point1, BATCH_ROWS).await?;
            let Some((last, _)) = rows.last() else { break };
            let last = *last;
            let own: Rows = rows.into_iter().filter(|(_, row)| self.is_own(work, row)).collect();
            self.send_rows(work, own, &mut tally).await;
            point1 = last;
            self.set_points(database, Some(point1), None).await?;
        }
        let point2 = failed_after.unwrap_or(point2);
        self.tell(work, &tally, begun, (point1, point2));
        Ok(tally)
    }

    /// Whether this node is the first to send a row: by the name's hash.
    fn is_own(&self, work: &Work, row: &ObjectRecord) -> bool {
        let hash = self.local.hash.object(&work.info.account, &work.info.container, &row.name);
        let [a, b, c, d, ..] = hash.0;
        u64::from(u32::from_be_bytes([a, b, c, d])) % work.replicas.max(1) == work.ordinal
    }

    /// Sends rows, some at once; the number of the first that failed.
    async fn send_rows(&self, work: &Work, rows: Rows, tally: &mut Tally) -> Option<i64> {
        let sender = Sender {
            client: &self.client,
            web: &self.web,
            account: &work.info.account,
            container: &work.info.container,
            policy_index: work.info.storage_policy_index,
            target: &work.target,
            user_key: &work.user_key,
        };
        let sending = rows.into_iter().map(|(number, row)| {
            let sender = &sender;
            async move {
                let outcome = sender.send(&row).await;
                (number, row, outcome)
            }
        });
        let mut outcomes = stream::iter(sending).buffer_unordered(self.config.sync_row_concurrency);
        let mut first_failed: Option<i64> = None;
        while let Some((number, row, outcome)) = outcomes.next().await {
            match outcome {
                Ok(Sent::Nothing) => {}
                Ok(Sent::Deleted) => tally.deletes += 1,
                Ok(Sent::Put(bytes)) => (tally.puts, tally.bytes) = (tally.puts + 1, tally.bytes + bytes),
                Err(error) => {
                    tally.failures += 1;
                    first_failed = Some(first_failed.map_or(number, |first| first.min(number)));
                    tell_failure(work, &row, &error);
                }
            }
        }
        first_failed
    }

    fn tell(&self, work: &Work, tally: &Tally, begun: Instant, points: (i64, i64)) {
        tracing::info!(
            "Container sync report: {}/{}, time window: {:.2}s, puts: {}, posts: 0, deletes: {}, bytes: {}, \
             sync_point1: {}, sync_point2: {}",
            work.info.account,
            work.info.container,
            begun.elapsed().as_secs_f64(),
            tally.puts,
            tally.deletes,
            tally.bytes,
            points.0,
            points.1
        );
    }

    async fn rows(&self, database: &Database, start: i64, count: usize) -> Result<Rows, SyncError> {
        self.on_disk(database, move |broker| broker.rows_since(start, count)).await
    }

    async fn set_points(
        &self,
        database: &Database,
        point1: Option<i64>,
        point2: Option<i64>,
    ) -> Result<(), SyncError> {
        self.on_disk(database, move |broker| broker.set_container_sync_points(point1, point2)).await
    }
}

fn tell_failure(work: &Work, row: &ObjectRecord, error: &RowError) {
    let ContainerInfo { account, container, .. } = &work.info;
    let to = &work.target.url;
    match error {
        RowError::Refused(401) => tracing::info!("Unauth '{account}/{container}' => '{to}'"),
        RowError::Refused(404) => {
            tracing::info!("Not found '{account}/{container}' => '{to}' - object '{}'", row.name);
        }
        error => tracing::error!(%error, "ERROR Syncing {account}/{container}/{} => '{to}'", row.name),
    }
}
