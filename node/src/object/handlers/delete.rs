//! DELETE.

use super::super::checks::integer;
use super::super::container_update::UpdateContext;
use super::super::expirer_queue::DeleteAtChange;
use super::super::placement::{Placement, next_part_power, timestamp};
use super::super::server::ObjectServer;
use super::{job_failed, open_failed, write_failed};
use crate::http::{Headers, Method, Request, Response};
use bytes::Bytes;
use std::sync::Arc;
use swiftlet_storage::object::{Change, Metadata, ObjectStore, OpenError, OpenOptions};
use swiftlet_types::Timestamp;

impl ObjectServer {
    pub(in super::super) async fn delete(&self, request: Request) -> Result<Response, Response> {
        let placement = Placement::of(&request, &self.policies)?;
        let now = timestamp(&request.headers)?;
        let context = UpdateContext::of(&request);
        let deletion = Deletion {
            placement: placement.clone(),
            now,
            if_delete_at: if_delete_at(&request.headers)?,
            next_part_power: next_part_power(&request.headers),
        };
        let store = self.store.clone();
        let outcome = self.pools.run(&placement.device, move || deletion.run(&store));
        let outcome = outcome.await.map_err(job_failed)??;
        let change = DeleteAtChange { old: outcome.old_delete_at, new: 0, object_bytes: 0 };
        self.update_expirer_queue(&context, &placement, &now.internal(), None, change).await;
        if let Some(change) = outcome.deleted {
            let mut row = Headers::new();
            row.set("X-Timestamp", now.internal());
            self.update_container(Method::Delete, &context, &placement, row, change).await;
        }
        let mut answer = Response::standard(outcome.status);
        answer.headers.set("X-Backend-Timestamp", outcome.timestamp.internal());
        answer.headers.set("X-Backend-Content-Type", outcome.content_type);
        Ok(answer)
    }
}

/// The expirer deletes only what still has the time of deletion that it knows.
fn if_delete_at(headers: &Headers) -> Result<Option<Timestamp>, Response> {
    let Some(value) = headers.get("X-If-Delete-At") else { return Ok(None) };
    let parsed = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    parsed.map(Some).ok_or_else(|| Response::html(400, "Bad X-If-Delete-At header value"))
}

/// One deletion, within its job.
struct Deletion {
    placement: Placement,
    now: Timestamp,
    if_delete_at: Option<Timestamp>,
    next_part_power: Option<u32>,
}

struct Outcome {
    status: u16,
    /// The tombstone, if one was written.
    deleted: Option<Change>,
    /// Of the newest state.
    timestamp: Timestamp,
    /// Of the object that was there.
    content_type: Bytes,
    old_delete_at: i64,
}

/// What was there before.
struct Before {
    timestamp: Timestamp,
    metadata: Metadata,
    is_live: bool,
}

impl Deletion {
    fn run(&self, store: &Arc<ObjectStore>) -> Result<Outcome, Response> {
        let at = self.placement.locate(store).map_err(|_| self.placement.insufficient_storage())?;
        let before = match store.open(&at, OpenOptions { now: self.now, open_expired: false }) {
            Ok(opened) => {
                let state = opened.state;
                Before { timestamp: state.data_timestamp, metadata: state.metadata, is_live: true }
            }
            Err(OpenError::Expired { timestamp, metadata }) => Before { timestamp, metadata, is_live: false },
            Err(OpenError::Deleted { timestamp }) => {
                Before { timestamp, metadata: Metadata::new(), is_live: false }
            }
            Err(OpenError::NotFound | OpenError::Quarantined { .. }) => {
                Before { timestamp: Timestamp::ZERO, metadata: Metadata::new(), is_live: false }
            }
            Err(error) => return Err(open_failed(&self.placement, error)),
        };
        let newer = before.timestamp < self.now;
        let old_delete_at = before.metadata.get("X-Delete-At").and_then(|value| integer(value)).unwrap_or(0);
        let mut status = match (before.is_live, newer) {
            (false, _) => 404,
            (true, true) => 204,
            (true, false) => 409,
        };
        if let Some(expected) = self.if_delete_at {
            self.check_expected(&before, expected, old_delete_at)?;
            status = 204;
        }
        let deleted = newer.then(|| store.delete(&at, self.now, self.next_part_power)).transpose();
        let deleted = deleted.map_err(|error| write_failed(&self.placement.device, error))?;
        Ok(Outcome {
            status,
            deleted,
            timestamp: before.timestamp.max(self.now),
            content_type: before.metadata.get("Content-Type").cloned().unwrap_or_default(),
            old_delete_at,
        })
    }

    fn check_expected(
        &self,
        before: &Before,
        expected: Timestamp,
        old_delete_at: i64,
    ) -> Result<(), Response> {
        if before.timestamp == Timestamp::ZERO {
            return Err(Response::standard(404));
        }
        if before.timestamp >= self.now {
            return Err(Response::standard(409));
        }
        let old = u64::try_from(old_delete_at)
            .ok()
            .and_then(|s| s.checked_mul(100_000))
            .and_then(Timestamp::from_ticks);
        if old != Some(expected) {
            return Err(Response::html(412, "X-If-Delete-At and X-Delete-At do not match"));
        }
        Ok(())
    }
}
