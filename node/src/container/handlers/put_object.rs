//! PUT of an object: its row is taken in.

use super::change::{auto_creates, broker_for_change, ensure_exists};
use super::redirect::Redirect;
use crate::container::headers::requested_policy;
use crate::container::state::{Job, State};
use crate::database::Target;
use crate::database::answer::of_error;
use crate::database::target::required;
use crate::http::{Headers, Request, Response};
use std::sync::Arc;
use swiftlet_storage::db::ObjectRecord;
use swiftlet_types::Timestamp;

pub(super) fn put_object(
    request: &Request,
    target: Target,
    object: String,
    timestamp: Timestamp,
    state: Arc<State>,
) -> Result<Job, Response> {
    let headers = &request.headers;
    let policy = requested_policy(headers, &state.swift.policies)?.unwrap_or(0);
    let record = ObjectRecord {
        name: object,
        created_at: timestamp.internal(),
        size: required(headers, "X-Size")?,
        content_type: required(headers, "X-Content-Type")?,
        etag: required(headers, "X-Etag")?,
        deleted: false,
        storage_policy_index: policy,
        content_type_timestamp: optional(headers, "X-Content-Type-Timestamp")?,
        meta_timestamp: optional(headers, "X-Meta-Timestamp")?,
    };
    let auto_create = auto_creates(&target, headers, &state);
    let redirect = Redirect::of(headers);
    let device = target.device.clone();
    let work = move || {
        let broker = broker_for_change(&target, &state)?;
        ensure_exists(&broker, auto_create, timestamp, Some(policy))?;
        if let Some(elsewhere) = redirect.to_shard(&broker, &record.name)? {
            return Ok(elsewhere.into());
        }
        broker.put_object(record).map_err(of_error)?;
        Ok(Response::standard(201).into())
    };
    Ok(Job { device, work: Box::new(work) })
}

/// A timestamp that a header may give.
fn optional(headers: &Headers, name: &str) -> Result<Option<String>, Response> {
    match headers.contains(name) {
        true => Ok(Some(required::<Timestamp>(headers, name)?.internal())),
        false => Ok(None),
    }
}
