//! POST: new metadata for an object, whose bytes stay.

use super::super::checks::{check_metadata, integer};
use super::super::container_row::container_row;
use super::super::container_update::UpdateContext;
use super::super::expirer_queue::DeleteAtChange;
use super::super::placement::{Placement, next_part_power, opens_expired, timestamp};
use super::super::server::ObjectServer;
use super::super::stored_headers::{AllowedHeaders, is_sys_meta};
use super::{job_failed, open_failed, write_failed};
use crate::http::{Headers, Method, Request, Response};
use bytes::Bytes;
use std::sync::Arc;
use swiftlet_storage::object::{Change, Metadata, ObjectState, ObjectStore, OpenOptions};
use swiftlet_types::Timestamp;

impl ObjectServer {
    pub(in super::super) async fn post(&self, request: Request) -> Result<Response, Response> {
        let placement = Placement::of(&request, &self.policies)?;
        let now = timestamp(&request.headers)?;
        let new_delete_at = self.check_post(&request.headers, now)?;
        let context = UpdateContext::of(&request);
        let posting = Posting {
            placement: placement.clone(),
            now,
            content_type: ContentType::requested(&request.headers, now)?,
            headers: request.headers,
            allowed: self.config.allowed_headers.clone(),
        };
        let store = self.store.clone();
        let outcome = self.pools.run(&placement.device, move || posting.run(&store));
        let Outcome { state, row, content_type, is_newer, change } = outcome.await.map_err(job_failed)??;
        if is_newer {
            let old = state.metadata.get("X-Delete-At").and_then(|value| integer(value)).unwrap_or(0);
            let change = DeleteAtChange { old, new: new_delete_at, object_bytes: state.size };
            let data_time = state.data_timestamp.internal();
            self.update_expirer_queue(&context, &placement, &now.internal(), Some(&data_time), change).await;
        }
        self.update_container(Method::Put, &context, &placement, row, change).await;
        let mut answer = Response::standard(202);
        answer.headers.set("X-Backend-Content-Type", content_type);
        for (name, value) in state.metadata.iter().filter(|(name, _)| is_sys_meta(name)) {
            answer.headers.set(name.clone(), value.clone());
        }
        Ok(answer)
    }

    /// Checks what the request asks for; the new time of deletion, or 0.
    fn check_post(&self, headers: &Headers, now: Timestamp) -> Result<i64, Response> {
        let delete_at = match headers.get("X-Delete-At") {
            None | Some(b"") => 0,
            Some(value) => integer(value).ok_or_else(|| Response::plain(400, "Non-integer X-Delete-At"))?,
        };
        // in whole seconds: due in the second that has begun is past, unless it is that second exactly
        let now_seconds = now.ticks().div_ceil(100_000) as i64;
        if delete_at != 0 && delete_at < now_seconds {
            return Err(Response::plain(400, "X-Delete-At in past"));
        }
        check_metadata(headers, &self.constraints)?;
        Ok(delete_at)
    }
}

/// A content type and when it was set.
#[derive(Clone)]
struct ContentType {
    value: Bytes,
    set_at: Timestamp,
}

impl ContentType {
    /// The one that the request sets; one of time zero where it sets none.
    fn requested(headers: &Headers, now: Timestamp) -> Result<Self, Response> {
        let value = Bytes::copy_from_slice(headers.get("Content-Type").unwrap_or_default());
        let set_at = match headers.get_str("Content-Type-Timestamp") {
            _ if value.is_empty() => Timestamp::ZERO,
            None => now,
            Some(text) => text.parse().map_err(|e| Response::plain(400, format!("{e}")))?,
        };
        Ok(Self { value, set_at })
    }

    fn add_to(&self, metadata: &mut Metadata) {
        metadata.set("Content-Type", self.value.clone());
        metadata.set("Content-Type-Timestamp", self.set_at.internal());
    }
}

/// One POST, within its job.
struct Posting {
    placement: Placement,
    now: Timestamp,
    content_type: ContentType,
    headers: Headers,
    allowed: AllowedHeaders,
}

struct Outcome {
    state: ObjectState,
    row: Headers,
    content_type: Bytes,
    /// Whether its metadata is newer than the object's (otherwise only its content type is).
    is_newer: bool,
    change: Change,
}

impl Posting {
    fn run(&self, store: &Arc<ObjectStore>) -> Result<Outcome, Response> {
        let at = self.placement.locate(store).map_err(|_| self.placement.insufficient_storage())?;
        let options = OpenOptions { now: self.now, open_expired: opens_expired(&self.headers) };
        let opened = store.open(&at, options).map_err(|error| open_failed(&self.placement, error))?;
        let state = opened.state;
        let is_newer = self.now > state.timestamp;
        let sets_type = self.content_type.set_at > state.content_type_timestamp;
        if !is_newer && !sets_type {
            let mut answer = Response::standard(409);
            answer.headers.set("X-Backend-Timestamp", state.timestamp.internal());
            return Err(answer);
        }
        let mut metadata = self.new_metadata(&state, is_newer);
        let content_type = match sets_type {
            true => self.content_type.clone(),
            false => ContentType {
                value: state.metadata.get("Content-Type").cloned().unwrap_or_default(),
                set_at: state.content_type_timestamp,
            },
        };
        if sets_type || content_type.set_at != state.data_timestamp {
            content_type.add_to(&mut metadata);
        }
        let meta_timestamp = metadata.get("X-Timestamp").cloned().unwrap_or_default();
        let row = container_row(&state, meta_timestamp, &content_type.value, content_type.set_at);
        let change = store
            .write_post(&at, metadata, next_part_power(&self.headers))
            .map_err(|error| write_failed(&self.placement.device, error))?;
        Ok(Outcome { state, row, content_type: content_type.value, is_newer, change })
    }

    fn new_metadata(&self, state: &ObjectState, is_newer: bool) -> Metadata {
        match &state.post_metadata {
            Some(kept) if !is_newer => kept.clone(),
            _ => {
                let time = if is_newer { self.now } else { state.timestamp };
                let mut metadata = Metadata::new();
                metadata.set("X-Timestamp", time.internal());
                if is_newer {
                    self.allowed.keep_post(&self.headers, &mut metadata);
                }
                metadata
            }
        }
    }
}
