//! Bringing one peer in step with a database.

use super::kind::Replica;
use super::pass::Pass;
use super::peer::{Answer, Peer, Remote};
use super::plan::{Distance, Need};
use super::sweep::Database;
use crate::database::replicate::{Sent, merge_metadata, text_of};
use crate::serve::pool::PoolError;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_ring::Device;
use swiftlet_storage::db::{Broker, DbError, Direction, SyncPoint};
use swiftlet_types::names::quote;
use thiserror::Error;

/// Why a peer could not be brought in step; what it answered is logged where it is read.
#[derive(Debug, Error)]
pub(super) enum PushError {
    /// The own replica failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Its disk did.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// Nothing could be sent.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The system's word.
        source: io::Error,
    },
    /// The peer says something that makes no sense.
    #[error("{peer} answers what makes no sense: {why}")]
    BadAnswer {
        /// Who.
        peer: String,
        /// What is wrong.
        why: String,
    },
    /// A body could not be written.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    /// The peer has everything.
    InStep,
    /// It has not.
    Failed,
    /// Its disk is not there: somebody else must take its place for now.
    NoDisk,
}

impl From<bool> for Pushed {
    fn from(success: bool) -> Self {
        if success { Self::InStep } else { Self::Failed }
    }
}

/// A database, as it was when the pass came to it.
pub(super) struct Replicated {
    pub at: Database,
    /// What it says of itself, under Swift's names.
    pub info: Arc<Map<String, Value>>,
    /// The partition it belongs to.
    pub partition: u32,
    /// The operation that tells peers of it.
    pub sync: Bytes,
}

impl Replicated {
    pub fn text(&self, name: &str) -> &str {
        text_of(&self.info, name)
    }

    pub fn number(&self, name: &str) -> i64 {
        self.info.get(name).and_then(Value::as_i64).unwrap_or(-1)
    }

    /// How log lines end that are about it.
    pub fn describe(&self) -> String {
        let names = [self.text("account"), self.text("container")];
        let path = names.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>().join("/");
        format!("path: {}, db: {}", quote(path.as_bytes()), self.at.file.display())
    }

    /// The hash that its files are named by.
    pub fn hash(&self) -> String {
        let name = self.at.file.file_name().unwrap_or_default().to_string_lossy();
        name.split(['_', '.']).next().unwrap_or_default().to_owned()
    }
}

/// A database on its way to one peer.
pub(super) struct Push<'a, K: Replica> {
    pub pass: &'a Pass<'a, K>,
    pub database: &'a Replicated,
    pub peer: Peer<'a>,
    pub is_other_region: bool,
}

impl<K: Replica> Push<'_, K> {
    /// Brings the peer in step, in whichever way it needs.
    pub async fn run(&self) -> Result<Pushed, PushError> {
        let Some(answer) = self.peer.call(self.database.sync.clone()).await else {
            return Ok(Pushed::Failed);
        };
        match answer.status {
            404 => {
                self.pass.stats.lock().rsync += 1;
                let timeout = self.pass.config().node_timeout;
                Ok(self.send_whole("complete_rsync", answer.takes_files, timeout).await?.into())
            }
            507 => Ok(Pushed::NoDisk),
            _ if answer.is_success() => Ok(self.answered(&answer).await?.into()),
            _ => Ok(Pushed::Failed),
        }
    }

    async fn answered(&self, answer: &Answer) -> Result<bool, PushError> {
        let remote = Remote::parse(&answer.body)
            .map_err(|why| PushError::BadAnswer { peer: self.peer.device.to_string(), why })?;
        let remote = Arc::new(remote);
        let (info, learnt) = (Arc::clone(&self.database.info), Arc::clone(&remote));
        let known = self.on_disk(move |broker| {
            K::learn(broker, &info, &learnt.info)?;
            if !learnt.info.metadata.is_empty() {
                merge_metadata(broker, &learnt.info.metadata)?;
            }
            broker.sync_point(&learnt.info.id, Direction::Outgoing)
        });
        let known = known.await?;
        let has_shards = !K::HAS_SHARDS || self.sync_shards(&remote).await?;
        if K::HAS_SHARDS && self.on_disk(|broker| K::keeps_rows(broker)).await? {
            tracing::debug!("rows wait for shards, {}", self.database.describe());
            self.pass.stats.lock().deferred += 1;
            return Ok(has_shards);
        }
        Ok(self.send_what_is_missing(&remote, known, answer.takes_files).await? && has_shards)
    }

    /// Both get each other's shard ranges; whether the peer has ours.
    async fn sync_shards(&self, remote: &Remote) -> Result<bool, PushError> {
        let Some(shard_max_row) = remote.shard_max_row else {
            let (peer, database) = (self.peer.device, self.database.describe());
            tracing::warn!(
                "unable to replicate shard ranges to peer {peer}; peer may need upgrading, {database}"
            );
            return Ok(false);
        };
        if shard_max_row >= 0
            && let Some(answer) = self.peer.call(Bytes::from_static(b"[\"get_shard_ranges\"]")).await
            && answer.is_success()
        {
            let theirs: Vec<Value> = serde_json::from_slice(&answer.body)?;
            let merged = self.on_disk(move |broker| {
                Ok(K::merge_shard_ranges(broker, &theirs).is_none_or(|outcome| outcome.is_ok()))
            });
            if !merged.await? {
                let why = "its shard ranges could not be merged".to_owned();
                return Err(PushError::BadAnswer { peer: self.peer.device.to_string(), why });
            }
        }
        let ours = self.on_disk(|broker| K::shard_ranges(broker).unwrap_or_else(|| Ok(Vec::new()))).await?;
        if ours.is_empty() {
            return Ok(true);
        }
        let operation = json!(["merge_shard_ranges", ours, self.database.text("id")]);
        Ok(self.peer.tell(operation.to_string().into()).await)
    }

    async fn send_what_is_missing(
        &self,
        remote: &Remote,
        known: i64,
        takes_files: bool,
    ) -> Result<bool, PushError> {
        let distance = Distance {
            max_row: self.database.number("max_row"),
            remote_max_row: remote.info.max_row,
            point: remote.point.max(known),
            is_same: remote.info.hash == self.database.text("hash"),
        };
        let stats = &self.pass.stats;
        match distance.need(self.pass.config().per_diff) {
            Need::Nothing => {
                stats.lock().no_change += 1;
                Ok(true)
            }
            Need::Note => {
                stats.lock().hashmatch += 1;
                self.note(&remote.info.id, remote.point).await?;
                Ok(true)
            }
            Need::WholeFile => {
                stats.lock().remote_merge += 1;
                // Swift's measure of how long a merge may take, which is nothing for small ones.
                let by_size = Duration::from_secs(self.database.number("count").max(0) as u64 / 2000);
                let timeout = by_size.max(self.pass.config().node_timeout);
                self.send_whole("rsync_then_merge", takes_files, timeout).await
            }
            Need::RowsAfter(point) => {
                stats.lock().diff += 1;
                self.send_rows(&remote.info.id, point).await
            }
        }
    }

    /// Sends the rows after `point`, and then what is known of others.
    async fn send_rows(&self, remote_id: &str, mut point: i64) -> Result<bool, PushError> {
        // Before the rows: what comes from others meanwhile may not be among them.
        let syncs = self.on_disk(|broker| broker.sync_points(Direction::Incoming)).await?;
        for _ in 0..self.pass.config().max_diffs {
            let Some((operation, last)) = self.rows_after(point).await? else {
                return self.send_syncs(remote_id, point, &syncs).await;
            };
            if !self.peer.tell(operation).await {
                return Ok(false);
            }
            point = last;
        }
        if self.rows_after(point).await?.is_none() {
            return self.send_syncs(remote_id, point, &syncs).await;
        }
        let rows = self.pass.config().max_diffs * self.pass.config().per_diff;
        tracing::debug!(
            "Synchronization has fallen more than {rows} rows behind; moving on and will try again next pass, {}",
            self.database.describe()
        );
        self.pass.stats.lock().diff_capped += 1;
        Ok(false)
    }

    /// The operation that brings the next rows, and the last one's id.
    async fn rows_after(&self, point: i64) -> Result<Option<(Bytes, i64)>, PushError> {
        let (per_diff, id) = (self.pass.config().per_diff, self.database.text("id").to_owned());
        let written = self.on_disk(move |broker| {
            let rows = broker.rows_since(point, per_diff)?;
            let Some(last) = rows.last().map(|(row_id, _)| *row_id) else { return Ok(None) };
            let sent =
                |(row_id, row): (i64, K::Record)| Sent { row_id: Some(row_id), row: K::Row::from(row) };
            let rows: Vec<Sent<K::Row>> = rows.into_iter().map(sent).collect();
            Ok(Some((serde_json::to_vec(&("merge_items", rows, id)), last)))
        });
        Ok(match written.await? {
            Some((operation, last)) => Some((operation?.into(), last)),
            None => None,
        })
    }

    async fn send_syncs(&self, remote_id: &str, point: i64, syncs: &[SyncPoint]) -> Result<bool, PushError> {
        let as_json = |sync: &SyncPoint| json!({"remote_id": sync.remote_id, "sync_point": sync.sync_point});
        let syncs: Vec<Value> = syncs.iter().map(as_json).collect();
        let operation = json!(["merge_syncs", syncs]).to_string();
        if !self.peer.call(operation.into()).await.is_some_and(|answer| answer.is_success()) {
            return Ok(false);
        }
        self.note(remote_id, point).await?;
        Ok(true)
    }

    /// Notes up to which row the peer has ours.
    async fn note(&self, remote_id: &str, sync_point: i64) -> Result<(), PushError> {
        let reached = SyncPoint { remote_id: remote_id.to_owned(), sync_point };
        self.on_disk(move |broker| broker.merge_sync_points(&[reached], Direction::Outgoing)).await
    }

    /// Runs `job` on the database's disk.
    pub async fn on_disk<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Broker<K>) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, PushError> {
        self.pass.on_disk(&self.database.at, job).await
    }

    /// The peer's device.
    pub fn device(&self) -> &Device {
        self.peer.device
    }
}
