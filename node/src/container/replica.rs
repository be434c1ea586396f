//! Container databases as replicators see them.

use super::policy_choice::{Standing, is_remote_right};
use super::row::Row;
use crate::database::Outcome;
use crate::database::answer::{of_error, refuse};
use crate::database::replicate::{RemoteInfo, Replicated};
use crate::http::Response;
use serde_json::{Map, Value};
use swiftlet_storage::db::{Broker, Container, ContainerInfo, DbError, ShardQuery, ShardRange};
use swiftlet_types::Timestamp;

impl Replicated for Container {
    type Row = Row;

    fn facts(broker: &Broker<Self>) -> Result<Map<String, Value>, DbError> {
        let info: ContainerInfo = broker.info()?;
        let facts: [(&str, Value); 20] = [
            ("account", info.account.into()),
            ("container", info.container.into()),
            ("created_at", info.created_at.into()),
            ("put_timestamp", info.put_timestamp.into()),
            ("delete_timestamp", info.delete_timestamp.into()),
            ("status", info.status.into()),
            ("status_changed_at", info.status_changed_at.into()),
            ("bytes_used", info.bytes_used.into()),
            ("reported_put_timestamp", info.reported_put_timestamp.into()),
            ("reported_delete_timestamp", info.reported_delete_timestamp.into()),
            ("reported_object_count", info.reported_object_count.into()),
            ("reported_bytes_used", info.reported_bytes_used.into()),
            ("hash", info.hash.into()),
            ("id", info.id.into()),
            ("x_container_sync_point1", info.x_container_sync_point1.into()),
            ("x_container_sync_point2", info.x_container_sync_point2.into()),
            ("storage_policy_index", info.storage_policy_index.into()),
            ("db_state", info.db_state.name().into()),
            ("count", info.object_count.into()),
            ("shard_max_row", broker.max_row("shard_range")?.into()),
        ];
        Ok(facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn take_policy(
        broker: &Broker<Self>,
        ours: &Map<String, Value>,
        remote: &RemoteInfo,
    ) -> Result<bool, DbError> {
        let Some(policy) = &remote.policy else { return Ok(false) };
        let number = |name: &str| ours.get(name).and_then(Value::as_i64).unwrap_or_default();
        let time =
            |name: &str| ours.get(name).and_then(|v| v.as_str()?.parse().ok()).unwrap_or(Timestamp::ZERO);
        let theirs = i64::from(policy.storage_policy_index);
        if number("storage_policy_index") == theirs {
            return Ok(false);
        }
        let own = Standing {
            put_timestamp: time("put_timestamp"),
            delete_timestamp: time("delete_timestamp"),
            status_changed_at: time("status_changed_at"),
            object_count: number("count"),
        };
        let other = Standing {
            put_timestamp: remote.put_timestamp,
            delete_timestamp: remote.delete_timestamp,
            status_changed_at: policy.status_changed_at,
            object_count: policy.object_count,
        };
        let takes_theirs = is_remote_right(&own, &other);
        if takes_theirs {
            broker.set_storage_policy_index(theirs, Timestamp::now())?;
        }
        Ok(takes_theirs)
    }

    fn merge_shard_ranges(broker: &Broker<Self>, sent: &[Value]) -> Option<Outcome> {
        let parsed: Result<Vec<ShardRange>, String> = sent.iter().map(ShardRange::from_json).collect();
        Some(match parsed {
            Err(why) => Err(refuse(400, format!("Invalid shard range: {why}"))),
            Ok(ranges) => broker
                .merge_replicated_shard_ranges(ranges)
                .map(|()| Response::standard(202))
                .map_err(of_error),
        })
    }

    fn shard_ranges(broker: &Broker<Self>) -> Option<Result<Vec<Value>, DbError>> {
        let all = ShardQuery { include_deleted: true, include_own: true, ..ShardQuery::default() };
        Some(broker.shard_ranges(&all).map(|ranges| ranges.iter().map(ShardRange::to_json).collect()))
    }
}
