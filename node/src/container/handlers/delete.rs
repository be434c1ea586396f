//! DELETE: marks an empty container deleted; with an object's name it takes that object's tombstone in.

use super::change::{auto_creates, ensure_exists, update_sync_store};
use super::redirect::Redirect;
use crate::container::account_update::AccountServers;
use crate::container::headers::requested_policy;
use crate::container::state::{Done, Job, State};
use crate::database::Target;
use crate::database::answer::of_error;
use crate::database::target::{Depth, timestamp};
use crate::http::{Request, Response};
use std::sync::Arc;
use swiftlet_storage::db::{BrokerOptions, ContainerBroker, ObjectRecord};
use swiftlet_types::Timestamp;

pub(in crate::container) fn delete(request: Request, state: Arc<State>) -> Result<Job, Response> {
    let mut target = Target::of(&request, Depth::ContainerOrObject)?;
    let timestamp = timestamp(&request.headers)?;
    if let Some(object) = target.object.take() {
        return delete_object(&request, target, object, timestamp, state);
    }
    let servers = AccountServers::of(&request)?;
    let device = target.device.clone();
    let work = move || {
        let broker = broker(&target, &state)?;
        if !broker.exists().map_err(of_error)? {
            return Err(Response::standard(404));
        }
        if !broker.is_empty().map_err(of_error)? {
            return Err(Response::standard(409));
        }
        let info = broker.info().map_err(of_error)?;
        let was_put = info.put_timestamp.parse::<Timestamp>().is_ok_and(|put| put > Timestamp::ZERO);
        let existed = was_put && !info.is_deleted();
        broker.delete_db(timestamp).map_err(of_error)?;
        let info = broker.info().map_err(of_error)?;
        if !info.is_deleted() {
            return Err(Response::standard(409));
        }
        update_sync_store(&broker);
        let answer = Response::standard(if existed { 204 } else { 404 });
        Ok(Done { answer, account_update: Some(servers.report(info)) })
    };
    Ok(Job { device, work: Box::new(work) })
}

/// A full device still takes deletions.
fn broker(target: &Target, state: &State) -> Result<ContainerBroker, Response> {
    let path = state.store.device(&target.device)?;
    let (account, container) = (&target.account, target.container());
    Ok(state.store.container(path, &target.partition, account, container, BrokerOptions::default()))
}

fn delete_object(
    request: &Request,
    target: Target,
    object: String,
    timestamp: Timestamp,
    state: Arc<State>,
) -> Result<Job, Response> {
    let policy = requested_policy(&request.headers, &state.swift.policies)?.unwrap_or(0);
    let auto_create = auto_creates(&target, &request.headers, &state);
    let redirect = Redirect::of(&request.headers);
    let device = target.device.clone();
    let work = move || {
        let broker = broker(&target, &state)?;
        ensure_exists(&broker, auto_create, timestamp, Some(policy))?;
        if let Some(elsewhere) = redirect.to_shard(&broker, &object)? {
            return Ok(elsewhere.into());
        }
        broker.put_object(ObjectRecord::tombstone(object, timestamp, policy)).map_err(of_error)?;
        Ok(Response::standard(204).into())
    };
    Ok(Job { device, work: Box::new(work) })
}
