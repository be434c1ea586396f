//! Account databases as replicators see them.

use crate::database::replicate::Replicated;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use swiftlet_storage::db::{Account, Broker, ContainerRecord, DbError};

impl Replicated for Account {
    type Row = Row;

    fn facts(broker: &Broker<Self>) -> Result<Map<String, Value>, DbError> {
        let info = broker.info()?;
        let facts: [(&str, Value); 10] = [
            ("account", info.account.into()),
            ("created_at", info.created_at.into()),
            ("put_timestamp", info.put_timestamp.into()),
            ("delete_timestamp", info.delete_timestamp.into()),
            ("status_changed_at", info.status_changed_at.into()),
            ("object_count", info.object_count.into()),
            ("bytes_used", info.bytes_used.into()),
            ("hash", info.hash.into()),
            ("id", info.id.into()),
            ("count", info.container_count.into()),
        ];
        Ok(facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

/// A container's row as replicators send it. Rows of old databases have nulls.
#[derive(Deserialize, Serialize)]
pub struct Row {
    name: String,
    #[serde(deserialize_with = "or_default")]
    put_timestamp: String,
    #[serde(deserialize_with = "or_default")]
    delete_timestamp: String,
    #[serde(deserialize_with = "or_default")]
    object_count: i64,
    #[serde(deserialize_with = "or_default")]
    bytes_used: i64,
    #[serde(deserialize_with = "or_default")]
    deleted: i64,
    #[serde(default, deserialize_with = "or_default")]
    storage_policy_index: i64,
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl From<ContainerRecord> for Row {
    fn from(record: ContainerRecord) -> Self {
        Self {
            name: record.name,
            put_timestamp: record.put_timestamp,
            delete_timestamp: record.delete_timestamp,
            object_count: record.object_count,
            bytes_used: record.bytes_used,
            deleted: i64::from(record.deleted),
            storage_policy_index: record.storage_policy_index,
        }
    }
}

impl From<Row> for ContainerRecord {
    fn from(row: Row) -> Self {
        Self {
            name: row.name,
            put_timestamp: row.put_timestamp,
            delete_timestamp: row.delete_timestamp,
            object_count: row.object_count,
            bytes_used: row.bytes_used,
            deleted: row.deleted != 0,
            storage_policy_index: row.storage_policy_index,
        }
    }
}
