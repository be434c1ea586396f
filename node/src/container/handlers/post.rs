//! POST: updates a container's metadata.

use super::change::{broker_for_change, check_sync_to, update_metadata};
use crate::container::headers::KEPT;
use crate::container::state::{Job, State};
use crate::database::Target;
use crate::database::answer::of_error;
use crate::database::target::{Depth, says_yes, timestamp};
use crate::http::{Request, Response};
use std::sync::Arc;

pub(in crate::container) fn post(request: Request, state: Arc<State>) -> Result<Job, Response> {
    let target = Target::of(&request, Depth::Container)?;
    let timestamp = timestamp(&request.headers)?;
    let updates = KEPT.entries(&request.headers, timestamp)?;
    let keeps_timestamp = says_yes(&request.headers, "X-Backend-No-Timestamp-Update");
    let device = target.device.clone();
    let work = move || {
        check_sync_to(&updates, &state)?;
        let broker = broker_for_change(&target, &state)?;
        if broker.is_deleted().map_err(of_error)? {
            return Err(Response::standard(404));
        }
        if !keeps_timestamp {
            broker.update_put_timestamp(timestamp).map_err(of_error)?;
        }
        update_metadata(&broker, updates, &state)?;
        Ok(Response::standard(204).into())
    };
    Ok(Job { device, work: Box::new(work) })
}
