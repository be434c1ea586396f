//! UPDATE: merges many object rows at once.

use super::change::{auto_creates, broker_for_change, ensure_exists};
use crate::container::headers::requested_policy;
use crate::container::row::Row;
use crate::container::state::{Job, State};
use crate::database::Target;
use crate::database::answer::of_error;
use crate::database::body::read_body;
use crate::database::target::{Depth, timestamp};
use crate::http::{Request, Response};
use std::sync::Arc;
use swiftlet_storage::db::ObjectRecord;

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
