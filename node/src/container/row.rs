//! Rows of objects as sharders, proxies and replicators send them.

use serde::{Deserialize, Serialize};
use swiftlet_storage::db::ObjectRecord;

/// A row as senders put it in JSON.
#[derive(Deserialize, Serialize)]
pub struct Row {
    name: String,
    created_at: String,
    size: i64,
    content_type: String,
    etag: String,
    deleted: i64,
    #[serde(default)]
    storage_policy_index: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ctype_timestamp: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    meta_timestamp: Option<String>,
}

impl From<ObjectRecord> for Row {
    fn from(record: ObjectRecord) -> Self {
        Self {
            name: record.name,
            created_at: record.created_at,
            size: record.size,
            content_type: record.content_type,
            etag: record.etag,
            deleted: i64::from(record.deleted),
            storage_policy_index: record.storage_policy_index,
            ctype_timestamp: record.content_type_timestamp,
            meta_timestamp: record.meta_timestamp,
        }
    }
}

impl From<Row> for ObjectRecord {
    fn from(row: Row) -> Self {
        Self {
            name: row.name,
            created_at: row.created_at,
            size: row.size,
            content_type: row.content_type,
            etag: row.etag,
            deleted: row.deleted != 0,
            storage_policy_index: row.storage_policy_index,
            content_type_timestamp: row.ctype_timestamp,
            meta_timestamp: row.meta_timestamp,
        }
    }
}
