//! POST: updates an account's metadata.

use super::of_deleted;
use crate::account::headers::KEPT;
use crate::account::state::{Job, State};
use crate::database::Target;
use crate::database::answer::of_error;
use crate::database::metadata::limits;
use crate::database::target::{Depth, timestamp};
use crate::http::{Request, Response};
use std::sync::Arc;
use swiftlet_storage::db::BrokerOptions;

pub(in crate::account) fn post(request: Request, state: Arc<State>) -> Result<Job, Response> {
    let target = Target::of(&request, Depth::Account)?;
    let updates = KEPT.entries(&request.headers, timestamp(&request.headers)?)?;
    let device = target.device.clone();
    let work = move || {
        let path = state.store.device_with_room(&target.device)?;
        let broker = state.store.account(path, &target.partition, &target.account, BrokerOptions::default());
        if broker.is_deleted().map_err(of_error)? {
            return of_deleted(&broker, Response::standard(404));
        }
        broker.update_metadata(updates, Some(limits(&state.swift.constraints))).map_err(of_error)?;
        Ok(Response::standard(204))
    };
    Ok(Job { device, work: Box::new(work) })
}
