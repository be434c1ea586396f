//! UPDATE: merges many object rows at once.

use super::MAX_BODY_BYTES;
use super::change::{auto_creates, broker_for_change, ensure_exists};
use crate::container::headers::requested_policy;
use crate::container::server::{Job, State};
use crate::database::Target;
use crate::database::answer::of_error;
use crate::database::target::{Depth, timestamp};
use crate::http::{BodyError, Request, Response};
use bytes::Bytes;
use serde::Deserialize;
use std::sync::Arc;
use swiftlet_storage::db::ObjectRecord;

/// A row as senders put it in JSON.
#[derive(Deserialize)]
struct Row {
    name: String,
    created_at: String,
    size: i64,
    content_type: String,
    etag: String,
    deleted: i64,
    #[serde(default)]
    storage_policy_index: i64,
    #[serde(default)]
    ctype_timestamp: Option<String>,
    #[serde(default)]
    meta_timestamp: Option<String>,
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

pub(in crate::container) async fn update(request: &mut Request, state: Arc<State>) -> Result<Job, Response> {
    let target = Target::of(request, Depth::Container)?;
    let timestamp = timestamp(&request.headers)?;
    let policy = requested_policy(&request.headers, &state.swift.policies)?;
    let auto_create = auto_creates(&target, &request.headers, &state);
    let body = read_body(request).await?;
    let rows: Vec<Row> =
        serde_json::from_slice(&body).map_err(|error| Response::plain(400, error.to_string()))?;
    let device = target.device.clone();
    let work = move || {
        let broker = broker_for_change(&target, &state)?;
        ensure_exists(&broker, auto_create, timestamp, policy)?;
        broker.merge_records(rows.into_iter().map(ObjectRecord::from).collect()).map_err(of_error)?;
        Ok(Response::standard(202).into())
    };
    Ok(Job { device, work: Box::new(work) })
}

/// The whole body, within bounds.
pub(super) async fn read_body(request: &mut Request) -> Result<Bytes, Response> {
    request.body.read_all(MAX_BODY_BYTES).await.map_err(|error| match error {
        BodyError::TooLarge { .. } => Response::standard(413),
        BodyError::Timeout(_) => Response::standard(408),
        BodyError::Disconnected { .. } => Response::standard(499),
        _ => Response::standard(400),
    })
}
