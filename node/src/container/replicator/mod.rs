//! What is the containers' own in replicating databases (`database::replicator`): storage policies, shard ranges, the
//! list of containers that are synced elsewhere, and the queue of the reconciler (`misplaced`).

mod misplaced;

use crate::database::replicate::{RemoteInfo, Replicated, merge_times, text_of};
use crate::database::replicator::{Database, PassContext, Replica};
use misplaced::{Queue, is_of_queue};
use serde_json::{Map, Value};
use swiftlet_storage::db::{Broker, Container, DbError};
use swiftlet_types::{HashConf, PathHash, Timestamp};

impl Replica for Container {
    const DAEMON: &'static str = "container-replicator";
    const SERVER: &'static str = "container";
    const DEFAULT_PORT: u16 = 6201;
    const HAS_SHARDS: bool = true;
    type Queue = Queue;

    fn path_hash(info: &Map<String, Value>, hash: &HashConf) -> PathHash {
        hash.container(text_of(info, "account"), text_of(info, "container"))
    }

    fn is_reclaimable(broker: &Broker<Self>, age: Timestamp) -> Result<bool, DbError> {
        broker.is_reclaimable(age)
    }

    /// Whether the account knows of the deletion.
    fn is_reported(info: &Map<String, Value>) -> bool {
        let pairs = [
            ("reported_put_timestamp", "put_timestamp"),
            ("reported_delete_timestamp", "delete_timestamp"),
            ("reported_bytes_used", "bytes_used"),
            ("reported_object_count", "count"),
        ];
        pairs.iter().all(|(reported, now)| info.get(*reported) == info.get(*now))
    }

    fn policy_arguments(info: &Map<String, Value>) -> Vec<Value> {
        let told = ["status_changed_at", "count", "storage_policy_index"];
        told.iter().map(|name| info.get(*name).cloned().unwrap_or(Value::Null)).collect()
    }

    fn learn(broker: &Broker<Self>, info: &Map<String, Value>, remote: &RemoteInfo) -> Result<(), DbError> {
        Self::take_policy(broker, info, remote)?;
        merge_times(broker, info, remote)
    }

    fn keeps_rows(broker: &Broker<Self>) -> Result<bool, DbError> {
        broker.sharding_initiated()
    }

    fn why_it_stays(broker: &Broker<Self>) -> Result<Option<String>, DbError> {
        let state = broker.db_state()?.name();
        Ok(broker.sharding_required()?.then(|| format!("requires sharding, state {state}")))
    }

    fn after_pushes(
        context: &PassContext<Self>,
        broker: &Broker<Self>,
        info: &Map<String, Value>,
        outcomes: &[bool],
    ) -> Result<(), DbError> {
        if is_of_queue(info) {
            return Ok(());
        }
        if let Err(error) = broker.update_sync_store() {
            tracing::error!(%error, "Failed to update sync_store");
        }
        misplaced::tell(context, broker, info, outcomes)
    }

    fn written(queue: &Queue) -> Vec<Database> {
        queue.databases()
    }

    fn is_removed_last(info: &Map<String, Value>) -> bool {
        is_of_queue(info)
    }

    fn before_removal(broker: &Broker<Self>) -> Result<(), DbError> {
        broker.remove_from_sync_store()
    }
}
